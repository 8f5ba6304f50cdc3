"""The ten operations of "transact" (RFC 7047, section 5.2), and Open vSwitch's extensions of them.

Each takes a Step, reads its own members and returns its result object; what is wrong is raised as an
OvsdbError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import orjson

from ovsdb.datum import Value, check_text, sorted_atoms
from ovsdb.delta import Delta
from ovsdb.engine.changes import row_json
from ovsdb.engine.condition import parse_condition
from ovsdb.engine.mutation import mutate, parse_mutations
from ovsdb.engine.row import Row
from ovsdb.engine.table import Column, Table, hash_key
from ovsdb.engine.txn import Transaction, TxnTable
from ovsdb.errors import ConstraintViolation, OvsdbSyntaxError
from ovsdb.members import Members
from ovsdb.refusals import (
    Aborted,
    DuplicateUuid,
    DuplicateUuidName,
    NotAllowed,
    NotOwner,
    TimedOut,
    UnknownColumn,
)
from ovsdb.uuids import is_uuid, new_uuid
from ovsdb.words import is_identifier

EMPTY: dict[str, object] = {}  # the result of operations that have none


class Permissions(Protocol):
    """What a client may do; what it may not raises PermissionDenied or NotAllowed."""

    def check(self, operation: str, table: Table, rows: list[Row], columns: Iterable[Column]) -> None:
        """May the operation ("insert", "update", "mutate" or "delete") be done to the rows' columns?

        Also asked where there are no such rows.
        """


def _owns_nothing(lock: str) -> bool:
    return False


class Context:
    """On whose behalf a transaction runs."""

    __slots__ = ("elapsed_ms", "owns_lock", "permissions", "read_only")

    def __init__(
        self,
        owns_lock: Callable[[str], bool] = _owns_nothing,
        read_only: bool = False,
        elapsed_ms: int = 0,
        permissions: Permissions | None = None,
    ) -> None:
        self.owns_lock = owns_lock  # for "assert"
        self.read_only = read_only
        self.elapsed_ms = elapsed_ms  # since the transaction first ran; "wait" fails when that is too long
        self.permissions = permissions


class Blocked(Exception):
    """A "wait" does not hold yet.  `timeout_ms`: how long it may last, from the first run; None: for ever."""

    def __init__(self, timeout_ms: int | None) -> None:
        super().__init__(timeout_ms)
        self.timeout_ms = timeout_ms


class Step(Members):
    """One operation that is being executed, with its members to be read."""

    __slots__ = ("context", "txn")

    def __init__(self, txn: Transaction, context: Context, wire: object, what: str) -> None:
        super().__init__(wire, what)
        self.txn = txn
        self.context = context

    def table(self) -> TxnTable:
        """The table that the operation names."""
        name = self.required("table", str)
        if name not in self.txn.tables:
            if not is_identifier(name):
                raise self.error("Type mismatch for member 'table'.")
            raise self.error(f"No table named {name}.")
        return self.txn.table(name)

    def permit(self, operation: str, table: TxnTable, rows: list[Row], columns: Iterable[Column]) -> None:
        """Raise PermissionDenied or NotAllowed unless the client may do this."""
        if self.context.permissions is not None:
            self.context.permissions.check(operation, table.table, rows, columns)


def parse_row(table: Table, wire: Any, txn: Transaction) -> dict[Column, Value]:
    """The columns of a <row>.  Raises an OvsdbError."""
    if type(wire) is not dict:
        raise OvsdbSyntaxError("row must be JSON object", wire)
    row: dict[Column, Value] = {}
    for name, value in wire.items():
        column = table.by_name.get(name)
        if column is None:
            raise UnknownColumn(f"No column {name} in table {table.name}.", wire)
        row[column] = column.parse(value, txn)
    return row


def parse_columns(table: Table, wire: list[Any] | None) -> list[Column]:
    """The columns that "columns" names: each once.  None stands for all, with `_uuid` and `_version`."""
    if wire is None:
        return [table.uuid_column, table.version_column, *table.columns]
    columns: list[Column] = []
    for name in wire:
        if type(name) is not str:
            raise OvsdbSyntaxError("array of distinct column names expected", wire)
        column = table.by_name.get(name)
        if column is None:
            raise OvsdbSyntaxError(f"{name} is not a valid column name", wire)
        if column in columns:
            raise OvsdbSyntaxError("array of distinct column names expected", wire)
        columns.append(column)
    return columns


def insert(step: Step) -> object:
    """5.2.1, with "uuid" as an extension."""
    target = step.table()
    name = step.identifier("uuid-name") if "uuid-name" in step.object else None
    wire = step.required("row", dict)
    uuid = step.optional("uuid", str)
    step.finish(("op", "table", "uuid-name", "row", "uuid"))
    txn, table = step.txn, target.table
    if uuid is not None:
        uuid = _free_uuid(target, uuid)
    if name is not None:
        if not txn.claim(name):
            raise DuplicateUuidName('This "uuid-name" appeared on an earlier "insert" operation.', name)
        if uuid is None:
            uuid = txn.resolve(name)
        txn.name_row(name, uuid)
    elif uuid is None:
        uuid = new_uuid()
    values = list(table.defaults)
    for column, value in parse_row(table, wire, txn).items():
        if column.index >= 0:
            values[column.index] = value
    if table.invalid_defaults:
        for missing, details in table.invalid_defaults.items():
            if missing not in wire:
                raise ConstraintViolation(details)
    row = Row(uuid, tuple(values))
    if step.context.permissions is not None:
        step.permit("insert", target, [row], ())
    target.insert(row)
    return {"uuid": ["uuid", uuid]}


def _free_uuid(target: TxnTable, text: str) -> str:
    if not is_uuid(text):
        raise OvsdbSyntaxError("bad uuid", text)
    uuid = text.lower()
    if target.is_taken(uuid):
        raise DuplicateUuid(
            "This UUID would duplicate a UUID already present within the table or deleted within the same "
            "transaction.",
            text,
        )
    return uuid


def select(step: Step) -> object:
    """5.2.2.  As in the C server, rows that are equal in all columns wanted appear once; with "sort"."""
    target = step.table()
    where = step.required("where", list)
    wire = step.optional("columns", list)
    sort = step.optional("sort", list)
    step.finish(("op", "table", "where", "columns", "sort"))
    condition = parse_condition(target.table, where, step.txn)
    columns = parse_columns(target.table, wire)
    order = [] if sort is None else parse_columns(target.table, sort)
    rows = target.find(condition)
    if wire is not None and "_uuid" not in wire:
        rows = list(_distinct(rows, columns).values())
    for column in reversed(order):
        rows.sort(key=lambda row, column=column: _sort_key(column.get(row)))  # type: ignore[misc]
    return {"rows": [orjson.Fragment(row_json(row, columns)) for row in rows]}


def _sort_key(value: Value) -> Any:
    if isinstance(value, str | int | float):
        return value
    return len(value), sorted_atoms(value)


def _distinct(rows: Iterable[Row], columns: list[Column]) -> dict[object, Row]:
    distinct: dict[object, Row] = {}
    for row in rows:
        distinct.setdefault(tuple([hash_key(column.get(row)) for column in columns]), row)
    return distinct


def update(step: Step) -> object:
    """5.2.3."""
    target = step.table()
    where = step.required("where", list)
    wire = step.required("row", dict)
    step.finish(("op", "table", "where", "row"))
    table = target.table
    new = parse_row(table, wire, step.txn)
    for column in new:
        if not column.mutable:
            raise ConstraintViolation(
                f"Cannot update immutable column {column.name} in table {table.name}.", step.object
            )
    rows = target.find(parse_condition(table, where, step.txn))
    step.permit("update", target, rows, new)
    values = {column.index: value for column, value in new.items()}
    unknown: dict[int, Delta | None] = dict.fromkeys(values)
    for row in rows:
        target.modify(row, values, unknown)
    return {"count": len(rows)}


def mutate_rows(step: Step) -> object:
    """5.2.4 ("mutate")."""
    target = step.table()
    where = step.required("where", list)
    wire = step.required("mutations", list)
    step.finish(("op", "table", "where", "mutations"))
    mutations = parse_mutations(target.table, wire, step.txn)
    rows = target.find(parse_condition(target.table, where, step.txn))
    step.permit("mutate", target, rows, [mutation.column for mutation in mutations])
    for row in rows:
        for mutation in mutations:  # one by one: a column may be mutated more than once
            place = mutation.column.index
            value, delta = mutate(mutation, row.values[place])
            row = target.modify(row, {place: value}, {place: delta})
    return {"count": len(rows)}


def delete(step: Step) -> object:
    """5.2.5."""
    target = step.table()
    where = step.required("where", list)
    step.finish(("op", "table", "where"))
    rows = target.find(parse_condition(target.table, where, step.txn))
    step.permit("delete", target, rows, ())
    for row in rows:
        target.delete(row)
    return {"count": len(rows)}


def wait(step: Step) -> object:
    """5.2.6.  Raises Blocked if the rows are not as they shall be, and there is time left."""
    timeout = step.optional("timeout", int)
    where = step.required("where", list)
    columns_wire = step.optional("columns", list)
    until = step.required("until", str)
    rows_wire = step.required("rows", list)
    target = step.table()
    step.finish(("op", "timeout", "where", "columns", "until", "rows", "table"))
    table = target.table
    condition = parse_condition(table, where, step.txn)
    columns = parse_columns(table, columns_wire)
    if until not in ("==", "!="):
        raise OvsdbSyntaxError('"until" must be "==" or "!="', until)
    if timeout is not None and timeout < 0:
        raise OvsdbSyntaxError("timeout must be nonnegative", timeout)
    expected = [_row_of(table, wire, step.txn) for wire in rows_wire]
    found = target.find(condition)
    equal = _distinct(found, columns).keys() == _distinct(expected, columns).keys()
    if equal == (until == "=="):
        return EMPTY
    elapsed = step.context.elapsed_ms
    if timeout is None or elapsed < timeout:
        raise Blocked(timeout)
    if elapsed:
        raise TimedOut(f'"wait" timed out after {elapsed} ms')
    raise TimedOut('"where" clause test failed')


def _row_of(table: Table, wire: Any, txn: Transaction) -> Row:
    """A row that "wait" expects: columns that it does not name have their defaults."""
    values = list(table.defaults)
    uuid = ""
    for column, value in parse_row(table, wire, txn).items():
        if column.index >= 0:
            values[column.index] = value
        elif column is table.uuid_column:
            assert isinstance(value, str)
            uuid = value
    return Row(uuid, tuple(values))


def commit(step: Step) -> object:
    """5.2.7."""
    durable = step.required("durable", bool)
    step.finish(("op", "durable"))
    if durable:
        step.txn.durable = True
    return EMPTY


def abort(step: Step) -> object:
    """5.2.8."""
    step.finish(("op",))
    raise Aborted("aborted by request")


def comment(step: Step) -> object:
    """5.2.9."""
    text = step.required("comment", str)
    check_text(text)
    step.finish(("op", "comment"))
    step.txn.comments.append(text)
    return EMPTY


def assert_lock(step: Step) -> object:
    """5.2.10 ("assert")."""
    lock = step.identifier("lock")
    step.finish(("op", "lock"))
    if not step.context.owns_lock(lock):
        raise NotOwner(f"Asserted lock {lock} not held.")
    return EMPTY


OPERATIONS: dict[str, Callable[[Step], object]] = {
    "insert": insert,
    "select": select,
    "update": update,
    "mutate": mutate_rows,
    "delete": delete,
    "wait": wait,
    "commit": commit,
    "abort": abort,
    "comment": comment,
    "assert": assert_lock,
}
_READ_ONLY = frozenset(("select", "wait", "abort", "comment", "assert"))


def execute(txn: Transaction, context: Context, wire: Any, what: str) -> object:
    """Execute one operation; `what` names it in errors.  Raises an OvsdbError or Blocked."""
    step = Step(txn, context, wire, what)
    name = step.required("op", str)
    operation = OPERATIONS.get(name)
    if operation is None:
        if not is_identifier(name):
            raise step.error("Type mismatch for member 'op'.")
        raise step.error(f'No operation "{name}"')
    if context.read_only and name not in _READ_ONLY:
        raise NotAllowed(f"{name} operation not allowed when database server is in read only mode")
    return operation(step)
