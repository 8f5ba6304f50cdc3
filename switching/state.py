"""What the bridges of one datapath have learned: all that changes as packets pass.

Rule: pure. It changes by effects, which decisions name and carry_out() performs, by time and by commands.
Each change is told as places, so that the flows that looked there can be translated again.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from switching.bond import Bond
from switching.group_table import GroupTable
from switching.mac_table import MacTable, Place

ARP_LOCK = 5.0  # seconds


class Learned(NamedTuple):
    """An effect: the packet's source was heard of behind this port."""

    bridge: str
    vlan: int
    port: str


class ArpLocked(NamedTuple):
    """An effect: the source, which is behind no bond, said by a gratuitous ARP where it is."""

    bridge: str
    vlan: int


class GroupJoined(NamedTuple):
    """An effect: a host behind this port wants a multicast group."""

    bridge: str
    vlan: int
    group: int
    port: str


class GroupLeft(NamedTuple):
    """An effect: a host behind this port wants a multicast group no longer."""

    bridge: str
    vlan: int
    group: int
    port: str


class RouterHeard(NamedTuple):
    """An effect: a multicast router is behind this port."""

    bridge: str
    vlan: int
    port: str


GroupEffect = GroupJoined | GroupLeft | RouterHeard
Effect = Learned | ArpLocked | GroupEffect


@dataclass(slots=True)
class State:
    """The tables of all bridges on one datapath."""

    tables: dict[str, MacTable] = field(default_factory=dict)  # by name of the bridge
    groups: dict[str, GroupTable] = field(default_factory=dict)  # by name of the bridge, of those that snoop
    bonds: dict[str, Bond] = field(default_factory=dict)  # by name of the port
    arp_locks: dict[Place, float] = field(default_factory=dict)  # until when bonds wait (switching.bonding)


def carry_out(state: State, effects: Iterable[Effect], source: int, heard: float) -> list[Hashable]:
    """Learn what packets of a source taught at the time `heard`; return the places that answer differently.

    That effects do not name the source themselves lets flows from many sources share a decision.
    """
    changed: list[Hashable] = []
    for effect in effects:
        if isinstance(effect, Learned):
            bridge, vlan, port = effect
            table = state.tables.get(bridge)
            if table is not None:
                changed += table.learn(vlan, source, port, heard)
        elif isinstance(effect, ArpLocked):
            changed += _lock(state, Place(effect.bridge, effect.vlan, source), heard + ARP_LOCK)
        else:
            changed += _snoop(state, effect, heard)
    return changed


def _snoop(state: State, effect: GroupEffect, heard: float) -> Sequence[Hashable]:
    table = state.groups.get(effect.bridge)
    if table is None:
        return ()
    match effect:
        case GroupJoined(_, vlan, group, port):
            return table.join(vlan, group, port, heard)
        case GroupLeft(_, vlan, group, port):
            return table.leave(vlan, group, port)
        case RouterHeard(_, vlan, port):
            return table.query(vlan, port, heard)


def _lock(state: State, place: Place, until: float) -> list[Hashable]:
    is_new = place not in state.arp_locks
    state.arp_locks[place] = until
    return [place] if is_new else []


def expire(state: State, now: float) -> list[Hashable]:
    """Let go what is too old; return the places that answer differently now."""
    unlocked = [place for place, until in state.arp_locks.items() if until <= now]
    for place in unlocked:
        del state.arp_locks[place]
    return [
        *unlocked,
        *(place for table in state.tables.values() for place in table.expire(now)),
        *(place for groups in state.groups.values() for place in groups.expire(now)),
    ]
