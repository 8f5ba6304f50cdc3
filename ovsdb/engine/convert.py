"""A database under another schema of its name: what `convert` and `ovsdb-tool convert` make.

Rule: rows keep their UUIDs, and a value is taken over by what it is on the wire, so that an integer becomes
a real or a set of one; what the new schema does not permit refuses the whole conversion.
Source: ovsdb-server(7), "Convert".
"""

from __future__ import annotations

from collections.abc import Callable

from ovsdb.datum import Value, format_datum, parser
from ovsdb.engine import integrity
from ovsdb.engine.database import Database
from ovsdb.engine.row import Row
from ovsdb.engine.table import Column, Table
from ovsdb.engine.txn import Transaction
from ovsdb.refusals import InvalidParameters
from ovsdb.schema import ColumnType, Schema


def convert(source: Database, schema: Schema) -> Database:
    """A new database with the rows of `source`; OvsdbError if they break the new schema.

    Tables and columns that are not in both are left out, or have their defaults. `source` stays as it is.
    """
    target = Database(schema)
    txn = Transaction(target.tables)
    for name, table in source.tables.items():
        if name in target.tables:
            _take_rows(txn, table, target.tables[name])
    target.apply(integrity.commit(txn))
    return target


def check_name(schema: Schema, name: str) -> None:
    """Raise InvalidParameters if the schema is one of another database than `name`."""
    if schema.name != name:
        raise InvalidParameters(f"new schema name ({schema.name}) does not match database name ({name})")


def _take_rows(txn: Transaction, old: Table, new: Table) -> None:
    columns: list[tuple[Column, Column, Callable[[Value], Value]]] = []
    for column in old.columns:
        twin = new.by_name.get(column.name)
        if twin is not None:
            columns.append((column, twin, _converter(column.type, twin.type)))
    target = txn.table(new.name)
    for row in old.rows.values():
        values = {twin.index: read(row.values[column.index]) for column, twin, read in columns}
        target.insert(Row(row.uuid, new.defaults).replace(values))


def _converter(old: ColumnType, new: ColumnType) -> Callable[[Value], Value]:
    if old == new:
        return lambda value: value
    parse = parser(new)
    return lambda value: parse(format_datum(old, value), None)
