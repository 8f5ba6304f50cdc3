"""The fields of flows as ovs-fields(7) names them, and where a FlowKey holds them.

Rule: tables alone, for reading (match_parse) and writing (match_text).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from datapath import odp_values as v
from datapath.odp_values import Kind
from datapath.packet import headers as h

AF_INET, AF_INET6 = 2, 10
DSCP, ECN = 0xFC, 0x03
VID, PCP = 0x0FFF, 0xE000
FRAGMENTS: Final = ("no", "first", "later")
_FRAG = Kind(8, lambda value: FRAGMENTS[value] if value < 3 else str(value), FRAGMENTS.index, v.hexadecimal)
_LABEL = Kind(20, lambda value: f"0x{value:05x}", v.number, lambda value: f"0x{value:05x}")
ICMP, _IGMP, TCP, UDP, ICMPV6, SCTP = 1, 2, 6, 17, 58, 132
ND_TYPES = (135, 136)

# What a word alone says: Ethertype, and protocol of IP.
WORDS: Final[dict[str, tuple[int, int | None]]] = {
    "ip": (h.ETH_TYPE_IP, None),
    "ipv4": (h.ETH_TYPE_IP, None),
    "icmp": (h.ETH_TYPE_IP, ICMP),
    "icmp4": (h.ETH_TYPE_IP, ICMP),
    "igmp": (h.ETH_TYPE_IP, _IGMP),
    "tcp": (h.ETH_TYPE_IP, TCP),
    "tcp4": (h.ETH_TYPE_IP, TCP),
    "udp": (h.ETH_TYPE_IP, UDP),
    "udp4": (h.ETH_TYPE_IP, UDP),
    "sctp": (h.ETH_TYPE_IP, SCTP),
    "sctp4": (h.ETH_TYPE_IP, SCTP),
    "ipv6": (h.ETH_TYPE_IPV6, None),
    "icmp6": (h.ETH_TYPE_IPV6, ICMPV6),
    "tcp6": (h.ETH_TYPE_IPV6, TCP),
    "udp6": (h.ETH_TYPE_IPV6, UDP),
    "sctp6": (h.ETH_TYPE_IPV6, SCTP),
    "arp": (h.ETH_TYPE_ARP, None),
    "rarp": (h.ETH_TYPE_RARP, None),
    "mpls": (h.ETH_TYPE_MPLS, None),
    "mplsm": (h.ETH_TYPE_MPLS_MCAST, None),
}
WORD_OF: Final[dict[tuple[int, int | None], str]] = {
    said: word for word, said in reversed(WORDS.items()) if not word.endswith("4")
}


class MatchField(NamedTuple):
    """NAME=VALUE, a field of the key."""

    name: str
    attribute: str
    kind: Kind
    others: tuple[str, ...] = ()  # further names, that are read


METADATA: Final = (
    MatchField("pkt_mark", "skb_mark", v.hexa(32)),
    MatchField("recirc_id", "recirc_id", v.hexa(32)),
    MatchField("dp_hash", "dp_hash", v.hexa(32)),
    MatchField("skb_priority", "priority", v.hexa(32)),
)
CONNECTION: Final = (
    MatchField("ct_zone", "ct_zone", v.decimal(16)),
    MatchField("ct_mark", "ct_mark", v.hexa(32)),
    MatchField("ct_label", "ct_labels", v.hexa(128)),
)
TUNNEL: Final = (
    MatchField("tun_id", "tun_id", v.TUNNEL_ID, ("tunnel_id",)),
    MatchField("tun_src", "tun_src", v.IPV4),
    MatchField("tun_dst", "tun_dst", v.IPV4),
    MatchField("tun_tos", "tun_tos", v.decimal(8)),
    MatchField("tun_ttl", "tun_ttl", v.decimal(8)),
)
TUNNEL6: Final = (
    TUNNEL[0],
    MatchField("tun_ipv6_src", "tun_src", v.IPV6),
    MatchField("tun_ipv6_dst", "tun_dst", v.IPV6),
    *TUNNEL[3:],
)
ETHERNET: Final = (
    MatchField("dl_src", "eth_src", v.MAC, ("eth_src",)),
    MatchField("dl_dst", "eth_dst", v.MAC, ("eth_dst",)),
)
ETH_TYPE: Final = MatchField("dl_type", "eth_type", v.ETH_TYPE, ("eth_type",))
IPV4: Final = (
    MatchField("nw_src", "ip_src", v.IPV4, ("ip_src",)),
    MatchField("nw_dst", "ip_dst", v.IPV4, ("ip_dst",)),
)
IPV6: Final = (
    MatchField("ipv6_src", "ip_src", v.IPV6),
    MatchField("ipv6_dst", "ip_dst", v.IPV6),
    MatchField("ipv6_label", "ipv6_label", _LABEL),
)
PROTO: Final = MatchField("nw_proto", "ip_proto", v.decimal(8), ("ip_proto",))
IP_REST: Final = (
    MatchField("nw_ttl", "ip_ttl", v.decimal(8), ("ip_ttl",)),
    MatchField("nw_frag", "ip_frag", _FRAG, ("ip_frag",)),
)
ARP: Final = (
    MatchField("arp_spa", "arp_sip", v.IPV4),
    MatchField("arp_tpa", "arp_tip", v.IPV4),
    MatchField("arp_op", "arp_op", v.decimal(16)),
    MatchField("arp_sha", "arp_sha", v.MAC),
    MatchField("arp_tha", "arp_tha", v.MAC),
)
PORTS: Final = (
    MatchField("tp_src", "tp_src", v.decimal(16), ("tcp_src", "udp_src", "sctp_src")),
    MatchField("tp_dst", "tp_dst", v.decimal(16), ("tcp_dst", "udp_dst", "sctp_dst")),
)
ICMP_FIELDS: Final = (
    MatchField("icmp_type", "tp_src", v.decimal(8), ("icmpv6_type",)),
    MatchField("icmp_code", "tp_dst", v.decimal(8), ("icmpv6_code",)),
)
ND: Final = (
    MatchField("nd_target", "nd_target", v.IPV6),
    MatchField("nd_sll", "nd_sll", v.MAC),
    MatchField("nd_tll", "nd_tll", v.MAC),
)


BY_NAME: Final = {
    name: field
    for field in (
        *(*METADATA, *CONNECTION, *TUNNEL, *TUNNEL6, *ETHERNET, ETH_TYPE, *IPV4, *IPV6, PROTO),
        *(*IP_REST, *ARP, *PORTS, *ICMP_FIELDS, *ND),
    )
    for name in (field.name, *field.others)
}
