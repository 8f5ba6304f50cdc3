"""The way to an address in this network namespace, and who is next on it (rtnetlink(7)).

Rule: one question, one answer; nothing is remembered here.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import Struct
from typing import NamedTuple

from datapath.netlink import attrs, message
from datapath.netlink.asking import asking
from datapath.netlink.conversation import KernelRefusal
from datapath.netlink.sockets import NETLINK_ROUTE, NetlinkSocket

Address = IPv4Address | IPv6Address
_RTM_GETROUTE, _RTM_NEWNEIGH, _RTM_GETNEIGH = 26, 28, 30
_RTMSG = Struct("=BBBBBBBBI")  # family, lengths of addresses, tos, table, protocol, scope, type, flags
_AF_INET, _AF_INET6 = 2, 10
_RTA_DST, _RTA_SRC, _RTA_IIF, _RTA_OIF, _RTA_GATEWAY, _RTA_PREFSRC = 1, 2, 3, 4, 5, 7
_RTA_TABLE, _RTA_MARK, _RTA_ENCAP_TYPE = 15, 16, 21
_ROUTE: attrs.Policy = {
    _RTA_DST: attrs.raw("to"),
    _RTA_OIF: attrs.u32("oif"),
    _RTA_GATEWAY: attrs.raw("gateway"),
    _RTA_PREFSRC: attrs.raw("source"),
    _RTA_TABLE: attrs.u32("table"),
    _RTA_ENCAP_TYPE: attrs.u16("encapsulation"),
}
_RTN_UNICAST, _RTN_LOCAL = 1, 2
_TABLES = (254, 255)  # main and local
_NDMSG = Struct("=BxxxiHBB")  # family, index, state, flags, type
_NEIGHBOUR: attrs.Policy = {1: attrs.raw("address"), 2: attrs.raw("mac")}
_NUD_REACHABLE, _NUD_STALE, _NUD_DELAY, _NUD_PROBE, _NUD_PERMANENT = 0x02, 0x04, 0x08, 0x10, 0x80
_NTF_USE, _NDA_DST = 0x01, 1
_IPTOS_RT_MASK = 0x1C
_NUD_USABLE = _NUD_REACHABLE | _NUD_STALE | _NUD_DELAY | _NUD_PROBE | _NUD_PERMANENT


@dataclass(frozen=True, slots=True)
class Route:
    """Where packets to an address leave."""

    ifindex: int
    source: Address | None  # their source address
    gateway: Address | None = None


class TableEntry(NamedTuple):
    """A row of the routing tables "main" and "local"."""

    to: Address
    length: int  # of the prefix
    route: Route
    is_local: bool  # an address of this host


class Neighbour(NamedTuple):
    """Somebody on a link, and the hardware address there."""

    address: Address
    mac: str
    ifindex: int
    is_stale: bool


class Routes:
    """The routing tables."""

    def __init__(self) -> None:
        self._socket = NetlinkSocket(NETLINK_ROUTE)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def all(self) -> list[TableEntry]:
        """List the tables "main" and "local". DatapathError."""
        with asking("list routes"):
            answers = self._socket.transact(_RTM_GETROUTE, message.NLM_F_DUMP, _RTMSG.pack(*(0,) * 9))
        return [entry for entry in map(parse_entry, answers) if entry is not None]

    def neighbours(self) -> list[Neighbour]:
        """List the neighbours whose hardware address is known. DatapathError."""
        with asking("list neighbours"):
            answers = self._socket.transact(_RTM_GETNEIGH, message.NLM_F_DUMP, _NDMSG.pack(0, 0, 0, 0, 0))
        return [found for found in map(parse_neighbour, answers) if found is not None]

    def find(self, to: Address, mark: int = 0) -> Route | None:
        """Return the route to an address for packets with a mark; None where there is none."""
        family, bits = (_AF_INET, 32) if to.version == 4 else (_AF_INET6, 128)
        body = _RTMSG.pack(family, bits, 0, 0, 0, 0, 0, 0, 0) + attrs.attr(_RTA_DST, to.packed)
        if mark:
            body += attrs.attr_u32(_RTA_MARK, mark)
        answer = self._answer(_RTM_GETROUTE, body)
        return None if answer is None else parse_route(answer)

    def way(self, to: Address, source: Address | None, tos: int) -> Route | None:
        """Return the route of packets with a header like this; None unless a device is all there is to it.

        So it is None for broadcasts, and where the route puts a packet into another.
        """
        found = self._ask(to, source, tos)
        return found[1] if found and found[0] == _RTN_UNICAST else None

    def is_taken(self, to: Address, source: Address, tos: int, ifindex: int) -> bool:
        """Tell whether a packet that comes in by a device is for this host, and may come in there."""
        found = self._ask(to, source, tos, ifindex)
        return found is not None and found[0] == _RTN_LOCAL

    def _ask(
        self, to: Address, source: Address | None, tos: int, arrived: int = 0
    ) -> tuple[int, Route | None] | None:
        """Ask for an IPv4 route; return its type, and the route where it leads to a device as it is."""
        body = _RTMSG.pack(_AF_INET, 32, 32 if source else 0, tos & _IPTOS_RT_MASK, 0, 0, 0, 0, 0)
        body += attrs.attr(_RTA_DST, to.packed)
        if source:
            body += attrs.attr(_RTA_SRC, source.packed)
        if arrived:
            body += attrs.attr_u32(_RTA_IIF, arrived)
        answer = self._answer(_RTM_GETROUTE, body)
        if answer is None:
            return None
        values = _values(answer)
        route = None if values.integer("encapsulation", 0) else _route(values)
        return _RTMSG.unpack_from(answer)[7], route

    def neighbour(self, address: Address, ifindex: int) -> Neighbour | None:
        """Return who has an IPv4 address on a device; None where that is not known."""
        body = _NDMSG.pack(_AF_INET, ifindex, 0, 0, 0) + attrs.attr(_NDA_DST, address.packed)
        answer = self._answer(_RTM_GETNEIGH, body)
        return None if answer is None else parse_neighbour(answer)

    def _answer(self, kind: int, body: bytes) -> bytes | None:
        """Ask for one thing; None where the kernel refuses or has nothing to say."""
        try:
            answers = self._socket.transact(kind, 0, body)
        except (KernelRefusal, OSError):
            return None
        return answers[0] if answers else None

    def use(self, neighbour: Neighbour) -> None:
        """Have the kernel find out whether an IPv4 neighbour is still there, as if a packet went to it."""
        body = _NDMSG.pack(_AF_INET, neighbour.ifindex, 0, _NTF_USE, 0)
        body += attrs.attr(_NDA_DST, neighbour.address.packed)
        with suppress(KernelRefusal, OSError):
            self._socket.transact(_RTM_NEWNEIGH, message.NLM_F_ACK, body)


def parse_route(body: bytes) -> Route | None:
    """Read an RTM_NEWROUTE without its netlink header; None for a route that leads to no device."""
    return _route(_values(body))


def _values(body: bytes) -> attrs.Values:
    if len(body) < _RTMSG.size:
        raise attrs.NetlinkFormatError(f"route message of {len(body)} bytes")
    return attrs.parse(body, _ROUTE, "route", _RTMSG.size)


def _route(values: attrs.Values) -> Route | None:
    ifindex = values.integer("oif", 0)
    return Route(ifindex, _address(values, "source"), _address(values, "gateway")) if ifindex else None


def _address(values: attrs.Values, name: str) -> Address | None:
    octets = values.octets(name)
    return ip_address(octets) if len(octets) in (4, 16) else None


def parse_entry(body: bytes) -> TableEntry | None:
    """Read an RTM_NEWROUTE as a row of a table; None for one of another table, or that leads nowhere."""
    values = _values(body)
    route = _route(values)
    family, length, _source, _tos, table, _proto, _scope, kind, _flags = _RTMSG.unpack_from(body)
    if (
        route is None
        or kind not in (_RTN_UNICAST, _RTN_LOCAL)
        or values.integer("table", table) not in _TABLES
    ):
        return None
    to = _address(values, "to") or ip_address(bytes(4 if family == _AF_INET else 16))
    return TableEntry(to, length, route, kind == _RTN_LOCAL)


def parse_neighbour(body: bytes) -> Neighbour | None:
    """Read an RTM_NEWNEIGH without its netlink header; None for one that is not known, or has no Ethernet."""
    if len(body) < _NDMSG.size:
        raise attrs.NetlinkFormatError(f"neighbour message of {len(body)} bytes")
    _family, ifindex, state, _flags, _type = _NDMSG.unpack_from(body)
    values = attrs.parse(body, _NEIGHBOUR, "neighbour", _NDMSG.size)
    address, mac = _address(values, "address"), values.octets("mac")
    if address is None or len(mac) != 6 or not state & _NUD_USABLE:
        return None
    return Neighbour(address, mac.hex(":"), ifindex, bool(state & _NUD_STALE))
