"""Flows in the text form that ovs-fields(7) describes: tcp,in_port=1,nw_src=10.0.0.1,tp_dst=80.

Rule: pure. Ports are the caller's text, since a FlowKey holds the datapath's numbers. Written are the fields
that a mask looks at, in Open vSwitch's order.
"""

from __future__ import annotations

from collections.abc import Iterator

from datapath import match_fields as f
from datapath import odp_values as v
from datapath.packet import headers as h
from datapath.packet.flowkey import FlowKey


def format_packet(key: FlowKey, in_port: str) -> str:
    """Write all fields that a packet with this key has; of those beside its bytes the ones that are not 0."""
    return ",".join(_parts(key, _whole(key), in_port, is_match=False))


def format_match(key: FlowKey, mask: FlowKey, in_port: str) -> str:
    """Write the fields of `key` that `mask` looks at."""
    return ",".join(_parts(key, mask, in_port, is_match=True))


def _whole(key: FlowKey) -> FlowKey:
    """Return a mask of everything that a packet has."""
    beside = FlowKey._fields.index("eth_src")
    return FlowKey._make(-1 if at >= beside or value else 0 for at, value in enumerate(key))


def _parts(key: FlowKey, mask: FlowKey, in_port: str, *, is_match: bool) -> Iterator[str]:
    yield from _fields(f.METADATA, key, mask)
    if mask.ct_state:
        yield f"ct_state={v.format_flags(key.ct_state, mask.ct_state, v.CT_STATE)}"
    yield from _fields(f.CONNECTION, key, mask)
    if is_match:
        yield "eth"
    word = f.WORD_OF.get((key.eth_type, key.ip_proto if mask.ip_proto else None))
    word = word or f.WORD_OF.get((key.eth_type, None))
    if word and mask.eth_type:
        yield word
    yield from _fields(f.TUNNEL6 if key.tun_proto == f.AF_INET6 else f.TUNNEL, key, mask)
    if mask.tun_flags and key.tun_proto:
        yield f"tun_flags={v.format_flags(key.tun_flags, mask.tun_flags, v.TUNNEL_FLAGS)}"
    if mask.in_port or not is_match:
        yield f"in_port={in_port}"
    yield from _tags(key, mask, is_match=is_match)
    yield from _fields(f.ETHERNET, key, mask)
    if mask.eth_type and not word:
        yield from _fields((f.ETH_TYPE,), key, mask)
    yield from _network(key, mask, word or "")


def _fields(fields: tuple[f.MatchField, ...], key: FlowKey, mask: FlowKey) -> Iterator[str]:
    for field in fields:
        looked_at = getattr(mask, field.attribute) & field.kind.ones
        if looked_at:
            yield f"{field.name}={field.kind.format_masked(getattr(key, field.attribute), looked_at)}"


def _tags(key: FlowKey, mask: FlowKey, *, is_match: bool) -> Iterator[str]:
    for suffix, tci, bits in (("", key.vlan_tci, mask.vlan_tci), ("1", key.cvlan_tci, mask.cvlan_tci)):
        if not tci:
            if not is_match:
                yield f"vlan_tci{suffix}=0x0000"
            return
        if bits & f.VID:
            yield f"dl_vlan{suffix}={tci & f.VID}"
        if bits & f.PCP:
            yield f"dl_vlan_pcp{suffix}={(tci & f.PCP) >> 13}"


def _network(key: FlowKey, mask: FlowKey, word: str) -> Iterator[str]:
    if key.eth_type in (h.ETH_TYPE_ARP, h.ETH_TYPE_RARP):
        yield from _fields(f.ARP, key, mask)
    elif key.eth_type in (h.ETH_TYPE_MPLS, h.ETH_TYPE_MPLS_MCAST):
        yield from _labels(key, mask)
    elif key.eth_type in (h.ETH_TYPE_IP, h.ETH_TYPE_IPV6):
        is_ipv4 = key.eth_type == h.ETH_TYPE_IP
        yield from _fields(f.IPV4 if is_ipv4 else f.IPV6, key, mask)
        if f.WORDS[word][1] is None:
            yield from _fields((f.PROTO,), key, mask)
        if mask.ip_tos & f.DSCP:
            yield f"nw_tos={key.ip_tos & f.DSCP}"
        if mask.ip_tos & f.ECN:
            yield f"nw_ecn={key.ip_tos & f.ECN}"
        yield from _fields(f.IP_REST, key, mask)
        yield from _transport(key, mask)


def _labels(key: FlowKey, mask: FlowKey) -> Iterator[str]:
    if mask.mpls_lse0:
        lse = key.mpls_lse0
        yield f"mpls_label={lse >> 12},mpls_tc={lse >> 9 & 7},mpls_ttl={lse & 0xFF},mpls_bos={lse >> 8 & 1}"
    for name, value, bits in (
        ("mpls_lse1", key.mpls_lse1, mask.mpls_lse1),
        ("mpls_lse2", key.mpls_lse2, mask.mpls_lse2),
    ):
        if bits:
            yield f"{name}={v.hexadecimal(value)}"


def _transport(key: FlowKey, mask: FlowKey) -> Iterator[str]:
    if key.ip_frag == len(f.FRAGMENTS) - 1 or not mask.ip_proto:
        return
    if key.ip_proto in (f.TCP, f.UDP, f.SCTP):
        yield from _fields(f.PORTS, key, mask)
        if key.ip_proto == f.TCP and mask.tcp_flags:
            yield f"tcp_flags={v.format_flags(key.tcp_flags, mask.tcp_flags, v.TCP_FLAGS)}"
    elif key.ip_proto == (f.ICMP if key.eth_type == h.ETH_TYPE_IP else f.ICMPV6):
        yield from _fields(f.ICMP_FIELDS, key, mask)
        if key.ip_proto == f.ICMPV6 and key.tp_src in f.ND_TYPES:
            yield from _fields(f.ND, key, mask)
