"""Connections and their tuples as text.

Rule: pure, but for the zone of time stamps. What a connection is not known to have is left out.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Mapping
from typing import Final

from datapath.conntrack import ICMP_PROTOCOLS, Connection, Counters, SctpState, TcpState, Tuple
from datapath.odp_values import IPV4, IPV6
from dpctl.errors import DpctlError, because

_EINVAL: Final = 22
PROTOCOLS: Final = {
    1: "icmp",
    2: "igmp",
    6: "tcp",
    17: "udp",
    33: "dccp",
    58: "icmpv6",
    132: "sctp",
    136: "udplite",
}
# The states that the C tools know, and the kernel's numbers for them (enum tcp_conntrack, sctp_conntrack).
TCP_STATES: Final = (
    *("CLOSED", "LISTEN", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "CLOSE_WAIT", "FIN_WAIT_1"),
    *("CLOSING", "LAST_ACK", "FIN_WAIT_2", "TIME_WAIT"),
)
_KERNEL_TCP: Final = {
    1: "SYN_SENT",
    2: "SYN_RECV",
    3: "ESTABLISHED",
    4: "FIN_WAIT_1",
    5: "CLOSE_WAIT",
    6: "LAST_ACK",
    7: "TIME_WAIT",
    8: "CLOSING",
    9: "SYN_SENT",
}
_SCTP_STATES: Final = (
    *("CLOSED", "CLOSED", "COOKIE_WAIT", "COOKIE_ECHOED", "ESTABLISHED", "SHUTDOWN_SENT"),
    *("SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT", "HEARTBEAT_SENT", "HEARTBEAT_ACKED"),
)
_STATUS: Final = (
    *("EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED", "SRC_NAT", "DST_NAT", "SEQ_ADJUST"),
    *("SRC_NAT_DONE", "DST_NAT_DONE", "DYING", "FIXED_TIMEOUT", "TEMPLATE", "UNTRACKED"),
)
_TCP_FLAGS: Final = (
    *("WINDOW_SCALE", "SACK_PERM", "CLOSE_INIT", "BE_LIBERAL", "DATA_UNACKNOWLEDGED", "MAXACK_SET"),
)


def tcp_state(state: TcpState) -> str:
    """Name the state of a TCP connection."""
    return _KERNEL_TCP.get(state.state, "CLOSED")


def sctp_state(state: SctpState) -> str:
    """Name the state of an SCTP association."""
    known = state.state < len(_SCTP_STATES)
    return _SCTP_STATES[state.state] if known else f"[{state.state}]"


def format_connection(connection: Connection, *, verbose: bool, statistics: bool) -> str:
    """Write a connection on one line."""
    c = connection
    proto = c.orig.proto or 0
    parts = [PROTOCOLS.get(proto, str(proto))]
    for name, direction, counters in (
        ("orig", c.orig, c.counters_orig),
        ("reply", c.reply, c.counters_reply),
    ):
        counted = _format_counters(counters) if statistics else ""
        parts.append(f"{name}=({_format_tuple(direction)}{counted})")
    if statistics:
        parts += [f"{name}={_format_time(at)}" for name, at in (("start", c.start), ("stop", c.stop)) if at]
    if verbose:
        parts.append(f"id={c.id}")
    if c.zone:
        parts.append(f"zone={c.zone}")
    if verbose:
        parts.append(f"status={'|'.join(status_names(c.status))}")
    if statistics:
        parts.append(f"timeout={c.timeout}")
    if c.mark:
        parts.append(f"mark={c.mark}")
    if c.labels:
        parts.append(f"labels={c.labels:#x}")
    if c.protocol is not None:
        parts.append(f"protoinfo=({_format_protocol(c.protocol, verbose=verbose)})")
    if c.helper:
        parts.append(f"helper={c.helper}")
    if verbose and c.parent is not None:
        parts.append(f"parent=({_format_tuple(c.parent)})")
    return ",".join(parts)


def format_addresses(direction: Tuple) -> tuple[str, str]:
    """Write source and destination."""
    kind = IPV6 if direction.family == socket.AF_INET6 else IPV4
    return kind.format(direction.src or 0), kind.format(direction.dst or 0)


def _format_tuple(direction: Tuple) -> str:
    src, dst = format_addresses(direction)
    text = f"src={src},dst={dst}"
    if direction.proto in ICMP_PROTOCOLS:
        text += f",id={direction.sport or 0}"
        return f"{text},type={direction.icmp_type or 0},code={direction.icmp_code or 0}"
    return f"{text},sport={direction.sport or 0},dport={direction.dport or 0}"


def _format_counters(counters: Counters) -> str:
    return f",packets={counters.packets},bytes={counters.bytes}" if any(counters) else ""


def _format_time(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(seconds)) + f".{rest // 1_000_000:03}"


def status_names(status: int) -> list[str]:
    """Name the IPS_* of a connection."""
    return [name for bit, name in enumerate(_STATUS) if status >> bit & 1]


def _format_flags(flags: int, names: tuple[str, ...]) -> str:
    return "|".join(name for bit, name in enumerate(names) if flags >> bit & 1)


def _format_protocol(state: TcpState | SctpState, *, verbose: bool) -> str:
    if isinstance(state, SctpState):
        return f"state={sctp_state(state)},vtag_orig={state.vtag_orig},vtag_reply={state.vtag_reply}"
    name = tcp_state(state)
    if not verbose:
        return f"state={name}"
    text = f"state_orig={name},state_reply={name}"
    if state.wscale_orig or state.wscale_reply:
        text += f",wscale_orig={state.wscale_orig},wscale_reply={state.wscale_reply}"
    orig, reply = (_format_flags(flags, _TCP_FLAGS) for flags in (state.flags_orig, state.flags_reply))
    return f"{text},flags_orig={orig},flags_reply={reply}"


def parse_tuple(text: str) -> Tuple:
    """Read ct_nw_src=...,ct_nw_proto=...; DpctlError where a field is none or does not go with the others."""
    found = Tuple()
    for field in filter(None, text.replace(" ", ",").split(",")):
        name, equals, value = field.partition("=")
        if not equals:
            raise _invalid(f"field {name} missing value")
        found = found._replace(**_parse_field(name, value, found))
    return found


def _parse_field(name: str, value: str, before: Tuple) -> Mapping[str, int]:
    if name in _ADDRESS_FIELDS:
        attribute, family = _ADDRESS_FIELDS[name]
        if before.family not in (0, family):
            raise _invalid(f"the L3 protocol does not match {value}")
        kind = ipaddress.IPv4Address if family == socket.AF_INET else ipaddress.IPv6Address
        try:
            return {attribute: int(kind(value)), "family": int(family)}
        except ValueError:
            raise _invalid(f"failed to parse field {name}") from None
    if name not in _NUMBER_FIELDS:
        raise _invalid(f"invalid conntrack tuple field: {name}")
    attribute, bits = _NUMBER_FIELDS[name]
    if name.startswith("icmp_") and before.proto not in ICMP_PROTOCOLS:
        raise _invalid("invalid L4 fields")
    if not value.isascii() or not value.isdigit() or int(value) >> bits:
        raise _invalid(f"failed to parse field {name}")
    return {attribute: int(value)}


_ADDRESS_FIELDS: Final = {
    "ct_nw_src": ("src", socket.AF_INET),
    "ct_nw_dst": ("dst", socket.AF_INET),
    "ct_ipv6_src": ("src", socket.AF_INET6),
    "ct_ipv6_dst": ("dst", socket.AF_INET6),
}
_NUMBER_FIELDS: Final = {
    "ct_nw_proto": ("proto", 8),
    "ct_tp_src": ("sport", 16),
    "ct_tp_dst": ("dport", 16),
    "icmp_id": ("sport", 16),
    "icmp_type": ("icmp_type", 8),
    "icmp_code": ("icmp_code", 8),
}


def _invalid(what: str) -> DpctlError:
    return DpctlError(because(what, _EINVAL))
