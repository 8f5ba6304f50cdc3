"""Transactions that wait: parked until the database changes, their time is over, or their client lets go of
them.

Rule: a parked transaction has done nothing yet; it is executed anew from its operations. Nothing here
executes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

P = TypeVar("P")  # whatever stands for a parked transaction; compared by identity


@dataclass
class _Place(Generic[P]):
    parked: P
    tables: frozenset[str]  # whose changes can end the wait
    deadline: float | None


@dataclass
class TriggerQueue(Generic[P]):
    """The parked transactions of one database, in the order in which they came."""

    _places: dict[int, _Place[P]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, parked: P) -> bool:
        return id(parked) in self._places

    def park(self, parked: P, tables: frozenset[str], deadline: float | None) -> None:
        """Keep a transaction; once it is parked, parking it again keeps its place in the order."""
        self._places[id(parked)] = _Place(parked, tables, deadline)

    def remove(self, parked: P) -> bool:
        """Let go of it; whether it was there."""
        return self._places.pop(id(parked), None) is not None

    def concerned(self, tables: Iterable[str]) -> list[P]:
        """Those to execute again because these tables have changed."""
        changed = set(tables)
        return [place.parked for place in self._places.values() if not changed.isdisjoint(place.tables)]

    def expired(self, now: float) -> list[P]:
        """Those to execute again because a wait of theirs has lasted long enough."""
        return [p.parked for p in self._places.values() if p.deadline is not None and p.deadline <= now]

    def deadline(self) -> float | None:
        """When the next one expires."""
        return min((p.deadline for p in self._places.values() if p.deadline is not None), default=None)

    def all(self) -> list[P]:
        """Every one, in order."""
        return [place.parked for place in self._places.values()]
