"""The filter of dump-flows: a match in the form of ovs-ofctl, or a datapath key.

Rule: pure. "tcp,tp_src=100" becomes a key and a mask; a flow is shown if some packet could match both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from datapath import odp_values as v
from datapath.odp_text import parse_key
from datapath.odp_values import Kind, OdpTextError
from datapath.packet.flowkey import NO_FIELDS, VLAN_PRESENT, FlowKey

_IPV4, _IPV6, _ARP, _RARP = 0x0800, 0x86DD, 0x0806, 0x8035
_PROTOCOLS: Final[dict[str, dict[str, int]]] = {
    "ip": {"eth_type": _IPV4},
    "ipv6": {"eth_type": _IPV6},
    "arp": {"eth_type": _ARP},
    "rarp": {"eth_type": _RARP},
    "icmp": {"eth_type": _IPV4, "ip_proto": 1},
    "tcp": {"eth_type": _IPV4, "ip_proto": 6},
    "udp": {"eth_type": _IPV4, "ip_proto": 17},
    "sctp": {"eth_type": _IPV4, "ip_proto": 132},
    "icmp6": {"eth_type": _IPV6, "ip_proto": 58},
    "tcp6": {"eth_type": _IPV6, "ip_proto": 6},
    "udp6": {"eth_type": _IPV6, "ip_proto": 17},
    "sctp6": {"eth_type": _IPV6, "ip_proto": 132},
}
_FIELDS: Final[dict[str, tuple[str, Kind]]] = {
    "in_port": ("in_port", v.decimal(32)),
    "recirc_id": ("recirc_id", v.hexa(32)),
    "dl_src": ("eth_src", v.MAC),
    "dl_dst": ("eth_dst", v.MAC),
    "eth_src": ("eth_src", v.MAC),
    "eth_dst": ("eth_dst", v.MAC),
    "dl_type": ("eth_type", v.hexa(16)),
    "eth_type": ("eth_type", v.hexa(16)),
    "nw_src": ("ip_src", v.IPV4),
    "nw_dst": ("ip_dst", v.IPV4),
    "ip_src": ("ip_src", v.IPV4),
    "ip_dst": ("ip_dst", v.IPV4),
    "ipv6_src": ("ip_src", v.IPV6),
    "ipv6_dst": ("ip_dst", v.IPV6),
    "nw_proto": ("ip_proto", v.decimal(8)),
    "nw_tos": ("ip_tos", v.decimal(8)),
    "nw_ttl": ("ip_ttl", v.decimal(8)),
    **{
        f"{prefix}_{side}": (f"tp_{side}", v.decimal(16))
        for prefix in ("tp", "tcp", "udp", "sctp")
        for side in ("src", "dst")
    },
    "icmp_type": ("tp_src", v.decimal(8)),
    "icmp_code": ("tp_dst", v.decimal(8)),
    "arp_op": ("arp_op", v.decimal(16)),
    "arp_spa": ("arp_sip", v.IPV4),
    "arp_tpa": ("arp_tip", v.IPV4),
    "arp_sha": ("arp_sha", v.MAC),
    "arp_tha": ("arp_tha", v.MAC),
    "dl_vlan": ("vlan_tci", v.decimal(12)),
    "tun_id": ("tun_id", v.hexa(64)),
    "tun_src": ("tun_src", v.IPV4),
    "tun_dst": ("tun_dst", v.IPV4),
}
_EXACT: Final = {"eth_type": 0xFFFF, "ip_proto": 0xFF}


def parse_filter(text: str, ports: Mapping[str, int]) -> tuple[FlowKey, FlowKey]:
    """Read a filter; OdpTextError where it is neither a match nor a key."""
    items = v.split_items(text)
    if any(arguments is not None for _name, arguments in items):
        key, mask = parse_key(text, ports)
        return key, mask
    values: dict[str, int] = {}
    masks: dict[str, int] = {}
    for item, _arguments in items:
        name, equals, value = item.partition("=")
        if not equals and name in _PROTOCOLS:
            values |= _PROTOCOLS[name]
            masks |= {attribute: _EXACT[attribute] for attribute in _PROTOCOLS[name]}
            continue
        if name not in _FIELDS:
            raise OdpTextError(item, f"unknown field {name}")
        attribute, kind = _FIELDS[name]
        if name == "in_port" and value in ports:
            values[attribute], masks[attribute] = ports[value], kind.ones
        else:
            values[attribute], masks[attribute] = _masked(name, kind, value)
        if name == "dl_vlan":
            values[attribute] |= VLAN_PRESENT
            masks[attribute] |= VLAN_PRESENT
    return NO_FIELDS._replace(**values), NO_FIELDS._replace(**masks)


def _masked(name: str, kind: Kind, text: str) -> tuple[int, int]:
    """Read a value with a mask, which for an IP address may be a prefix length."""
    try:
        return _parse_masked(kind, text)
    except OdpTextError:
        reason = _REASONS.get(kind, f"bad syntax for {name} value")
        raise OdpTextError(text, f"bad value for {name} ({text}: {reason})") from None


_REASONS: Final = {
    v.MAC: "invalid Ethernet address",
    v.IPV4: "invalid IP address",
    v.IPV6: "invalid IPv6 address",
}


def _parse_masked(kind: Kind, text: str) -> tuple[int, int]:
    value, slash, length = text.partition("/")
    if kind in (v.IPV4, v.IPV6) and slash and length.isdigit() and int(length) <= kind.bits:
        return kind.parse_masked(value)[0], kind.ones ^ (kind.ones >> int(length))
    return kind.parse_masked(text)
