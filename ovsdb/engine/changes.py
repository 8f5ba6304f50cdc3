"""What a transaction changed, what several of them make together, and rows and differences as JSON.

A Changeset holds, for each table and row, the old and the new row and, for a row that stays, which columns
changed and how.  `merge(a, b)` is the change that a and then b make together; what cancels out is gone.
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from ovsdb.datum import Value, format_datum
from ovsdb.delta import Delta, delta_between, diff_of_delta, merge_deltas
from ovsdb.engine.row import Row
from ovsdb.engine.table import Column, Table

# How columns changed: Column.index → what left and came, or None where the column is a scalar.
Deltas = dict[int, Delta | None]


class RowChange:
    """How one row changed: inserted (no old), deleted (no new) or modified in the columns of `deltas`."""

    __slots__ = ("deltas", "new", "old")

    def __init__(self, old: Row | None, new: Row | None, deltas: Deltas) -> None:
        self.old = old
        self.new = new
        self.deltas = deltas  # empty for rows that were inserted or deleted

    def __repr__(self) -> str:
        return f"RowChange({self.old!r}, {self.new!r}, {self.deltas!r})"


class Changeset:
    """What one or more transactions changed.  Treat it as immutable once it is made."""

    __slots__ = ("comment", "is_diff", "record_bytes", "references", "tables")

    def __init__(
        self,
        tables: dict[str, dict[str, RowChange]],
        comment: str = "",
        references: dict[str, dict[str, int]] | None = None,
    ) -> None:
        self.tables = tables  # table → UUID → change; no table is empty
        self.comment = comment  # of the "comment" operations
        # table → UUID → by how much the number of strong references to the row changes
        self.references = references or {}
        self.is_diff = True  # its record has differences; false: whole values
        self.record_bytes = 0  # of its record in the log, once there is one

    def __bool__(self) -> bool:
        return bool(self.tables)


def merge_rows(table: Table, first: RowChange, second: RowChange) -> RowChange | None:
    """The change that both make together, or None if it is none."""
    old, new = first.old, second.new
    if old is None or new is None:
        return None if old is new else RowChange(old, new, {})
    if first.new is None or second.old is None:  # deleted and inserted again: compare the two rows
        return compare_rows(table, old, new)
    deltas = dict(first.deltas)
    for index, delta in second.deltas.items():
        earlier = deltas.get(index)
        if earlier is not None and delta is not None:
            delta = merge_deltas(earlier, delta)
            if delta.is_empty:
                del deltas[index]
                continue
        elif delta is None and old.values[index] == new.values[index]:
            del deltas[index]
            continue
        deltas[index] = delta
    return RowChange(old, new, deltas) if deltas else None


def compare_rows(table: Table, old: Row, new: Row) -> RowChange | None:
    """The change from one version of a row to another, or None if it is none."""
    deltas: Deltas = {}
    for column in table.columns:
        before, after = old.values[column.index], new.values[column.index]
        if before is not after and before != after:
            scalar = column.type.is_scalar
            deltas[column.index] = None if scalar else delta_between(column.type, before, after)
    return RowChange(old, new, deltas) if deltas else None


def merge(tables: dict[str, Table], first: Changeset, second: Changeset) -> Changeset:
    """The change that `first` and then `second` make together."""
    merged: dict[str, dict[str, RowChange]] = {name: dict(rows) for name, rows in first.tables.items()}
    for name, changes in second.tables.items():
        rows = merged.setdefault(name, {})
        for uuid, change in changes.items():
            earlier = rows.get(uuid)
            if earlier is None:
                rows[uuid] = change
                continue
            both = merge_rows(tables[name], earlier, change)
            if both is None:
                del rows[uuid]
            else:
                rows[uuid] = both
        if not rows:
            del merged[name]
    comment = "\n".join(text for text in (first.comment, second.comment) if text)
    return Changeset(merged, comment)


# --- bytes for monitors, the log and select


def row_json(row: Row, columns: Iterable[Column]) -> bytes:
    """A <row> with the given columns."""
    return b"{" + b",".join([column.prefix + column.wire(row) for column in columns]) + b"}"


def row_json_without_defaults(row: Row, columns: Iterable[Column]) -> bytes:
    """A <row> with those of the given columns, of the schema's own, that do not have the default value."""
    members = []
    values = row.values
    for column in columns:
        value = values[column.index]
        if value is not column.default and value != column.default:  # mostly the very object
            members.append(column.prefix + column.wire(row))
    return b"{" + b",".join(members) + b"}"


def diff_json(column: Column, change: RowChange) -> bytes:
    """A modified column as update2 and the log have it: a difference, or the new value if one is all."""
    assert change.new is not None
    delta = change.deltas.get(column.index)
    if delta is None or not column.type.has_diff:
        return column.wire(change.new)
    diff: Value = diff_of_delta(column.type, delta)
    return orjson.dumps(format_datum(column.diff_type, diff))
