"""FlowKey → OVS_KEY_ATTR_* attributes: a key, and a mask in the shape of its key.

Rule: which attributes there are, the key alone decides; a mask has an attribute for each of the key's, plus
TUNNEL and ETHERTYPE, as the kernel wants them. A mask for ports is left out unless the protocol is matched
exactly, one for neighbour discovery unless the ICMP type is: the kernel refuses them (match_validate() in
net/openvswitch). What few packets have (packed.py, NSH) is in a mask only where it is looked at.
"""

from __future__ import annotations

import socket
from functools import lru_cache
from struct import Struct
from typing import Final, NamedTuple

from datapath.netlink import uapi
from datapath.netlink.attrs import HEADER, attr, attr_u32, nested
from datapath.netlink.nsh_codec import encode_key as encode_nsh
from datapath.netlink.tunnel_codec import encode_tunnel
from datapath.packet.flowkey import ETH_TYPE_NONE, VLAN_PRESENT, FlowKey
from datapath.packet.packed import OPTIONS_HEADER, TUPLE_HEADER, options_mask, tuple_payload, unpack_options

NO_PORT: Final = 0xFFFFFFFF  # in_port of a packet that came from no port

_ETHERNET = Struct(">4sHIHI")
_ETHERNET_HEADER = HEADER.pack(16, uapi.OVS_KEY_ETHERNET)
_IPV4 = Struct(">IIBBBB")
_IPV6 = Struct(">QQQQIBBBB")
_ARP = Struct(">IIHHIHIxx")
_ND = Struct(">QQHIHI")
_U8X2, _U16, _U16X2 = Struct(">BB"), Struct(">H"), Struct(">HH")
_LOW64 = (1 << 64) - 1
_LOW32 = (1 << 32) - 1
_EXACT_TYPE = 0xFFFF  # the kernel knows no other mask for a type
_EXACT_BYTE = 0xFF
_GBP = 1  # OVS_VXLAN_EXT_GBP
_BOTTOM_OF_STACK = 0x100  # in an MPLS label stack entry
_TUPLE: Final[dict[int, int]] = {
    socket.AF_INET: uapi.OVS_KEY_CT_ORIG_TUPLE_IPV4,
    socket.AF_INET6: uapi.OVS_KEY_CT_ORIG_TUPLE_IPV6,
}


class Shape(NamedTuple):
    """What of a key decides which attributes it has."""

    tunnel: int  # tun_proto
    tags: int  # 0, 1 or 2
    eth_type: int
    transport: int  # attribute for ports or ICMP; 0: none
    discovery: bool  # ND follows
    labels: int  # MPLS
    options: int = 0  # low bits of tun_options
    tracked: int = 0  # family of ct_tuple


_TRANSPORT_IPV4: Final = {
    uapi.IPPROTO_TCP: uapi.OVS_KEY_TCP,
    uapi.IPPROTO_UDP: uapi.OVS_KEY_UDP,
    uapi.IPPROTO_SCTP: uapi.OVS_KEY_SCTP,
    uapi.IPPROTO_ICMP: uapi.OVS_KEY_ICMP,
}
_TRANSPORT_IPV6: Final = {
    uapi.IPPROTO_TCP: uapi.OVS_KEY_TCP,
    uapi.IPPROTO_UDP: uapi.OVS_KEY_UDP,
    uapi.IPPROTO_SCTP: uapi.OVS_KEY_SCTP,
    uapi.IPPROTO_ICMPV6: uapi.OVS_KEY_ICMPV6,
}


def shape_of(key: FlowKey) -> Shape:
    """Tell which attributes a key has."""
    eth_type, transport, discovery, labels = key.eth_type, 0, False, 0
    if eth_type == uapi.ETH_P_IP:
        if key.ip_frag != uapi.OVS_FRAG_LATER:
            transport = _TRANSPORT_IPV4.get(key.ip_proto, 0)
    elif eth_type == uapi.ETH_P_IPV6:
        if key.ip_frag != uapi.OVS_FRAG_LATER:
            transport = _TRANSPORT_IPV6.get(key.ip_proto, 0)
            discovery = transport == uapi.OVS_KEY_ICMPV6 and key.tp_src in (
                uapi.ND_SOLICITATION,
                uapi.ND_ADVERTISEMENT,
            )
    elif eth_type in (uapi.ETH_P_MPLS_UC, uapi.ETH_P_MPLS_MC):
        stack = (key.mpls_lse0, key.mpls_lse1)
        labels = next((n for n, entry in enumerate(stack, 1) if entry & _BOTTOM_OF_STACK), 3)
    tags = 0 if not key.vlan_tci else 2 if key.cvlan_tci else 1
    options, tracked = key.tun_options & OPTIONS_HEADER, key.ct_tuple & TUPLE_HEADER
    return Shape(key.tun_proto, tags, eth_type, transport, discovery, labels, options, tracked)


