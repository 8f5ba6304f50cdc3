"""Masks that look at all of a packet, for flows of one connection alone (upcall/disable-megaflows).

Rule: pure; only fields that the packet has.
"""

from __future__ import annotations

from datapath.packet import headers as h
from datapath.packet.flowkey import FlowKey

_ONES8, _ONES12, _ONES16, _ONES20, _ONES32 = 0xFF, 0xFFF, 0xFFFF, 0xFFFFF, 0xFFFFFFFF
_ONES48, _ONES128, _ONES192 = (1 << 48) - 1, (1 << 128) - 1, (1 << 192) - 1
_WITH_PORTS = (h.IPPROTO_ICMP, h.IPPROTO_TCP, h.IPPROTO_UDP, h.IPPROTO_ICMPV6, h.IPPROTO_SCTP)


def exact(key: FlowKey, looked_at: FlowKey) -> FlowKey:
    """Widen a mask by every field of the packet."""
    mask = looked_at._replace(
        eth_src=_ONES48,
        eth_dst=_ONES48,
        eth_type=_ONES16,
        vlan_tpid=_ONES16,
        vlan_tci=_ONES16,
        cvlan_tpid=_ONES16,
        cvlan_tci=_ONES16,
    )
    if key.eth_type in (h.ETH_TYPE_IP, h.ETH_TYPE_IPV6):
        return _exact_ip(key, mask)
    if key.eth_type in (h.ETH_TYPE_ARP, h.ETH_TYPE_RARP):
        return mask._replace(
            arp_op=_ONES16, arp_sip=_ONES32, arp_tip=_ONES32, arp_sha=_ONES48, arp_tha=_ONES48
        )
    if key.eth_type in (h.ETH_TYPE_MPLS, h.ETH_TYPE_MPLS_MCAST):
        return mask._replace(mpls_lse0=_ONES32)
    if key.eth_type == h.ETH_TYPE_NSH:
        return mask._replace(nsh=_ONES192)
    return mask


def _exact_ip(key: FlowKey, mask: FlowKey) -> FlowKey:
    is_ipv6 = key.eth_type == h.ETH_TYPE_IPV6
    address = _ONES128 if is_ipv6 else _ONES32
    mask = mask._replace(
        ip_src=address,
        ip_dst=address,
        ip_proto=_ONES8,
        ip_tos=_ONES8,
        ip_ttl=_ONES8,
        ip_frag=_ONES8,
        ipv6_label=_ONES20 if is_ipv6 else 0,
    )
    if key.ip_frag == h.IP_FRAG_LATER or key.ip_proto not in _WITH_PORTS:
        return mask
    mask = mask._replace(tp_src=_ONES16, tp_dst=_ONES16)
    if key.ip_proto == h.IPPROTO_TCP:
        return mask._replace(tcp_flags=_ONES12)
    if is_ipv6 and key.ip_proto == h.IPPROTO_ICMPV6 and key.tp_src in (h.ND_SOLICIT, h.ND_ADVERT):
        return mask._replace(nd_target=_ONES128, nd_sll=_ONES48, nd_tll=_ONES48)
    return mask
