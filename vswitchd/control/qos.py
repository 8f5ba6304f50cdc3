"""qos/*: how packets that leave by an interface are queued.

Rule: what is shown is what was made, with the kernel's counters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from appctl.unixctl import CommandError
from datapath.link import Link
from datapath.provider import DatapathError
from datapath.tc.values import (
    MAX_U32,
    ROOT_CLASS,
    Codel,
    FqCodel,
    HtbClass,
    Netem,
    QueueClass,
    QueueStats,
    Sfq,
    Shaping,
    codel_asked,
    ticks_to_microseconds,
    to_octets,
)
from vswitchd.config.desired import DesiredInterface
from vswitchd.config.qos import TYPES
from vswitchd.reconciler import Reconciler
from vswitchd.status.observation import error_text

_NO_STATS = QueueStats(0, 0, 0)


def _show(reconciler: Reconciler, args: list[str]) -> str:
    interface, link = _find(reconciler, args[0])
    try:
        found = reconciler.qos.shown(link.ifindex) if link else None
    except DatapathError as error:
        raise CommandError(error_text(error)) from None
    if found is None:
        return f"QoS not configured on {interface.name}\n"
    return format_qos(interface.name, *found)


def _show_types(reconciler: Reconciler, args: list[str]) -> str:
    _, link = _find(reconciler, args[0])
    return "".join(f"QoS type: {name}\n" for name in TYPES) if link else ""


def _find(reconciler: Reconciler, name: str) -> tuple[DesiredInterface, Link | None]:
    """Find an interface, and its device where it has one."""
    for bridge in reconciler.desired.bridges:
        for interface in bridge.interfaces():
            if interface.name == name and not interface.error:
                datapath = reconciler.actual.datapaths.get(bridge.datapath_type)
                has_device = datapath is not None and datapath.devices and interface.tunnel is None
                return interface, reconciler.actual.links.get(name) if has_device else None
    raise CommandError("no such interface")


def format_qos(name: str, shaping: Shaping, stats: Mapping[int, QueueStats]) -> str:
    """qos/show: a device's qdisc, and its queues with their counters, the default one first."""
    type_ = next(type_ for type_, kind in TYPES.items() if kind == shaping.discipline.kind)
    lines = [f"QoS: {name} {type_}", *_settings(shaping)]
    for minor, queue in sorted(shaping.classes.items()):
        if minor != ROOT_CLASS:
            lines += ["", f"Queue {minor - 1}:" if minor > 1 else "Default:"]
            lines += [f"  {line}" for line in _queue(queue, stats.get(minor, _NO_STATS))]
    return "\n".join(lines) + "\n"


def _settings(shaping: Shaping) -> list[str]:
    match shaping.discipline:
        case Sfq(perturb, quantum):
            return [f"quantum: {quantum}", f"perturb: {perturb}"]
        case Netem(latency, jitter, limit, loss):
            shown = [f"limit: {limit}", f"loss: {round(loss * 100 / MAX_U32)}"]
            shown.append(f"latency: {ticks_to_microseconds(latency)}")
            return shown + ([f"jitter: {ticks_to_microseconds(jitter)}"] if jitter else [])
        case Codel(target, limit, interval):
            return [f"limit: {limit}", f"interval: {codel_asked(interval)}", f"target: {codel_asked(target)}"]
        case FqCodel(target, limit, interval, flows, quantum):
            shown = [f"limit: {limit}", f"quantum: {quantum}", f"flows: {flows}"]
            return [*shown, f"interval: {codel_asked(interval)}", f"target: {codel_asked(target)}"]
        case _:
            top = shaping.classes.get(ROOT_CLASS)  # the kernel may have refused it
            return [f"max-rate: {top.ceil * 8}"] if top else []


def _queue(queue: QueueClass, stats: QueueStats) -> Iterator[str]:
    if isinstance(queue, HtbClass):
        yield f"burst: {to_octets(queue.burst, queue.rate) * 8}"
        if queue.priority:
            yield f"priority: {queue.priority}"
    yield f"min-rate: {queue.rate * 8}"
    if queue.ceil != queue.rate:
        yield f"max-rate: {queue.ceil * 8}"
    yield f"tx_packets: {stats.packets}"
    yield f"tx_bytes: {stats.octets}"
    yield f"tx_errors: {stats.drops}"


COMMANDS = (
    ("qos/show-types", "interface", 1, 1, _show_types),
    ("qos/show", "interface", 1, 1, _show),
)
