"""The recent changes of one database, shared by everybody who follows it.

Rule: a follower is a position. What lies between a position and the present can be had as one merged change
for as long as the follower is known; positions that nobody stands at, and that are old, are merged away, so
that what is kept is bounded by what changed, never by who is slow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ovsdb.engine.changes import Changeset, merge
from ovsdb.engine.row import Row
from ovsdb.engine.table import Table
from ovsdb.limits import Limits

KEEP_COMMITS = 100  # as many as the C server keeps for monitor_cond_since


class _Entry:
    """One or more commits in a row."""

    __slots__ = ("bytes", "changes", "id", "restored", "rows", "start")

    def __init__(self, start: int, changes: Changeset, id_: int, restored: bool, bytes_: int) -> None:
        self.start = start  # the position before it
        self.changes = changes
        self.id = id_  # of the position after it
        self.restored = restored  # read from the log, where ephemeral columns are missing
        self.bytes = bytes_  # of its records in the log
        self.rows = 0
        for rows in changes.tables.values():
            self.rows += len(rows)


class History:
    """Positions are numbers that grow by one with each commit; ids name them to clients."""

    def __init__(self, tables: Mapping[str, Table], head_id: int) -> None:
        self.head = 0
        self.head_id = head_id
        # Row changes and bytes; beyond them old commits are forgotten though there are fewer.
        self.keep_rows = Limits.history_rows
        self.keep_bytes = Limits.history_bytes
        self._tables = dict(tables)
        self._first_id = head_id  # of the position before the first entry
        self._first_restored = True
        self._entries: list[_Entry] = []
        self._new_rows = 0  # row changes since the last trim
        self._new_bytes = 0  # of records since then
        self._tail: Changeset | None = None  # what was asked for last, from _tail_from to the head
        self._tail_from = -1

    def append(self, changes: Changeset, id_: int, *, restored: bool = False) -> None:
        """A commit has been made."""
        entry = _Entry(self.head, changes, id_, restored, changes.record_bytes)
        self._entries.append(entry)
        self._new_rows += entry.rows
        self._new_bytes += entry.bytes
        self.head += 1
        self.head_id = id_
        self._tail = None

    def find(self, id_: int, *, survives_restart: bool) -> int | None:
        """The position with this id.

        None if it is not known, or is from before a restart that the caller cannot bear.
        """
        if id_ == self._first_id:
            start, restored = (self._entries[0].start if self._entries else self.head), self._first_restored
        else:
            for entry in reversed(self._entries):
                if entry.id == id_:
                    start, restored = self._end(entry), entry.restored
                    break
            else:
                return None
        return start if survives_restart or not restored else None

    def _end(self, entry: _Entry) -> int:
        index = self._entries.index(entry) + 1
        return self._entries[index].start if index < len(self._entries) else self.head

    def since(self, position: int) -> Changeset:
        """What changed from the position to the present.

        The position must be a follower's or found just now.
        """
        if self._tail is None or self._tail_from != position:
            entries = self._entries
            index = len(entries)
            while index and entries[index - 1].start >= position:
                index -= 1
            self._tail = self._merge(entries[index:])
            self._tail_from = position
        return self._tail

    def _merge(self, entries: list[_Entry]) -> Changeset:
        if not entries:
            return Changeset({})
        changes = entries[0].changes
        for entry in entries[1:]:
            changes = merge(self._tables, changes, entry.changes)
        return changes

    def rows(self) -> int:
        """How many row changes are kept."""
        return sum(entry.rows for entry in self._entries)

    def record_bytes(self) -> int:
        """Of their records in the log."""
        return sum(entry.bytes for entry in self._entries)

    def size(self, count: Callable[[Row], int]) -> tuple[int, int]:
        """How many entries there are, and what `count` says of the rows in them, before and after."""
        total = 0
        for entry in self._entries:
            for changes in entry.changes.tables.values():
                for change in changes.values():
                    total += sum(count(row) for row in (change.old, change.new) if row is not None)
        return len(self._entries), total

    def is_long(self) -> bool:
        """Whether `trim` has something to do."""
        return (
            len(self._entries) > 2 * KEEP_COMMITS
            or self._new_rows > self.keep_rows
            or self._new_bytes > self.keep_bytes
        )

    def trim(self, followers: Iterable[int]) -> None:
        """Forget what is old: all before the first follower, and the steps between followers."""
        standing = sorted(set(followers))
        old = self._old_entries()
        kept: list[_Entry] = []
        group: list[_Entry] = []
        for entry in self._entries[:old]:
            if standing and entry.start >= standing[0]:
                if entry.start in standing and group:
                    kept.append(self._fold(group))
                    group = []
                group.append(entry)
            else:
                self._first_id, self._first_restored = entry.id, entry.restored
        if group:
            kept.append(self._fold(group))
        self._entries = kept + self._entries[old:]
        self._new_rows = self._new_bytes = 0
        self._tail = None

    def _old_entries(self) -> int:
        """How many entries from the start are beyond what is kept for its own sake."""
        rows = size = 0
        for count, entry in enumerate(reversed(self._entries), 1):
            rows += entry.rows
            size += entry.bytes
            if count > KEEP_COMMITS or rows > self.keep_rows or size > self.keep_bytes:
                return len(self._entries) - count + 1
        return 0

    def _fold(self, entries: list[_Entry]) -> _Entry:
        last = entries[-1]
        if len(entries) == 1:
            return last
        size = sum(entry.bytes for entry in entries)
        return _Entry(entries[0].start, self._merge(entries), last.id, last.restored, size)
