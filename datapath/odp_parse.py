"""Datapath keys from their text form: in_port(1),eth(src=...),... with masks.

Rule: pure; the table of headers is odp_text's. What is not named is not looked at; OdpTextError tells where
reading stopped.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Final

from datapath import odp_nsh, odp_tuple
from datapath import odp_values as v
from datapath.netlink.tunnel_codec import ALL_ONES_PROTO
from datapath.odp_text import HEADERS, LSE, LSE_PARTS, PCP_SHIFT, PORT, TUNNEL_FIELDS, Field
from datapath.odp_tunnel_options import is_option, parse_option
from datapath.odp_values import OdpTextError
from datapath.packet.flowkey import ETH_TYPE_NONE, TUN_KEY, VLAN_PRESENT, FlowKey
from datapath.packet.packed import OPTIONS_HEADER, pack_options

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
            self.set("in_port", self.ports[arguments], PORT.ones)
        else:
            self.set("in_port", *PORT.parse_masked(arguments))

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
        proto = socket.AF_INET6 if any(item.startswith("ipv6_") for item, _inner in items) else socket.AF_INET
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
        for attribute, entry in zip(LSE, stack, strict=False):
            self.set(attribute, *parse_lse(entry or ""))


def parse_tci(arguments: str) -> tuple[int, int]:
    """Read vid=,pcp=,cfi= of a tag; return the TCI and its mask."""
    value, mask = VLAN_PRESENT, VLAN_PRESENT
    for item, inner in v.split_items(arguments):
        name, equals, text = item.partition("=")
        shift, bits = {"vid": (0, 12), "pcp": (PCP_SHIFT, 3), "cfi": (12, 1)}.get(name, (0, 0))
        if inner is not None or not equals or not bits:
            raise OdpTextError(item)
        part, part_mask = v.decimal(bits).parse_masked(text)
        value = value & ~(((1 << bits) - 1) << shift) | part << shift
        mask |= part_mask << shift
    return value, mask


def parse_lse(arguments: str) -> tuple[int, int]:
    """Read label=,tc=,ttl=,bos= of an MPLS label stack entry; return the entry and its mask."""
    value = mask = 0
    places = {name: (at, ones) for name, at, ones in LSE_PARTS}
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
