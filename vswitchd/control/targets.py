"""What the arguments of control commands name.

Rule: CommandError says what there is not.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import NamedTuple

from appctl.unixctl import CommandError
from switching.mac_table import MacTable
from vswitchd.forwarding import Forwarding, places_changed
from vswitchd.reconciler import Reconciler


class Target(NamedTuple):
    """A bridge that works."""

    name: str
    type: str  # of its datapath
    forwarding: Forwarding

    @property
    def table(self) -> MacTable:
        """Its MAC table."""
        return self.forwarding.state.tables[self.name]


def find_bridge(reconciler: Reconciler, name: str) -> Target:
    """Find a bridge; CommandError where there is none."""
    for type_, forwarding in reconciler.forwardings.items():
        if name in forwarding.switch.bridges:
            return Target(name, type_, forwarding)
    raise CommandError("no such bridge")


def chosen_bridges(reconciler: Reconciler, args: list[str]) -> list[Target]:
    """Find the bridges that are named; all of them where none is."""
    names = args or [name for f in reconciler.forwardings.values() for name in f.switch.bridges]
    return [find_bridge(reconciler, name) for name in names]


def tell_changed(reconciler: Reconciler, target: Target, places: Iterable[Hashable]) -> None:
    """Let the flows be translated again that looked at these places."""
    reconciler.run(target.type, places_changed(target.forwarding, places))
