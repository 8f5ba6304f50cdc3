"""ERSPAN: what its header says beside session and frame, on the wire and as a tunnel option of the kernel's.

Rule: pure. Version 1 is ERSPAN type II, version 2 is type III.
Source: draft-foschiano-erspan-03, 4.2 and 4.3; struct erspan_metadata of <linux/erspan.h>.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

ETH_P_ERSPAN, ETH_P_ERSPAN2 = 0x88BE, 0x22EB  # in the GRE header, version 1 and 2
PROTOCOL: Final = {1: ETH_P_ERSPAN, 2: ETH_P_ERSPAN2}
_LENGTH: Final = {1: 8, 2: 12}
_BASE = struct.Struct("!HH")  # version and VLAN; class of service, flags, session
_ATTRIBUTE: Final = struct.Struct("=i8s")
_SESSION_MASK, INDEX_MASK, HWID_MASK = 0x3FF, 0xFFFFF, 0x3F
_DIRECTION = 0x08  # in the last byte, behind the low bits of the hardware id
_GRANULARITY_100_US = 0  # of the timestamp


class Erspan(NamedTuple):
    """The version, and the fields that it has."""

    version: int  # 1 or 2
    idx: int = 0  # version 1: 20 bits, of the port and direction at the source
    direction: int = 0  # version 2: 0 ingress, 1 egress
    hwid: int = 0  # version 2: 6 bits, of the engine that made the copy


def to_attribute(erspan: Erspan) -> bytes:
    """Return the payload of OVS_TUNNEL_KEY_ATTR_ERSPAN_OPTS."""
    if erspan.version == 1:
        return _ATTRIBUTE.pack(1, (erspan.idx & INDEX_MASK).to_bytes(4, "big"))
    return _ATTRIBUTE.pack(2, bytes(6) + _flags(erspan))


def from_attribute(payload: bytes) -> Erspan | None:
    """Read the payload of OVS_TUNNEL_KEY_ATTR_ERSPAN_OPTS; None where it is malformed."""
    if len(payload) != _ATTRIBUTE.size:
        return None
    version, rest = _ATTRIBUTE.unpack(payload)
    if version == 1:
        return Erspan(1, idx=int.from_bytes(rest[:4], "big"))
    return Erspan(version, direction=_direction(rest[6:]), hwid=_hwid(rest[6:]))


def _flags(erspan: Erspan) -> bytes:
    low = (erspan.hwid & 0xF) << 4 | (_DIRECTION if erspan.direction else 0) | _GRANULARITY_100_US << 1
    return bytes((erspan.hwid >> 4 & 3, low))


def _direction(flags: bytes | memoryview) -> int:
    return int(bool(flags[1] & _DIRECTION))


def _hwid(flags: bytes | memoryview) -> int:
    return (flags[0] & 3) << 4 | flags[1] >> 4


def format_erspan(erspan: Erspan, session: int, timestamp: int) -> bytes:
    """Return the header between GRE and the frame; `timestamp` in units of 100 µs."""
    base = _BASE.pack(erspan.version << 12, session & _SESSION_MASK)
    if erspan.version == 1:
        return base + (erspan.idx & INDEX_MASK).to_bytes(4, "big")
    return base + struct.pack("!IH", timestamp & 0xFFFFFFFF, 0) + _flags(erspan)


def parse_erspan(proto: int, packet: bytes | memoryview) -> tuple[int, int] | None:
    """Return the length of the header behind GRE, and the session; None where it is malformed."""
    if len(packet) < _BASE.size:
        return None
    word, session = _BASE.unpack_from(packet)
    version = word >> 12
    if PROTOCOL.get(version) != proto or len(packet) < _LENGTH[version]:
        return None
    length = _LENGTH[version]
    if version == 2 and packet[11] & 1:  # the O bit: a subheader follows
        length += 8
    return (length, session & _SESSION_MASK) if len(packet) >= length else None
