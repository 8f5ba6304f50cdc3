"""ovsdb-tool show-log: the records of a database file as text.

Rule: it shows what the file says and needs no valid database, so it reads values with the schema only to
print them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from ovsdb.datum import format_value_text, parse_datum
from ovsdb.errors import OvsdbError
from ovsdb.schema import Schema
from ovsdb.storage.base import JsonObject

_SECONDS_LIMIT = 1 << 32  # a smaller _date counts seconds: very old files (ovsdb(5))


def format_schema_record(schema: Schema) -> str:
    """Record 0."""
    return f'record 0: "{schema.name}" schema, version="{schema.version}", cksum="{schema.cksum}"\n\n'


def format_date(milliseconds: int) -> str:
    """Local time, as "2026-11-22 22:17:44.548"."""
    if milliseconds < _SECONDS_LIMIT:
        milliseconds *= 1000
    try:
        moment = datetime.fromtimestamp(milliseconds // 1000, UTC).astimezone()
    except (OverflowError, ValueError, OSError):
        return str(milliseconds)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{milliseconds % 1000:03d}"


class LogFormatter:
    """Formats one record after another; remembers the names of rows. `more`: 1 shows rows, 2 columns too."""

    def __init__(self, schema: Schema, more: int) -> None:
        self.schema = schema
        self._more = more
        self._names: dict[str, str] = {}
        self._number = 0

    def format(self, record: JsonObject) -> str:
        """The text of the next record."""
        self._number += 1
        return f"record {self._number}:{self.changes(record)}\n"

    def changes(self, record: JsonObject) -> str:
        """Date and comment, each behind a space, and with `more` a line for each thing that changed."""
        head = ""
        date, comment = record.get("_date"), record.get("_comment")
        if isinstance(date, int):
            head += f" {format_date(date)}"
        if isinstance(comment, str):
            head += f' "{comment}"'
        if not self._more:
            return head
        return "".join(f"{line}\n" for line in (head, *self._format_tables(record)))

    def _format_tables(self, record: JsonObject) -> Iterator[str]:
        diff = " diff" if record.get("_is_diff") is True else ""
        for table in sorted(record):
            rows = record[table]
            if table.startswith("_") or not isinstance(rows, dict):
                continue
            for uuid, row in rows.items():
                yield f"  table {table} {self._format_row_name(table, uuid, row)}{self._label(uuid, diff)}:"
                if row is None:
                    yield "    delete row"
                elif self._more > 1 and isinstance(row, dict):
                    yield from self._format_columns(table, row)
                if uuid not in self._names and isinstance(row, dict):
                    self._names[uuid] = self._find_name(row) or uuid[:8]

    def _label(self, uuid: str, diff: str) -> str:
        return diff if uuid in self._names else ""

    def _format_row_name(self, table: str, uuid: str, row: object) -> str:
        known = self._names.get(uuid)
        if known is not None:
            return f"row {known} ({uuid[:8]})"
        if row is None:
            return f"row {uuid[:8]}"
        name = self._find_name(row)
        return f"insert row {name} ({uuid[:8]})" if name else f"insert row {uuid[:8]}"

    @staticmethod
    def _find_name(row: object) -> str:
        name = row.get("name") if isinstance(row, dict) else None
        return f'"{name}"' if isinstance(name, str) and name else ""

    def _format_columns(self, table: str, row: dict[str, Any]) -> Iterator[str]:
        schema = self.schema.tables.get(table)
        for name, wire in row.items():
            column = schema.columns.get(name) if schema else None
            try:
                text = (
                    str(wire)
                    if column is None
                    else format_value_text(column.type, parse_datum(column.type, wire))
                )
            except OvsdbError:
                text = str(wire)
            yield f"    {name}={text}"
