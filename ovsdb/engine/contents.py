"""From the whole contents that another server tells to what must change here, as a log record.

Rule: pure; the record is as small as the difference, so that a backup that comes back writes what it missed
and clients of a relay hear what is new to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ovsdb.datum import format_datum
from ovsdb.engine.database import Database
from ovsdb.engine.row import Row
from ovsdb.engine.table import Column, Table
from ovsdb.errors import OvsdbSyntaxError
from ovsdb.refusals import UnknownColumn

Selection = Mapping[str, Iterable[str]]  # table → columns
Record = dict[str, dict[str, Any]]  # table → UUID → <row>, or None for a row that goes; without differences


def record_of_difference(database: Database, contents: Any, selection: Selection) -> Record:
    """What makes the selected tables and columns those of `contents`: table → UUID → <row>.

    A column that a row of `contents` lacks has its default. Raises OvsdbError.
    """
    if not isinstance(contents, dict):
        raise OvsdbSyntaxError("expected object", contents)
    record: Record = {}
    for name, columns in selection.items():
        table = database.tables[name]
        there = contents.get(name, {})
        if not isinstance(there, dict):
            raise OvsdbSyntaxError("expected object", there)
        chosen = [table.by_name[column] for column in columns]
        changed: dict[str, Any] = {uuid: None for uuid in table.rows if uuid not in there}
        for uuid, wire in there.items():
            row = table.rows.get(uuid)
            if row is None:
                changed[uuid] = wire
            elif difference := _difference(table, row, wire, chosen):
                changed[uuid] = difference
        if changed:
            record[name] = changed
    return record


def _difference(table: Table, row: Row, wire: Any, columns: list[Column]) -> dict[str, Any]:
    if not isinstance(wire, dict):
        raise OvsdbSyntaxError("row must be JSON object", wire)
    unknown = next((name for name in wire if name not in table.by_name), None)
    if unknown is not None:
        raise UnknownColumn(f"No column {unknown} in table {table.name}.", wire)
    difference = {}
    for column in columns:
        value = column.parse(wire[column.name], None) if column.name in wire else column.default
        if value != row.values[column.index]:
            difference[column.name] = wire.get(column.name, format_datum(column.type, column.default))
    return difference
