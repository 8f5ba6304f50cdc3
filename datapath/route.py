"""The way to an address in this network namespace (rtnetlink(7), RTM_GETROUTE).

Rule: one question, one answer; nothing is remembered here.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import Struct

from datapath.netlink import attrs
from datapath.netlink.conversation import KernelRefusal
from datapath.netlink.sockets import NETLINK_ROUTE, NetlinkSocket

Address = IPv4Address | IPv6Address
_RTM_GETROUTE = 26
_RTMSG = Struct("=BBBBBBBBI")  # family, lengths of addresses, tos, table, protocol, scope, type, flags
_AF_INET, _AF_INET6 = 2, 10
_RTA_DST, _RTA_OIF, _RTA_PREFSRC = 1, 4, 7
_ROUTE: attrs.Policy = {_RTA_OIF: attrs.u32("oif"), _RTA_PREFSRC: attrs.raw("source")}


@dataclass(frozen=True, slots=True)
class Route:
    """Where packets to an address leave."""

    ifindex: int
    source: Address | None  # their source address


class Routes:
    """The routing tables."""

    def __init__(self) -> None:
        self._socket = NetlinkSocket(NETLINK_ROUTE)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def find(self, to: Address) -> Route | None:
        """Return the route to an address; None where there is none."""
        family, bits = (_AF_INET, 32) if to.version == 4 else (_AF_INET6, 128)
        body = _RTMSG.pack(family, bits, 0, 0, 0, 0, 0, 0, 0) + attrs.attr(_RTA_DST, to.packed)
        try:
            answers = self._socket.transact(_RTM_GETROUTE, 0, body)
        except (KernelRefusal, OSError):
            return None
        return parse_route(answers[0]) if answers else None


def parse_route(body: bytes) -> Route | None:
    """Read an RTM_NEWROUTE without its netlink header; None for a route that leads to no device."""
    if len(body) < _RTMSG.size:
        raise attrs.NetlinkFormatError(f"route message of {len(body)} bytes")
    values = attrs.parse(body, _ROUTE, "route", _RTMSG.size)
    ifindex, source = values.integer("oif", 0), values.octets("source")
    return Route(ifindex, ip_address(source) if source else None) if ifindex else None
