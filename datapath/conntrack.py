"""Connections as a datapath's connection tracker knows them, and what can be asked of it.

Rule: values and a Protocol; the kernel's tracker is datapath/kernel_conntrack.py. Numbers are those of the
kernel's nf_conntrack headers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

DEFAULT_ZONE: Final = -1  # in a ZoneLimit: what holds for zones without a limit of their own

ICMP_PROTOCOLS: Final = (1, 58)  # ICMP and ICMPv6 have an identifier, type and code instead of ports


class Tuple(NamedTuple):
    """One direction of a connection. As a pattern: None where anything goes."""

    src: int | None = None
    dst: int | None = None
    family: int = 0  # AF_INET or AF_INET6; 0: no address is known
    proto: int | None = None
    sport: int | None = None  # or the ICMP identifier
    dport: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None


class Counters(NamedTuple):
    """What has passed in one direction, where the tracker counts."""

    packets: int = 0
    bytes: int = 0


NOTHING_COUNTED: Final = Counters()


@dataclass(frozen=True, slots=True)
class TcpState:
    """What the tracker knows of a TCP connection; states by the kernel's numbers."""

    state: int
    wscale_orig: int = 0
    wscale_reply: int = 0
    flags_orig: int = 0
    flags_reply: int = 0


@dataclass(frozen=True, slots=True)
class SctpState:
    """What the tracker knows of an SCTP association."""

    state: int
    vtag_orig: int = 0
    vtag_reply: int = 0


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection that is tracked."""

    orig: Tuple
    reply: Tuple
    zone: int = 0
    id: int = 0
    status: int = 0  # IPS_*
    timeout: int = 0  # seconds
    mark: int = 0
    labels: int = 0  # 128 bits
    counters_orig: Counters = NOTHING_COUNTED
    counters_reply: Counters = NOTHING_COUNTED
    start: int = 0  # nanoseconds since the epoch, where the tracker notes it
    stop: int = 0
    protocol: TcpState | SctpState | None = None
    helper: str = ""
    parent: Tuple | None = None
    wire_tuple: bytes = field(default=b"", repr=False, compare=False)  # by which the tracker finds it


class ZoneLimit(NamedTuple):
    """How many connections a zone may have; 0: any number."""

    zone: int  # or DEFAULT_ZONE
    limit: int
    connections: int = 0  # that it has


class ConnectionTracker(Protocol):
    """A connection tracker. Every method may raise provider.DatapathError."""

    def connections(self, zone: int | None = None) -> list[Connection]:
        """List the connections, or those of a zone."""

    def forget(self, connection: Connection) -> None:
        """End a connection; one that is gone is no error."""

    def forget_tuple(self, zone: int, pattern: Tuple) -> None:
        """End the connection that a whole original tuple names; DatapathError(ENOENT) where there is none."""

    def forget_all(self) -> None:
        """End every connection."""

    def limits(self, zones: Iterable[int] = ()) -> list[ZoneLimit]:
        """Read the default limit and those of `zones`, or of all zones that have one."""

    def set_limits(self, limits: Iterable[ZoneLimit]) -> None:
        """Limit zones, or all by DEFAULT_ZONE."""

    def delete_limits(self, zones: Iterable[int]) -> None:
        """Let the default hold for zones again."""


def matches(pattern: Tuple, other: Tuple) -> bool:
    """Tell whether a tuple has all that a pattern names."""
    wanted = pattern if pattern.family else pattern._replace(family=other.family)
    return all(a is None or a == b for a, b in zip(wanted, other, strict=True))


def is_whole(pattern: Tuple) -> bool:
    """Tell whether a pattern names one connection."""
    if pattern.src is None or pattern.dst is None or not pattern.proto:
        return False
    if pattern.proto in ICMP_PROTOCOLS:
        return None not in (pattern.sport, pattern.icmp_type, pattern.icmp_code)
    return bool(pattern.sport) and bool(pattern.dport)
