"""A local copy of selected tables of a database, kept up to date by what monitors report.

Rule: no I/O, and no change is invented: what comes out is what differs from the copy that was there before,
whether it came as a difference, as whole rows or as the whole contents after a reconnection. Rows are
replaced, never mutated.
Source: RFC 7047, 4.1.5 and 4.1.6; ovsdb-server(7), "Monitor_cond", "Update Notification2", "Update
Notification3".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ovsdb.datum import Value, default_value, parse_datum, parser
from ovsdb.delta import apply_diff, diff_type
from ovsdb.errors import OvsdbError
from ovsdb.schema import ColumnType, Schema
from rpc.jsonvalue import Json

Row = Mapping[str, Value]  # column name -> native value; a column that the server does not have is missing
Selection = Mapping[str, Sequence[str] | None]  # table name -> column names, None: all of them


class Change(NamedTuple):
    """One row that is different now."""

    table: str
    uuid: str
    old: Row | None  # None: the row is new
    new: Row | None  # None: the row is gone


class ReplicaError(Exception):
    """An update that does not fit the schema or the copy; `where` names the table and row, `why` what is
    wrong.
    """

    def __init__(self, where: str, why: str) -> None:
        super().__init__(where, why)
        self.where = where
        self.why = why

    def __str__(self) -> str:
        return f"{self.where}: {self.why}"


class _Columns(NamedTuple):
    """The chosen columns of one table."""

    types: dict[str, ColumnType]
    parsers: dict[str, Callable[[Json, None], Value]]
    defaults: dict[str, Value]

    @classmethod
    def of(cls, types: dict[str, ColumnType]) -> _Columns:
        return cls(
            types,
            {column: parser(type_) for column, type_ in types.items()},
            {column: default_value(type_) for column, type_ in types.items()},
        )


class Replica:
    """The tables of `wanted` (None: every table that the server has), each empty until a server has it."""

    def __init__(self, wanted: Selection | None) -> None:
        self.wanted = wanted
        self.schema: Schema | None = None  # of the server that was last asked
        self.tables: dict[str, dict[str, Row]] = {table: {} for table in wanted or ()}
        self._columns: dict[str, _Columns] = {}

    def adopt(self, schema: Schema) -> bool:
        """Choose from the server's schema the wanted columns that exist.

        Returns whether the choice is the same as before: only then do differences to the copy make sense.
        """
        wanted = dict.fromkeys(schema.tables) if self.wanted is None else self.wanted
        chosen = {
            table: _Columns.of(
                {
                    column: described.type
                    for column, described in schema.tables[table].columns.items()
                    if (columns is None or column in columns) and not column.startswith("_")
                }
            )
            for table, columns in wanted.items()
            if table in schema.tables
        }
        same = self.schema is not None and self._types() == {t: c.types for t, c in chosen.items()}
        self.schema = schema
        self._columns = chosen
        for table in chosen:
            self.tables.setdefault(table, {})
        return same

    def _types(self) -> dict[str, dict[str, ColumnType]]:
        return {table: columns.types for table, columns in self._columns.items()}

    def types(self, table: str) -> Mapping[str, ColumnType] | None:
        """The columns of the table that are kept; None where the server does not have it."""
        columns = self._columns.get(table)
        return None if columns is None else columns.types

    def selected(self) -> dict[str, list[str]]:
        """What to monitor: the tables and columns that the server has."""
        return {table: list(columns.types) for table, columns in self._columns.items()}

    def replace(self, contents: Json, version: int) -> list[Change]:
        """Take the first answer to a monitor request, which holds every row; `version` as in apply().
        ReplicaError.
        """
        fresh: dict[str, dict[str, Row]] = {table: {} for table in self.tables}
        for change in self._changes(contents, version, fresh):
            if change.new is not None:
                fresh[change.table][change.uuid] = change.new
        changes: list[Change] = []
        for table, rows in fresh.items():
            before = self.tables[table]
            changes += [Change(table, uuid, row, None) for uuid, row in before.items() if uuid not in rows]
            for uuid, row in rows.items():
                old = before.get(uuid)
                if old != row:
                    changes.append(Change(table, uuid, old, row))
        self._install(changes)
        return changes

    def apply(self, updates: Json, version: int) -> list[Change]:
        """Take a notification: `version` 1 for "update", 2 for "update2" and "update3". ReplicaError:
        nothing is taken.
        """
        changes = [c for c in self._changes(updates, version, self.tables) if c.old != c.new]
        self._install(changes)
        return changes

    def _install(self, changes: list[Change]) -> None:
        for table, uuid, _, new in changes:
            if new is None:
                del self.tables[table][uuid]
            else:
                self.tables[table][uuid] = new

    def _changes(self, updates: Json, version: int, before: Mapping[str, Mapping[str, Row]]) -> list[Change]:
        changes = []
        for table, rows in _members(updates, "updates").items():
            columns = self._columns.get(table)
            if columns is None:
                continue  # was not asked for
            for uuid, update in _members(rows, table).items():
                where = f"{table} {uuid}"
                old = before[table].get(uuid)
                row_update = _members(update, where)
                if version == 1:
                    new = _replaced(row_update, columns, where)
                else:
                    new = _amended(row_update, columns, old, where)
                changes.append(Change(table, uuid, old, new))
        return changes


def _replaced(update: dict[str, Json], columns: _Columns, where: str) -> Row | None:
    """RFC 7047, 4.1.6: "new" holds every monitored column, and is missing when the row is gone."""
    if update.get("new") is None:
        return None
    row = _parse(update["new"], columns, where)
    if len(row) != len(columns.types):
        raise ReplicaError(where, f'"new" lacks columns: {", ".join(sorted(columns.types.keys() - row))}')
    return row


def _amended(update: dict[str, Json], columns: _Columns, old: Row | None, where: str) -> Row | None:
    """ovsdb-server(7): a new row leaves out the columns with default values; "modify" holds differences."""
    for kind in ("initial", "insert"):
        if kind in update:
            return columns.defaults | _parse(update[kind], columns, where)
    if "modify" in update:
        if old is None:
            raise ReplicaError(where, "is modified, but was never seen")
        amended = dict(old)
        for column, difference in _members(update["modify"], where).items():
            type_ = columns.types.get(column)
            if type_ is not None:
                try:
                    amended[column] = _apply_difference(type_, old[column], difference)
                except OvsdbError as error:
                    raise ReplicaError(f"{where} {column}", str(error)) from error
        return amended
    if "delete" in update:
        return None
    raise ReplicaError(where, f"neither initial, insert, modify nor delete: {sorted(update)}")


def _parse(row: Json, columns: _Columns, where: str) -> dict[str, Value]:
    values = {}
    parsers = columns.parsers
    for column, wire in _members(row, where).items():
        parse = parsers.get(column)
        if parse is not None:
            try:
                values[column] = parse(wire, None)
            except OvsdbError as error:
                raise ReplicaError(f"{where} {column}", str(error)) from error
    return values


def _apply_difference(type_: ColumnType, old: Value, wire: Json) -> Value:
    """The members that come or go for a set or map of several; the whole new value for any other column.

    OvsdbError.
    """
    if not type_.has_diff:
        return parse_datum(type_, wire)
    return apply_diff(type_, old, parse_datum(diff_type(type_), wire))


def _members(value: Json, where: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise ReplicaError(where, "not a JSON object")
    return value
