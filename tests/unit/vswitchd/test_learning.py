"""What the switch remembers of stations when its configuration changes, and fdb/*."""

import pytest

from appctl.unixctl import CommandError
from tests.kit.switch import Rows, Switch, frame
from vswitchd.control import fdb

A, B = 0x0200_0000_000A, 0x0200_0000_000B
COMMANDS = {name: handler for name, _, _, _, handler in fdb.COMMANDS}


@pytest.fixture
def switch() -> Switch:
    rows = Rows()
    rows.add_bridge("br0")
    for name in ("p1", "p2", "p3"):
        rows.add_port("br0", name)
    made = Switch(rows)
    made.reconcile()
    return made


def known(switch: Switch) -> dict[int, str]:
    table = switch.reconciler.forwardings["dummy"].state.tables["br0"]
    return {mac: entry.port for _, mac, entry in table.entries()}


def ask(switch: Switch, command: str, *args: str) -> str:
    return COMMANDS[command](switch.reconciler, list(args))


@pytest.mark.parametrize(
    "columns", [{"tag": frozenset((5,))}, {"protected": True}, {"other_config": {"priority-tags": "always"}}]
)
def test_stations_behind_a_port_are_forgotten_when_its_vlans_change(
    switch: Switch, columns: dict[str, object]
) -> None:
    switch.send("p1", frame(A, B))
    switch.send("p2", frame(B, A))
    switch.rows.set("Port", switch.rows.find("Port", "p1"), **columns)  # type: ignore[arg-type]
    switch.reconcile()
    assert known(switch) == {B: "p2"}


def test_all_is_forgotten_when_flood_vlans_change_but_what_was_set(switch: Switch) -> None:
    switch.send("p1", frame(A, B))
    ask(switch, "fdb/add", "br0", "p2", "0", "02:00:00:00:00:0b")
    switch.rows.set("Bridge", switch.rows.find("Bridge", "br0"), flood_vlans=frozenset((9,)))
    switch.reconcile()
    assert known(switch) == {B: "p2"}


def test_a_static_entry_is_overridden_with_a_word_about_it(switch: Switch) -> None:
    assert ask(switch, "fdb/add", "br0", "p2", "0", "2:0:0:0:0:b") == ""
    assert ask(switch, "fdb/add", "br0", "p2", "0", "2:0:0:0:0:b") == ""
    assert ask(switch, "fdb/add", "br0", "p3", "0", "2:0:0:0:0:b").endswith("static entry on 2\n")
    assert known(switch) == {B: "p3"}


def test_only_static_entries_are_deleted(switch: Switch) -> None:
    switch.send("p1", frame(A, B))
    with pytest.raises(CommandError, match="could not find static mac entry"):
        ask(switch, "fdb/del", "br0", "0", "02:00:00:00:00:0a")
    ask(switch, "fdb/add", "br0", "p1", "0", "02:00:00:00:00:0a")
    ask(switch, "fdb/del", "br0", "0", "02:00:00:00:00:0a")
    assert known(switch) == {}


def test_addresses_that_a_smaller_table_has_no_room_for_count_as_expired(switch: Switch) -> None:
    for n in range(20):
        switch.send("p1", frame(A + 2 * n, B))
    switch.rows.set("Bridge", switch.rows.find("Bridge", "br0"), other_config={"mac-table-size": "3"})
    switch.reconcile()
    text = ask(switch, "fdb/stats-show", "br0")
    assert "in the table: 10/10\n" in text  # the least that is permitted
    assert "expired MAC entries     : 10\n" in text
    assert "evicted MAC entries     : 0\n" in text


def test_a_frame_to_its_own_sender_goes_nowhere(switch: Switch) -> None:
    assert switch.send("p1", frame(A, A)) == {}
    assert known(switch) == {A: "p1"}