def encode_key(key: FlowKey) -> bytes:
    """Encode a key, metadata first, as the kernel does."""
    shape = shape_of(key)
    eth_type = b"" if key.eth_type == ETH_TYPE_NONE else _eth_type(key.eth_type)
    return encode_metadata(key) + _ethernet(key) + _tagged(key, shape, eth_type, is_mask=False)


@lru_cache(maxsize=8192)  # 1 us instead of 17; as many masks as shapes of traffic times kinds of decisions
def encode_mask(mask: FlowKey, shape: Shape) -> bytes:
    """Encode a mask for keys of this shape."""
    options = _options_mask(mask, shape.options) if mask.tun_options and shape.options else ()
    tunnel = nested(uapi.OVS_KEY_TUNNEL, _tunnel(mask, shape.tunnel, options))
    port = attr_u32(uapi.OVS_KEY_IN_PORT, mask.in_port & NO_PORT)
    tracked = _tracked(mask, shape.tracked) if mask.eth_type and mask.ct_tuple else b""
    eth_type = _eth_type(_EXACT_TYPE) if mask.eth_type else b""
    frame = _ethernet(mask) + _tagged(mask, shape, eth_type, is_mask=True)
    return _metadata(mask) + port + tunnel + tracked + frame


def encode_metadata(key: FlowKey) -> bytes:
    """Encode what no packet holds, for a packet to be executed."""
    options = (unpack_options(key.tun_options),) if key.tun_options else ()
    tunnel = nested(uapi.OVS_KEY_TUNNEL, _tunnel(key, key.tun_proto, options)) if key.tun_proto else b""
    port = b"" if key.in_port == NO_PORT else attr_u32(uapi.OVS_KEY_IN_PORT, key.in_port)
    return _metadata(key) + port + tunnel + _tracked(key, key.ct_tuple & TUPLE_HEADER)


def _metadata(key: FlowKey) -> bytes:
    return (
        attr_u32(uapi.OVS_KEY_RECIRC_ID, key.recirc_id)
        + attr_u32(uapi.OVS_KEY_DP_HASH, key.dp_hash)
        + attr_u32(uapi.OVS_KEY_PRIORITY, key.priority)
        + attr_u32(uapi.OVS_KEY_SKB_MARK, key.skb_mark)
        + attr_u32(uapi.OVS_KEY_CT_STATE, key.ct_state)
        + attr(uapi.OVS_KEY_CT_ZONE, key.ct_zone.to_bytes(2, "little"))
        + attr_u32(uapi.OVS_KEY_CT_MARK, key.ct_mark)
        + attr(uapi.OVS_KEY_CT_LABELS, key.ct_labels.to_bytes(16, "little"))
    )


def _tracked(key: FlowKey, family: int) -> bytes:
    """Encode the first tuple of the packet's connection."""
    return attr(_TUPLE[family], tuple_payload(key.ct_tuple, family)) if family in _TUPLE else b""


def _options_mask(mask: FlowKey, options: int) -> tuple[tuple[int, bytes]]:
    """Return a mask over options whose type and length `options` has."""
    kind, empty = unpack_options(options)
    payload = options_mask(mask.tun_options, len(empty))
    if kind == uapi.OVS_TUNNEL_VXLAN_OPTS:  # an attribute itself, whose header is none of a packet's bits
        payload = HEADER.pack(len(payload), _GBP) + payload[HEADER.size :]
    return ((kind, payload),)


def _tunnel(key: FlowKey, proto: int, options: tuple[tuple[int, bytes], ...]) -> bytes:
    return encode_tunnel(
        proto,
        key.tun_id,
        key.tun_src,
        key.tun_dst,
        key.tun_tos,
        key.tun_ttl,
        key.tun_flags,
        key.tun_tp_src,
        key.tun_tp_dst,
        options,
    )


def ethernet_payload(key: FlowKey) -> bytes:
    """Encode struct ovs_key_ethernet."""
    return key.eth_src.to_bytes(6, "big") + key.eth_dst.to_bytes(6, "big")


def _ethernet(key: FlowKey) -> bytes:
    return _ETHERNET_HEADER + ethernet_payload(key)


def _eth_type(eth_type: int) -> bytes:
    return attr(uapi.OVS_KEY_ETHERTYPE, _U16.pack(eth_type))


