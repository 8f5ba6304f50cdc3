"""The text form of datapath keys and flows, as ovs-dpctl prints and reads it: in_port(1),eth(src=...),...

Rule: pure. One table describes the headers for both directions: parsing what was formatted with `verbose`
gives the same key and mask. Ports are numbers, or names where the caller passes a table of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from datapath import odp_nsh, odp_tuple
from datapath import odp_values as v
from datapath.netlink import uapi
from datapath.netlink.key_encode import Shape, shape_of
from datapath.netlink.tunnel_codec import ALL_ONES_PROTO
from datapath.odp_tunnel_options import format_option, is_option, parse_option
from datapath.odp_values import Kind, OdpTextError
from datapath.packet.flowkey import ETH_TYPE_NONE, TUN_KEY, VLAN_PRESENT, FlowKey
from datapath.packet.packed import OPTIONS_HEADER, options_mask, pack_options, unpack_options

PortNames = Mapping[int, str]
_AF_INET, _AF_INET6 = 2, 10
_FRAGMENTS: Final = ("no", "first", "later")
_VID, _PCP_SHIFT, _PCP = 0xFFF, 13, 0x7


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
_PORT = v.decimal(32)
_CT_STATE = v.hexa(32)
HEADERS: Final = {
    header.name: header for header in (*_BEFORE, *_PRIORITY, *_AFTER_PORT, *_AFTER_STATE, _ETHERNET, *_INNER)
}
_LSE: Final = ("mpls_lse0", "mpls_lse1", "mpls_lse2")
_LSE_PARTS: Final = (("label", 12, 0xFFFFF), ("tc", 9, 0x7), ("ttl", 0, 0xFF), ("bos", 8, 0x1))


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
        name = (names or {}).get(key.in_port) if mask.in_port & _PORT.ones == _PORT.ones else None
        port.append(f"in_port({name or _PORT.format_masked(key.in_port, mask.in_port & _PORT.ones)})")
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
    for name, shift, ones in (("vid", 0, _VID), ("pcp", _PCP_SHIFT, _PCP)):
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
    for attribute in _LSE[:labels]:
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
        _format_lse_part(name, entry >> at & ones, mask >> at & ones, ones) for name, at, ones in _LSE_PARTS
    )


def _format_lse_part(name: str, value: int, mask: int, ones: int) -> str:
    return f"{name}={value}" if mask == ones else f"{name}={value}/0x{mask:x}"


# Items that are one field of a key, in a form of their own.
_WHOLE: Final[Mapping[str, tuple[str, Callable[[str], tuple[int, int]]]]] = {
    "ct_state": ("ct_state", lambda arguments: v.parse_flags(arguments, v.CT_STATE)),
    "ct_tuple4": ("ct_tuple", odp_tuple.parse_ipv4),
    "ct_tuple6": ("ct_tuple", odp_tuple.parse_ipv6),
    "nsh": ("nsh", odp_nsh.parse_key),
    "tcp_flags": ("tcp_flags", lambda arguments: v.parse_flags(arguments, v.TCP_FLAGS)),
}


class _Reader:
    """A key under construction: values and masks of the fields named so far."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        self.values: dict[str, int] = {}
        self.masks: dict[str, int] = {}
        self.ports = ports

    def set(self, attribute: str, value: int, mask: int) -> None:
        self.values[attribute] = value
        self.masks[attribute] = mask

    def read(self, text: str, depth: int = 0) -> None:
        """Take the items of `text` in; `depth` tags are around them."""
        tagged = False
        for name, arguments in v.split_items(text):
            if arguments is None:
                raise OdpTextError(name)
            try:
                tagged |= self._item(name, arguments, depth)
            except OdpTextError as error:
                raise OdpTextError(text[text.find(f"{name}({arguments}") :], error.why) from None
        if depth and not tagged and "eth_type" not in self.values:
            self.set("eth_type", ETH_TYPE_NONE, 0xFFFF)

    def _item(self, name: str, arguments: str, depth: int) -> bool:
        """Take one item in; tell whether it was a tag."""
        if name == "in_port":
            self._in_port(arguments)
        elif name == "eth_type":
            value, mask = v.ETH_TYPE.parse_masked(arguments)
            self.set("eth_type", value if mask and value else ETH_TYPE_NONE, mask)
        elif name == "vlan":
            self._vlan(arguments, depth)
            return True
        elif name == "encap":
            if depth >= 2:
                raise OdpTextError(arguments, "too many tags")
            self.read(arguments, depth + 1)
            return True
        elif name == "tunnel":
            self._tunnel(arguments)
        elif name == "mpls":
            self._mpls(arguments)
        elif name in _WHOLE:
            attribute, parse = _WHOLE[name]
            self.set(attribute, *parse(arguments))
        elif name in HEADERS:
            self._header(HEADERS[name].fields, arguments)
        elif name != "packet_type":
            raise OdpTextError(f"{name}({arguments})")
        return False

    def _in_port(self, arguments: str) -> None:
        if arguments in self.ports:
            self.set("in_port", self.ports[arguments], _PORT.ones)
        else:
            self.set("in_port", *_PORT.parse_masked(arguments))

    def _vlan(self, arguments: str, depth: int) -> None:
        """A tag: the type read before is its TPID."""
        if depth >= 2:
            raise OdpTextError(arguments, "too many tags")
        outer = ("vlan_tpid", "vlan_tci") if depth == 0 else ("cvlan_tpid", "cvlan_tci")
        self.set(outer[0], self.values.pop("eth_type", 0x8100), 0xFFFF)
        self.masks.pop("eth_type", None)
        self.set(outer[1], *parse_tci(arguments))

    def _header(self, fields: tuple[Field, ...], arguments: str) -> None:
        if len(fields) == 1 and not fields[0].name:
            self.set(fields[0].attribute, *fields[0].kind.parse_masked(arguments))
            return
        by_name = {field.name: field for field in fields}
        for item, inner in v.split_items(arguments):
            name, equals, value = item.partition("=")
            if inner is not None or not equals or name not in by_name:
                raise OdpTextError(item)
            self.set(by_name[name].attribute, *by_name[name].kind.parse_masked(value))

    def _tunnel(self, arguments: str) -> None:
        items = v.split_items(arguments)
        proto = _AF_INET6 if any(item.startswith("ipv6_") for item, _inner in items) else _AF_INET
        self.set("tun_proto", proto, ALL_ONES_PROTO)
        plain = []
        for item, inner in items:
            if item == "flags" and inner is not None:
                self.set("tun_flags", *v.parse_flags(inner, v.TUNNEL_FLAGS))
            elif inner is not None and is_option(item):
                kind, payload, mask = parse_option(item, inner)
                self.set("tun_options", pack_options(kind, payload), pack_options(0, mask) | OPTIONS_HEADER)
            elif inner is None:
                plain.append(item)
            else:
                raise OdpTextError(item)
        self._header(TUNNEL_FIELDS[proto], ",".join(plain))
        if "tun_id" in self.values:
            self.values["tun_flags"] = self.values.get("tun_flags", 0) | TUN_KEY
            self.masks["tun_flags"] = self.masks.get("tun_flags", 0) | TUN_KEY

    def _mpls(self, arguments: str) -> None:
        items = v.split_items(arguments)
        stack = [inner for item, inner in items if inner is not None] or [arguments]
        for attribute, entry in zip(_LSE, stack, strict=False):
            self.set(attribute, *parse_lse(entry or ""))


