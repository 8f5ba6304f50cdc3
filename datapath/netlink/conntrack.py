"""Connections over netlink: ctnetlink (linux/netfilter/nfnetlink_conntrack.h) and the ovs_ct_limit family.

Rule: pure; every reader ends in values or in NetlinkFormatError. Numbers are in network order here, other
than in the openvswitch families.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from struct import Struct
from typing import Final

from datapath.conntrack import (
    ICMP_PROTOCOLS,
    Connection,
    Counters,
    SctpState,
    TcpState,
    Tuple,
    ZoneLimit,
)
from datapath.netlink import attrs
from datapath.netlink.attrs import NetlinkFormatError, attr, attr_u8, nested

_SUBSYSTEM: Final = 1 << 8  # NFNL_SUBSYS_CTNETLINK
MSG_GET: Final = _SUBSYSTEM | 1
MSG_DELETE: Final = _SUBSYSTEM | 2
_NFGENMSG: Final = Struct(">BBH")  # family, version, resource

_TUPLE_ORIG, _TUPLE_REPLY, _STATUS, _PROTOINFO, _HELP, _TIMEOUT, _MARK = 1, 2, 3, 4, 5, 7, 8
_COUNTERS_ORIG, _COUNTERS_REPLY, _ID, _TUPLE_MASTER, _ZONE, _TIMESTAMP, _LABELS = 9, 10, 12, 14, 18, 20, 22
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_IPV4_SRC, _IPV4_DST, _IPV6_SRC, _IPV6_DST = 1, 2, 3, 4
_NUM, _SPORT, _DPORT = 1, 2, 3
_ICMP: Final = {1: (4, 5, 6), 58: (7, 8, 9)}  # by protocol: identifier, type, code
_PROTOINFO_TCP, _PROTOINFO_SCTP = 1, 3
_ADDRESSES: Final = {socket.AF_INET: (4, _IPV4_SRC, _IPV4_DST), socket.AF_INET6: (16, _IPV6_SRC, _IPV6_DST)}
_LABELS_LEN: Final = 16

_LIMIT_HEADER: Final = Struct("=BBHi")  # command, version, reserved; no datapath
_LIMIT_SET, _LIMIT_DEL, _LIMIT_GET = 1, 2, 3
_ZONE_LIMIT_ATTR: Final = 1
_ZONE_LIMIT: Final = Struct("=iII")  # struct ovs_zone_limit


def dump_request() -> bytes:
    """Ask for all connections."""
    return _NFGENMSG.pack(socket.AF_UNSPEC, 0, 0)


def flush_request() -> bytes:
    """Ask to end all connections."""
    return _NFGENMSG.pack(socket.AF_UNSPEC, 0, 0)


def delete_request(connection: Connection) -> bytes:
    """Ask to end a connection that was listed: that very one, not its successor."""
    head = _NFGENMSG.pack(connection.orig.family, 0, 0)
    named = attr(_TUPLE_ORIG, connection.wire_tuple) + _number(_ID, connection.id, 4)
    return head + _number(_ZONE, connection.zone, 2) + named


def delete_tuple_request(zone: int, pattern: Tuple) -> bytes:
    """Ask to end the connection of a whole original tuple."""
    head = _NFGENMSG.pack(pattern.family, 0, 0)
    return head + _number(_ZONE, zone, 2) + attr(_TUPLE_ORIG, _encode_tuple(pattern))


def _number(kind: int, value: int | None, size: int) -> bytes:
    return attr(kind, (value or 0).to_bytes(size, "big"))


def _encode_tuple(pattern: Tuple) -> bytes:
    size, src, dst = _ADDRESSES[socket.AddressFamily(pattern.family)]
    proto = pattern.proto or 0
    parts = [attr_u8(_NUM, proto)]
    if proto in ICMP_PROTOCOLS:
        identifier, type_, code = _ICMP[proto]
        parts += [_number(identifier, pattern.sport, 2), _number(type_, pattern.icmp_type, 1)]
        parts.append(_number(code, pattern.icmp_code, 1))
    else:
        parts += [_number(_SPORT, pattern.sport, 2), _number(_DPORT, pattern.dport, 2)]
    addresses = _number(src, pattern.src, size) + _number(dst, pattern.dst, size)
    return nested(_TUPLE_IP, addresses) + nested(_TUPLE_PROTO, *parts)


class _Attributes:
    """Attributes by type, whose payloads are numbers in network order or attributes again."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._found = {kind: data[start:stop] for kind, start, stop in attrs.attributes(data, at)}

    def octets(self, kind: int) -> bytes:
        return self._found.get(kind, b"")

    def number(self, kind: int) -> int:
        return int.from_bytes(self.octets(kind), "big")

    def optional(self, kind: int) -> int | None:
        return self.number(kind) if kind in self._found else None

    def inner(self, kind: int) -> _Attributes:
        return _Attributes(self.octets(kind))

    def __contains__(self, kind: int) -> bool:
        return kind in self._found


