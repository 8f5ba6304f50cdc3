"""Decisions for many flows of which most differ in their source alone.

Rule: pure. A source is learned, and decides something only at bonds (Decision.by_source), or where it is a
group's or the destination itself. So one decision holds for all other sources, as long as picture and state
are the same: a Twins lives for one pass over flows.
"""

from __future__ import annotations

from datapath.packet.flowkey import FlowKey
from datapath.packet.headers import ETH_GROUP
from switching.state import State
from switching.switch import Switch
from switching.xlate import Decision, xlate

_SOURCE = FlowKey._fields.index("eth_src")


class Twins:
    """Translates keys, without packets, by one picture and one state."""

    def __init__(self, switch: Switch, state: State) -> None:
        self._switch = switch
        self._state = state
        self._known: dict[tuple[int, ...], Decision] = {}  # by the key without its source

    def decide(self, key: FlowKey) -> Decision:
        """Return what xlate() does: in 1 us where a twin was decided, 30 where not."""
        source = key.eth_src
        if source & ETH_GROUP or source == key.eth_dst:
            return xlate(key, self._switch, self._state)
        family = key[:_SOURCE] + key[_SOURCE + 1 :]
        twin = self._known.get(family)
        if twin is not None:
            return twin
        decision = xlate(key, self._switch, self._state)
        if not decision.by_source:
            self._known[family] = decision
        return decision