def parse_tci(arguments: str) -> tuple[int, int]:
    """Read vid=,pcp=,cfi= of a tag; return the TCI and its mask."""
    value, mask = VLAN_PRESENT, VLAN_PRESENT
    for item, inner in v.split_items(arguments):
        name, equals, text = item.partition("=")
        shift, bits = {"vid": (0, 12), "pcp": (_PCP_SHIFT, 3), "cfi": (12, 1)}.get(name, (0, 0))
        if inner is not None or not equals or not bits:
            raise OdpTextError(item)
        part, part_mask = v.decimal(bits).parse_masked(text)
        value = value & ~(((1 << bits) - 1) << shift) | part << shift
        mask |= part_mask << shift
    return value, mask


def parse_lse(arguments: str) -> tuple[int, int]:
    """Read label=,tc=,ttl=,bos= of an MPLS label stack entry; return the entry and its mask."""
    value = mask = 0
    places = {name: (at, ones) for name, at, ones in _LSE_PARTS}
    for item, inner in v.split_items(arguments):
        name, equals, text = item.partition("=")
        if inner is not None or not equals or name not in places:
            raise OdpTextError(item)
        at, ones = places[name]
        part, part_mask = v.decimal(ones.bit_length()).parse_masked(text)
        value |= part << at
        mask |= part_mask << at
    return value, mask


def parse_key(text: str, ports: Mapping[str, int] | None = None) -> tuple[FlowKey, FlowKey]:
    """Read a key and its mask; fields that are not named are not looked at. OdpTextError where it is none."""
    reader = _Reader(ports or {})
    reader.read(text)
    values = {"eth_type": ETH_TYPE_NONE, **reader.values}
    return FlowKey(**values), FlowKey(**reader.masks)
