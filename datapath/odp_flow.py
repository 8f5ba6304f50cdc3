"""The text form of actions and of whole flows, as ovs-dpctl prints and reads them.

Rule: pure. Time is an argument: a flow was used so many seconds ago.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Final

from datapath import odp_values as v
from datapath.actions import (
    Action,
    Actions,
    Opaque,
    Output,
    PopVlan,
    PushVlan,
    Recirc,
    SetFields,
    SetTunnel,
    Userspace,
)
from datapath.netlink import uapi
from datapath.odp_text import (
    HEADERS,
    TUNNEL_FIELDS,
    PortNames,
    format_fields,
    format_key,
    format_tci,
    parse_key,
    parse_tci,
)
from datapath.odp_values import OdpTextError
from datapath.packet.flowkey import TUN_KEY, VLAN_PRESENT, FlowKey, masked
from datapath.provider import Flow, FlowStats

_ALL_ONES: Final = FlowKey._make((1 << 128) - 1 for _ in FlowKey._fields)
_ETH_P_8021Q: Final = 0x8100
_WORD_ORDER: Final = -1 if sys.byteorder == "little" else 1
_FLAG_LETTERS: Final = (
    (1, "S"),
    (0, "F"),
    (3, "P"),
    (2, "R"),
    (5, "U"),
    (4, "."),
    (6, "E"),
    (7, "C"),
    (8, "N"),
)
_UFID = re.compile(r"ufid:([0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12})(?:[\s,]|$)")
_SETTABLE: Final = ("skb_priority", "skb_mark", "eth", "ipv4", "ipv6", "arp", "tcp", "udp", "sctp", "nd")
_CONTEXT: Final[dict[str, dict[str, int]]] = {
    "ipv4": {"eth_type": uapi.ETH_P_IP},
    "ipv6": {"eth_type": uapi.ETH_P_IPV6},
    "tcp": {"ip_proto": uapi.IPPROTO_TCP},
    "udp": {"ip_proto": uapi.IPPROTO_UDP},
    "sctp": {"ip_proto": uapi.IPPROTO_SCTP},
}


def format_actions(actions: Actions, names: PortNames | None = None) -> str:
    """Write actions; "drop" where there are none."""
    return ",".join(_format_action(action, names or {}) for action in actions) or "drop"


def _format_action(action: Action, names: PortNames) -> str:
    match action:
        case Output(port):
            return names.get(port, str(port))
        case Userspace(pid, userdata):
            return f"userspace(pid={pid}" + (f",userdata({userdata.hex()})" if userdata else "") + ")"
        case SetTunnel():
            return f"set(tunnel({_format_set_tunnel(action)}))"
        case PushVlan(tpid, tci):
            outer = "" if tpid == _ETH_P_8021Q else f"tpid=0x{tpid:04x},"
            return f"push_vlan({outer}{format_tci(tci, 0xFFFF, verbose=True)})"
        case PopVlan():
            return "pop_vlan"
        case Recirc(recirc_id):
            return f"recirc({v.hexadecimal(recirc_id)})"
        case SetFields(value, mask):
            return ",".join(f"set({name}({text}))" for name, text in _set_headers(value, mask))
        case Opaque(kind, payload):
            return f"action{kind}({payload.hex()})"


def _format_set_tunnel(action: SetTunnel) -> str:
    key = _tunnel_key(action)
    fields = tuple(
        field
        for field in TUNNEL_FIELDS[action.proto]
        if getattr(key, field.attribute)
        or field.name == "ttl"
        or (field.name == "tun_id" and action.flags & TUN_KEY)
    )
    text = format_fields(fields, key, _ALL_ONES, verbose=False)
    return f"{text},flags({v.format_flags(action.flags, 0xFFFF, v.TUNNEL_FLAGS)})" if action.flags else text


def _tunnel_key(action: SetTunnel) -> FlowKey:
    return FlowKey(
        tun_proto=action.proto,
        tun_id=action.tun_id,
        tun_src=action.src,
        tun_dst=action.dst,
        tun_tos=action.tos,
        tun_ttl=action.ttl,
        tun_flags=action.flags,
        tun_tp_src=action.tp_src,
        tun_tp_dst=action.tp_dst,
    )


def _set_headers(value: FlowKey, mask: FlowKey) -> list[tuple[str, str]]:
    """List the headers that a SetFields changes, with the text of their fields."""
    found = []
    for name in _SETTABLE:
        context = _CONTEXT.get(name, {}).items()
        implied = name == "ipv4" and value.eth_type == 0
        if not implied and any(getattr(value, attribute) != number for attribute, number in context):
            continue
        text = format_fields(HEADERS[name].fields, masked(value, mask), mask, verbose=False)
        if text:
            found.append((name, text))
    return found


def parse_actions(text: str, ports: Mapping[str, int] | None = None) -> Actions:
    """Read actions; OdpTextError where they are none. `ports` gives the numbers of names."""
    items = v.split_items(text)
    if items in ([], [("drop", None)]):
        return ()
    actions: list[Action] = []
    for name, arguments in items:
        if arguments is None and name in (ports or {}):
            actions.append(Output((ports or {})[name]))
        elif arguments is None:
            actions.append(PopVlan() if name == "pop_vlan" else Output(_number(name, 32)))
        else:
            actions += _parse_with_arguments(name, arguments)
    return tuple(actions)


def _parse_with_arguments(name: str, arguments: str) -> list[Action]:
    if name == "recirc":
        return [Recirc(_number(arguments, 32))]
    if name == "push_vlan":
        return [_parse_push_vlan(arguments)]
    if name == "userspace":
        return [_parse_userspace(arguments)]
    if name == "set":
        return [_parse_set(header, inner) for header, inner in v.split_items(arguments)]
    if opaque := re.fullmatch(r"action(\d+)", name):
        return [Opaque(_number(opaque.group(1), 14), _hex(arguments))]
    raise OdpTextError(f"{name}({arguments})")


def _number(text: str, bits: int) -> int:
    return v.hexa(bits).parse_masked(text)[0] if "/" not in text else _fail(text)


def _fail(text: str) -> int:
    raise OdpTextError(text)


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise OdpTextError(text) from None


def _parse_push_vlan(arguments: str) -> PushVlan:
    tpid = _ETH_P_8021Q
    rest = []
    for item, inner in v.split_items(arguments):
        if inner is not None:
            raise OdpTextError(arguments)
        if item.startswith("tpid="):
            tpid = _number(item.removeprefix("tpid="), 16)
        else:
            rest.append(item)
    tci, mask = parse_tci(",".join(rest))
    if mask != 0xFFFF:
        raise OdpTextError(arguments, "a tag needs vid and pcp")
    return PushVlan(tpid, tci if "cfi=0" in rest else tci | VLAN_PRESENT)


def _parse_userspace(arguments: str) -> Userspace:
    pid: int | None = None
    userdata = b""
    for item, inner in v.split_items(arguments):
        if item.startswith("pid=") and inner is None:
            pid = _number(item.removeprefix("pid="), 32)
        elif item == "userdata" and inner is not None:
            userdata = _hex(inner)
        else:
            raise OdpTextError(item)
    if pid is None:
        raise OdpTextError(arguments, "no pid")
    return Userspace(pid, userdata)


def _parse_set(header: str, inner: str | None) -> Action:
    if inner is None or header not in (*_SETTABLE, "tunnel"):
        raise OdpTextError(header)
    value, mask = parse_key(f"{header}({inner})")
    if header != "tunnel":
        return SetFields(value._replace(**{"eth_type": 0, **_CONTEXT.get(header, {})}), mask)
    ttl = value.tun_ttl if mask.tun_ttl else 0
    return SetTunnel(
        dst=value.tun_dst,
        src=value.tun_src,
        proto=value.tun_proto,
        tun_id=value.tun_id,
        tos=value.tun_tos,
        ttl=ttl,
        flags=value.tun_flags,
        tp_src=value.tun_tp_src,
        tp_dst=value.tun_tp_dst,
    )


def format_ufid(ufid: bytes) -> str:
    """Write a flow's identifier as Open vSwitch does: four words in host order, their digits in groups."""
    digits = b"".join(ufid[at : at + 4][::_WORD_ORDER] for at in range(0, len(ufid), 4)).hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def parse_ufid(text: str) -> tuple[bytes, str]:
    """Split "ufid:..." off in front of a key; b"" where there is none. OdpTextError where it is malformed."""
    stripped = text.lstrip(" ,")
    if not stripped.startswith("ufid:"):
        return b"", text
    match = _UFID.match(stripped)
    if match is None:
        raise OdpTextError(stripped)
    digits = bytes.fromhex(match.group(1).replace("-", ""))
    ufid = b"".join(digits[at : at + 4][::_WORD_ORDER] for at in range(0, len(digits), 4))
    return ufid, stripped[match.end() :]


