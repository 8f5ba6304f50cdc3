"""What the bridges of one datapath have learned: all that changes as packets pass.

Rule: pure. It changes by effects, which decisions name and carry_out() performs, by time and by commands.
Each change is told as places, so that the flows that looked there can be translated again.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from switching.bond import Bond
from switching.mac_table import MacTable, Place

ARP_LOCK = 5.0  # seconds


class Learned(NamedTuple):
    """An effect: this source was heard of behind this port."""

    bridge: str
    vlan: int
    mac: int
    port: str


class ArpLocked(NamedTuple):
    """An effect: a station that is behind no bond said by a gratuitous ARP where it is."""

    bridge: str
    vlan: int
    mac: int


Effect = Learned | ArpLocked


@dataclass(slots=True)
class State:
    """The tables of all bridges on one datapath."""

    tables: dict[str, MacTable] = field(default_factory=dict)  # by name of the bridge
    bonds: dict[str, Bond] = field(default_factory=dict)  # by name of the port
    arp_locks: dict[Place, float] = field(default_factory=dict)  # until when bonds wait (switching.bonding)


def carry_out(state: State, effects: Iterable[Effect], heard: float) -> list[Hashable]:
    """Learn what packets taught at the time `heard`; return the places that answer differently now."""
    changed: list[Hashable] = []
    for effect in effects:
        if type(effect) is Learned:
            bridge, vlan, mac, port = effect
            table = state.tables.get(bridge)
            if table is not None:
                changed += table.learn(vlan, mac, port, heard)
        else:
            changed += _lock(state, Place(effect.bridge, effect.vlan, effect.mac), heard + ARP_LOCK)
    return changed


def _lock(state: State, place: Place, until: float) -> list[Hashable]:
    is_new = place not in state.arp_locks
    state.arp_locks[place] = until
    return [place] if is_new else []


def expire(state: State, now: float) -> list[Hashable]:
    """Let go what is too old; return the places that answer differently now."""
    unlocked = [place for place, until in state.arp_locks.items() if until <= now]
    for place in unlocked:
        del state.arp_locks[place]
    return [*unlocked, *(place for table in state.tables.values() for place in table.expire(now))]
