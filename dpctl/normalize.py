"""normalize-actions: what leaves with which tags and labels, to compare lists of actions in different orders.

Rule: pure. Actions are told apart by the tags and labels that the packet has when they see it.
"""

from __future__ import annotations

import errno

from datapath import odp_values as v
from datapath.actions import Action, PopMpls, PopVlan, PushMpls, PushVlan
from datapath.odp_actions import format_actions, parse_actions
from datapath.odp_parse import parse_key
from datapath.odp_text import HEADERS, format_key, format_lse, format_tci
from datapath.odp_values import OdpTextError
from datapath.packet.flowkey import FlowKey
from dpctl.errors import DpctlError, because
from dpctl.options import Options
from dpctl.targets import Targets

_ETH_P_8021Q = 0x8100
_EXACT_TYPE = 0xFFFF
_LABEL_FIELDS = 3  # label, tc, ttl; whether it is the last is seen anyway
_Headers = tuple[tuple[tuple[int, int], ...], tuple[int, ...]]  # tags (TPID, TCI) and labels, outermost first


def normalize_actions(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Print the actions on a flow, grouped by tags and labels. NAME=NUMBER behind them names a port."""
    text, actions_text, *named = arguments
    ports = dict(_port(word) for word in named)
    try:
        key, mask = parse_key(text, ports)
    except OdpTextError as error:
        raise DpctlError(because(f"odp_flow_key_from_string ({error})", errno.EINVAL)) from None
    shown = f"input flow: {_format_whole(text, key, mask)}\n"
    try:
        actions = parse_actions(actions_text, ports)
    except OdpTextError:
        raise DpctlError(because("odp_actions_from_string", errno.EINVAL), output=shown) from None
    names = {number: name for name, number in ports.items()}
    groups: dict[_Headers, list[Action]] = {}
    headers = _headers_of(key)
    for action in actions:
        if (changed := _changed(headers, action)) is None:
            groups.setdefault(headers, []).append(action)
        else:
            headers = changed
    lines = [
        f"{_format(group)}{format_actions(tuple(listed), names)}\n"
        for group, listed in sorted(groups.items(), key=lambda item: item[0])
    ]
    return shown + "".join(lines or [f"{_format(headers)}drop\n"])


def _format_whole(text: str, key: FlowKey, mask: FlowKey) -> str:
    """Write the items of a key's text in their order, all fields of each, whatever is looked at."""
    named = _fields_named(text)
    whole = FlowKey._make(
        -1 if bits or name in named else 0 for name, bits in zip(FlowKey._fields, mask, strict=True)
    )
    written = dict(v.split_items(format_key(key, whole._replace(eth_type=_EXACT_TYPE))))
    shown = (name for name, _inner in v.split_items(text) if name in written)
    return ",".join(f"{name}({written[name]})" for name in shown)


def _fields_named(text: str) -> set[str]:
    found = set()
    for name, inner in v.split_items(text):
        if name == "encap":
            found |= _fields_named(inner or "")
        elif name in HEADERS:
            found |= {field.attribute for field in HEADERS[name].fields}
    return found


def _port(word: str) -> tuple[str, int]:
    name, equals, number = word.partition("=")
    if not equals or not number.isascii() or not number.isdigit():
        raise DpctlError(f"{word}: expected NAME=NUMBER")
    return name, int(number)


def _headers_of(key: FlowKey) -> _Headers:
    tags = ((key.vlan_tpid, key.vlan_tci), (key.cvlan_tpid, key.cvlan_tci))
    labels = (key.mpls_lse0, key.mpls_lse1, key.mpls_lse2)
    return tuple(tag for tag in tags if tag[1]), tuple(filter(None, labels))


def _changed(headers: _Headers, action: Action) -> _Headers | None:
    """Follow tags and labels; None for an action that leaves them alone."""
    tags, labels = headers
    match action:
        case PushVlan(tpid, tci):
            return ((tpid, tci), *tags), labels
        case PopVlan():
            return tags[1:], labels
        case PushMpls(lse, _eth_type):
            return tags, (lse, *labels)
        case PopMpls():
            return tags, labels[1:]
    return None


def _format(headers: _Headers) -> str:
    tags, labels = headers
    text = "".join(f"{_format_tag(*tag)}: " for tag in tags) or "no vlan: "
    shown = [",".join(format_lse(lse, 0xFFFFFFFF).split(",")[:_LABEL_FIELDS]) for lse in labels]
    return text + ("".join(f"mpls({label}): " for label in shown) or "no mpls: ")


def _format_tag(tpid: int, tci: int) -> str:
    outer = "" if tpid == _ETH_P_8021Q else f"tpid=0x{tpid:04x},"
    return f"vlan({outer}{format_tci(tci, 0xFFFF, verbose=True)})"
