"""The outer header of a tunnelled packet: OVS_KEY_ATTR_TUNNEL to the tun_* fields of a FlowKey, and back.

Rule: pure. An attribute that is there and a field that is not 0 are the same thing, flags and TTL aside.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from struct import Struct
from typing import Final

from datapath.netlink import uapi
from datapath.netlink.attrs import NetlinkFormatError, attr, attr_u8, attributes
from datapath.packet.flowkey import TUN_CSUM, TUN_DONT_FRAGMENT, TUN_KEY, TUN_OAM, FlowKey
from datapath.packet.packed import pack_options

ALL_ONES_PROTO: Final = 0xFF  # tun_proto of a mask

_at = FlowKey._fields.index
_PROTO, _ID, _FLAGS, _OPTIONS = _at("tun_proto"), _at("tun_id"), _at("tun_flags"), _at("tun_options")
_U16, _U64 = Struct(">H"), Struct(">Q")

# type: field, length
_NUMBERS: Final = {
    uapi.OVS_TUNNEL_IPV4_SRC: (_at("tun_src"), 4),
    uapi.OVS_TUNNEL_IPV4_DST: (_at("tun_dst"), 4),
    uapi.OVS_TUNNEL_IPV6_SRC: (_at("tun_src"), 16),
    uapi.OVS_TUNNEL_IPV6_DST: (_at("tun_dst"), 16),
    uapi.OVS_TUNNEL_TOS: (_at("tun_tos"), 1),
    uapi.OVS_TUNNEL_TTL: (_at("tun_ttl"), 1),
    uapi.OVS_TUNNEL_TP_SRC: (_at("tun_tp_src"), 2),
    uapi.OVS_TUNNEL_TP_DST: (_at("tun_tp_dst"), 2),
    uapi.OVS_TUNNEL_ID: (_ID, 8),
}
_FLAG_BITS: Final = {
    uapi.OVS_TUNNEL_DONT_FRAGMENT: TUN_DONT_FRAGMENT,
    uapi.OVS_TUNNEL_CSUM: TUN_CSUM,
    uapi.OVS_TUNNEL_OAM: TUN_OAM,
    uapi.OVS_TUNNEL_ID: TUN_KEY,
}
KNOWN_TUNNEL_ATTRIBUTES: Final = _NUMBERS.keys() | _FLAG_BITS.keys()
# At most one of them; a FlowKey has it in one field, a SetTunnel as it is.
TUNNEL_OPTIONS: Final = frozenset(
    (uapi.OVS_TUNNEL_GENEVE_OPTS, uapi.OVS_TUNNEL_VXLAN_OPTS, uapi.OVS_TUNNEL_ERSPAN_OPTS)
)
_IPV6: Final = frozenset((uapi.OVS_TUNNEL_IPV6_SRC, uapi.OVS_TUNNEL_IPV6_DST))


def decode_tunnel(values: list[int], data: bytes, at: int, end: int) -> None:
    """Fill the tun_* fields of `values`, a FlowKey as a list, from the attributes in data[at:end]."""
    values[_PROTO] = socket.AF_INET
    for kind, start, stop in attributes(data, at, end):
        number = _NUMBERS.get(kind)
        if number is not None:
            field, length = number
            if stop - start != length:
                raise NetlinkFormatError(f"tunnel attribute {kind} has {stop - start} bytes, not {length}")
            values[field] = int.from_bytes(data[start:stop], "big")
            if kind in _IPV6:
                values[_PROTO] = socket.AF_INET6
        elif kind in TUNNEL_OPTIONS:
            values[_OPTIONS] = pack_options(kind, data[start:stop])
        values[_FLAGS] |= _FLAG_BITS.get(kind, 0)


def encode_tunnel(
    proto: int,
    tun_id: int,
    src: int,
    dst: int,
    tos: int,
    ttl: int,
    flags: int,
    tp_src: int,
    tp_dst: int,
    options: Iterable[tuple[int, bytes]] = (),
) -> bytes:
    """Encode the payload of OVS_KEY_ATTR_TUNNEL. `proto` decides how long the addresses are."""
    parts = []
    if flags & TUN_KEY or tun_id:
        parts.append(attr(uapi.OVS_TUNNEL_ID, _U64.pack(tun_id)))
    if proto == socket.AF_INET6:
        if src:
            parts.append(attr(uapi.OVS_TUNNEL_IPV6_SRC, src.to_bytes(16, "big")))
        if dst:
            parts.append(attr(uapi.OVS_TUNNEL_IPV6_DST, dst.to_bytes(16, "big")))
    else:
        if src:
            parts.append(attr(uapi.OVS_TUNNEL_IPV4_SRC, src.to_bytes(4, "big")))
        if dst:
            parts.append(attr(uapi.OVS_TUNNEL_IPV4_DST, dst.to_bytes(4, "big")))
    if tos:
        parts.append(attr_u8(uapi.OVS_TUNNEL_TOS, tos))
    parts.append(attr_u8(uapi.OVS_TUNNEL_TTL, ttl))
    for kind, bit in _FLAG_BITS.items():
        if flags & bit and bit != TUN_KEY:
            parts.append(attr(kind))
    if tp_src:
        parts.append(attr(uapi.OVS_TUNNEL_TP_SRC, _U16.pack(tp_src)))
    if tp_dst:
        parts.append(attr(uapi.OVS_TUNNEL_TP_DST, _U16.pack(tp_dst)))
    parts += [attr(kind, payload) for kind, payload in options]
    return b"".join(parts)
