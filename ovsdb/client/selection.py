"""What a program wants of a database: tables, columns, and which rows.

Rule: pure. A condition is what RFC 7047, 5.1, has with a program's values in it: [column, function, value];
of several, one must hold (ovsdb-server(7), "Monitor_cond"). True is every row, False none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ovsdb.client.values import condition_to_wire
from ovsdb.schema import Schema
from rpc.jsonvalue import Json

Clause = Sequence[object]  # column, function ("==", "includes", "<", ...), value
Rows = bool | Sequence[Clause]
FUNCTIONS = ("==", "!=", "includes", "excludes", "<", "<=", ">", ">=")


@dataclass(frozen=True)
class Select:
    """What is wanted of one table."""

    columns: Sequence[str] | None = None  # None: all of them
    where: Rows = True


Wanted = Mapping[str, Select | Sequence[str] | None]  # table -> columns alone, or more; None: all of it


def parse_wanted(wanted: Wanted | None) -> tuple[dict[str, Sequence[str] | None] | None, dict[str, Rows]]:
    """The columns of each table (None: of all tables), and the conditions; ValueError."""
    if wanted is None:
        return None, {}
    columns: dict[str, Sequence[str] | None] = {}
    conditions: dict[str, Rows] = {}
    for table, select in wanted.items():
        if isinstance(select, str):
            raise ValueError(f"{table}: a list of columns is needed, not {select!r}")
        if not isinstance(select, Select):
            columns[table] = select
            continue
        columns[table] = select.columns
        if select.where is not True:
            check_rows(table, select.where)
            conditions[table] = select.where
    return columns, conditions


def check_rows(table: str, rows: Rows) -> None:
    """ValueError, if that is no condition."""
    if isinstance(rows, bool):
        return
    for clause in rows:
        if (
            isinstance(clause, str)
            or len(clause) != 3
            or not isinstance(clause[0], str)
            or clause[1] not in FUNCTIONS
        ):
            raise ValueError(f"{table}: a condition is [column, function, value], not {clause!r}")


def rows_to_wire(schema: Schema, table: str, rows: Rows) -> list[Json]:
    """The "where" of a monitor. ValueMismatch.

    No row meets a condition on a column that the server does not have.
    """
    if isinstance(rows, bool):
        return [] if rows else [False]
    columns = schema.tables[table].columns
    wire: list[Json] = []
    for column, function, value in rows:
        name, function = str(column), str(function)
        if name == "_uuid":
            wire.append([name, function, ["uuid", str(value)]])
        elif name in columns:
            where = f"{table}.{name}"
            wire.append([name, function, condition_to_wire(columns[name].type, function, value, where)])
    return wire or [False]
