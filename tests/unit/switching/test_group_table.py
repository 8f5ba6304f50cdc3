"""Groups and routers of a bridge: what is told as changed, and what goes by itself."""

from switching.group_table import Entry, GroupPlace, GroupTable, RouterPlace

GROUP, OTHER = 0xFFFF_EF01_0101, 0xFFFF_EF01_0102


def test_only_a_new_member_changes_anything() -> None:
    table = GroupTable("br0")
    assert table.join(5, GROUP, "p1", 1.0) == [GroupPlace("br0", 5, GROUP)]
    assert table.join(5, GROUP, "p1", 2.0) == []
    assert table.join(5, GROUP, "p2", 3.0) == [GroupPlace("br0", 5, GROUP)]
    assert list(table.members(5, GROUP) or ()) == ["p1", "p2"]
    assert table.members(6, GROUP) is None


def test_a_group_goes_with_its_last_member() -> None:
    table = GroupTable("br0")
    table.join(0, GROUP, "p1", 1.0)
    assert table.leave(0, GROUP, "p2") == []
    assert table.leave(0, GROUP, "p1") == [GroupPlace("br0", 0, GROUP)]
    assert table.members(0, GROUP) is None


def test_a_port_with_a_router_joins_nothing() -> None:
    table = GroupTable("br0")
    assert table.query(0, "p1", 1.0) == [RouterPlace("br0", 0)]
    assert table.query(0, "p1", 2.0) == []
    assert table.join(0, GROUP, "p1", 3.0) == []
    assert (table.routers(0), table.routers(5)) == (["p1"], [])


def test_members_and_routers_age_by_themselves() -> None:
    table = GroupTable("br0", ageing=100.0)
    table.join(0, GROUP, "p1", 0.0)
    table.join(0, GROUP, "p2", 50.0)
    table.query(0, "p3", 0.0)
    assert table.expire(99.0) == []
    assert table.expire(100.0) == [GroupPlace("br0", 0, GROUP)]
    assert list(table.entries()) == [Entry("p2", 0, GROUP, 50.0), Entry("p3", 0, None, 0.0)]
    assert table.expire(180.0) == [GroupPlace("br0", 0, GROUP), RouterPlace("br0", 0)]
    assert len(table) == 0


def test_the_group_heard_of_longest_ago_makes_room() -> None:
    table = GroupTable("br0", size=2)
    for when, group in enumerate((GROUP, OTHER, GROUP)):
        table.join(0, group, "p1", float(when))
    assert table.join(0, 7, "p1", 3.0) == [GroupPlace("br0", 0, OTHER), GroupPlace("br0", 0, 7)]
    assert table.set_size(1) == [GroupPlace("br0", 0, GROUP)]


def test_ports_that_are_gone_leave_everything() -> None:
    table = GroupTable("br0")
    table.join(0, GROUP, "p1", 0.0)
    table.query(5, "p1", 0.0)
    assert table.keep_ports(frozenset(("p1",))) == []
    assert table.keep_ports(frozenset(("p2",))) == [GroupPlace("br0", 0, GROUP), RouterPlace("br0", 5)]
