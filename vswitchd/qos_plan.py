"""What is asked for a device × what the kernel has there → the steps between, as few as there can be.

Rule: pure; the plan for what a plan made is empty. A qdisc that nobody here made goes only where QoS is asked
for. Defaults and least values are those of Open vSwitch 3.1, but for what it does wrong: its rates wrap at
34 Gbit/s, and changed settings of a qdisc without classes do not reach the kernel.
"""

from __future__ import annotations

from dataclasses import replace

from datapath.provider import PortLimit
from datapath.tc.control import (
    DeleteClass,
    DeleteRoot,
    SetClass,
    SetRoot,
    StartPolicing,
    StopPolicing,
    TcStep,
)
from datapath.tc.values import (
    MAX_U32,
    ROOT_CLASS,
    Codel,
    Discipline,
    FqCodel,
    Hfsc,
    HfscClass,
    Htb,
    HtbClass,
    Netem,
    Police,
    QueueClass,
    Sfq,
    Shaping,
    codel_time,
    microseconds_to_ticks,
    to_ticks,
)
from vswitchd.config.qos import Policing, QosConfig, QueueConfig

DEFAULT_SPEED = 10_000_000_000  # bit/s, where a device does not tell
_HEADROOM = 64  # octets that a burst has more than the MTU
_RATE_TO_QUANTUM = 10
_MAX_QUANTUM = 200_000  # octets, HTB's own
_MAX_PRIORITY = 7  # HTB's own


def shaping_of(config: QosConfig, mtu: int, speed: int) -> Shaping:
    """Return the qdisc and classes for a device with this MTU and speed (bit/s); the config has a kind."""
    discipline = _discipline(config, mtu)
    if not config.queues:
        return Shaping(discipline)
    limit = max((config.settings.get("max-rate", 0) or speed or DEFAULT_SPEED) // 8, 1)
    make = _htb_class if isinstance(discipline, Htb) else _hfsc_class
    top = QueueConfig(min_rate=limit * 8, max_rate=limit * 8)
    classes = {ROOT_CLASS: make(top, limit, mtu)}
    for number, queue in config.queues.items():
        classes[number + 1] = make(queue, limit, mtu)
    return Shaping(discipline, classes)


def _discipline(config: QosConfig, mtu: int) -> Discipline:
    def number(name: str, default: int) -> int:
        return min(config.settings.get(name, 0) or default, MAX_U32)

    match config.kind:
        case "htb":
            return Htb()
        case "hfsc":
            return Hfsc()
        case "sfq":
            return Sfq(perturb=number("perturb", 10), quantum=number("quantum", mtu))
        case "netem":
            return Netem(
                latency=microseconds_to_ticks(number("latency", 0)),
                jitter=microseconds_to_ticks(number("jitter", 0)),
                limit=number("limit", 1000),
                loss=MAX_U32 * min(number("loss", 0), 100) // 100,
            )
        case "codel":
            return Codel(
                target=codel_time(number("target", 5000)),
                limit=number("limit", 10240),
                interval=codel_time(number("interval", 100_000)),
            )
        case _:
            return FqCodel(
                target=codel_time(number("target", 5000)),
                limit=number("limit", 10240),
                interval=codel_time(number("interval", 1_000_000)),
                flows=number("flows", 1024),
                quantum=number("quantum", 1514),
            )


def _htb_class(queue: QueueConfig, limit: int, mtu: int) -> QueueClass:
    """Return a class of HTB, with at least the rate and burst without which it would send nothing."""
    rate = min(max(queue.min_rate // 8, mtu), limit)
    ceil = min(max(queue.max_rate // 8, rate), limit) if queue.max_rate else limit
    burst = max(queue.burst // 8, mtu + _HEADROOM)
    return HtbClass(
        rate=rate,
        ceil=ceil,
        burst=to_ticks(burst, rate),
        cburst=to_ticks(burst, ceil),
        priority=min(queue.priority, _MAX_PRIORITY),
        quantum=min(max(rate // _RATE_TO_QUANTUM, mtu), _MAX_QUANTUM),
    )


def _hfsc_class(queue: QueueConfig, limit: int, mtu: int) -> QueueClass:
    rate = min(max(queue.min_rate // 8, 1), limit)
    ceil = min(max(queue.max_rate // 8, rate), limit) if queue.max_rate else limit
    return HfscClass(min(rate, MAX_U32), min(ceil, MAX_U32))


def police_of(policing: Policing) -> Police | None:
    """Return the limit for what comes; None: there is none."""
    rate = policing.kbits * 1000 // 8
    found = Police()
    if rate:
        found = Police(rate, to_ticks(policing.kbits_burst * 1024 // 8, rate))
    if policing.kpackets:
        packets = policing.kpackets * 1000
        burst = to_ticks(policing.kpackets_burst * 1000, packets)
        found = replace(found, packets=packets, packet_burst=burst)
    return None if found == Police() else found


def limit_of(policing: Policing) -> PortLimit:
    """Return the same for a datapath that limits what comes by its ports itself."""
    return PortLimit(
        octets=policing.kbits * 1000 // 8,
        burst=policing.kbits_burst * 1024 // 8,
        packets=policing.kpackets * 1000,
        packet_burst=policing.kpackets_burst * 1000,
    )


def plan_shaping(wanted: Shaping | None, actual: Shaping | None, *, is_there: bool) -> list[TcStep]:
    """Plan a device's root qdisc.

    `actual` is None where the qdisc is none that this program makes; `is_there` tells whether one stands
    there that is not the kernel's own choice. `wanted` is None where nobody wants what was made here.
    """
    if wanted is None:
        return [DeleteRoot()] if is_there else []
    steps: list[TcStep] = []
    if actual is None or not _can_become(actual.discipline, wanted.discipline):
        steps = [DeleteRoot()] if is_there else []
        steps.append(SetRoot(wanted.discipline, is_there=False))
        actual = Shaping(wanted.discipline)
    elif actual.discipline != wanted.discipline:
        steps.append(SetRoot(wanted.discipline, is_there=True))
    steps += [DeleteClass(minor) for minor in actual.classes.keys() - wanted.classes.keys()]
    steps += [SetClass(m, queue) for m, queue in wanted.classes.items() if actual.classes.get(m) != queue]
    return steps


def _can_become(before: Discipline, after: Discipline) -> bool:
    """Tell whether the kernel lets one change into the other."""
    if isinstance(after, Sfq):
        return before == after
    if isinstance(before, FqCodel) and isinstance(after, FqCodel):
        return before.flows == after.flows
    return before.kind == after.kind


def plan_policing(wanted: Police | None, actual: Police | None) -> list[TcStep]:
    """Plan the limit of what comes: the kernel changes no such filter, it is made anew."""
    if wanted == actual:
        return []
    return [*([StopPolicing()] if actual else []), *([StartPolicing(wanted)] if wanted else [])]
