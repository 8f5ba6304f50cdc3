"""What the bridges of one datapath have learned: all that changes as packets pass.

Rule: pure. It changes by effects, which decisions name and carry_out() performs, by time and by commands.
Each change is told as places, so that the flows that looked there can be translated again.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from switching.mac_table import MacTable


class Learned(NamedTuple):
    """An effect: this source was heard of behind this port."""

    bridge: str
    vlan: int
    mac: int
    port: str


Effect = Learned


@dataclass(slots=True)
class State:
    """The tables of all bridges on one datapath."""

    tables: dict[str, MacTable] = field(default_factory=dict)  # by name of the bridge


def carry_out(state: State, effects: Iterable[Effect], heard: float) -> list[Hashable]:
    """Learn what packets taught at the time `heard`; return the places that answer differently now."""
    changed: list[Hashable] = []
    for bridge, vlan, mac, port in effects:
        table = state.tables.get(bridge)
        if table is not None:
            changed += table.learn(vlan, mac, port, heard)
    return changed


def expire(state: State, now: float) -> list[Hashable]:
    """Let go what is too old; return the places that answer differently now."""
    return [place for table in state.tables.values() for place in table.expire(now)]
