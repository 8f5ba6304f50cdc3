"""What changed, for any number of readers that are as slow as they like.

Rule: a reader that has not read yet hears of a row once: from what it was when the reader last heard of it to
what it is now. So what waits for a reader never grows beyond the rows there are and were then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from ovsdb.client.replica import Change
from ovsdb.client.replica import Row as Values
from ovsdb.client.tables import AnyRow, Store


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row that came (`old` is None), went (`new` is None) or has other values."""

    table: str
    uuid: str
    old: AnyRow | None
    new: AnyRow | None
    resync: (
        bool  # found by comparing whole contents, at the start or after a reconnection; not as it happened
    )

    @property
    def kind(self) -> str:
        """ "insert", "modify" or "delete"."""
        return "insert" if self.old is None else "delete" if self.new is None else "modify"

    @property
    def row(self) -> AnyRow:
        """The row as it is now, or was last."""
        row = self.new or self.old
        assert row is not None
        return row

    @property
    def columns(self) -> frozenset[str]:
        """The columns that differ: all of them where the row came or went."""
        old = dict(self.old._values) if self.old else {}
        new = dict(self.new._values) if self.new else {}
        return frozenset(c for c in old.keys() | new.keys() if old.get(c) != new.get(c))


class Subscription:
    """What one reader has not heard of yet."""

    def __init__(self, store: Store, tables: Collection[str] | None, wake: Callable[[], object]) -> None:
        """Changes of `tables` (None: all); `wake` is called when there is something to pop()."""
        self._store = store
        self._tables = None if tables is None else frozenset(tables)
        self.wake = wake
        self._pending: dict[tuple[str, str], tuple[Values | None, Values | None, bool]] = {}

    def push(self, changes: Iterable[Change], resync: bool) -> None:
        """Take what happened."""
        pending = self._pending
        for change in changes:
            if self._tables is not None and change.table not in self._tables:
                continue
            key = change.table, change.uuid
            known = pending.get(key)
            if known is None:
                pending[key] = change.old, change.new, resync
            elif known[0] == change.new:
                del pending[key]
            else:
                pending[key] = known[0], change.new, known[2] or resync
        if pending:
            self.wake()

    def pop(self) -> RowChange | None:
        """The next change, or None."""
        raw = self.pop_raw()
        if raw is None:
            return None
        (table, uuid, old, new), resync = raw
        before = None if old is None else AnyRow(self._store, table, uuid, old)
        after = None if new is None else AnyRow(self._store, table, uuid, new)
        return RowChange(table, uuid, before, after, resync)

    def pop_raw(self) -> tuple[Change, bool] | None:
        """The same with what the replica holds."""
        if not self._pending:
            return None
        key = next(iter(self._pending))
        old, new, resync = self._pending.pop(key)
        return Change(*key, old, new), resync

    def __len__(self) -> int:
        return len(self._pending)
