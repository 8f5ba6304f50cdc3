"""The text form of actions, as ovs-dpctl prints and reads it: 1,set(eth(...)),ct(commit).

Rule: pure. Whatever is printed is read back as the same actions, but for the cookies of odp_cookie.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from datapath import odp_nsh
from datapath import odp_values as v
from datapath.actions import (
    HASH_L4,
    HASH_SYM_L4,
    Action,
    Actions,
    AddMpls,
    CheckPktLen,
    Clone,
    Ct,
    CtClear,
    DecTtl,
    Hash,
    Meter,
    Opaque,
    Output,
    PopEth,
    PopMpls,
    PopNsh,
    PopVlan,
    PushEth,
    PushMpls,
    PushNsh,
    PushVlan,
    Recirc,
    Sample,
    SetFields,
    SetTunnel,
    Trunc,
    Userspace,
)
from datapath.netlink import uapi
from datapath.odp_cookie import format_cookie, is_cookie, parse_cookie
from datapath.odp_ct_action import format_ct, parse_ct
from datapath.odp_parse import parse_key, parse_lse, parse_tci
from datapath.odp_text import HEADERS, TUNNEL_FIELDS, PortNames, format_fields, format_lse, format_tci
from datapath.odp_tunnel_options import format_option, is_option, parse_option
from datapath.odp_values import OdpTextError
from datapath.packet.flowkey import TUN_KEY, VLAN_PRESENT, FlowKey, masked

_ALL_ONES: Final = FlowKey._make((1 << 128) - 1 for _ in FlowKey._fields)
_ETH_P_8021Q: Final = 0x8100
_LEAST_USERDATA: Final = 8  # bytes: what the first kernels wanted; Open vSwitch fills up to it
_ALWAYS: Final = 0xFFFFFFFF  # probability of a Sample
_SETTABLE: Final = (
    *("skb_priority", "skb_mark", "ct_mark", "ct_label", "eth", "ipv4", "ipv6", "arp"),
    *("tcp", "udp", "sctp", "icmp", "icmpv6", "nd"),
)
_CONTEXT: Final[dict[str, dict[str, int]]] = {
    "ipv4": {"eth_type": uapi.ETH_P_IP},
    "ipv6": {"eth_type": uapi.ETH_P_IPV6},
    "tcp": {"ip_proto": uapi.IPPROTO_TCP},
    "udp": {"ip_proto": uapi.IPPROTO_UDP},
    "sctp": {"ip_proto": uapi.IPPROTO_SCTP},
    "icmp": {"ip_proto": uapi.IPPROTO_ICMP},
    "icmpv6": {"ip_proto": uapi.IPPROTO_ICMPV6},
}
_MAX_DEPTH: Final = 64  # of parentheses
_HASHES: Final = {HASH_L4: "l4", HASH_SYM_L4: "sym_l4"}


def format_actions(actions: Actions, names: PortNames | None = None) -> str:
    """Write actions; "drop" where there are none."""
    return ",".join(_format_action(action, names or {}) for action in actions) or "drop"


def _format_action(action: Action, names: PortNames) -> str:
    match action:
        case Output(port):
            return names.get(port, str(port))
        case Userspace():
            return _format_userspace(action, names)
        case SetFields(value, mask):
            return ",".join(f"set({name}({text}))" for name, text in _set_headers(value, mask))
        case Clone(inner):
            return f"clone({format_actions(inner, names)})"
        case Sample(probability, inner):
            percent = 100.0 * probability / _ALWAYS
            return f"sample(sample={percent:.1f}%,actions({format_actions(inner, names)}))"
        case CheckPktLen(length, greater, less_equal):
            over, under = format_actions(greater, names), format_actions(less_equal, names)
            return f"check_pkt_len(size={length},gt({over}),le({under}))"
        case DecTtl(expired):
            return f"dec_ttl(le_1({format_actions(expired, names)}))"
        case Opaque(kind, payload):
            return f"action{kind}({payload.hex()})"
    return _FORMATS[type(action)](action)


def _format_userspace(action: Userspace, names: PortNames) -> str:
    parts = [f"pid={action.pid}"]
    if action.userdata:
        parts.append(format_cookie(action.userdata) or f"userdata({action.userdata.hex()})")
    if action.actions:
        parts.append("actions")
    if action.tunnel_port is not None:
        parts.append(f"tunnel_out_port={names.get(action.tunnel_port, action.tunnel_port)}")
    return f"userspace({','.join(parts)})"


def _format_push_vlan(action: PushVlan) -> str:
    outer = "" if action.tpid == _ETH_P_8021Q else f"tpid=0x{action.tpid:04x},"
    return f"push_vlan({outer}{format_tci(action.tci, 0xFFFF, verbose=True)})"


def _format_hash(action: Hash) -> str:
    name = _HASHES.get(action.algorithm, f"alg{action.algorithm}")
    return f"hash({name}({action.basis}))"


def _format_push_label(name: str, action: PushMpls | AddMpls) -> str:
    label = format_lse(action.lse, 0xFFFFFFFF)
    flags = f",flags={action.flags}" if isinstance(action, AddMpls) and action.flags else ""
    return f"{name}({label},eth_type={v.hexadecimal(action.eth_type)}{flags})"


def _format_push_eth(action: PushEth) -> str:
    return f"push_eth(src={v.format_mac(action.src)},dst={v.format_mac(action.dst)})"


def _format_set_tunnel(action: SetTunnel) -> str:
    key = _tunnel_key(action)
    fields = tuple(
        field
        for field in TUNNEL_FIELDS[action.proto]
        if getattr(key, field.attribute)
        or field.name == "ttl"
        or (field.name == "tun_id" and action.flags & TUN_KEY)
    )
    parts = [format_fields(fields, key, _ALL_ONES, verbose=False)]
    parts += [format_option(*option) for option in action.options]
    if action.flags:
        parts.append(f"flags({v.format_flags(action.flags, 0xFFFF, v.TUNNEL_FLAGS)})")
    return f"set(tunnel({','.join(parts)}))"


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


_FORMATS: Final[dict[type, Callable[[Any], str]]] = {
    SetTunnel: _format_set_tunnel,
    PushVlan: _format_push_vlan,
    PopVlan: lambda _action: "pop_vlan",
    Recirc: lambda action: f"recirc({v.hexadecimal(action.recirc_id)})",
    Trunc: lambda action: f"trunc({action.max_len})",
    Hash: _format_hash,
    PushMpls: lambda action: _format_push_label("push_mpls", action),
    PopMpls: lambda action: f"pop_mpls(eth_type={v.hexadecimal(action.eth_type)})",
    AddMpls: lambda action: _format_push_label("add_mpls", action),
    PushEth: _format_push_eth,
    PopEth: lambda _action: "pop_eth",
    PushNsh: odp_nsh.format_push,
    PopNsh: lambda _action: "pop_nsh()",
    Meter: lambda action: f"meter({action.id})",
    Ct: format_ct,
    CtClear: lambda _action: "ct_clear",
}


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
    if mask.mpls_lse0:
        found.append(("mpls", format_lse(value.mpls_lse0, mask.mpls_lse0)))
    return found


def parse_actions(text: str, ports: Mapping[str, int] | None = None) -> Actions:
    """Read actions; OdpTextError where they are none. `ports` gives the numbers of names."""
    if v.depth_of(text) > _MAX_DEPTH:
        raise OdpTextError(text, "nested too deeply")
    items = v.split_items(text)
    if items in ([], [("drop", None)]):
        return ()
    actions: list[Action] = []
    for name, arguments in items:
        if arguments is None:
            actions.append(_parse_word(name, ports or {}))
        else:
            actions += _parse_with_arguments(name, arguments, ports or {})
    return tuple(actions)


def _parse_word(name: str, ports: Mapping[str, int]) -> Action:
    if name in ports:
        return Output(ports[name])
    return _WORDS[name] if name in _WORDS else Output(_number(name, 32))


def _parse_with_arguments(name: str, arguments: str, ports: Mapping[str, int]) -> list[Action]:
    if name == "set":
        return [_parse_set(header, inner) for header, inner in v.split_items(arguments)]
    if name in _PARSERS:
        return [_PARSERS[name](arguments)]
    if name in _NESTED:
        return [_NESTED[name](arguments, ports)]
    if opaque := re.fullmatch(r"action(\d+)", name):
        return [Opaque(_number(opaque.group(1), 14), _hex(arguments))]
    raise OdpTextError(f"{name}({arguments})")


def _number(text: str, bits: int) -> int:
    if "/" in text:
        raise OdpTextError(text)
    return v.hexa(bits).parse_masked(text)[0]


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise OdpTextError(text) from None


def _settings(arguments: str, kinds: Mapping[str, v.Kind]) -> dict[str, int]:
    """Read NAME=VALUE,... with all of the names that `kinds` has."""
    found: dict[str, int] = {}
    for item, inner in v.split_items(arguments):
        name, equals, text = item.partition("=")
        if inner is not None or not equals or name not in kinds or "/" in text:
            raise OdpTextError(item)
        found[name] = kinds[name].parse_masked(text)[0]
    if found.keys() != kinds.keys():
        raise OdpTextError(arguments, "something is missing")
    return found


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
    tunnel_port: int | None = None
    userdata, actions = b"", False
    for item, inner in v.split_items(arguments):
        if item == "userdata" and inner is not None:
            userdata = _hex(inner).ljust(_LEAST_USERDATA, b"\0")
        elif inner is not None and is_cookie(item):
            userdata = parse_cookie(item, inner)
        elif inner is not None:
            raise OdpTextError(item)
        elif item.startswith("pid="):
            pid = _number(item.removeprefix("pid="), 32)
        elif item.startswith("tunnel_out_port="):
            tunnel_port = _number(item.removeprefix("tunnel_out_port="), 32)
        elif item == "actions":
            actions = True
        else:
            raise OdpTextError(item)
    if pid is None:
        raise OdpTextError(arguments, "no pid")
    return Userspace(pid, userdata, tunnel_port, actions)


def _parse_hash(arguments: str) -> Hash:
    items = v.split_items(arguments)
    if len(items) != 1 or items[0][1] is None:
        raise OdpTextError(arguments)
    name, inner = items[0]
    algorithm = next((number for number, text in _HASHES.items() if text == name), None)
    if algorithm is None:
        if not name.startswith("alg"):
            raise OdpTextError(arguments)
        algorithm = _number(name.removeprefix("alg"), 32)
    return Hash(algorithm, _number(inner or "", 32))


def _parse_label(arguments: str, *optional: str) -> tuple[int, int, int]:
    """Read label=,tc=,ttl=,bos=,eth_type=: the entry, the type, and flags."""
    entry, others = [], {"eth_type": 0, "flags": 0}
    for item, inner in v.split_items(arguments):
        name, equals, text = item.partition("=")
        if inner is not None or not equals:
            raise OdpTextError(item)
        if name == "eth_type" or name in optional:
            others[name] = _number(text, 16)
        else:
            entry.append(item)
    lse, mask = parse_lse(",".join(entry))
    if mask != 0xFFFFFFFF or not others["eth_type"]:
        raise OdpTextError(arguments, "something is missing")
    return lse, others["eth_type"], others["flags"]


def _parse_push_eth(arguments: str) -> PushEth:
    given = _settings(arguments, {"src": v.MAC, "dst": v.MAC})
    return PushEth(given["src"], given["dst"])


def _parse_pop_nsh(arguments: str) -> PopNsh:
    if arguments.strip():
        raise OdpTextError(arguments)
    return PopNsh()


def _parse_sample(arguments: str, ports: Mapping[str, int]) -> Sample:
    match v.split_items(arguments):
        case [(share, None), ("actions", str(inner))] if share.startswith("sample=") and share.endswith("%"):
            try:
                percent = float(share[len("sample=") : -1])
            except ValueError:
                raise OdpTextError(share) from None
            if not 0 <= percent <= 100:
                raise OdpTextError(share)
            return Sample(round(percent / 100 * _ALWAYS), parse_actions(inner, ports))
    raise OdpTextError(arguments)


def _parse_check_pkt_len(arguments: str, ports: Mapping[str, int]) -> CheckPktLen:
    match v.split_items(arguments):
        case [(size, None), ("gt", str(greater)), ("le", str(less_equal))] if size.startswith("size="):
            length = _number(size.removeprefix("size="), 16)
            return CheckPktLen(length, parse_actions(greater, ports), parse_actions(less_equal, ports))
    raise OdpTextError(arguments)


def _parse_dec_ttl(arguments: str, ports: Mapping[str, int]) -> DecTtl:
    match v.split_items(arguments):
        case [("le_1", str(expired))]:
            return DecTtl(parse_actions(expired, ports))
    raise OdpTextError(arguments)


def _parse_set(header: str, inner: str | None) -> Action:
    if inner is None or header not in (*_SETTABLE, "tunnel", "mpls"):
        raise OdpTextError(header)
    if header == "tunnel":
        return _parse_set_tunnel(inner)
    value, mask = parse_key(f"{header}({inner})")
    return SetFields(value._replace(**{"eth_type": 0, **_CONTEXT.get(header, {})}), mask)


def _parse_set_tunnel(inner: str) -> SetTunnel:
    plain, options = [], []
    for name, arguments in v.split_items(inner):
        if arguments is not None and is_option(name):
            kind, payload, _mask = parse_option(name, arguments)
            options.append((kind, payload))
        else:
            plain.append(name if arguments is None else f"{name}({arguments})")
    value, mask = parse_key(f"tunnel({','.join(plain)})")
    return SetTunnel(
        dst=value.tun_dst,
        src=value.tun_src,
        proto=value.tun_proto,
        tun_id=value.tun_id,
        tos=value.tun_tos,
        ttl=value.tun_ttl if mask.tun_ttl else 0,
        flags=value.tun_flags,
        tp_src=value.tun_tp_src,
        tp_dst=value.tun_tp_dst,
        options=tuple(options),
    )


_WORDS: Final[dict[str, Action]] = {
    "pop_vlan": PopVlan(),
    "pop_eth": PopEth(),
    "ct_clear": CtClear(),
    "ct": Ct(),
}
_PARSERS: Final[dict[str, Callable[[str], Action]]] = {
    "recirc": lambda arguments: Recirc(_number(arguments, 32)),
    "push_vlan": _parse_push_vlan,
    "userspace": _parse_userspace,
    "trunc": lambda arguments: Trunc(_number(arguments, 32)),
    "hash": _parse_hash,
    "push_mpls": lambda arguments: PushMpls(*_parse_label(arguments)[:2]),
    "pop_mpls": lambda arguments: PopMpls(_settings(arguments, {"eth_type": v.ETH_TYPE})["eth_type"]),
    "add_mpls": lambda arguments: AddMpls(*_parse_label(arguments, "flags")),
    "push_eth": _parse_push_eth,
    "push_nsh": odp_nsh.parse_push,
    "pop_nsh": _parse_pop_nsh,
    "meter": lambda arguments: Meter(_number(arguments, 32)),
    "ct": parse_ct,
}
_NESTED: Final[dict[str, Callable[[str, Mapping[str, int]], Action]]] = {
    "clone": lambda arguments, ports: Clone(parse_actions(arguments, ports)),
    "sample": _parse_sample,
    "check_pkt_len": _parse_check_pkt_len,
    "dec_ttl": _parse_dec_ttl,
}
