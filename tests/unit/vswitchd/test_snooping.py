"""Multicast snooping, with frames through the whole switch in memory."""

import pytest

from appctl.unixctl import CommandError
from datapath.actions import Actions
from tests.kit.group_messages import (
    LEAVE,
    MLD2_REPORT,
    MLD_DONE,
    TO_EXCLUDE,
    TO_INCLUDE,
    V3_REPORT,
    data,
    frame4,
    frame6,
    igmp,
    mld,
    query4,
    query6,
    report4,
    report6,
)
from tests.kit.switch import Rows, Switch
from vswitchd.control import mdb, trace

A, B, C = 0x0200_0000_000A, 0x0200_0000_000B, 0x0200_0000_000C
GROUP, GROUP6 = "239.1.1.1", "ff05::101"
COMMANDS = {name: handler for name, _, _, _, handler in mdb.COMMANDS}
EVERYONE = {"p2", "p3", "p4", "br0"}


@pytest.fixture
def switch() -> Switch:
    rows = Rows()
    rows.add_bridge("br0", mcast_snooping_enable=True)
    for name in ("p1", "p2", "p3", "p4"):
        rows.add_port("br0", name)
    made = Switch(rows)
    made.reconcile()
    return made


def show(switch: Switch) -> list[list[str]]:
    text = COMMANDS["mdb/show"](switch.reconciler, ["br0"])
    return [line.split()[:3] for line in text.splitlines()[1:]]


def trace_of(switch: Switch, *words: str) -> str:
    handler = next(handler for name, _, _, _, handler in trace.COMMANDS if name == "ofproto/trace")
    return handler(switch.reconciler, ["br0", *words])


def configure(switch: Switch, table: str, name: str, **settings: str) -> None:
    renamed = {key.replace("_", "-"): value for key, value in settings.items()}
    switch.rows.set(table, switch.rows.find(table, name), other_config=renamed)  # type: ignore[arg-type]
    switch.reconcile()


def flows(switch: Switch) -> list[Actions]:
    return [flow.actions for flow in switch.datapath.flows()]


@pytest.mark.parametrize(("group", "join"), [(GROUP, report4(B, GROUP)), (GROUP6, report6(B, GROUP6))])
def test_a_group_goes_to_who_joined_it_once_somebody_did(switch: Switch, group: str, join: bytes) -> None:
    assert set(switch.send("p1", data(A, group))) == EVERYONE
    assert switch.send("p2", join) == {}
    assert show(switch) == [["2", "0", group]]
    assert set(switch.send("p1", data(A, group))) == {"p2"}
    assert switch.serve() == 0  # the flow that was there changed with the membership


def test_reports_are_decided_one_by_one(switch: Switch) -> None:
    for _ in range(3):
        switch.send("p2", report4(B, GROUP))
    assert flows(switch) == []


def test_a_router_gets_groups_and_reports(switch: Switch) -> None:
    assert set(switch.send("p3", query4(C))) == {"p1", "p2", "p4", "br0"}
    assert show(switch) == [["3", "0", "querier"]]
    assert set(switch.send("p2", report4(B, GROUP))) == {"p3"}
    assert set(switch.send("p1", data(A, GROUP))) == {"p2", "p3"}


def test_mld_has_routers_too(switch: Switch) -> None:
    switch.send("p3", query6(C))
    assert set(switch.send("p2", report6(B, GROUP6))) == {"p3"}
    assert set(switch.send("p2", report6(B, GROUP6, MLD_DONE))) == {"p3"}
    assert show(switch) == [["3", "0", "querier"]]


def test_a_question_without_a_source_makes_no_router(switch: Switch) -> None:
    switch.send("p3", query4(C, source="0.0.0.0"))
    assert show(switch) == []


def test_other_messages_of_routers_make_none(switch: Switch) -> None:
    assert set(switch.send("p3", frame4(C, "224.0.0.13", igmp(0x13)))) == {"p1", "p2", "p4", "br0"}
    assert show(switch) == []


@pytest.mark.parametrize(
    "leave",
    [report4(B, GROUP, LEAVE), frame4(B, "224.0.0.22", igmp(V3_REPORT, records=[(TO_INCLUDE, GROUP, ())]))],
)
def test_who_leaves_gets_the_group_no_longer(switch: Switch, leave: bytes) -> None:
    switch.send("p2", report4(B, GROUP))
    switch.send("p3", report4(C, GROUP))
    switch.send("p2", leave)
    assert set(switch.send("p1", data(A, GROUP))) == {"p3"}


def test_reports_of_several_groups_at_once(switch: Switch) -> None:
    records = [
        (TO_EXCLUDE, GROUP, ()),
        (TO_INCLUDE, "239.1.1.2", ("10.0.0.1",)),
        (TO_INCLUDE, "239.1.1.3", ()),
    ]
    switch.send("p2", frame4(B, "224.0.0.22", igmp(V3_REPORT, records=records)))
    body = mld(MLD2_REPORT, "fe80::1", "ff02::16", records=[(TO_EXCLUDE, GROUP6, ("2001:db8::1",))])
    switch.send("p3", frame6(C, "ff02::16", body))
    assert show(switch) == [["2", "0", GROUP], ["2", "0", "239.1.1.2"], ["3", "0", GROUP6]]


