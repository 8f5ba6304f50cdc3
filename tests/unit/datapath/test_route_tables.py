"""Answers of the kernel about routes and neighbours, read from the octets of rtnetlink messages."""

from ipaddress import ip_address
from struct import pack

import pytest

from datapath.netlink.attrs import NetlinkFormatError, attr, attr_u32
from datapath.route import Neighbour, Route, TableEntry, parse_entry, parse_neighbour

DST, OIF, GATEWAY, PREFSRC, TABLE = 1, 4, 5, 7, 15
MAIN, LOCAL, OTHER = 254, 255, 100
UNICAST, LOCAL_TYPE, BROADCAST = 1, 2, 3


def route(length: int, table: int, kind: int, *attributes: bytes, family: int = 2) -> bytes:
    return pack("=BBBBBBBBI", family, length, 0, 0, table, 0, 0, kind, 0) + b"".join(attributes)


def octets(address: str) -> bytes:
    return ip_address(address).packed


def test_a_way_over_a_gateway() -> None:
    attributes = (attr(DST, octets("10.9.0.0")), attr(GATEWAY, octets("172.31.0.9")), attr_u32(OIF, 5))
    found = parse_entry(route(16, MAIN, UNICAST, *attributes))
    expected = Route(5, None, ip_address("172.31.0.9"))
    assert found == TableEntry(ip_address("10.9.0.0"), 16, expected, is_local=False)


def test_the_default_way_has_no_destination() -> None:
    found = parse_entry(route(0, MAIN, UNICAST, attr_u32(OIF, 5), family=10))
    assert found == TableEntry(ip_address("::"), 0, Route(5, None), is_local=False)


def test_addresses_of_the_host_are_local() -> None:
    attributes = (attr(DST, octets("10.0.0.1")), attr(PREFSRC, octets("10.0.0.1")), attr_u32(OIF, 5))
    found = parse_entry(route(32, LOCAL, LOCAL_TYPE, *attributes))
    assert found is not None
    assert found.is_local
    assert found.route.source == ip_address("10.0.0.1")


@pytest.mark.parametrize(
    "body",
    [
        route(24, OTHER, UNICAST, attr_u32(OIF, 5)),
        route(24, MAIN, UNICAST, attr_u32(OIF, 5), attr_u32(TABLE, 1000)),
        route(32, LOCAL, BROADCAST, attr_u32(OIF, 5)),
        route(24, MAIN, UNICAST),
    ],
)
def test_other_tables_and_what_leads_nowhere_are_passed_over(body: bytes) -> None:
    assert parse_entry(body) is None


def test_neighbours_whose_address_is_known() -> None:
    reachable, stale, incomplete = 0x02, 0x04, 0x01
    attributes = attr(1, octets("172.31.0.2")) + attr(2, bytes.fromhex("020000000001"))

    def neighbour(state: int) -> bytes:
        return pack("=BxxxiHBB", 2, 5, state, 0, 1) + attributes

    address = ip_address("172.31.0.2")
    assert parse_neighbour(neighbour(reachable)) == Neighbour(address, "02:00:00:00:00:01", 5, is_stale=False)
    assert parse_neighbour(neighbour(stale)) == Neighbour(address, "02:00:00:00:00:01", 5, is_stale=True)
    assert parse_neighbour(neighbour(incomplete)) is None


def test_messages_cut_short_are_malformed() -> None:
    with pytest.raises(NetlinkFormatError):
        parse_entry(bytes(5))
    with pytest.raises(NetlinkFormatError):
        parse_neighbour(bytes(5))
