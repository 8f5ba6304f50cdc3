"""IGMP and MLD messages: which groups a host joins or leaves, and where a router asks.

Rule: pure; any bytes give an answer, none raises. A message whose checksum is wrong or that is cut short is
still known by its type, which decides where it goes, but changes nothing.
Source: RFC 1112, 2236 and 3376 (IGMP), RFC 2710 and 3810 (MLD).
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from datapath.packet import headers as h
from datapath.packet.checksum import ones_sum, pseudo_sum

IPPROTO_IGMP: Final = 2
V4_MAPPED: Final = 0xFFFF << 32  # groups of IPv4 are kept as ::ffff:a.b.c.d, so that all are 128 bits
_MLD_QUERY, _MLD_REPORT, _MLD_DONE, _MLD2_REPORT = 130, 131, 132, 143
MLD_TYPES: Final = frozenset((_MLD_QUERY, _MLD_REPORT, _MLD_DONE, _MLD2_REPORT))
_IGMP_QUERY, _IGMP1_REPORT, _IGMP2_REPORT, _IGMP_LEAVE, _IGMP3_REPORT = 0x11, 0x12, 0x16, 0x17, 0x22
_INCLUDE, _TO_INCLUDE, _LAST_RECORD_TYPE = 1, 3, 6
_RECORD = struct.Struct("!BBH")  # type, length of auxiliary data in words, number of sources


class Kind(enum.Enum):
    """What a message is for."""

    QUERY = "query"  # by a router, to hosts
    REPORT = "report"  # by a host, to routers; leaving is one too
    OTHER = "other"


class Change(NamedTuple):
    """A port is to get a group, or to get it no longer."""

    group: int  # an IPv6 address
    joins: bool


class Message(NamedTuple):
    """An IGMP or MLD message."""

    kind: Kind
    changes: tuple[Change, ...] = ()
    has_source: bool = False  # of a query: its sender has an address, which makes it a router


_NOTHING: Final = Message(Kind.OTHER)
_IGMP_KINDS: Final = {_IGMP_QUERY: Kind.QUERY} | dict.fromkeys(
    (_IGMP1_REPORT, _IGMP2_REPORT, _IGMP_LEAVE, _IGMP3_REPORT), Kind.REPORT
)


def mld_kind(icmp_type: int) -> Kind:
    """Return what an MLD message of this type is for."""
    return Kind.QUERY if icmp_type == _MLD_QUERY else Kind.REPORT


def parse_message(frame: bytes) -> Message:
    """Parse a frame with one of these messages."""
    at, kind = _network(frame)
    if kind == h.ETH_TYPE_IP:
        return _igmp(frame, at)
    return _mld(frame, at) if kind == h.ETH_TYPE_IPV6 else _NOTHING


def _network(frame: bytes) -> tuple[int, int]:
    """Return where the network's header begins, and of which kind it is."""
    at = h.ETH_ADDRS_LEN
    while len(frame) >= at + 2:
        kind = int.from_bytes(frame[at : at + 2], "big")
        if kind not in h.VLAN_TYPES:
            return at + 2, kind
        at += h.VLAN_HEADER_LEN
    return at, 0


def _igmp(frame: bytes, at: int) -> Message:
    if len(frame) < at + 20:
        return _NOTHING
    header = (frame[at] & 0x0F) * 4
    total = int.from_bytes(frame[at + 2 : at + 4], "big")
    body = frame[at + header : at + total]
    if header < 20 or len(body) < 8 or len(frame) < at + total or frame[at + 9] != IPPROTO_IGMP:
        return _NOTHING
    kind = _IGMP_KINDS.get(body[0], Kind.OTHER)
    if ones_sum(body) != 0xFFFF:
        return Message(kind)
    if body[0] == _IGMP3_REPORT:
        return Message(kind, tuple(_records(body, 4)))
    if kind is Kind.REPORT:
        return Message(kind, (Change(V4_MAPPED | _address(body[4:8]), body[0] != _IGMP_LEAVE),))
    return Message(kind, has_source=kind is Kind.QUERY and any(frame[at + 12 : at + 16]))


def _mld(frame: bytes, at: int) -> Message:
    if len(frame) < at + 40:
        return _NOTHING
    end = at + 40 + int.from_bytes(frame[at + 4 : at + 6], "big")
    start = _behind_options(frame, at)
    body = frame[start:end]
    if len(frame) < end or len(body) < 8 or body[0] not in MLD_TYPES:
        return _NOTHING
    kind = mld_kind(body[0])
    source, destination = frame[at + 8 : at + 24], frame[at + 24 : at + 40]
    if ones_sum(body, pseudo_sum(source, destination, h.IPPROTO_ICMPV6, len(body))) != 0xFFFF:
        return Message(kind)
    if body[0] == _MLD2_REPORT:
        return Message(kind, tuple(_records(body, 16)))
    if len(body) < 24:
        return Message(kind)
    if kind is Kind.QUERY:
        return Message(kind, has_source=any(source))
    return Message(kind, (Change(_address(body[8:24]), body[0] == _MLD_REPORT),))


def _behind_options(frame: bytes, at: int) -> int:
    """Return where ICMPv6 begins; the end of the frame where it does not."""
    following, at = frame[at + 6], at + 40
    while following in (h.IPV6_HOP_BY_HOP, h.IPV6_DESTINATION, h.IPV6_ROUTING):
        if len(frame) < at + 8:
            return len(frame)
        following, at = frame[at], at + (frame[at + 1] + 1) * 8
    return at if following == h.IPPROTO_ICMPV6 else len(frame)


def _records(body: bytes, width: int) -> Iterator[Change]:
    """Read the records of a report of version 3 (MLD: 2); `width` is that of an address.

    Who wants nothing but a list of sources, which is empty, leaves. Sources are not told apart.
    """
    at = 8
    for _ in range(int.from_bytes(body[6:8], "big")):
        if len(body) < at + 4 + width:
            return
        kind, auxiliary, sources = _RECORD.unpack_from(body, at)
        group = _address(body[at + 4 : at + 4 + width])
        if 1 <= kind <= _LAST_RECORD_TYPE:
            leaves = not sources and kind in (_INCLUDE, _TO_INCLUDE)
            yield Change(V4_MAPPED | group if width == 4 else group, not leaves)
        at += 4 + width + sources * width + auxiliary * 4


def _address(data: bytes) -> int:
    return int.from_bytes(data, "big")
