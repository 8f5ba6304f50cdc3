"""The log of what transactions do to chosen tables: ovsdb-server/tlog-set (ovsdb-server(1)).

Rule: one line for each row that has changed, with all its columns, in the form of the C server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set

from appctl import vlog
from ovsdb.datum import format_value_text
from ovsdb.engine.changes import Changeset, RowChange
from ovsdb.engine.table import Table

log = vlog.module("transaction")
limit = vlog.RateLimit()


def log_changes(tables: Mapping[str, Table], changes: Changeset, chosen: Set[str]) -> None:
    """Log the rows that changed in the chosen tables."""
    for name, rows in changes.tables.items():
        if name in chosen:
            for change in rows.values():
                log.info("%s", format_change(tables[name], change), limit=limit)


def format_change(table: Table, change: RowChange) -> str:
    """One line: table, operation, columns."""
    return ",".join(_members(table, change))


def _members(table: Table, change: RowChange) -> Iterator[str]:
    row = change.old if change.new is None else change.new
    assert row is not None
    yield f"table:{table.name}"
    yield f"op:{'inserted' if change.old is None else 'deleted' if change.new is None else 'updated'}"
    for column in (table.uuid_column, table.version_column, *table.columns):
        yield f"{column.name}:{format_value_text(column.type, column.get(row))}"
