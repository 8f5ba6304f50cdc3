"""Interface.options of a tunnel → TunnelConfig, or what is wrong with them.

Rule: pure. What Open vSwitch only warns about (an option it does not know, a bad local_ip) is a warning here.
Source: ovs-vswitchd.conf.db(5), "Tunnel Options"; the texts are those of Open vSwitch 3.1.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from datapath.provider import DEFAULT_TUNNEL_PORT
from switching.tunnel import (
    AF_INET,
    AF_INET6,
    DEFAULT_TTL,
    ECN_MASK,
    ERSPAN_KINDS,
    INHERIT,
    TunnelConfig,
)
from vswitchd.config.erspan_options import read_erspan

_KNOWN = frozenset(
    (
        *("remote_ip", "local_ip", "key", "in_key", "out_key", "tos", "ttl", "df_default", "packet_type"),
        *("egress_pkt_mark", "erspan_ver", "erspan_idx", "erspan_dir", "erspan_hwid"),
    )
)
_KNOWN_OF = {
    "gre": frozenset(("csum", "seq")),
    "ip6gre": frozenset(("csum", "seq")),
    "vxlan": frozenset(("csum", "dst_port", "exts")),
    "geneve": frozenset(("csum", "dst_port")),
    "erspan": frozenset[str](),
    "ip6erspan": frozenset[str](),
}
_FLOW = "flow"
_PACKET_TYPES = ("legacy_l2", "legacy_l3", "ptap")


@dataclass(frozen=True, slots=True)
class TunnelOptions:
    """What the options of one tunnel say; `config` is None where `error` says why they cannot be used."""

    config: TunnelConfig | None
    error: str = ""
    warnings: tuple[str, ...] = ()


def parse_tunnel_options(name: str, kind: str, options: Mapping[str, str]) -> TunnelOptions:
    """Read the options of the interface `name`."""
    warnings = [
        f"{name}: unknown {kind} argument '{option}'"
        for option in sorted(options.keys() - _KNOWN - _KNOWN_OF[kind])
    ]
    errors: list[str] = []
    remote = _address(options.get("remote_ip"))
    if remote and remote.is_multicast:
        return TunnelOptions(None, f"{name}: multicast remote_ip={remote} not allowed", tuple(warnings))
    if remote is None and options.get("remote_ip") != _FLOW:
        if "remote_ip" in options:
            errors.append(f"{name}: bad {kind} 'remote_ip'")
        errors.append(f"{name}: {kind} type requires valid 'remote_ip' argument")
        return TunnelOptions(None, "\n".join(errors), tuple(warnings))
    local = _address(options.get("local_ip"))
    if local is None and options.get("local_ip", _FLOW) != _FLOW:
        warnings.append(f"{name}: bad {kind} 'local_ip'")
    proto = AF_INET6 if 6 in {a.version for a in (remote, local) if a} else AF_INET
    if remote and options.get("local_ip") == _FLOW:
        errors.append(f"{name}: {kind} type requires 'remote_ip=flow' with 'local_ip=flow'")
    elif remote and local and remote.version != local.version:
        errors.append(f"{name}: 'remote_ip' and 'local_ip' has to be of the same address family")
    errors += _packet_type_errors(name, kind, options)
    erspan = read_erspan(name, options, errors)
    if errors:
        return TunnelOptions(None, errors[0], tuple(warnings))
    out_key = _key(options, "out_key")
    config = TunnelConfig(
        kind=kind,
        remote=int(remote) if remote else None,
        proto=proto,
        local=int(local) if local else None if options.get("local_ip") == _FLOW else 0,
        in_key=_key(options, "in_key"),
        out_key=out_key,
        has_out_key=out_key is None or "key" in options or "out_key" in options,
        tos=_tos(name, options, warnings),
        ttl=INHERIT if options.get("ttl") == "inherit" else _number(options.get("ttl"), 1, 255, DEFAULT_TTL),
        dont_fragment=options.get("df_default", "true") == "true",
        csum=options.get("csum") == "true",
        dst_port=_dst_port(kind, options),
        mark=_number(options.get("egress_pkt_mark"), 0, 0xFFFFFFFF, 0)
        if "egress_pkt_mark" in options
        else None,
        gbp=_has_gbp(name, kind, options, warnings),
        erspan=erspan if kind in ERSPAN_KINDS else None,
    )
    return TunnelOptions(config, "", tuple(warnings))


def _address(text: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text or "")
    except ValueError:
        return None
    return None if "%" in str(address) else address


def _key(options: Mapping[str, str], name: str) -> int | None:
    """Return a key; None for "flow". What is no number counts as 0."""
    text = options.get(name, options.get("key", "0"))
    if text == _FLOW:
        return None
    try:
        return int(text, 0) & 0xFFFFFFFFFFFFFFFF
    except ValueError:
        return 0


def _tos(name: str, options: Mapping[str, str], warnings: list[str]) -> int:
    text = options.get("tos", "0")
    if text == "inherit":
        return INHERIT
    try:
        tos = int(text, 0)
    except ValueError:
        tos = -1
    if tos & ~(0xFF & ~ECN_MASK):
        warnings.append(f"{name}: invalid TOS {text}")
        return 0
    return tos


def _packet_type_errors(name: str, kind: str, options: Mapping[str, str]) -> Iterator[str]:
    """Say what is wrong with packet_type. Tunnels here carry Ethernet frames and nothing else."""
    packet_type = options.get("packet_type", "legacy_l2")
    if packet_type not in _PACKET_TYPES:
        yield f"{name}: unknown packet_type '{packet_type}'"
    elif packet_type != "legacy_l2":
        yield f"{name}: {kind} tunnels with packet_type={packet_type} are not supported"


def _has_gbp(name: str, kind: str, options: Mapping[str, str], warnings: list[str]) -> bool:
    if kind != "vxlan":
        return False
    extensions = [text for text in options.get("exts", "").split(",") if text]
    warnings += [f"{name}: unknown extension '{text}'" for text in extensions if text not in ("gbp", "gpe")]
    return "gbp" in extensions


def _dst_port(kind: str, options: Mapping[str, str]) -> int:
    default = DEFAULT_TUNNEL_PORT[kind]
    return _number(options.get("dst_port"), 1, 65535, default) if default else 0


def _number(text: str | None, low: int, high: int, default: int) -> int:
    try:
        value = int(text or "", 10)
    except ValueError:
        return default
    return value if low <= value <= high else default
