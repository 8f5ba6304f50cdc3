"""Packets that no flow matches → flows, and the packets on their way.

Rule: pure. One pass over a batch; what it returns is for one Datapath.run(). A packet is sent after the
flow was put that the next one of its kind will take, and packets in the order in which they came.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from datapath.provider import Execute, FlowPut, Operation, Upcall, UpcallKind
from switching.state import carry_out
from switching.xlate import Decision
from vswitchd.flowbook import Record, flow_id
from vswitchd.forwarding import Forwarding, count, decide, places_changed

# A packet may have been on its way when its flow was put. Later than this, it is not there: put it anew.
_SETTLED = 0.2  # seconds


def handle_upcalls(forwarding: Forwarding, upcalls: Iterable[Upcall], now: float) -> list[Operation]:
    """Decide packets, learn from them, and return what the datapath shall do."""
    operations: list[Operation] = []
    places: list[Hashable] = []
    for upcall in upcalls:
        if upcall.kind is UpcallKind.MISS:
            places += _handle_miss(forwarding, upcall, now, operations)
    if places:
        operations += places_changed(forwarding, places)
    return operations


def _handle_miss(
    forwarding: Forwarding, upcall: Upcall, now: float, operations: list[Operation]
) -> list[Hashable]:
    key = upcall.key
    decision = decide(forwarding, key, upcall.packet)
    forwarding.upcalls += 1
    count(forwarding, decision, 1, len(upcall.packet))
    if not decision.is_slow:
        _install(forwarding, upcall, decision, now, operations)
    if decision.actions:
        operations.append(Execute(upcall.packet, key, decision.actions, upcall.wire_key, upcall.hash))
    return carry_out(forwarding.state, decision.effects, key.eth_src, now)


def _install(
    forwarding: Forwarding, upcall: Upcall, decision: Decision, now: float, operations: list[Operation]
) -> None:
    key = upcall.key
    ufid = flow_id(key, decision.mask)
    known = forwarding.book.get(ufid)
    settled = known is not None and now - known.installed <= _SETTLED
    if not settled and (known is not None or len(forwarding.book) < forwarding.flow_limit):
        forwarding.book.add(Record(ufid, key, upcall.wire_key, decision, now))
        operations.append(FlowPut(ufid, key, decision.mask, decision.actions, upcall.wire_key))
