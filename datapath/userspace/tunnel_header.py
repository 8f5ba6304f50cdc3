"""The headers of GRE (RFC 2784, 2890), VXLAN (RFC 7348) and Geneve (RFC 8926) that carry Ethernet frames."""

from __future__ import annotations

import struct
from typing import NamedTuple

from datapath.actions import SetTunnel
from datapath.packet.checksum import checksum, ones_sum
from datapath.packet.flowkey import TUN_CSUM, TUN_KEY, TUN_OAM
from datapath.packet.headers import ETH_TYPE_TEB

_VXLAN_VNI_VALID = 0x08
_GENEVE_OAM, _GENEVE_CRITICAL = 0x80, 0x40
_GRE_CHECKSUM, _GRE_KEY, _GRE_SEQUENCE = 0x8000, 0x2000, 0x1000
_GRE_UNKNOWN = 0xFFFF & ~(_GRE_CHECKSUM | _GRE_KEY | _GRE_SEQUENCE)


class TunnelHeader(NamedTuple):
    """What a tunnel's header says of the frame behind it."""

    length: int
    tun_id: int
    flags: int  # TUN_*


def format_header(kind: str, tunnel: SetTunnel) -> bytes:
    """Format the header of a kind; the checksum of GRE is still 0."""
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
    """Parse what is behind the UDP or IP header; None for a packet that is to be dropped."""
    if kind == "gre":
        return _parse_gre(packet)
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
