"""A transaction of a program: what it read while deciding, and what it wants to write.

Rule: no I/O. What was read through the transaction's own tables is verified when it commits ("wait"
operations), be it a column, that a row was there, or which rows a look-up found. Reads show the replica as it
was when the row was first asked for; the transaction's own writes do not show before the commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ovsdb.client.replica import Row as Values
from ovsdb.client.tables import UUID_COLUMN, AnyRow, Row, Store, Table, Tables
from ovsdb.client.transaction import (
    Conflict,
    TimedOut,
    Transaction,
    TransactionError,
    Where,
    by_uuid,
    check_results,
)
from ovsdb.client.values import condition_to_wire, mutation_to_wire, native_to_wire, to_wire
from ovsdb.datum import Value
from ovsdb.schema import BaseType, ColumnType
from rpc.jsonvalue import Json

UUID = ColumnType(BaseType("uuid"))  # of the column _uuid


class NewRow:
    """A row that is being inserted, to stand wherever a row or a UUID can. The commit sets `uuid`."""

    def __init__(self, table: str, name: str) -> None:
        self.table_name = table
        self.uuid: str | None = None
        self._name = name

    def reference(self) -> Json:
        """As on the wire."""
        return ["named-uuid", self._name] if self.uuid is None else ["uuid", self.uuid]

    def __repr__(self) -> str:
        return f"<new {self.table_name} {self.uuid or self._name}>"


class Operation:
    """An operation whose `result` (RFC 7047, 5.2) the program wants; None until the commit."""

    def __init__(self) -> None:
        self.result: dict[str, Json] | None = None


class Txn:
    """A transaction that is being made; `tables` and table() read, the other methods write."""

    def __init__(self, store: Store, partial: Iterable[str], comment: str = "", lock: str = "") -> None:
        """`partial` tables are not held whole by the replica: what is not found there may exist."""
        self.tables = Tables(self.table, lambda: store.replica.selected())
        self.comment = comment
        self._store = store
        self._partial = frozenset(partial)
        self._lock = lock
        self._pinned: dict[tuple[str, str], Values] = {}
        self._reads: dict[tuple[str, str], dict[str, None]] = {}
        self._searches: dict[str, tuple[str, Where, list[str]]] = {}
        self._writes = Transaction()
        self._rows: dict[int, NewRow] = {}
        self._wanted: dict[int, Operation] = {}
        self._before = 0  # operations before those of _writes

    # --- reading

    def table(self, name: str) -> Table[AnyRow]:
        """A table whose reading is verified at the commit. Absent."""
        return Table(self._store, name, self)

    def pin(self, table: str, uuid: str, values: Values) -> Values:
        """See Watch."""
        return self._pinned.setdefault((table, uuid), values)

    def read(self, table: str, uuid: str, column: str) -> None:
        """See Watch."""
        self._reads.setdefault((table, uuid), {})[column] = None

    def searched(self, table: str, function: str, values: Mapping[str, Value], found: Iterable[str]) -> None:
        """See Watch."""
        if table in self._partial and UUID_COLUMN not in values:
            for uuid in found:
                for column in values:
                    self.read(table, uuid, column)
            return
        types = self._store.types(table)
        where: Where = []
        for column, value in values.items():
            wire = native_to_wire(UUID if column == UUID_COLUMN else types[column], value)
            where.append([column, function, wire])
        self._searches.setdefault(f"{table} {where}", (table, where, list(found)))

    # --- writing

    def insert(self, table: str, values: Mapping[str, object] | None = None, /, **columns: object) -> NewRow:
        """Add a row; columns that are not named have defaults. Absent, ValueMismatch."""
        row = NewRow(table, f"row{len(self._writes.operations)}")
        self._rows[len(self._writes.operations)] = row
        self._writes.insert(table, self._wire(table, {**(values or {}), **columns}), row._name)
        return row

    def update(
        self, row: Row | NewRow, values: Mapping[str, object] | None = None, /, **columns: object
    ) -> None:
        """Set columns of a row, which must be there still. Absent, ValueMismatch."""
        where = self._where(row)
        self._writes.update(row.table_name, where, self._wire(row.table_name, {**(values or {}), **columns}))

    def mutate(self, row: Row | NewRow, column: str, mutator: str, value: object) -> None:
        """Change a column from what it is then: "insert" into or "delete" from a set or map, "+=", "-="...

        The row must be there still. Absent, ValueMismatch.
        """
        table = row.table_name
        wire = mutation_to_wire(self._type(table, column), mutator, value, f"{table}.{column}")
        self._writes.mutate(table, self._where(row), [[column, mutator, wire]])

    def delete(self, row: Row | NewRow) -> None:
        """Delete a row, which must be there still."""
        self._writes.delete(row.table_name, self._where(row))

    def operation(self, operation: Mapping[str, Json]) -> Operation:
        """Add any operation of RFC 7047, 5.2, as on the wire."""
        wanted = self._wanted[len(self._writes.operations)] = Operation()
        self._writes.operations.append(dict(operation))
        return wanted

    def select(self, row: Row | NewRow, *columns: str) -> Operation:
        """Read columns as the transaction leaves them; result["rows"] holds them as on the wire."""
        return self.operation(
            {"op": "select", "table": row.table_name, "where": self._where(row), "columns": list(columns)}
        )

    def where(self, table: str, column: str, function: str, value: object) -> Where:
        """A condition for operation(). Absent, ValueMismatch."""
        wire = condition_to_wire(self._type(table, column), function, value, f"{table}.{column}")
        return [[column, function, wire]]

    def verify(self, row: Row, *columns: str) -> None:
        """Require that columns of a row that was looked up elsewhere are what they were then. Conflict."""
        key = row.table_name, row.uuid
        pinned = self._pinned.setdefault(key, row._values)
        for column in columns:
            if column not in row._values:
                raise self._store.absent(row.table_name, column)
            if pinned.get(column) != row._values[column]:
                raise Conflict("timed out", f"{row.table_name}.{column} has changed already", 0)
            self.read(*key, column)

    def require_lock(self, name: str) -> None:
        """Fail with NotOwner unless this client holds the lock."""
        self._lock = name

    def _where(self, row: Row | NewRow) -> Where:
        if isinstance(row, Row):
            self._reads.setdefault((row.table_name, row.uuid), {})
        return [[UUID_COLUMN, "==", row.reference()]]

    def _wire(self, table: str, values: Mapping[str, object]) -> dict[str, Json]:
        return {c: to_wire(self._type(table, c), v, f"{table}.{c}") for c, v in values.items()}

    def _type(self, table: str, column: str) -> ColumnType:
        schema = self._store.replica.schema
        described = schema.tables[table].columns.get(column) if schema and table in schema.tables else None
        if described is None:
            raise self._store.absent(table, column)
        return described.type

    # --- committing

    def operations(self) -> list[Json]:
        """What to send; empty where nothing is to be written."""
        if not self._writes.operations:
            return []
        whole = Transaction()
        if self._lock:
            whole.require_lock(self._lock)
        for (table, uuid), columns in self._reads.items():
            whole.verify(
                table, by_uuid(uuid), list(columns) or [UUID_COLUMN], [self._seen(table, uuid, columns)]
            )
        for table, where, uuids in self._searches.values():
            whole.verify(table, where, [UUID_COLUMN], [{UUID_COLUMN: ["uuid", uuid]} for uuid in uuids])
        self._before = len(whole.operations)
        whole.operations += self._writes.operations
        if self.comment:
            whole.comment(self.comment)
        return whole.operations

    def _seen(self, table: str, uuid: str, columns: Iterable[str]) -> dict[str, Json]:
        types, values = self._store.types(table), self._pinned.get((table, uuid), {})
        if not types.keys() >= set(columns):
            raise Conflict("timed out", f"columns of {table} are gone from the server's schema", 0)
        return {c: native_to_wire(types[c], values[c]) for c in columns} or {UUID_COLUMN: ["uuid", uuid]}

    def finish(self, results: Json) -> None:
        """Take the results of operations(). TransactionError, Conflict where something read is different."""
        try:
            checked = check_results(results)[self._before :]
        except Conflict as error:
            if error.index < self._before:
                raise
            raise TimedOut(error.tag, error.details, error.index - self._before) from None
        if len(checked) < len(self._writes.operations):
            raise TransactionError("protocol error", "an operation has no result", len(checked))
        for index, wanted in self._wanted.items():
            wanted.result = checked[index]
        for index, row in self._rows.items():
            row.uuid = _uuid(checked[index].get("uuid"), index)


def _uuid(wire: Any, index: int) -> str:
    match wire:
        case ["uuid", str(uuid)]:
            return uuid
    raise TransactionError("protocol error", "the result of an insert has no uuid", index)
