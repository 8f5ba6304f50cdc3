"""Flows from the text form that ovs-fields(7) describes.

Rule: pure; OdpTextError says what is wrong. A flow is one packet's: no field of it has a mask.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from datapath import match_fields as f
from datapath import odp_values as v
from datapath.odp_values import Kind, OdpTextError
from datapath.packet import headers as h
from datapath.packet.flowkey import VLAN_PRESENT, FlowKey


class FlowText(NamedTuple):
    """A flow that was read: its key, and the port as it was written, "" where none was."""

    key: FlowKey
    in_port: str


def parse_flow(text: str) -> FlowText:
    """Read a flow; OdpTextError says what is wrong with it."""
    values: dict[str, int] = {}
    in_port = ""
    for name, value in re.findall(r"([^\s,=]+)(?:=([^\s,]*))?", text):
        if name in f.WORDS and not value:
            eth_type, proto = f.WORDS[name]
            values["eth_type"] = eth_type
            if proto is not None:
                values["ip_proto"] = proto
        elif name == "in_port":
            in_port = value
        elif name in _SPECIAL:
            _SPECIAL[name](values, value)
        elif name in f.BY_NAME:
            field = f.BY_NAME[name]
            if "/" in value:
                raise OdpTextError(text, f"bad value for {name} ({value}: wildcards not allowed here)")
            values[field.attribute] = _read(field.kind, name, value)
            if field.attribute in ("tun_src", "tun_dst"):
                values["tun_proto"] = f.AF_INET6 if field.kind is v.IPV6 else f.AF_INET
        else:
            raise OdpTextError(text, f"unknown field {name}")
    return FlowText(FlowKey(**values), in_port)


def _read(kind: Kind, name: str, text: str) -> int:
    try:
        return kind.parse_masked(text)[0]
    except OdpTextError:
        raise OdpTextError(text, f"bad value for {name} ({text})") from None


def _tag(attribute: str, tpid: str, bits: int, shift: int) -> Callable[[dict[str, int], str], None]:
    kind = v.decimal(bits)

    def read(values: dict[str, int], text: str) -> None:
        part = ((1 << bits) - 1) << shift
        before = values.get(attribute, VLAN_PRESENT) & ~part
        values[attribute] = before | _read(kind, "VLAN", text) << shift
        if values[attribute] & VLAN_PRESENT:
            values.setdefault(tpid, h.ETH_TYPE_VLAN)
        else:
            values[attribute] = 0

    return read


def _tos(mask: int, shift: int = 0) -> Callable[[dict[str, int], str], None]:
    def read(values: dict[str, int], text: str) -> None:
        number = _read(v.decimal(8), "TOS", text) << shift & mask
        values["ip_tos"] = values.get("ip_tos", 0) & ~mask | number

    return read


def _flags(attribute: str, names: dict[str, int]) -> Callable[[dict[str, int], str], None]:
    def read(values: dict[str, int], text: str) -> None:
        values[attribute] = v.parse_flags(text, names)[0]

    return read


def _label(bits: int, shift: int) -> Callable[[dict[str, int], str], None]:
    def read(values: dict[str, int], text: str) -> None:
        values["mpls_lse0"] = (
            values.get("mpls_lse0", 0) | _read(v.decimal(bits), "MPLS label stack", text) << shift
        )

    return read


_SPECIAL: Final[dict[str, Callable[[dict[str, int], str], None]]] = {
    "dl_vlan": _tag("vlan_tci", "vlan_tpid", 12, 0),
    "vlan_vid": _tag("vlan_tci", "vlan_tpid", 12, 0),
    "dl_vlan_pcp": _tag("vlan_tci", "vlan_tpid", 3, 13),
    "vlan_pcp": _tag("vlan_tci", "vlan_tpid", 3, 13),
    "vlan_tci": _tag("vlan_tci", "vlan_tpid", 16, 0),
    "dl_vlan1": _tag("cvlan_tci", "cvlan_tpid", 12, 0),
    "dl_vlan_pcp1": _tag("cvlan_tci", "cvlan_tpid", 3, 13),
    "vlan_tci1": _tag("cvlan_tci", "cvlan_tpid", 16, 0),
    "nw_tos": _tos(f.DSCP),
    "ip_dscp": _tos(f.DSCP, 2),
    "nw_ecn": _tos(f.ECN),
    "ip_ecn": _tos(f.ECN),
    "tcp_flags": _flags("tcp_flags", dict(v.TCP_FLAGS)),
    "ct_state": _flags("ct_state", dict(v.CT_STATE)),
    "tun_flags": _flags("tun_flags", dict(v.TUNNEL_FLAGS)),
    "mpls_label": _label(20, 12),
    "mpls_tc": _label(3, 9),
    "mpls_bos": _label(1, 8),
    "mpls_ttl": _label(8, 0),
}
