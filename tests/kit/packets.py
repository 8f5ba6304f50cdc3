"""Hypothesis strategies for packets: keys that some frame has, and frames that are nearly right."""

from __future__ import annotations

from hypothesis import strategies as st

from datapath.packet import headers as h
from datapath.packet.build import build
from datapath.packet.flowkey import ETH_TYPE_NONE, VLAN_PRESENT, FlowKey

_u8 = st.integers(0, 0xFF)
_u16 = st.integers(0, 0xFFFF)
_u32 = st.integers(0, 0xFFFFFFFF)
_mac = st.integers(0, (1 << 48) - 1)
_tci = st.integers(0, 0xFFFF).map(lambda tci: tci | VLAN_PRESENT)
_tpid = st.sampled_from(h.VLAN_TYPES)


@st.composite
def flow_keys(draw: st.DrawFn) -> FlowKey:
    """A key that extract() gives for some frame."""
    key = FlowKey(eth_src=draw(_mac), eth_dst=draw(_mac))
    tags = draw(st.integers(0, 2))
    if tags:
        key = key._replace(vlan_tpid=draw(_tpid), vlan_tci=draw(_tci))
    if tags == 2:
        key = key._replace(cvlan_tpid=draw(_tpid), cvlan_tci=draw(_tci))
    kind = draw(
        st.sampled_from(
            (h.ETH_TYPE_IP, h.ETH_TYPE_IPV6, h.ETH_TYPE_ARP, h.ETH_TYPE_MPLS, 0x88CC, ETH_TYPE_NONE)
        )
    )
    key = key._replace(eth_type=kind)
    if kind in (h.ETH_TYPE_IP, h.ETH_TYPE_IPV6):
        return _ip(draw, key)
    if kind == h.ETH_TYPE_ARP:
        return key._replace(
            arp_op=draw(_u8), arp_sip=draw(_u32), arp_tip=draw(_u32), arp_sha=draw(_mac), arp_tha=draw(_mac)
        )
    if kind == h.ETH_TYPE_MPLS:
        return key._replace(mpls_lse0=draw(_u32) | 0x100)
    return key


def _ip(draw: st.DrawFn, key: FlowKey) -> FlowKey:
    wide = key.eth_type == h.ETH_TYPE_IPV6
    address = st.integers(0, (1 << (128 if wide else 32)) - 1)
    frag = draw(st.sampled_from((0, 0, 0, h.IP_FRAG_FIRST, h.IP_FRAG_LATER)))
    icmp = h.IPPROTO_ICMPV6 if wide else h.IPPROTO_ICMP
    proto = draw(st.sampled_from((h.IPPROTO_TCP, h.IPPROTO_UDP, h.IPPROTO_SCTP, icmp, 89)))
    key = key._replace(
        ip_src=draw(address), ip_dst=draw(address), ip_tos=draw(_u8), ip_ttl=draw(_u8), ip_frag=frag, ip_proto=proto,
        ipv6_label=draw(st.integers(0, 0xFFFFF)) if wide else 0,
    )  # fmt: skip
    if frag == h.IP_FRAG_LATER:
        return key._replace(ip_proto=h.IPV6_FRAGMENT) if wide else key
    if proto == 89:
        return key
    if proto == icmp:
        key = key._replace(tp_src=draw(_u8), tp_dst=draw(_u8))
        if wide and key.tp_src in (h.ND_SOLICIT, h.ND_ADVERT) and key.tp_dst == 0:
            key = key._replace(nd_target=draw(address), nd_sll=draw(_mac), nd_tll=draw(_mac))
        return key
    flags = draw(st.integers(0, 0xFFF)) if proto == h.IPPROTO_TCP else 0
    return key._replace(tp_src=draw(_u16), tp_dst=draw(_u16), tcp_flags=flags)


@st.composite
def nearly_frames(draw: st.DrawFn) -> bytes:
    """A frame of which a few bytes may be damaged, and the end missing."""
    frame = bytearray(build(draw(flow_keys()), draw(st.binary(max_size=40))))
    for at, value in draw(st.lists(st.tuples(st.integers(0, 80), _u8), max_size=4)):
        if at < len(frame):
            frame[at] = value
    return bytes(frame[: draw(st.integers(0, len(frame)))]) if draw(st.booleans()) else bytes(frame)


masks = st.builds(
    FlowKey,
    eth_src=st.sampled_from((0, (1 << 48) - 1, 1)),
    eth_dst=st.sampled_from((0, (1 << 48) - 1, 1 << 40)),
    eth_type=st.just(0xFFFF),
    vlan_tci=st.sampled_from((0, 0xFFFF, 0x1FFF)),
    vlan_tpid=st.sampled_from((0, 0xFFFF)),
    ip_src=st.sampled_from((0, 0xFFFFFFFF, (1 << 128) - 1, 0xFF00)),
    ip_dst=st.sampled_from((0, 0xFFFFFFFF, (1 << 128) - 1)),
    ip_proto=st.sampled_from((0, 0xFF)),
    ip_tos=st.sampled_from((0, 0xFC, 3)),
    ip_ttl=st.sampled_from((0, 0xFF)),
    ip_frag=st.sampled_from((0, 0xFF)),
    ipv6_label=st.sampled_from((0, 0xFFFFF)),
    tp_src=st.sampled_from((0, 0xFFFF, 0xFF)),
    tp_dst=st.sampled_from((0, 0xFFFF, 0xFF00)),
    tcp_flags=st.sampled_from((0, 0xFFF, 2)),
    arp_op=st.sampled_from((0, 0xFF)),
    arp_tip=st.sampled_from((0, 0xFFFFFFFF)),
    mpls_lse0=st.sampled_from((0, 0xFFFFFFFF)),
    nd_target=st.sampled_from((0, (1 << 128) - 1)),
)
"""Masks that look at this and that; the kernel's rule that the type is always looked at holds."""