def parse_connection(payload: bytes) -> Connection:
    """Read a connection as a dump lists it."""
    if len(payload) < _NFGENMSG.size:
        raise NetlinkFormatError(f"connection of {len(payload)} bytes")
    found = _Attributes(payload, _NFGENMSG.size)
    times = found.inner(_TIMESTAMP)
    return Connection(
        orig=_parse_tuple(found.inner(_TUPLE_ORIG)),
        reply=_parse_tuple(found.inner(_TUPLE_REPLY)),
        zone=found.number(_ZONE),
        id=found.number(_ID),
        status=found.number(_STATUS),
        timeout=found.number(_TIMEOUT),
        mark=found.number(_MARK),
        labels=int.from_bytes(found.octets(_LABELS)[:_LABELS_LEN], "little"),
        counters_orig=_parse_counters(found.inner(_COUNTERS_ORIG)),
        counters_reply=_parse_counters(found.inner(_COUNTERS_REPLY)),
        start=times.number(1),
        stop=times.number(2),
        protocol=_parse_protocol(found.inner(_PROTOINFO)),
        helper=found.inner(_HELP).octets(1).split(b"\0", 1)[0].decode("utf-8", "replace"),
        parent=_parse_tuple(found.inner(_TUPLE_MASTER)) if _TUPLE_MASTER in found else None,
        wire_tuple=found.octets(_TUPLE_ORIG),
    )


def _parse_tuple(found: _Attributes) -> Tuple:
    addresses, protocol = found.inner(_TUPLE_IP), found.inner(_TUPLE_PROTO)
    src = dst = None
    family = 0
    for number, (_size, src_kind, dst_kind) in _ADDRESSES.items():
        if src_kind in addresses:
            family, src, dst = number, addresses.number(src_kind), addresses.number(dst_kind)
    proto = protocol.number(_NUM)
    if proto in ICMP_PROTOCOLS:
        identifier, type_, code = _ICMP[proto]
        sport, icmp_type, icmp_code = map(protocol.optional, (identifier, type_, code))
        return Tuple(src, dst, family, proto, sport, None, icmp_type, icmp_code)
    return Tuple(src, dst, family, proto, protocol.number(_SPORT), protocol.number(_DPORT))


def _parse_counters(found: _Attributes) -> Counters:
    return Counters(found.number(1), found.number(2))


def _parse_protocol(found: _Attributes) -> TcpState | SctpState | None:
    if _PROTOINFO_TCP in found:
        tcp = found.inner(_PROTOINFO_TCP)
        flags = [tcp.octets(kind)[:1] for kind in (4, 5)]  # struct nf_ct_tcp_flags: flags, mask
        return TcpState(
            tcp.number(1), tcp.number(2), tcp.number(3), *(int.from_bytes(f, "big") for f in flags)
        )
    if _PROTOINFO_SCTP in found:
        sctp = found.inner(_PROTOINFO_SCTP)
        return SctpState(sctp.number(1), sctp.number(2), sctp.number(3))
    return None


def limits_get_request(zones: Iterable[int]) -> bytes:
    """Ask for limits: of the zones that are named, DEFAULT_ZONE among them, or of all."""
    entries = b"".join(_ZONE_LIMIT.pack(zone, 0, 0) for zone in zones)
    return _LIMIT_HEADER.pack(_LIMIT_GET, 1, 0, 0) + (attr(_ZONE_LIMIT_ATTR, entries) if entries else b"")


def limits_set_request(limits: Iterable[ZoneLimit]) -> bytes:
    """Ask to limit zones."""
    entries = b"".join(_ZONE_LIMIT.pack(zone, limit, 0) for zone, limit, _count in limits)
    return _LIMIT_HEADER.pack(_LIMIT_SET, 1, 0, 0) + attr(_ZONE_LIMIT_ATTR, entries)


def limits_delete_request(zones: Iterable[int]) -> bytes:
    """Ask to let the default hold for zones."""
    entries = b"".join(_ZONE_LIMIT.pack(zone, 0, 0) for zone in zones)
    return _LIMIT_HEADER.pack(_LIMIT_DEL, 1, 0, 0) + attr(_ZONE_LIMIT_ATTR, entries)


def parse_limits(body: bytes) -> list[ZoneLimit]:
    """Read limits as the kernel lists them, the default first."""
    if len(body) < _LIMIT_HEADER.size:
        raise NetlinkFormatError(f"limits of {len(body)} bytes")
    entries = _Attributes(body, _LIMIT_HEADER.size).octets(_ZONE_LIMIT_ATTR)
    whole = len(entries) // _ZONE_LIMIT.size * _ZONE_LIMIT.size
    return [ZoneLimit(*entry) for entry in _ZONE_LIMIT.iter_unpack(entries[:whole])]
