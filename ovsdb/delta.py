"""How column values change: a Delta is what left a set or a map and what came.

Rule: it costs what changed, not what there is.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

from ovsdb.datum import Value
from ovsdb.persistent import PersistentMap, PersistentSet
from ovsdb.schema import Atom, ColumnType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import immutables

# A set or map that grows beyond this is held in a persistent tree.  Adding one member to a frozenset of 256
# costs 4 µs, of 10,000 400 µs; to a tree 0.6 and 1.3 µs.  Going through a tree takes 1.5 times as long.
LARGE = 256


class Delta:
    """How a set or a map changed: atom → value, or None in a set.  A key in both had its value changed.

    Not a NamedTuple, as which it would be made in four times the time once it is compiled.
    """

    __slots__ = ("added", "removed")

    def __init__(self, removed: Mapping[Atom, Atom | None], added: Mapping[Atom, Atom | None]) -> None:
        self.removed = removed
        self.added = added

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Delta):
            return NotImplemented
        return self.removed == other.removed and self.added == other.added

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Delta({self.removed!r}, {self.added!r})"

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed."""
        return not self.removed and not self.added

    def inverted(self) -> Delta:
        """The change back."""
        return Delta(self.added, self.removed)


NO_DELTA = Delta({}, {})


def delta_between(column_type: ColumnType, old: Value, new: Value) -> Delta:
    """What leads from `old` to `new`; of a set or a map."""
    if old is new:
        return NO_DELTA
    if column_type.value is None:
        left: Any = old
        came: Any = new
        return Delta(dict.fromkeys(left - came), dict.fromkeys(came - left))
    before: Any = old  # maps; to ask whether they are takes longer than all the rest
    after: Any = new
    removed = {k: v for k, v in before.items() if k not in after or after[k] != v}
    added = {k: v for k, v in after.items() if k not in before or before[k] != v}
    return Delta(removed, added)


def apply_delta(column_type: ColumnType, value: Value, delta: Delta) -> Value:
    """The value after the change.  What is removed must be there, what is added not."""
    if column_type.value is None:
        return _apply_set_delta(value, delta)
    removed, added = delta.removed, delta.added
    members: immutables.Map[Any, Any]
    if type(value) is dict:  # the type itself: to ask an abstract one takes longer than all the rest
        if len(value) + len(added) <= LARGE:
            changed: dict[Any, Any] = {k: v for k, v in value.items() if k not in removed}
            changed.update(added)
            return changed
        members = _tree(value)
    else:
        assert isinstance(value, PersistentMap)
        members = value.members
    mutation: Any = members.mutate()
    for key in removed:
        if key not in added:
            del mutation[key]
    for key, came in added.items():
        mutation[key] = came
    return PersistentMap(mutation.finish())


def _tree(pairs: Mapping[Atom, Any]) -> immutables.Map[Atom, Any]:
    import immutables  # loading it takes as long as loading this module, and tools hold no large values

    return immutables.Map(pairs)


def _apply_set_delta(value: Value, delta: Delta) -> Value:
    removed, added = delta.removed, delta.added
    members: immutables.Map[Any, Any]
    if type(value) is frozenset:
        if len(value) + len(added) <= LARGE:
            few: frozenset[Any] = value.difference(removed) if removed else value
            return few.union(added) if added else few
        members = _tree(dict.fromkeys(value))
    else:
        assert isinstance(value, PersistentSet)
        members = value.members
    mutation = members.mutate()
    for atom in removed:
        del mutation[atom]
    for atom in added:
        mutation[atom] = None
    return PersistentSet(mutation.finish())


def absorb_delta(removed: dict[Atom, Atom | None], added: dict[Atom, Atom | None], second: Delta) -> None:
    """Make (removed, added) the change that it and then `second` make together; in place."""
    for key, value in second.removed.items():
        if key in added:
            del added[key]
        else:
            removed[key] = value
    for key, value in second.added.items():
        if key in removed and removed[key] == value:
            del removed[key]
        else:
            added[key] = value


def merge_deltas(first: Delta, second: Delta) -> Delta:
    """The change that `first` and then `second` make together."""
    removed, added = dict(first.removed), dict(first.added)
    absorb_delta(removed, added, second)
    return Delta(removed, added)


def diff_of_delta(column_type: ColumnType, delta: Delta) -> Value:
    """The change as the log and update2 write it (ovsdb-server(7), section 4.1.14).

    A set of what is only on one side; a map of the pairs that came, left (with their old value) or changed
    (new).
    """
    removed, added = delta.removed, delta.added
    if column_type.value is None:
        return frozenset((*removed, *added))
    return {**removed, **added}  # type: ignore[dict-item]


def delta_of_diff(column_type: ColumnType, value: Value, diff: Value) -> Delta:
    """The change that a difference, as `diff_of_delta` makes it, makes to `value`."""
    if column_type.value is None:
        atoms: Any = diff
        there: Any = value
        return Delta(
            {atom: None for atom in atoms if atom in there},
            {atom: None for atom in atoms if atom not in there},
        )
    pairs: Any = diff
    before: Any = value
    removed: dict[Atom, Atom | None] = {k: before[k] for k in pairs if k in before}
    added: dict[Atom, Atom | None] = {k: v for k, v in pairs.items() if k not in before or before[k] != v}
    return Delta(removed, added)


@functools.cache
def diff_type(column_type: ColumnType) -> ColumnType:
    """The type by which a difference is read: as many elements as it takes, none or more."""
    return ColumnType(column_type.key, column_type.value, 0, None)


def apply_diff(column_type: ColumnType, value: Value, diff: Value) -> Value:
    """The value after a difference; of a type that `has_diff`."""
    return apply_delta(column_type, value, delta_of_diff(column_type, value, diff))