def format_tcp_flags(flags: int) -> str:
    """Write the flags that the packets of a flow had, as tcpdump does: "SFP."."""
    return "".join(letter for bit, letter in _FLAG_LETTERS if flags >> bit & 1) or "none"


def format_stats(stats: FlowStats, now: float) -> str:
    """Write a flow's counters; `now` is CLOCK_MONOTONIC in seconds."""
    used = "never" if stats.used is None else f"{max(now - stats.used, 0.0):.3f}s"
    text = f"packets:{stats.packets}, bytes:{stats.bytes}, used:{used}"
    return f"{text}, flags:{format_tcp_flags(stats.tcp_flags)}" if stats.tcp_flags else text


def format_flow(flow: Flow, now: float, *, verbose: bool = False, names: PortNames | None = None) -> str:
    """Write a flow on one line."""
    key = masked(flow.key, flow.mask) if flow.ufid else flow.key  # the kernel masks only those with a UFID
    text = format_key(key, flow.mask, verbose=verbose, names=names)
    stats, actions = format_stats(flow.stats, now), format_actions(flow.actions, names)
    if not verbose:
        return f"{text}, {stats}, actions:{actions}"
    ufid = f"ufid:{format_ufid(flow.ufid)}, " if flow.ufid else ""
    return f"{ufid}{text}, {stats}, dp:ovs, actions:{actions}"
