"""Flows against what the datapath says of them: counters added up, stations kept alive, the idle removed.

Rule: pure. adopt() takes over what an earlier run left, sweep() compares a dump with the book.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from datapath.provider import Flow, FlowDel, FlowPut, FlowStats, Operation
from switching.state import carry_out, expire
from switching.twins import Twins
from switching.xlate import xlate
from vswitchd.flowbook import Record, flow_id
from vswitchd.forwarding import Forwarding, count, places_changed

_SETTLING = 1.0  # seconds after which a flow that was put must show in a dump


def sweep(forwarding: Forwarding, dump: Iterable[Flow], started: float, now: float) -> list[Operation]:
    """Go through a dump that was asked for at `started`; return what changes in the datapath."""
    operations: list[Operation] = []
    places: list[Hashable] = []
    seen: set[bytes] = set()
    oldest = now - forwarding.max_idle
    for flow in dump:
        ufid, stats = flow.ufid, flow.stats
        record = forwarding.book.get(ufid)
        if record is None:  # somebody else's
            if ufid:
                operations.append(FlowDel(ufid))
            continue
        seen.add(ufid)
        if stats.packets != record.stats.packets:
            places += _take_stats(forwarding, record, stats)
        if record.installed <= oldest and (stats.used is None or stats.used <= oldest):
            forwarding.book.remove(ufid)
            operations.append(FlowDel(ufid))
    for record in forwarding.book:
        if record.ufid not in seen and started - record.installed > _SETTLING:
            forwarding.book.remove(record.ufid)  # refused by the datapath, or deleted by somebody else
    places += expire(forwarding.state, now)
    return [*operations, *places_changed(forwarding, places)] if places else operations


def adopt(forwarding: Forwarding, flows: Iterable[Flow], now: float) -> list[Operation]:
    """Take over the flows that an earlier run installed; return what changes in the datapath.

    The MAC tables are rebuilt from the flows' sources first: then translations agree with those of before. A
    flow that no packet has used yet is younger than the idle time: its first packet was the daemon's to send.
    """
    found = [flow for flow in flows if flow.ufid]
    heard = [
        (flow.stats.used if flow.stats.used is not None else now - forwarding.max_idle, flow)
        for flow in found
    ]
    for when, flow in sorted(heard, key=lambda pair: pair[0]):
        effects = xlate(flow.key, forwarding.switch, forwarding.state).effects
        carry_out(forwarding.state, effects, flow.key.eth_src, when)
    expire(forwarding.state, now)
    operations: list[Operation] = []
    twins = Twins(forwarding.switch, forwarding.state)
    for flow in found:
        decision = twins.decide(flow.key)
        if decision.is_slow or flow_id(flow.key, decision.mask) != flow.ufid:
            operations.append(FlowDel(flow.ufid))
            continue
        record = Record(flow.ufid, flow.key, b"", decision, now)
        record.stats = flow.stats
        forwarding.book.add(record)
        if flow.actions != decision.actions:
            operations.append(FlowPut(flow.ufid, flow.key, decision.mask, decision.actions, modify=True))
    return operations


def _take_stats(forwarding: Forwarding, record: Record, stats: FlowStats) -> list[Hashable]:
    """Add up what a flow carried since the last look, and learn from it."""
    packets = stats.packets - record.stats.packets
    octets = stats.bytes - record.stats.bytes
    record.stats = stats
    if packets <= 0:
        return []
    count(forwarding, record.decision, packets, octets)
    if stats.used is None:
        return []
    return carry_out(forwarding.state, record.decision.effects, record.key.eth_src, stats.used)
