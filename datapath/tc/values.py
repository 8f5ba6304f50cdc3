"""How a device queues what leaves it and limits what comes, as values that can be compared with the kernel's.

Rule: pure. Rates are bytes a second; times and bursts are in the units of each kernel structure, rounded as
the kernel rounds them, so that what is wanted equals what the kernel tells of it.
Source: <linux/pkt_sched.h>, tc-htb(8), tc-hfsc(8), tc-sfq(8), tc-netem(8), tc-codel(8), tc-fq_codel(8),
tc-police(8).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final

HANDLE: Final = 0x10000  # "1:", of every qdisc that this program makes
ROOT_CLASS: Final = 0xFFFE  # 1:fffe, under which the queues share the device's rate
MAX_U32: Final = 0xFFFFFFFF
_TICK = 64  # nanoseconds; /proc/net/psched says so of every kernel since 2.6.31
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Htb:
    """Hierarchy token bucket: its classes hold the settings."""

    kind: ClassVar[str] = "htb"


@dataclass(frozen=True, slots=True)
class Hfsc:
    """Hierarchical fair service curve: its classes hold the settings."""

    kind: ClassVar[str] = "hfsc"


@dataclass(frozen=True, slots=True)
class Sfq:
    """Stochastic fairness queueing."""

    perturb: int  # seconds
    quantum: int  # bytes
    kind: ClassVar[str] = "sfq"


@dataclass(frozen=True, slots=True)
class Netem:
    """Network emulator."""

    latency: int  # ticks
    jitter: int  # ticks
    limit: int  # packets
    loss: int  # of 2**32 - 1
    kind: ClassVar[str] = "netem"


@dataclass(frozen=True, slots=True)
class Codel:
    """Controlled delay."""

    target: int  # microseconds
    limit: int  # packets
    interval: int  # microseconds
    kind: ClassVar[str] = "codel"


@dataclass(frozen=True, slots=True)
class FqCodel:
    """Controlled delay for each of many flows."""

    target: int  # microseconds
    limit: int  # packets
    interval: int  # microseconds
    flows: int
    quantum: int  # bytes
    kind: ClassVar[str] = "fq_codel"


Discipline = Htb | Hfsc | Sfq | Netem | Codel | FqCodel
KINDS: Final = frozenset(made.kind for made in (Htb, Hfsc, Sfq, Netem, Codel, FqCodel))


@dataclass(frozen=True, slots=True)
class HtbClass:
    """What a queue of HTB is given."""

    rate: int  # guaranteed
    ceil: int  # at most
    burst: int  # ticks at `rate`
    cburst: int  # ticks at `ceil`
    priority: int
    quantum: int = field(default=0, compare=False)  # bytes in one turn


@dataclass(frozen=True, slots=True)
class HfscClass:
    """What a queue of HFSC is given."""

    rate: int  # guaranteed, and its share of what is over
    ceil: int  # at most


QueueClass = HtbClass | HfscClass


@dataclass(frozen=True, slots=True)
class Shaping:
    """A root qdisc with its classes."""

    discipline: Discipline
    classes: Mapping[int, QueueClass] = field(default_factory=dict)  # by minor number: queue n is n + 1


@dataclass(frozen=True, slots=True)
class Police:
    """How much of what comes is taken."""

    rate: int = 0  # 0: any
    burst: int = 0  # ticks at `rate`
    packets: int = 0  # a second; 0: any
    packet_burst: int = 0  # ticks at `packets`


@dataclass(frozen=True, slots=True)
class QueueStats:
    """What a queue has sent."""

    packets: int
    octets: int
    drops: int


def to_ticks(octets: int, rate: int) -> int:
    """Return the time that so many octets take at a rate, rounded up: too small a burst stops packets."""
    return min(-(-octets * _SECOND // (rate * _TICK)), MAX_U32)


def to_octets(ticks: int, rate: int) -> int:
    """Return what such a time is worth at a rate."""
    return ticks * _TICK * rate // _SECOND


def microseconds_to_ticks(time: int) -> int:
    """Return a time in ticks."""
    return min(time * 1000 // _TICK, MAX_U32)


def ticks_to_microseconds(ticks: int) -> int:
    """Return ticks as a time."""
    return -(-ticks * _TICK // 1000)


def codel_time(time: int) -> int:
    """Round microseconds as CoDel does, which counts 1,024 nanoseconds at a time."""
    return (time * 1000 >> 10 << 10) // 1000


def codel_asked(time: int) -> int:
    """Return the microseconds that CoDel has rounded to this, or one less."""
    units = -(-time * 1000 // 1024)
    return -(-units * 1024 // 1000)
