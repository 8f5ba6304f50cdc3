"""dump-conntrack, flush-conntrack and ct-stats-show: the connections that a datapath tracks.

Rule: the tracker belongs to the network namespace; the datapath that is named only says which one is meant.
"""

from __future__ import annotations

import contextlib
import errno
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from datapath.conntrack import Connection, ConnectionTracker, TcpState, Tuple, is_whole, matches
from datapath.provider import DatapathError
from dpctl.ct_text import TCP_STATES, format_connection, parse_tuple, tcp_state
from dpctl.errors import DpctlError, because
from dpctl.options import Options
from dpctl.targets import Targets

_ZONE = re.compile(r"zone=(\d+)")
_STATISTICS: Final = (  # in the order of the C tools, which count ICMPv6 in the total alone
    ("TCP", (6,)),
    ("UDP", (17,)),
    ("UDPLITE", (136,)),
    ("SCTP", (132,)),
    ("ICMP", (1,)),
    ("DCCP", (33,)),
    ("IGMP", (2,)),
)
_COUNTED: Final = {58, *(number for _name, numbers in _STATISTICS for number in numbers)}


@contextlib.contextmanager
def open_tracker(
    targets: Targets, arguments: list[str], others: int, what: str
) -> Iterator[ConnectionTracker]:
    """Use the tracker of the datapath that may be named first; refusals become DpctlError(`what`)."""
    name, _rest = targets.optional(arguments, others)
    with targets.open(name, "opening datapath") as datapath:
        tracker = datapath.tracker()
        if tracker is None:
            raise DpctlError(because(what, errno.EOPNOTSUPP))
        try:
            yield tracker
        except DatapathError as error:
            raise DpctlError(because(what, error.errno)) from None


def _take_zone(arguments: list[str]) -> tuple[int | None, list[str]]:
    """Take zone=N off the end."""
    match = _ZONE.match(arguments[-1]) if arguments else None
    return (int(match[1]) & 0xFFFF, arguments[:-1]) if match else (None, arguments)


def listed(targets: Targets, arguments: list[str]) -> list[Connection]:
    """List connections, or those of zone=N."""
    zone, rest = _take_zone(arguments)
    with open_tracker(targets, rest, 0, "starting conntrack dump") as tracker:
        return tracker.connections(zone)


def dump_conntrack(targets: Targets, options: Options, arguments: list[str]) -> str:
    """List connections, or those of zone=N."""
    return "".join(
        f"{format_connection(connection, verbose=options.more, statistics=options.statistics)}\n"
        for connection in listed(targets, arguments)
    )


class Counted(NamedTuple):
    """How many connections there are; of protocols and states, those that have some."""

    total: int
    by_protocol: dict[str, int]
    tcp_states: dict[str, int]
    other: int


def count(connections: list[Connection]) -> Counted:
    """Count connections by protocol, and those of TCP by state."""
    by_number = Counter(connection.orig.proto for connection in connections)
    by_protocol = {name: sum(by_number[number] for number in numbers) for name, numbers in _STATISTICS}
    states = Counter(tcp_state(c.protocol) for c in connections if isinstance(c.protocol, TcpState))
    return Counted(
        len(connections),
        {name: number for name, number in by_protocol.items() if number},
        {state: states[state] for state in TCP_STATES if states[state]},
        sum(number for proto, number in by_number.items() if proto not in _COUNTED),
    )


def ct_stats_show(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Count connections by protocol, and with --more those of TCP by state."""
    counted = count(listed(targets, arguments))
    lines = ["Connections Stats:", f"    Total: {counted.total}"]
    for name, number in counted.by_protocol.items():
        lines.append(f"  {name}: {number}")
        if name == "TCP" and options.more:
            states = [f"\t  [{state}]={number}" for state, number in counted.tcp_states.items()]
            lines += ["    Conn per TCP states:", *states]
    if counted.other:
        lines.append(f"  Other: {counted.other}")
    return "".join(f"{line}\n" for line in lines)


def flush_conntrack(targets: Targets, options: Options, arguments: list[str]) -> str:
    """End all connections, those of zone=N, or those that match an original and a reply tuple."""
    names = targets.all()
    rest = arguments[1:] if arguments and targets.parse(arguments[0]) in names else arguments
    named = arguments[: len(arguments) - len(rest)]
    zone, patterns = _parse_patterns(rest)
    with open_tracker(targets, named, 0, "failed to flush conntrack") as tracker:
        _flush(tracker, zone, *patterns)
    return ""


def _parse_patterns(words: list[str]) -> tuple[int | None, tuple[Tuple, Tuple]]:
    zone: int | None = None
    if words and words[0].startswith("zone="):
        match = _ZONE.match(words[0])
        if match is None:
            raise DpctlError(because("failed to parse zone", errno.EINVAL))
        zone, words = int(match[1]) & 0xFFFF, words[1:]
    orig, reply = (parse_tuple(word) for word in (*words[:2], "", "")[:2])
    if len(words) > 2:
        raise DpctlError(because("invalid arguments", errno.EINVAL))
    return zone, (orig, reply)


def _flush(tracker: ConnectionTracker, zone: int | None, orig: Tuple, reply: Tuple) -> None:
    anything = Tuple()
    if (orig, reply) == (anything, anything) and zone is None:
        tracker.forget_all()
    elif reply == anything and is_whole(orig):
        tracker.forget_tuple(zone or 0, orig)
    else:
        for connection in tracker.connections(zone):
            if matches(orig, connection.orig) and matches(reply, connection.reply):
                tracker.forget(connection)
