"""OVS_KEY_ATTR_* attributes → FlowKey.

Rule: any bytes give a key or NetlinkFormatError; attributes that a FlowKey has no field for (IPv6 extension
headers) are passed over. So a key is sent back as it came, see FlowPut.wire_key.

This runs for every packet that no flow matches; hence the two layouts that read eleven attributes at once.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from struct import Struct
from typing import Final

from datapath.netlink import uapi
from datapath.netlink.attrs import HEADER, TYPE_MASK, NetlinkFormatError
from datapath.netlink.nsh_codec import decode_key as decode_nsh
from datapath.netlink.tunnel_codec import ALL_ONES_PROTO, decode_tunnel
from datapath.packet.flowkey import ETH_TYPE_NONE, FlowKey
from datapath.packet.packed import OPTIONS_HEADER, TUPLE_HEADER, pack_tuple

_at = FlowKey._fields.index
_NOTHING: Final = list(FlowKey())

_HOST_U16, _HOST_U32 = Struct("=H"), Struct("=I")
_U8X2, _U16, _U16X2 = Struct(">BB"), Struct(">H"), Struct(">HH")
_ETHERNET = Struct(">HIHI")
_IPV4 = Struct(">IIBBBB")
_IPV6 = Struct(">QQQQIBBBB")
_ARP = Struct(">IIHHIHI")
_ND = Struct(">QQHIHI")
_LABELS = Struct("<QQ")  # ovs_u128: the least significant half first, as Open vSwitch prints it

_SRC, _DST, _TYPE = _at("eth_src"), _at("eth_dst"), _at("eth_type")
_VLAN_TPID, _VLAN_TCI = _at("vlan_tpid"), _at("vlan_tci")
_CVLAN_TPID, _CVLAN_TCI = _at("cvlan_tpid"), _at("cvlan_tci")
_CT_LABELS, _MPLS, _TUN_PROTO = _at("ct_labels"), _at("mpls_lse0"), _at("tun_proto")
_IP_SRC, _IPV6_LABEL, _TP_SRC, _TCP_FLAGS = _at("ip_src"), _at("ipv6_label"), _at("tp_src"), _at("tcp_flags")
_ARP_OP, _ND_TARGET = _at("arp_op"), _at("nd_target")
_TUN_OPTIONS, _CT_TUPLE, _NSH = _at("tun_options"), _at("ct_tuple"), _at("nsh")
_MPLS_LABELS = 3  # that a FlowKey has room for
_DEPTH = 2  # tags that a FlowKey has room for

# type: field, length of the payload, layout
_NUMBERS: Final = {
    uapi.OVS_KEY_RECIRC_ID: (_at("recirc_id"), 4, _HOST_U32.unpack_from),
    uapi.OVS_KEY_DP_HASH: (_at("dp_hash"), 4, _HOST_U32.unpack_from),
    uapi.OVS_KEY_PRIORITY: (_at("priority"), 4, _HOST_U32.unpack_from),
    uapi.OVS_KEY_IN_PORT: (_at("in_port"), 4, _HOST_U32.unpack_from),
    uapi.OVS_KEY_SKB_MARK: (_at("skb_mark"), 4, _HOST_U32.unpack_from),
    uapi.OVS_KEY_CT_STATE: (_at("ct_state"), 4, _HOST_U32.unpack_from),
    uapi.OVS_KEY_CT_ZONE: (_at("ct_zone"), 2, _HOST_U16.unpack_from),
    uapi.OVS_KEY_CT_MARK: (_at("ct_mark"), 4, _HOST_U32.unpack_from),
    uapi.OVS_KEY_ETHERTYPE: (_TYPE, 2, _U16.unpack_from),
    uapi.OVS_KEY_TCP_FLAGS: (_TCP_FLAGS, 2, _U16.unpack_from),
}


def _ethernet(values: list[int], data: bytes, at: int) -> None:
    src_high, src_low, dst_high, dst_low = _ETHERNET.unpack_from(data, at)
    values[_SRC] = src_high << 32 | src_low
    values[_DST] = dst_high << 32 | dst_low


def _ipv4(values: list[int], data: bytes, at: int) -> None:
    values[_IP_SRC : _IP_SRC + 6] = _IPV4.unpack_from(
        data, at
    )  # src, dst, proto, tos, ttl, frag: in this order


def _ipv6(values: list[int], data: bytes, at: int) -> None:
    src_high, src_low, dst_high, dst_low, label, *rest = _IPV6.unpack_from(data, at)
    values[_IP_SRC : _IP_SRC + 6] = src_high << 64 | src_low, dst_high << 64 | dst_low, *rest
    values[_IPV6_LABEL] = label


def _ports(values: list[int], data: bytes, at: int) -> None:
    values[_TP_SRC : _TP_SRC + 2] = _U16X2.unpack_from(data, at)


def _icmp(values: list[int], data: bytes, at: int) -> None:
    values[_TP_SRC : _TP_SRC + 2] = _U8X2.unpack_from(data, at)


def _arp(values: list[int], data: bytes, at: int) -> None:
    sip, tip, op, sha_high, sha_low, tha_high, tha_low = _ARP.unpack_from(data, at)
    values[_ARP_OP : _ARP_OP + 5] = op, sip, tip, sha_high << 32 | sha_low, tha_high << 32 | tha_low


def _nd(values: list[int], data: bytes, at: int) -> None:
    high, low, sll_high, sll_low, tll_high, tll_low = _ND.unpack_from(data, at)
    values[_ND_TARGET : _ND_TARGET + 3] = high << 64 | low, sll_high << 32 | sll_low, tll_high << 32 | tll_low


def _ct_labels(values: list[int], data: bytes, at: int) -> None:
    low, high = _LABELS.unpack_from(data, at)
    values[_CT_LABELS] = high << 64 | low


def _tuple_ipv4(values: list[int], data: bytes, at: int) -> None:
    values[_CT_TUPLE] = pack_tuple(socket.AF_INET, data[at : at + 16])


def _tuple_ipv6(values: list[int], data: bytes, at: int) -> None:
    values[_CT_TUPLE] = pack_tuple(socket.AF_INET6, data[at : at + 40])


_STRUCTS: Final[dict[int, tuple[int, Callable[[list[int], bytes, int], None]]]] = {
    uapi.OVS_KEY_ETHERNET: (12, _ethernet),
    uapi.OVS_KEY_IPV4: (12, _ipv4),
    uapi.OVS_KEY_IPV6: (40, _ipv6),
    uapi.OVS_KEY_TCP: (4, _ports),
    uapi.OVS_KEY_UDP: (4, _ports),
    uapi.OVS_KEY_SCTP: (4, _ports),
    uapi.OVS_KEY_ICMP: (2, _icmp),
    uapi.OVS_KEY_ICMPV6: (2, _icmp),
    uapi.OVS_KEY_ARP: (24, _arp),
    uapi.OVS_KEY_ND: (28, _nd),
    uapi.OVS_KEY_CT_LABELS: (16, _ct_labels),
    uapi.OVS_KEY_CT_ORIG_TUPLE_IPV4: (16, _tuple_ipv4),
    uapi.OVS_KEY_CT_ORIG_TUPLE_IPV6: (40, _tuple_ipv6),
}


# The kernel's upcalls begin with RECIRC_ID, DP_HASH, PRIORITY, IN_PORT, SKB_MARK, CT_STATE, CT_ZONE, CT_MARK,
# CT_LABELS, the first nine fields of a FlowKey; mostly ETHERNET and ETHERTYPE follow. Read so, a UDP key
# takes 9 us, attribute by attribute 17 us.
_METADATA: Final = Struct("=IIIIIIIIIIIIIHxxIIIQQ")
_METADATA_HEADERS: Final = tuple(
    length | kind << 16
    for kind, length in (
        *((uapi.OVS_KEY_RECIRC_ID, 8), (uapi.OVS_KEY_DP_HASH, 8), (uapi.OVS_KEY_PRIORITY, 8)),
        *((uapi.OVS_KEY_IN_PORT, 8), (uapi.OVS_KEY_SKB_MARK, 8), (uapi.OVS_KEY_CT_STATE, 8)),
        *((uapi.OVS_KEY_CT_ZONE, 6), (uapi.OVS_KEY_CT_MARK, 8), (uapi.OVS_KEY_CT_LABELS, 20)),
    )
)
_FRAME: Final = Struct(">4sHIHI4sHxx")
_FRAME_HEADERS: Final = (HEADER.pack(16, uapi.OVS_KEY_ETHERNET), HEADER.pack(6, uapi.OVS_KEY_ETHERTYPE))


def decode_key(data: bytes, at: int = 0, end: int | None = None) -> FlowKey:
    """Read a key. Without a type attribute it is of an 802.2 frame: ETH_TYPE_NONE."""
    stop = len(data) if end is None else end
    values = _NOTHING.copy()
    if at + _METADATA.size <= stop:
        fields = _METADATA.unpack_from(data, at)
        if fields[:17:2] == _METADATA_HEADERS:
            values[:8] = fields[1:16:2]
            values[_CT_LABELS] = fields[18] << 64 | fields[17]
            at += _METADATA.size
            if at + _FRAME.size <= stop:
                first, src_high, src_low, dst_high, dst_low, second, values[_TYPE] = _FRAME.unpack_from(
                    data, at
                )
                if (first, second) == _FRAME_HEADERS:
                    values[_SRC] = src_high << 32 | src_low
                    values[_DST] = dst_high << 32 | dst_low
                    at += _FRAME.size
                else:
                    values[_TYPE] = 0
    _fill(values, data, at, stop, 0)
    return FlowKey._make(values)


def decode_mask(data: bytes, at: int = 0, end: int | None = None) -> FlowKey:
    """Read a mask. No type attribute means that the type is not looked at."""
    values = _NOTHING.copy()
    _fill(values, data, at, len(data) if end is None else end, 0)
    if values[_TUN_PROTO]:
        values[_TUN_PROTO] = ALL_ONES_PROTO
    if values[_TUN_OPTIONS]:
        values[_TUN_OPTIONS] |= OPTIONS_HEADER
    if values[_CT_TUPLE]:
        values[_CT_TUPLE] |= TUPLE_HEADER
    if values[_TYPE] == ETH_TYPE_NONE:
        values[_TYPE] = 0
    return FlowKey._make(values)


def _fill(values: list[int], data: bytes, at: int, end: int, depth: int) -> None:
    """Set the fields that the attributes in data[at:end] name; `depth` tags are around them."""
    unpack_header = HEADER.unpack_from
    encapsulated = (0, 0)
    while at + 4 <= end:
        length, kind = unpack_header(data, at)
        if length < 4 or at + length > end:
            raise NetlinkFormatError(
                f"key attribute {kind & TYPE_MASK} at {at}: {length} bytes, {end - at} are left"
            )
        if number := _NUMBERS.get(kind):
            field, size, unpack = number
            if length != size + 4:
                raise NetlinkFormatError(f"key attribute {kind} has {length - 4} bytes, not {size}")
            (values[field],) = unpack(data, at + 4)
        elif struct := _STRUCTS.get(kind):
            size, parse = struct
            if length != size + 4:
                raise NetlinkFormatError(f"key attribute {kind} has {length - 4} bytes, not {size}")
            parse(values, data, at + 4)
        else:
            encapsulated = _rare(values, data, at + 4, at + length, kind & TYPE_MASK, depth) or encapsulated
        at += length + 3 & ~3
    if encapsulated[1]:
        _fill(values, data, *encapsulated, depth + 1)
    elif values[_TYPE] == 0:
        values[_TYPE] = ETH_TYPE_NONE


def _rare(values: list[int], data: bytes, at: int, end: int, kind: int, depth: int) -> tuple[int, int] | None:
    """Read an attribute whose length varies; return where the inner attributes of a tagged frame are."""
    if kind == uapi.OVS_KEY_VLAN:
        if end - at != 2 or depth >= _DEPTH:
            raise NetlinkFormatError("a VLAN attribute of another length than 2, or a third one")
        tpid, tci = (_CVLAN_TPID, _CVLAN_TCI) if depth else (_VLAN_TPID, _VLAN_TCI)
        values[tpid], values[_TYPE] = values[_TYPE], 0
        (values[tci],) = _U16.unpack_from(data, at)
    elif kind == uapi.OVS_KEY_ENCAP:
        if depth >= _DEPTH:
            raise NetlinkFormatError("more than two nested ENCAP attributes")
        return at, end
    elif kind == uapi.OVS_KEY_TUNNEL:
        decode_tunnel(values, data, at, end)
    elif kind == uapi.OVS_KEY_NSH:
        values[_NSH] = decode_nsh(data, at, end)
    elif kind == uapi.OVS_KEY_MPLS:
        if (end - at) % 4:
            raise NetlinkFormatError(f"an MPLS attribute of {end - at} bytes")
        for index in range(min((end - at) // 4, _MPLS_LABELS)):
            values[_MPLS + index] = int.from_bytes(data[at + 4 * index : at + 4 * index + 4], "big")
    return None
