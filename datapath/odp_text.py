"""The text form of datapath keys, as ovs-dpctl prints it: in_port(1),eth(src=...),...

Rule: pure. One table describes the headers for both directions: what was formatted with `verbose`, odp_parse
reads as the same key and mask. Ports are numbers, or names where the caller passes a table of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from datapath import odp_nsh, odp_tuple
from datapath import odp_values as v
from datapath.netlink import uapi
from datapath.netlink.key_encode import Shape, shape_of
from datapath.odp_tunnel_options import format_option
from datapath.odp_values import Kind
from datapath.packet.flowkey import ETH_TYPE_NONE, TUN_KEY, VLAN_PRESENT, FlowKey
from datapath.packet.packed import OPTIONS_HEADER, options_mask, unpack_options

PortNames = Mapping[int, str]
_AF_INET, _AF_INET6 = 2, 10
_FRAGMENTS: Final = ("no", "first", "later")
_VID, PCP_SHIFT, _PCP = 0xFFF, 13, 0x7


class Field(NamedTuple):
    """NAME=VALUE within a header; `name` is empty where the value stands alone."""

    name: str
    attribute: str
    kind: Kind


class Header(NamedTuple):
    """NAME(FIELDS): one OVS_KEY_ATTR_*."""

    name: str
    fields: tuple[Field, ...]
    exists: Callable[[Shape], bool]  # in keys of this shape


def _alone(name: str, kind: Kind) -> Header:
    attribute = {"skb_priority": "priority", "ct_label": "ct_labels"}.get(name, name)
    return Header(name, (Field("", attribute, kind),), lambda shape: True)


def _ports(name: str, attribute: int) -> Header:
    fields = (Field("src", "tp_src", v.decimal(16)), Field("dst", "tp_dst", v.decimal(16)))
    return Header(name, fields, lambda shape: shape.transport == attribute)


def _icmp(name: str, attribute: int) -> Header:
    fields = (Field("type", "tp_src", v.decimal(8)), Field("code", "tp_dst", v.decimal(8)))
    return Header(name, fields, lambda shape: shape.transport == attribute)


FRAG: Final = Kind(
    8, lambda value: _FRAGMENTS[value] if value < 3 else str(value), _FRAGMENTS.index, v.hexadecimal
)
_BEFORE: Final = (
    _alone("recirc_id", v.hexa(32)),
    _alone("dp_hash", v.hexa(32)),
)
_PRIORITY: Final = (_alone("skb_priority", v.hexa(32)),)
_AFTER_PORT: Final = (_alone("skb_mark", v.hexa(32)),)
_AFTER_STATE: Final = (
    _alone("ct_zone", v.hexa(16)),
    _alone("ct_mark", v.hexa(32)),
    _alone("ct_label", v.hexa(128)),
)
_ETHERNET: Final = Header(
    "eth", (Field("src", "eth_src", v.MAC), Field("dst", "eth_dst", v.MAC)), lambda shape: True
)
_INNER: Final = (
    Header(
        "ipv4",
        (
            Field("src", "ip_src", v.IPV4),
            Field("dst", "ip_dst", v.IPV4),
            Field("proto", "ip_proto", v.decimal(8)),
            Field("tos", "ip_tos", v.hexa(8)),
            Field("ttl", "ip_ttl", v.decimal(8)),
            Field("frag", "ip_frag", FRAG),
        ),
        lambda shape: shape.eth_type == uapi.ETH_P_IP,
    ),
    Header(
        "ipv6",
        (
            Field("src", "ip_src", v.IPV6),
            Field("dst", "ip_dst", v.IPV6),
            Field("label", "ipv6_label", v.hexa(20)),
            Field("proto", "ip_proto", v.decimal(8)),
            Field("tclass", "ip_tos", v.hexa(8)),
            Field("hlimit", "ip_ttl", v.decimal(8)),
            Field("frag", "ip_frag", FRAG),
        ),
        lambda shape: shape.eth_type == uapi.ETH_P_IPV6,
    ),
    Header(
        "arp",
        (
            Field("sip", "arp_sip", v.IPV4),
            Field("tip", "arp_tip", v.IPV4),
            Field("op", "arp_op", v.decimal(16)),
            Field("sha", "arp_sha", v.MAC),
            Field("tha", "arp_tha", v.MAC),
        ),
        lambda shape: shape.eth_type in (uapi.ETH_P_ARP, uapi.ETH_P_RARP),
    ),
    _ports("tcp", uapi.OVS_KEY_TCP),
    _ports("udp", uapi.OVS_KEY_UDP),
    _ports("sctp", uapi.OVS_KEY_SCTP),
    _icmp("icmp", uapi.OVS_KEY_ICMP),
    _icmp("icmpv6", uapi.OVS_KEY_ICMPV6),
    Header(
        "nd",
        (
            Field("target", "nd_target", v.IPV6),
            Field("sll", "nd_sll", v.MAC),
            Field("tll", "nd_tll", v.MAC),
        ),
        lambda shape: shape.discovery,
    ),
)
TUNNEL_FIELDS: Final[dict[int, tuple[Field, ...]]] = {
    _AF_INET: (
        Field("tun_id", "tun_id", v.TUNNEL_ID),
        Field("src", "tun_src", v.IPV4),
        Field("dst", "tun_dst", v.IPV4),
        Field("tos", "tun_tos", v.hexa(8)),
        Field("ttl", "tun_ttl", v.decimal(8)),
        Field("tp_src", "tun_tp_src", v.decimal(16)),
        Field("tp_dst", "tun_tp_dst", v.decimal(16)),
    ),
    _AF_INET6: (
        Field("tun_id", "tun_id", v.TUNNEL_ID),
        Field("ipv6_src", "tun_src", v.IPV6),
        Field("ipv6_dst", "tun_dst", v.IPV6),
        Field("tos", "tun_tos", v.hexa(8)),
        Field("ttl", "tun_ttl", v.decimal(8)),
        Field("tp_src", "tun_tp_src", v.decimal(16)),
        Field("tp_dst", "tun_tp_dst", v.decimal(16)),
    ),
}
_ETHERNET_PACKET: Final = "packet_type(ns=0,id=0)"
PORT = v.decimal(32)
_CT_STATE = v.hexa(32)
HEADERS: Final = {
    header.name: header for header in (*_BEFORE, *_PRIORITY, *_AFTER_PORT, *_AFTER_STATE, _ETHERNET, *_INNER)
}
LSE: Final = ("mpls_lse0", "mpls_lse1", "mpls_lse2")
LSE_PARTS: Final = (("label", 12, 0xFFFFF), ("tc", 9, 0x7), ("ttl", 0, 0xFF), ("bos", 8, 0x1))


def format_fields(fields: tuple[Field, ...], key: FlowKey, mask: FlowKey, *, verbose: bool) -> str:
    """Write NAME=VALUE,... for the fields that `mask` looks at, or all with `verbose`."""
    parts = []
    for name, attribute, kind in fields:
        bits = getattr(mask, attribute) & kind.ones
        if bits or (verbose and kind is not FRAG):
            text = kind.format_masked(getattr(key, attribute) & kind.ones, bits)
            parts.append(f"{name}={text}" if name else text)
    return ",".join(parts)


def _format_header(
    header: Header, key: FlowKey, mask: FlowKey, *, verbose: bool, always: bool = False
) -> list[str]:
    fields = format_fields(header.fields, key, mask, verbose=verbose)
    return [f"{header.name}({fields})"] if fields or always else []


def format_key(
    key: FlowKey,
    mask: FlowKey,
    *,
    verbose: bool = False,
    names: PortNames | None = None,
    in_process: bool = False,
) -> str:
    """Write a key under a mask; without `verbose` only what is looked at.

    The order is the kernel's, or that of Open vSwitch's own datapath, which tells packets without an Ethernet
    header by their type: a datapath in this process has none of them.
    """
    recirculation = _format_headers(_BEFORE, key, mask, verbose=verbose)
    priority = _format_headers(_PRIORITY, key, mask, verbose=verbose)
    if key.tun_proto:
        priority.append(f"tunnel({_format_tunnel(key, mask, verbose=verbose)})")
    port = []
    if mask.in_port or verbose:
        name = (names or {}).get(key.in_port) if mask.in_port & PORT.ones == PORT.ones else None
        port.append(f"in_port({name or PORT.format_masked(key.in_port, mask.in_port & PORT.ones)})")
    tracked = _format_tracked(key, mask, verbose=verbose)
    if in_process:
        parts = [*priority, *tracked, *recirculation, *port, _ETHERNET_PACKET]
    else:
        parts = [*recirculation, *priority, *port, *tracked]
    parts += _format_header(_ETHERNET, key, mask, verbose=verbose, always=not in_process)
    parts.append(_format_frame(key, mask, shape_of(key), verbose=verbose))
    return ",".join(filter(None, parts))


def _format_headers(headers: tuple[Header, ...], key: FlowKey, mask: FlowKey, *, verbose: bool) -> list[str]:
    return [text for header in headers for text in _format_header(header, key, mask, verbose=verbose)]


def _format_tracked(key: FlowKey, mask: FlowKey, *, verbose: bool) -> list[str]:
    """Write the mark, and what the connection tracker says."""
    parts = _format_headers(_AFTER_PORT, key, mask, verbose=verbose)
    if verbose:
        parts.append(f"ct_state({_CT_STATE.format_masked(key.ct_state, mask.ct_state & _CT_STATE.ones)})")
    elif mask.ct_state:
        parts.append(f"ct_state({v.format_flags(key.ct_state, mask.ct_state, v.CT_STATE)})")
    parts += _format_headers(_AFTER_STATE, key, mask, verbose=verbose)
    return [*parts, odp_tuple.format_tuple(key.ct_tuple, mask.ct_tuple, verbose=verbose)]


def _format_tunnel(key: FlowKey, mask: FlowKey, *, verbose: bool) -> str:
    fields = tuple(  # the kernel leaves out those that are 0
        field
        for field in TUNNEL_FIELDS[_AF_INET6 if key.tun_proto == _AF_INET6 else _AF_INET]
        if getattr(key, field.attribute) or field.name in ("tun_id", "ttl")
    )
    if not key.tun_flags & TUN_KEY and not mask.tun_id:
        fields = fields[1:]
    parts = [format_fields(fields, key, mask, verbose=verbose)]
    if key.tun_options & OPTIONS_HEADER:
        kind, payload = unpack_options(key.tun_options)
        bits = options_mask(mask.tun_options, len(payload))
        parts.append(format_option(kind, payload, bits, verbose=verbose))
    if mask.tun_flags or verbose:
        parts.append(f"flags({v.format_flags(key.tun_flags, mask.tun_flags, v.TUNNEL_FLAGS)})")
    return ",".join(filter(None, parts))


def _format_frame(key: FlowKey, mask: FlowKey, shape: Shape, *, verbose: bool) -> str:
    """Write tags, type and what is behind them."""
    text = _format_network(key, mask, shape, verbose=verbose)
    tags = ((key.cvlan_tpid, key.cvlan_tci, mask.cvlan_tci), (key.vlan_tpid, key.vlan_tci, mask.vlan_tci))
    for tpid, tci, tci_mask in tags[2 - shape.tags :]:
        outer = f"eth_type({v.ETH_TYPE.format(tpid)}),vlan({format_tci(tci, tci_mask, verbose=verbose)})"
        text = f"{outer},encap({text})"
    return text


def format_tci(tci: int, mask: int, *, verbose: bool) -> str:
    """Write the fields of a tag."""
    parts = []
    for name, shift, ones in (("vid", 0, _VID), ("pcp", PCP_SHIFT, _PCP)):
        value, bits = tci >> shift & ones, mask >> shift & ones
        if value or bits or verbose:
            parts.append(f"{name}={value}" if bits == ones else f"{name}={value}/0x{bits:x}")
    if not tci & VLAN_PRESENT:
        parts.append("cfi=0")
    return ",".join(parts)


def _format_network(key: FlowKey, mask: FlowKey, shape: Shape, *, verbose: bool) -> str:
    parts: list[str] = []
    if key.eth_type in (0, ETH_TYPE_NONE):
        parts.append(f"eth_type(0/{v.ETH_TYPE.format_mask(mask.eth_type)})")
    elif mask.eth_type or verbose:
        parts.append(f"eth_type({v.ETH_TYPE.format_masked(key.eth_type, mask.eth_type & 0xFFFF)})")
    for header in _INNER:
        if header.exists(shape):
            parts += _format_header(header, key, mask, verbose=verbose)
    if shape.transport == uapi.OVS_KEY_TCP and (mask.tcp_flags or verbose):
        parts.append(f"tcp_flags({v.format_flags(key.tcp_flags, mask.tcp_flags, v.TCP_FLAGS)})")
    if shape.labels:
        parts += _format_mpls(key, mask, shape.labels, verbose=verbose)
    if shape.eth_type == uapi.ETH_P_NSH:
        parts.append(odp_nsh.format_key(key.nsh, mask.nsh))
    return ",".join(filter(None, parts))


def _format_mpls(key: FlowKey, mask: FlowKey, labels: int, *, verbose: bool) -> list[str]:
    parts = []
    for attribute in LSE[:labels]:
        entry, bits = getattr(key, attribute), getattr(mask, attribute)
        if bits or verbose:
            parts.append(format_lse(entry, bits))
    if not parts:
        return []
    return (
        [f"mpls({parts[0]})"]
        if labels == 1
        else ["mpls(" + ",".join(f"lse{n}({p})" for n, p in enumerate(parts)) + ")"]
    )


def format_lse(entry: int, mask: int) -> str:
    """Write the fields of an MPLS label stack entry."""
    return ",".join(
        _format_lse_part(name, entry >> at & ones, mask >> at & ones, ones) for name, at, ones in LSE_PARTS
    )


def _format_lse_part(name: str, value: int, mask: int, ones: int) -> str:
    return f"{name}={value}" if mask == ones else f"{name}={value}/0x{mask:x}"
