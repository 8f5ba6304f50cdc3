"""Messages of ctnetlink and ovs_ct_limit, against what ovs-dpctl 3.1 and a kernel 6.1 sent."""

from datapath.conntrack import DEFAULT_ZONE, Connection, TcpState, Tuple, ZoneLimit, is_whole, matches
from datapath.netlink import conntrack as codec
from datapath.netlink.attrs import attr, attr_u8, nested

UDP = Tuple(0x0A000001, 0x0A000002, 2, 17, 40001, 53)
UDP_WIRE = bytes.fromhex(
    "14000100 08000100 0a000001 08000200 0a000002 1c000200 05000100 11000000 06000200 9c410000 06000300 00350000"
)
PING6 = Tuple(1, 2, 10, 58, 190, None, 128, 0)


def test_a_tuple_to_end_is_what_ovs_dpctl_sends() -> None:
    assert (
        codec.delete_tuple_request(9, UDP) == bytes.fromhex("02000000 06001200 00090000 34000100") + UDP_WIRE
    )


def test_a_connection_is_read() -> None:
    numbers = (
        attr(3, (0xE).to_bytes(4, "big"))
        + attr(7, (300).to_bytes(4, "big"))
        + attr(8, (3).to_bytes(4, "big"))
    )
    state = nested(
        4, nested(1, attr_u8(1, 3), attr_u8(2, 7), attr_u8(3, 6), attr(4, b"\3\0"), attr(5, b"\1\0"))
    )
    rest = attr(18, b"\0\5") + attr(12, (77).to_bytes(4, "big")) + attr(22, b"\7" + bytes(15))
    times = nested(20, attr(1, (9).to_bytes(8, "big")))
    found = codec.parse_connection(
        bytes.fromhex("02000000") + attr(1, UDP_WIRE) + attr(2, UDP_WIRE) + numbers + state + rest + times
        + nested(5, attr(1, b"ftp\0"))
    )  # fmt: skip
    assert found == Connection(
        orig=UDP, reply=UDP, zone=5, id=77, status=0xE, timeout=300, mark=3, labels=7, start=9,
        protocol=TcpState(3, 7, 6, 3, 1), helper="ftp",
    )  # fmt: skip
    assert found.wire_tuple == UDP_WIRE


def test_a_connection_that_was_read_is_ended_by_its_own_tuple_and_number() -> None:
    given = Connection(PING6, PING6, zone=6, id=7)
    wire = codec.delete_tuple_request(6, PING6)[16:]
    found = codec.parse_connection(bytes.fromhex("0a000000") + attr(1, wire) + attr(2, wire))
    assert (found.orig, found.reply) == (given.orig, given.reply)
    request = codec.delete_request(Connection(found.orig, found.reply, 6, 7, wire_tuple=found.wire_tuple))
    assert request == bytes.fromhex("0a000000 06001200 00060000") + attr(1, wire) + attr(12, b"\0\0\0\7")


def test_limits_are_asked_for_and_read_as_ovs_dpctl_does() -> None:
    asked = bytes.fromhex("03010000 00000000 1c000100 ffffffff 00000000 00000000 03000000 00000000 00000000")
    assert codec.limits_get_request([DEFAULT_ZONE, 3]) == asked
    answer = bytes.fromhex("03010000 00000000 1c000100 ffffffff 0a000000 00000000 03000000 0a000000 01000000")
    assert codec.parse_limits(answer) == [ZoneLimit(DEFAULT_ZONE, 10), ZoneLimit(3, 10, 1)]
    set_ = bytes.fromhex("01010000 00000000 10000100 03000000 09000000 00000000")
    assert codec.limits_set_request([ZoneLimit(3, 9)]) == set_
    assert codec.limits_delete_request([3]) == b"\2" + set_[1:16] + bytes(8)
    assert codec.limits_get_request([]) == asked[:8]


def test_a_pattern_matches_what_it_names() -> None:
    assert matches(Tuple(), UDP)
    assert matches(Tuple(proto=17), UDP)
    assert not matches(Tuple(proto=6), UDP)
    assert not matches(Tuple(src=1, family=10), Tuple(1, 2, 2, 17))
    assert is_whole(UDP)
    assert is_whole(PING6)
    assert not is_whole(UDP._replace(dport=None))
    assert not is_whole(PING6._replace(icmp_code=None))
