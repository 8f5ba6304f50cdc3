"""Flows against what the datapath says of them: counters added up, stations kept alive, the idle removed.

Rule: pure. adopt() takes over what an earlier run left, sweep() compares a dump with the book.
"""

from __future__ import annotations

from collections.abc import Iterable

from datapath.provider import Flow, FlowDel, FlowPut, FlowStats, Operation
from switching.mac_table import Place
from switching.xlate import xlate
from vswitchd.flowbook import Record, flow_id
from vswitchd.forwarding import Forwarding, count, learn, places_changed, translate_again

_SETTLING = 1.0  # seconds after which a flow that was put must show in a dump


def sweep(state: Forwarding, dump: Iterable[Flow], started: float, now: float) -> list[Operation]:
    """Go through a dump that was asked for at `started`; return what changes in the datapath."""
    operations: list[Operation] = []
    places: list[Place] = []
    seen: set[bytes] = set()
    for flow in dump:
        record = state.book.get(flow.ufid)
        if record is None:  # somebody else's
            if flow.ufid:
                operations.append(FlowDel(flow.ufid))
            continue
        seen.add(flow.ufid)
        places += _take_stats(state, record, flow.stats)
        if now - max(record.installed, flow.stats.used or 0.0) >= state.max_idle:
            state.book.remove(flow.ufid)
            operations.append(FlowDel(flow.ufid))
    for record in state.book:
        if record.ufid not in seen and started - record.installed > _SETTLING:
            state.book.remove(record.ufid)  # refused by the datapath, or deleted by somebody else
    places += expire(state, now)
    return [*operations, *places_changed(state, places)] if places else operations


def expire(state: Forwarding, now: float) -> list[Place]:
    """Let old addresses go; return what the MAC tables answer differently now."""
    return [place for table in state.tables.values() for place in table.expire(now)]


def adopt(state: Forwarding, flows: Iterable[Flow], now: float) -> list[Operation]:
    """Take over the flows that an earlier run installed; return what changes in the datapath.

    The MAC tables are rebuilt from the flows' sources first: then translations agree with those of before. A
    flow that no packet has used yet is younger than the idle time: its first packet was the daemon's to send.
    """
    found = [flow for flow in flows if flow.ufid]
    heard = [
        (flow.stats.used if flow.stats.used is not None else now - state.max_idle, flow) for flow in found
    ]
    for when, flow in sorted(heard, key=lambda pair: pair[0]):
        learn(state, xlate(flow.key, state.switch, state.tables).learned, when)
    expire(state, now)
    operations: list[Operation] = []
    for flow in found:
        decision = xlate(flow.key, state.switch, state.tables)
        if flow_id(flow.key, decision.mask) != flow.ufid:
            operations.append(FlowDel(flow.ufid))
            continue
        record = Record(flow.ufid, flow.key, b"", decision, now)
        record.stats = flow.stats
        state.book.add(record)
        if flow.actions != decision.actions:
            operations.append(FlowPut(flow.ufid, flow.key, decision.mask, decision.actions, modify=True))
    return operations


def translate_all(state: Forwarding) -> list[Operation]:
    """Decide every flow anew after a change of the configuration."""
    return translate_again(state, state.book)


def _take_stats(state: Forwarding, record: Record, stats: FlowStats) -> list[Place]:
    """Add up what a flow carried since the last look, and learn from it."""
    packets = stats.packets - record.stats.packets
    octets = stats.bytes - record.stats.bytes
    record.stats = stats
    if packets <= 0:
        return []
    count(state, record.decision, packets, octets)
    return learn(state, record.decision.learned, stats.used) if stats.used is not None else []
