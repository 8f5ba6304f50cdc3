"""Mirror rows, and what they say of what they carried."""

from switching.mirror import Destination
from tests.kit.switch import Rows, Switch, frame
from vswitchd.config.read import read_config

A, B = 0x0200_0000_000A, 0x0200_0000_000B


def rows_of_three() -> Rows:
    rows = Rows()
    rows.add_bridge("br0")
    for name in ("p1", "p2", "p3"):
        rows.add_port("br0", name)
    return rows


def test_columns_are_read() -> None:
    rows = rows_of_three()
    rows.add_mirror(
        "br0",
        "m",
        select_src_port=frozenset(("p1",)),
        select_vlan=frozenset((5, 6)),
        output_port=frozenset(("p3",)),
        snaplen=frozenset((100,)),
    )
    (mirror,) = read_config(rows.tables).bridges[0].mirrors
    assert mirror.to == Destination("p3")
    assert (mirror.sources, mirror.destinations) == (frozenset(("p1",)), frozenset())
    assert (mirror.vlans, mirror.snaplen) == (frozenset((5, 6)), 100)


def test_a_mirror_that_cannot_work_is_left_out_with_a_warning() -> None:
    rows = rows_of_three()
    rows.add_bridge("br1")
    rows.add_mirror("br0", "none", select_all=True)
    rows.add_mirror("br1", "foreign", select_all=True, output_port=frozenset(("p3",)))
    rows.add_mirror("br0", "both", output_port=frozenset(("p3",)), output_vlan=frozenset((7,)))
    desired = read_config(rows.tables)
    assert [len(bridge.mirrors) for bridge in desired.bridges] == [1, 0]
    assert desired.warnings == (
        "bridge br0: mirror none is not used: it has no output",
        "bridge br0: mirror both has an output port, its output VLAN is not used",
        "bridge br1: mirror foreign is not used: its output port is not on the bridge",
    )


def test_ports_of_other_bridges_select_nothing() -> None:
    rows = rows_of_three()
    rows.add_bridge("br1")
    rows.add_port("br1", "q1")
    rows.add_mirror(
        "br0",
        "m",
        select_src_port=frozenset(("q1",)),
        output_vlan=frozenset((7,)),
        select_vlan=frozenset((3,)),
    )
    (mirror,) = read_config(rows.tables).bridges[0].mirrors
    assert (mirror.sources, mirror.to) == (frozenset(), Destination("", 7))


def test_at_most_32_mirrors_are_used() -> None:
    rows = rows_of_three()
    for number in range(33):
        rows.add_mirror("br0", f"m{number}", output_vlan=frozenset((7,)))
    desired = read_config(rows.tables)
    assert len(desired.bridges[0].mirrors) == 32
    assert desired.warnings == ("bridge br0: only 32 of 33 mirrors are used",)


def test_mirrored_packets_are_counted() -> None:
    rows = rows_of_three()
    rows.add_mirror("br0", "m", select_all=True, output_port=frozenset(("p3",)))
    switch = Switch(rows)
    switch.reconcile()
    sent = frame(A, B)
    assert set(switch.send("p1", sent)) == {"br0", "p2", "p3"}
    for _ in range(3):
        switch.send("p1", sent)
    switch.sweep()
    switch.reconcile(statistics=True)
    assert rows.get("Mirror", "m", "statistics") == {"tx_packets": 4, "tx_bytes": 4 * len(sent)}


def test_a_mirror_that_goes_lets_its_port_take_part_again() -> None:
    rows = rows_of_three()
    rows.add_mirror("br0", "m", select_src_port=frozenset(("p2",)), output_port=frozenset(("p3",)))
    switch = Switch(rows)
    switch.reconcile()
    assert set(switch.send("p1", frame(A, B))) == {"br0", "p2"}
    rows.set("Bridge", rows.find("Bridge", "br0"), mirrors=frozenset())
    switch.reconcile()
    assert set(switch.send("p1", frame(A, B))) == {"br0", "p2", "p3"}


def test_mirrors_reach_a_bond_by_its_active_member_and_take_what_its_members_receive() -> None:
    rows = rows_of_three()
    rows.add_bond("br0", "bond0", "m1", "m2")
    rows.add_mirror("br0", "out", select_src_port=frozenset(("p1",)), output_port=frozenset(("bond0",)))
    switch = Switch(rows)
    switch.reconcile()
    assert switch.send("p1", frame(A, B)).keys() == {"m1", "br0", "p2", "p3"}
    rows.set("Mirror", rows.find("Mirror", "out"), output_port=frozenset((rows.find("Port", "p3"),)))
    rows.set("Mirror", rows.find("Mirror", "out"), select_src_port=frozenset((rows.find("Port", "bond0"),)))
    switch.reconcile()
    assert set(switch.send("m1", frame(B, 0x0180C2000000))) == {"p3"}


def test_a_mirror_to_a_patch_port_mirrors_into_another_bridge() -> None:
    rows = rows_of_three()
    rows.add_bridge("br1")
    rows.add_port("br0", "x0", "patch", {"peer": "x1"})
    rows.add_port("br1", "x1", "patch", {"peer": "x0"})
    rows.add_port("br1", "far")
    rows.add_mirror("br0", "m", select_src_port=frozenset(("p1",)), output_port=frozenset(("x0",)))
    switch = Switch(rows)
    switch.reconcile()
    assert set(switch.send("p1", frame(A, B))) == {"br0", "p2", "p3", "br1", "far"}
    assert set(switch.send("p2", frame(B, A))) == {"p1"}
