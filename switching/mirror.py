"""Mirrors: which of them take a packet that arrives at, or departs from, a port of their bridge.

Rule: pure. A destination takes a packet once, however many mirrors and ports choose it; what a mirror sends
is not mirrored again in its bridge.
Source: ovs-vswitchd.conf.db(5), Mirror table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Destination(NamedTuple):
    """Where a mirror sends: to a port, or where that is "" to all ports of a VLAN."""

    port: str
    vlan: int = 0


@dataclass(frozen=True, slots=True)
class Mirror:
    """One mirror of a bridge; ports by name."""

    uuid: str
    to: Destination
    sources: frozenset[str] | None = frozenset()  # ports at which packets arrive; None: all
    destinations: frozenset[str] | None = frozenset()  # ports from which packets depart; None: all
    vlans: frozenset[int] = frozenset()  # empty: all
    snaplen: int = 0  # octets of a frame that are sent; 0: all

    def takes(self, port: str, vlan: int, *, arriving: bool) -> bool:
        """Tell whether a packet in this VLAN is chosen at this port."""
        ports = self.sources if arriving else self.destinations
        return (ports is None or port in ports) and (not self.vlans or vlan in self.vlans)


class Choice(NamedTuple):
    """The mirrors that take a packet, and those among them that send it: one for each destination."""

    taking: list[str]  # UUIDs
    sending: list[Mirror]


def choose(
    mirrors: Iterable[Mirror], port: str, vlan: int, served: set[Destination], *, arriving: bool
) -> Choice:
    """Choose among the mirrors of a bridge; `served` are destinations that have the packet, and grows."""
    choice = Choice([], [])
    before = frozenset(served)
    for mirror in mirrors:
        if mirror.to in before or not mirror.takes(port, vlan, arriving=arriving):
            continue
        if not mirror.to.port and mirror.to.vlan == vlan:
            continue  # it is there already
        choice.taking.append(mirror.uuid)
        if mirror.to not in served:
            served.add(mirror.to)
            choice.sending.append(mirror)
    return choice