def _tagged(key: FlowKey, shape: Shape, eth_type: bytes, *, is_mask: bool) -> bytes:
    """Encode the type and what is behind it within the tags around it."""
    inner = eth_type + _network(key, shape, is_mask=is_mask)
    for tpid, tci in ((key.cvlan_tpid, key.cvlan_tci), (key.vlan_tpid, key.vlan_tci))[2 - shape.tags :]:
        inner = (
            _eth_type(_EXACT_TYPE if is_mask else tpid)
            + attr(uapi.OVS_KEY_VLAN, _U16.pack(tci | VLAN_PRESENT))
            + nested(uapi.OVS_KEY_ENCAP, inner)
        )
    return inner


def _network(key: FlowKey, shape: Shape, *, is_mask: bool) -> bytes:
    """Encode the attributes that follow the type."""
    if is_mask and not key.eth_type:
        return b""
    match shape.eth_type:
        case uapi.ETH_P_IP:
            return attr(uapi.OVS_KEY_IPV4, ipv4_payload(key)) + _transport(key, shape, is_mask=is_mask)
        case uapi.ETH_P_IPV6:
            return attr(uapi.OVS_KEY_IPV6, ipv6_payload(key)) + _transport(key, shape, is_mask=is_mask)
        case uapi.ETH_P_ARP | uapi.ETH_P_RARP:
            return attr(uapi.OVS_KEY_ARP, arp_payload(key))
        case uapi.ETH_P_MPLS_UC | uapi.ETH_P_MPLS_MC:
            return attr(uapi.OVS_KEY_MPLS, mpls_payload(key, shape.labels))
        case uapi.ETH_P_NSH if key.nsh or not is_mask:
            return encode_nsh(key.nsh, is_mask=is_mask)
    return b""


def _transport(key: FlowKey, shape: Shape, *, is_mask: bool) -> bytes:
    if not shape.transport or (is_mask and key.ip_proto != _EXACT_BYTE):
        return b""
    if shape.transport in (uapi.OVS_KEY_ICMP, uapi.OVS_KEY_ICMPV6):
        encoded = attr(shape.transport, icmp_payload(key))
        if shape.discovery and (not is_mask or key.tp_src & _EXACT_BYTE == _EXACT_BYTE):
            encoded += attr(uapi.OVS_KEY_ND, nd_payload(key))
        return encoded
    encoded = attr(shape.transport, ports_payload(key))
    if shape.transport == uapi.OVS_KEY_TCP:
        encoded += attr(uapi.OVS_KEY_TCP_FLAGS, _U16.pack(key.tcp_flags))
    return encoded


def ipv4_payload(key: FlowKey) -> bytes:
    """Encode struct ovs_key_ipv4."""
    return _IPV4.pack(key.ip_src, key.ip_dst, key.ip_proto, key.ip_tos, key.ip_ttl, key.ip_frag)


def ipv6_payload(key: FlowKey) -> bytes:
    """Encode struct ovs_key_ipv6."""
    return _IPV6.pack(
        key.ip_src >> 64,
        key.ip_src & _LOW64,
        key.ip_dst >> 64,
        key.ip_dst & _LOW64,
        key.ipv6_label,
        key.ip_proto,
        key.ip_tos,
        key.ip_ttl,
        key.ip_frag,
    )


def arp_payload(key: FlowKey) -> bytes:
    """Encode struct ovs_key_arp."""
    return _ARP.pack(
        key.arp_sip,
        key.arp_tip,
        key.arp_op,
        key.arp_sha >> 32,
        key.arp_sha & _LOW32,
        key.arp_tha >> 32,
        key.arp_tha & _LOW32,
    )


def nd_payload(key: FlowKey) -> bytes:
    """Encode struct ovs_key_nd."""
    return _ND.pack(
        key.nd_target >> 64,
        key.nd_target & _LOW64,
        key.nd_sll >> 32,
        key.nd_sll & _LOW32,
        key.nd_tll >> 32,
        key.nd_tll & _LOW32,
    )


def mpls_payload(key: FlowKey, labels: int) -> bytes:
    """Encode a label stack."""
    return b"".join(
        entry.to_bytes(4, "big") for entry in (key.mpls_lse0, key.mpls_lse1, key.mpls_lse2)[:labels]
    )


def ports_payload(key: FlowKey) -> bytes:
    """Encode struct ovs_key_tcp, which is that of UDP and SCTP too."""
    return _U16X2.pack(key.tp_src, key.tp_dst)


def icmp_payload(key: FlowKey) -> bytes:
    """Encode struct ovs_key_icmp, which is that of ICMPv6 too."""
    return _U8X2.pack(key.tp_src & _EXACT_BYTE, key.tp_dst & _EXACT_BYTE)
