"""The past of a database as people ask for it: who changed what, when, and one row's life.  No I/O.

Rule: it is told from the log's records, replayed from the start, so that rows have their names and a change
is shown with what was there before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ovsdb.authorship import Author, split_author
from ovsdb.datum import Value, format_datum, format_value_text
from ovsdb.delta import delta_between
from ovsdb.engine.changes import Changeset, RowChange
from ovsdb.engine.row import Row
from ovsdb.engine.table import Column, Table
from ovsdb.uuids import is_uuid

_AGO = re.compile(r"([0-9]+) *(s|m|h|d|w|second|minute|hour|day|week)s?( ago)?\Z")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
SECONDS_LIMIT = 1 << 32  # a smaller date counts seconds: very old files (ovsdb(5))


@dataclass(frozen=True)
class ColumnChange:
    """What became of a column."""

    name: str
    old: Any  # on the wire; None for a row that was inserted
    new: Any  # None for a row that was deleted
    text: str  # for people


@dataclass(frozen=True)
class RowHistory:
    """What one commit did to a row."""

    table: str
    uuid: str
    name: str  # empty if it has none
    kind: str  # "insert", "modify" or "delete"
    columns: tuple[ColumnChange, ...]


@dataclass(frozen=True)
class Commit:
    """One commit."""

    id: str  # the position in the log after it, a UUID
    date: int | None  # milliseconds since 1970
    author: Author | None
    comment: str
    rows: tuple[RowHistory, ...]

    def to_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "id": self.id,
            "date": self.date,
            "author": None if self.author is None else self.author.to_json(),
            "comment": self.comment,
            "changes": [
                {
                    "table": row.table,
                    "uuid": row.uuid,
                    "name": row.name or None,
                    "kind": row.kind,
                    "columns": {
                        column.name: {"old": column.old, "new": column.new} for column in row.columns
                    },
                }
                for row in self.rows
            ],
        }


@dataclass(frozen=True)
class Filter:
    """What of the log is wanted; what is empty or None does not restrict."""

    table: str = ""
    record: str = ""  # the UUID of a row, the beginning of one, or a name
    since: int | None = None  # milliseconds since 1970

    def wants(self, date: int | None) -> bool:
        """Whether a commit of this date may be wanted."""
        return self.since is None or (date is not None and date >= self.since)

    def wants_row(self, row: RowHistory, before: str) -> bool:
        """Whether the row is; `before` is the name it had."""
        if self.table and row.table != self.table:
            return False
        if not self.record or self.record in (row.name, before):
            return True
        return len(self.record) >= 4 and row.uuid.startswith(self.record.lower())


def describe_commit(
    id_: int, record: Mapping[str, Any], changes: Changeset, tables: Mapping[str, Table], wanted: Filter
) -> Commit | None:
    """A commit with those of its rows that are wanted; None if it is not."""
    date = date_of(record)
    if not wanted.wants(date):
        return None
    rows = []
    for name, changed in changes.tables.items():
        for uuid, change in changed.items():
            row = _describe_row(tables[name], uuid, change)
            before = "" if change.old is None else name_of(tables[name], change.old)
            if wanted.wants_row(row, before) and (row.columns or row.kind != "modify"):
                rows.append(row)
    if not rows and (wanted.table or wanted.record):
        return None
    comment = record.get("_comment")
    said, author = split_author(comment if isinstance(comment, str) else "")
    return Commit(format_id(id_), date, author, said, tuple(rows))


def date_of(record: Mapping[str, Any]) -> int | None:
    """Milliseconds since 1970."""
    date = record.get("_date")
    if type(date) is not int:
        return None
    return date * 1000 if date < SECONDS_LIMIT else date


def format_id(id_: int) -> str:
    """A position in the log as clients see it."""
    digits = f"{id_:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def name_of(table: Table, row: Row) -> str:
    """What people call the row: its `name`, or else a text that no other row of the table has."""
    names = ["name", *(index[0] for index in table.schema.indexes if len(index) == 1)]
    for name in names:
        column = table.by_name.get(name)
        if column is not None and column.index >= 0:
            value = row.values[column.index]
            if isinstance(value, str):
                return value
    return ""


def _describe_row(table: Table, uuid: str, change: RowChange) -> RowHistory:
    old, new = change.old, change.new
    kind = "insert" if old is None else "delete" if new is None else "modify"
    row = new or old
    assert row is not None
    columns = [column for column in table.columns if column.persistent and column.index >= 0]
    described = (_describe_column(column, old, new) for column in columns)
    return RowHistory(table.name, uuid, name_of(table, row), kind, tuple(c for c in described if c))


def _describe_column(column: Column, old: Row | None, new: Row | None) -> ColumnChange | None:
    before = column.default if old is None else old.values[column.index]
    after = column.default if new is None else new.values[column.index]
    if before is after or before == after:
        return None
    wires = [
        None if row is None else format_datum(column.type, value)
        for row, value in ((old, before), (new, after))
    ]
    text = format_value_text(column.type, after) if old is None else _describe_values(column, before, after)
    return ColumnChange(column.name, wires[0], wires[1], text)


def _describe_values(column: Column, before: Value, after: Value) -> str:
    kind = column.type
    if not kind.has_diff:
        return f"{format_value_text(kind, before)} -> {format_value_text(kind, after)}"
    delta = delta_between(kind, before, after)
    parts = []
    for sign, atoms in (("-", delta.removed), ("+", delta.added)):
        if atoms:
            part: Any = frozenset(atoms) if isinstance(before, Set) else dict(atoms)
            parts.append(sign + format_value_text(kind, part))
    return " ".join(parts)


@dataclass
class SinceId:
    """Passes over the commits up to one of them."""

    id: str
    found: bool = field(default=False)

    def after(self, commits: Iterable[tuple[str, Commit | None]]) -> Iterator[Commit]:
        """Those behind it, of pairs of an id and what is to be said of it."""
        for id_, commit in commits:
            if self.found and commit is not None:
                yield commit
            self.found = self.found or id_ == self.id


def parse_since(text: str, now: datetime) -> datetime | str:
    """A moment, or the id of a commit, from what a user writes; ValueError.

    A date and time as ISO 8601 has it, in local time unless it says otherwise; "2 hours ago", "10m"; a UUID.
    """
    text = text.strip()
    if is_uuid(text.lower()):
        return text.lower()
    found = _AGO.match(text)
    if found is not None:
        return now - timedelta(seconds=int(found[1]) * _UNITS[found[2][0]])
    return datetime.fromisoformat(text).astimezone()
