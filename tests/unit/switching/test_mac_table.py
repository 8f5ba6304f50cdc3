from switching.mac_table import MacTable, Place

A, B = 0x0200_0000_000A, 0x0200_0000_000B


def test_address_is_learned_in_its_vlan_only() -> None:
    table = MacTable("br0")
    assert table.learn(1, A, "p1", 10.0) == [Place("br0", 1, A)]
    assert table.lookup(1, A) == "p1"
    assert table.lookup(2, A) is None


def test_hearing_again_from_the_same_place_changes_nothing() -> None:
    table = MacTable("br0")
    table.learn(1, A, "p1", 10.0)
    assert table.learn(1, A, "p1", 20.0) == []


def test_address_moves_to_where_it_was_heard_last() -> None:
    table = MacTable("br0")
    table.learn(0, A, "p1", 10.0)
    assert table.learn(0, A, "p2", 11.0) == [Place("br0", 0, A)]
    assert table.lookup(0, A) == "p2"
    assert table.stats.moved == 1


def test_late_report_does_not_move_an_address_back() -> None:
    table = MacTable("br0")
    table.learn(0, A, "p2", 11.0)
    assert table.learn(0, A, "p1", 10.5) == []
    assert table.lookup(0, A) == "p2"


def test_silent_address_expires() -> None:
    table = MacTable("br0", ageing=300)
    table.learn(0, A, "p1", 10.0)
    table.learn(0, B, "p1", 200.0)
    assert table.expire(309.0) == []
    assert table.expire(310.0) == [Place("br0", 0, A)]
    assert [mac for _, mac, _ in table.entries()] == [B]


def test_full_table_forgets_the_address_heard_of_longest_ago() -> None:
    table = MacTable("br0", size=2)
    table.learn(0, 1, "p1", 1.0)
    table.learn(0, 2, "p1", 2.0)
    table.learn(0, 1, "p1", 3.0)
    assert set(table.learn(0, 3, "p1", 4.0)) == {Place("br0", 0, 2), Place("br0", 0, 3)}
    assert table.stats.evicted == 1


def test_static_address_neither_moves_nor_goes() -> None:
    table = MacTable("br0", size=2)
    table.add_static(0, A, "p1")
    assert table.learn(0, A, "p2", 5.0) == []
    assert table.expire(1e9) == []
    table.flush()
    assert table.lookup(0, A) == "p1"
    assert table.remove_static(0, A) == [Place("br0", 0, A)]


def test_smaller_table_forgets_at_once() -> None:
    table = MacTable("br0")
    for mac in range(10):
        table.learn(0, mac, "p1", float(mac))
    assert len(table.set_size(4)) == 6
    assert [mac for _, mac, _ in table.entries()] == [6, 7, 8, 9]


def test_addresses_of_a_port_that_is_gone_are_forgotten() -> None:
    table = MacTable("br0")
    table.learn(0, A, "p1", 1.0)
    table.learn(0, B, "p2", 1.0)
    assert table.keep_ports(frozenset(("p2",))) == [Place("br0", 0, A)]
