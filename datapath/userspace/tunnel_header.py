"""The headers of GRE (RFC 2784, 2890), VXLAN (RFC 7348), Geneve (RFC 8926) and ERSPAN with Ethernet frames.

Rule: pure. The kinds are provider.TUNNEL_KINDS; a kind over IPv6 has the header that it has over IPv4.
"""

from __future__ import annotations

import struct
import time
from typing import Final, NamedTuple

from datapath.actions import SetTunnel
from datapath.netlink.uapi import OVS_TUNNEL_ERSPAN_OPTS
from datapath.packet.checksum import checksum, ones_sum
from datapath.packet.erspan import PROTOCOL, from_attribute, parse_erspan
from datapath.packet.erspan import format_erspan as format_erspan_header
from datapath.packet.flowkey import TUN_CSUM, TUN_KEY, TUN_OAM
from datapath.packet.headers import ETH_TYPE_TEB

_VXLAN_VNI_VALID = 0x08
_GENEVE_OAM, _GENEVE_CRITICAL = 0x80, 0x40
_GRE_CHECKSUM, _GRE_KEY, _GRE_SEQUENCE = 0x8000, 0x2000, 0x1000
_GRE_UNKNOWN = 0xFFFF & ~(_GRE_CHECKSUM | _GRE_KEY | _GRE_SEQUENCE)


_GRE: Final = frozenset(("gre", "ip6gre"))
_ERSPAN: Final = frozenset(("erspan", "ip6erspan"))
_ERSPAN_PROTOCOLS: Final = frozenset(PROTOCOL.values())
_GRE_LEN, _SEQUENCE_LEN = 4, 4
_ERSPAN_LENGTHS: Final = {1: _GRE_LEN + _SEQUENCE_LEN + 8, 2: _GRE_LEN + _SEQUENCE_LEN + 12}


def is_gre(kind: str) -> bool:
    """Tell whether a kind of tunnel is GRE, be it with ERSPAN in it."""
    return kind in _GRE or kind in _ERSPAN


class TunnelHeader(NamedTuple):
    """What a tunnel's header says of the frame behind it."""

    length: int
    tun_id: int
    flags: int  # TUN_*


FOREIGN: Final = TunnelHeader(0, 0, 0)  # of another kind of tunnel that shares the IP protocol


class Front(NamedTuple):
    """The header that a frame gets; `octets` is empty where each frame gets its own (numbered_header())."""

    length: int
    octets: bytes


def format_header(kind: str, tunnel: SetTunnel) -> Front | None:
    """Format the header of a kind, the checksum of GRE still 0; None where the tunnel does not say enough."""
    if kind in _ERSPAN:
        version = next(
            (from_attribute(o) for kind, o in tunnel.options if kind == OVS_TUNNEL_ERSPAN_OPTS), None
        )
        return Front(_ERSPAN_LENGTHS[version.version], b"") if version else None
    octets = _format(kind, tunnel)
    return Front(len(octets), octets)


def numbered_header(tunnel: SetTunnel, sequence: int) -> bytes:
    """Format the headers of an ERSPAN frame, which tell its place in the sequence."""
    erspan = from_attribute(tunnel.options[0][1])
    assert erspan is not None
    timestamp = time.time_ns() // 100_000
    gre = struct.pack("!HHI", _GRE_SEQUENCE, PROTOCOL[erspan.version], sequence & 0xFFFFFFFF)
    return gre + format_erspan_header(erspan, tunnel.tun_id, timestamp)


def _format(kind: str, tunnel: SetTunnel) -> bytes:
    if kind == "vxlan":
        return struct.pack("!BxxxI", _VXLAN_VNI_VALID, (tunnel.tun_id & 0xFFFFFF) << 8)
    if kind == "geneve":
        oam = _GENEVE_OAM if tunnel.flags & TUN_OAM else 0
        return struct.pack("!BBHI", 0, oam, ETH_TYPE_TEB, (tunnel.tun_id & 0xFFFFFF) << 8)
    keyed = _GRE_KEY if tunnel.flags & TUN_KEY else 0
    summed = _GRE_CHECKSUM if tunnel.flags & TUN_CSUM else 0
    header = struct.pack("!HH", keyed | summed, ETH_TYPE_TEB)
    if summed:
        header += bytes(4)
    if keyed:
        header += struct.pack("!I", tunnel.tun_id & 0xFFFFFFFF)
    return header


def gre_with_checksum(header: bytes, payload: bytes) -> bytes:
    """Fill the checksum in, if the header has one: it covers the header and the payload."""
    if not header[0] & _GRE_CHECKSUM >> 8:
        return header
    value = checksum(payload, ones_sum(header))
    return header[:4] + value.to_bytes(2, "big") + header[6:]


def parse_header(kind: str, packet: memoryview) -> TunnelHeader | None:
    """Parse what is behind the UDP or IP header; None for what is malformed, FOREIGN for another kind's."""
    if is_gre(kind):
        return _parse_erspan(packet) if kind in _ERSPAN else _parse_gre(packet)
    if len(packet) < 8:
        return None
    flags, word = packet[0], int.from_bytes(packet[4:8], "big")
    if kind == "vxlan":
        return TunnelHeader(8, word >> 8, TUN_KEY) if flags & _VXLAN_VNI_VALID else None
    if flags >> 6 or packet[2:4] != ETH_TYPE_TEB.to_bytes(2, "big") or packet[1] & _GENEVE_CRITICAL:
        return None
    oam = TUN_OAM if packet[1] & _GENEVE_OAM else 0
    return TunnelHeader(8 + (flags & 0x3F) * 4, word >> 8, TUN_KEY | oam)


def _parse_gre(packet: memoryview) -> TunnelHeader | None:
    if len(packet) < 4:
        return None
    word, proto = struct.unpack_from("!HH", packet)
    if proto in _ERSPAN_PROTOCOLS:
        return FOREIGN
    if word & _GRE_UNKNOWN or proto != ETH_TYPE_TEB:
        return None
    length, tun_id, flags = 4, 0, 0
    if word & _GRE_CHECKSUM:
        length += 4
        flags |= TUN_CSUM
    key_at = length
    length += (4 if word & _GRE_KEY else 0) + (4 if word & _GRE_SEQUENCE else 0)
    if len(packet) < length or (word & _GRE_CHECKSUM and checksum(packet)):
        return None
    if word & _GRE_KEY:
        tun_id = int.from_bytes(packet[key_at : key_at + 4], "big")
        flags |= TUN_KEY
    return TunnelHeader(length, tun_id, flags)


def _parse_erspan(packet: memoryview) -> TunnelHeader | None:
    if len(packet) < _GRE_LEN:
        return None
    word, proto = struct.unpack_from("!HH", packet)
    if proto not in _ERSPAN_PROTOCOLS:
        return FOREIGN
    if word & 0xFFFF & ~_GRE_SEQUENCE:
        return None
    at = _GRE_LEN + (_SEQUENCE_LEN if word & _GRE_SEQUENCE else 0)
    found = parse_erspan(proto, packet[at:])
    return TunnelHeader(at + found[0], found[1], TUN_KEY) if found else None