def test_a_report_with_a_wrong_checksum_joins_nothing(switch: Switch) -> None:
    frame = bytearray(report4(B, GROUP))
    frame[-6] ^= 1
    switch.send("p2", bytes(frame))
    assert show(switch) == []


@pytest.mark.parametrize("group", ["224.0.0.251", "ff02::1"])
def test_groups_of_the_link_go_everywhere(switch: Switch, group: str) -> None:
    configure(switch, "Bridge", "br0", mcast_snooping_disable_flood_unregistered="true")
    assert set(switch.send("p1", data(A, group))) == EVERYONE


def test_unregistered_groups_go_to_routers_alone_if_so_configured(switch: Switch) -> None:
    configure(switch, "Bridge", "br0", mcast_snooping_disable_flood_unregistered="true")
    assert switch.send("p1", data(A, GROUP)) == {}
    switch.send("p3", query4(C))
    assert set(switch.send("p1", data(A, GROUP))) == {"p3"}


def test_a_flood_port_gets_all_groups_once_and_is_not_learned_from(switch: Switch) -> None:
    configure(switch, "Port", "p4", mcast_snooping_flood="true")
    switch.send("p2", report4(B, GROUP))
    assert {port: len(frames) for port, frames in switch.send("p1", data(A, GROUP)).items()} == {
        "p2": 1,
        "p4": 1,
    }
    switch.send("p4", report4(C, "239.1.1.2"))
    assert show(switch) == [["2", "0", GROUP]]


def test_a_port_may_get_all_reports_and_leaves_by_silence(switch: Switch) -> None:
    configure(switch, "Port", "p4", mcast_snooping_flood_reports="true")
    assert set(switch.send("p2", report4(B, GROUP))) == {"p4"}
    switch.send("p4", report4(C, GROUP))
    switch.send("p4", report4(C, GROUP, LEAVE))
    assert ["4", "0", GROUP] in show(switch)


def test_members_and_routers_age(switch: Switch) -> None:
    switch.send("p2", report4(B, GROUP))
    switch.send("p3", query4(C))
    switch.now += 181
    switch.sweep()
    assert show(switch) == [["2", "0", GROUP]]
    switch.now += 120
    switch.sweep()
    assert show(switch) == []


def test_the_oldest_group_makes_room(switch: Switch) -> None:
    configure(switch, "Bridge", "br0", mcast_snooping_table_size="1")  # at least 10
    for n in range(11):
        switch.send("p2", report4(B, f"239.1.1.{n}"))
    assert [line[2] for line in show(switch)] == [f"239.1.1.{n}" for n in range(1, 11)]


def test_groups_are_per_vlan(switch: Switch) -> None:
    switch.rows.set("Port", switch.rows.find("Port", "p2"), tag=frozenset((5,)))
    switch.reconcile()
    switch.send("p2", report4(B, GROUP))
    assert show(switch) == [["2", "5", GROUP]]
    assert set(switch.send("p1", data(A, GROUP))) == {"p3", "p4", "br0"}


def test_a_port_that_goes_takes_its_groups_along(switch: Switch) -> None:
    switch.send("p2", report4(B, GROUP))
    switch.rows.delete_port("br0", "p2")
    switch.reconcile()
    assert show(switch) == []


def test_turning_it_on_and_off(switch: Switch) -> None:
    switch.send("p2", report4(B, GROUP))
    assert COMMANDS["mdb/flush"](switch.reconciler, []) == "table successfully flushed"
    assert show(switch) == []
    switch.rows.set("Bridge", switch.rows.find("Bridge", "br0"), mcast_snooping_enable=False)
    switch.reconcile()
    with pytest.raises(CommandError, match="multicast snooping is disabled"):
        COMMANDS["mdb/show"](switch.reconciler, ["br0"])
    assert set(switch.send("p1", report4(A, GROUP))) == EVERYONE
    assert len(flows(switch)) == 1
    switch.rows.set("Bridge", switch.rows.find("Bridge", "br0"), mcast_snooping_enable=True)
    switch.reconcile()
    assert flows(switch) == []


def test_a_trace_tells_what_is_decided_about_groups(switch: Switch) -> None:
    switch.send("p3", query4(C))
    text = trace_of(switch, "--names", "in_port=1", report4(A, GROUP).hex())
    assert "a report about groups: to routers" in text
    assert "Datapath actions: p3\n" in text
    assert "decided one by one" in text
    assert ["1", "0", GROUP] in show(switch)
    text = trace_of(switch, "in_port=2", data(B, GROUP).hex())
    assert "nw_dst=239.1.1.1" in text
    assert "to those that have joined the group, and to routers" in text
