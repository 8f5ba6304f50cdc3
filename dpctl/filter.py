"""The filter of dump-flows: a match in the form of ovs-ofctl, or a datapath key.

Rule: pure; the fields are those of ovs-fields(7) that a key has. "tcp,tp_src=100" becomes a key and a mask; a
flow is shown if some packet could match both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from datapath import odp_values as v
from datapath.match_fields import BY_NAME, WORDS
from datapath.odp_parse import parse_key
from datapath.odp_values import Kind, OdpTextError
from datapath.packet.flowkey import NO_FIELDS, VLAN_PRESENT, FlowKey


class _Part(NamedTuple):
    """A field that is part of one of the key's."""

    attribute: str
    kind: Kind
    shift: int = 0
    always: int = 0  # bits that are set where the field is there


_PARTS: Final = {
    **dict.fromkeys(("dl_vlan", "vlan_vid"), _Part("vlan_tci", v.decimal(12), 0, VLAN_PRESENT)),
    **dict.fromkeys(("dl_vlan_pcp", "vlan_pcp"), _Part("vlan_tci", v.decimal(3), 13, VLAN_PRESENT)),
    "vlan_tci": _Part("vlan_tci", v.hexa(16)),
    "ip_dscp": _Part("ip_tos", v.decimal(6), 2),
    **dict.fromkeys(("nw_ecn", "ip_ecn"), _Part("ip_tos", v.decimal(2))),
    "nw_tos": _Part("ip_tos", v.decimal(8)),
    "mpls_label": _Part("mpls_lse0", v.decimal(20), 12),
    "mpls_tc": _Part("mpls_lse0", v.decimal(3), 9),
    "mpls_bos": _Part("mpls_lse0", v.decimal(1), 8),
    "mpls_ttl": _Part("mpls_lse0", v.decimal(8)),
    **{name: _Part(field.attribute, field.kind) for name, field in BY_NAME.items()},
    "in_port": _Part("in_port", v.decimal(32)),
}
_FLAGS: Final = {"ct_state": v.CT_STATE, "tcp_flags": v.TCP_FLAGS, "tun_flags": v.TUNNEL_FLAGS}
_EXACT_TYPE, _EXACT_PROTO = 0xFFFF, 0xFF


def parse_filter(text: str, ports: Mapping[str, int]) -> tuple[FlowKey, FlowKey]:
    """Read a filter; OdpTextError where it is neither a match nor a key."""
    items = v.split_items(text)
    if any(arguments is not None for _name, arguments in items):
        return parse_key(text, ports)
    values: dict[str, int] = {}
    masks: dict[str, int] = {}
    for item, _arguments in items:
        name, equals, value = item.partition("=")
        for attribute, number, bits in _read(name, value if equals else None, item, ports):
            values[attribute] = values.get(attribute, 0) & ~bits | number
            masks[attribute] = masks.get(attribute, 0) | bits
    return NO_FIELDS._replace(**values), NO_FIELDS._replace(**masks)


def _read(name: str, text: str | None, item: str, ports: Mapping[str, int]) -> Iterator[tuple[str, int, int]]:
    """Read one item: attributes of a key, with value and mask."""
    if text is None and name in WORDS:
        eth_type, proto = WORDS[name]
        yield "eth_type", eth_type, _EXACT_TYPE
        if proto is not None:
            yield "ip_proto", proto, _EXACT_PROTO
    elif text is not None and name in _FLAGS:
        try:
            yield name, *v.parse_flags(text, _FLAGS[name])
        except OdpTextError as error:
            raise OdpTextError(text, f"bad value for {name} ({text}: {error.why})") from None
    elif text is None or name not in _PARTS:
        raise OdpTextError(item, f"unknown field {name}")
    else:
        part = _PARTS[name]
        is_name = name == "in_port" and text in ports
        value, bits = (ports[text], part.kind.ones) if is_name else _masked(name, part.kind, text)
        yield part.attribute, value << part.shift | part.always, bits << part.shift | part.always


def _masked(name: str, kind: Kind, text: str) -> tuple[int, int]:
    """Read a value with a mask, which for an IP address may be a prefix length."""
    try:
        return _parse_masked(kind, text)
    except OdpTextError:
        reason = _REASONS.get(name) or _REASONS_OF_KIND.get(kind, f"bad syntax for {name} value")
        raise OdpTextError(text, f"bad value for {name} ({text}: {reason})") from None


_REASONS: Final = {"in_port": "invalid or unknown port for in_port"}
_REASONS_OF_KIND: Final = {
    v.MAC: "invalid Ethernet address",
    v.IPV4: "invalid IP address",
    v.IPV6: "invalid IPv6 address",
}


def _parse_masked(kind: Kind, text: str) -> tuple[int, int]:
    value, slash, length = text.partition("/")
    if kind in (v.IPV4, v.IPV6) and slash and length.isdigit() and int(length) <= kind.bits:
        return kind.parse_masked(value)[0], kind.ones ^ (kind.ones >> int(length))
    return kind.parse_masked(text)
