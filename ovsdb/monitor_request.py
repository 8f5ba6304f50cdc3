"""What a client asks to monitor: from the params of a monitor request to frozen specifications.

Rule: everything a client can get wrong in a monitor request is refused here, in the words of the C server;
`monitor` meets specifications only. Sources: RFC 7047, 4.1.5; ovsdb-server(7), 4.1.12 to 4.1.15.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import NamedTuple

from ovsdb.engine.condition import Condition, parse_condition
from ovsdb.engine.table import Table
from ovsdb.errors import OvsdbSyntaxError
from ovsdb.members import Members

INITIAL, INSERT, DELETE, MODIFY = 1, 2, 4, 8
_SELECT = {"initial": INITIAL, "insert": INSERT, "delete": DELETE, "modify": MODIFY}
_ALL = INITIAL | INSERT | DELETE | MODIFY


class ColumnSpec(NamedTuple):
    """A column to monitor."""

    name: str
    select: int  # for which kinds of change its value is sent: INITIAL | INSERT | DELETE | MODIFY


class TableSpec(NamedTuple):
    """What a monitor shows of one table, but for the condition on rows, which can change."""

    table: str
    columns: tuple[ColumnSpec, ...]
    select: int  # the kinds of change that are sent at all


Conditions = tuple[Condition, ...]  # a row is seen if any of these holds; without any, every row is


class MonitorRequest(NamedTuple):
    """A whole request."""

    tables: tuple[TableSpec, ...]
    conditions: dict[str, Conditions]  # by table


def parse_requests(json: object, tables: Mapping[str, Table], *, conditional: bool) -> MonitorRequest:
    """Read <monitor-requests> or <monitor-cond-requests>; OvsdbError."""
    if not isinstance(json, dict):
        raise OvsdbSyntaxError("monitor-requests must be object", json)
    specs = []
    conditions: dict[str, Conditions] = {}
    for name, requests in json.items():
        table = _find_table(tables, name)
        columns: list[ColumnSpec] = []
        select = 0
        wheres: list[Conditions] = []
        for request in requests if isinstance(requests, list) else [requests]:
            flags, where = _parse_request(request, table, columns, conditional)
            select |= flags
            wheres.append(where)
        _check_columns_once(columns, requests)
        specs.append(TableSpec(name, tuple(columns), select))
        # A request without a condition wants every row, whatever the others for the same table say.
        conditions[name] = tuple(chain(*wheres)) if all(wheres) else ()
    return MonitorRequest(tuple(specs), conditions)


def parse_condition_change(
    json: object, tables: Mapping[str, Table], current: Mapping[str, Conditions]
) -> dict[str, Conditions]:
    """Read <monitor-cond-update-requests>: the new conditions of the tables it names; OvsdbError."""
    if not isinstance(json, dict):
        raise OvsdbSyntaxError("monitor-cond-change-requests must be object")
    changed: dict[str, Conditions] = {}
    for name, requests in json.items():
        table = _find_table(tables, name)
        if name not in current:
            raise OvsdbSyntaxError(f"no table named {name} in monitor session")
        if not isinstance(requests, list):
            raise OvsdbSyntaxError(f"table {name} no monitor-cond-change JSON array")
        for request in requests:
            members = Members(request, f"table {name}")
            if members.optional("columns", list) is not None:
                raise OvsdbSyntaxError("changing columns is unsupported", request)
            where = members.optional("where", list)
            members.finish(("columns", "where"))
            changed[name] = parse_where(where or [], table)
    return changed


def parse_where(json: list[object], table: Table) -> Conditions:
    """Read the conditions of a monitor, of which one suffices, while all of an operation must hold.

    OvsdbError.
    """
    return tuple(parse_condition(table, [condition]) for condition in json)


def _find_table(tables: Mapping[str, Table], name: str) -> Table:
    table = tables.get(name)
    if table is None:
        raise OvsdbSyntaxError(f"no table named {name}")
    return table


def _parse_request(
    request: object,
    table: Table,
    columns: list[ColumnSpec],
    conditional: bool,
) -> tuple[int, Conditions]:
    """Add the columns of one <monitor-request>; its select flags and conditions."""
    members = Members(request, f"table {table.name}")
    named = members.optional("columns", list)
    clauses = members.optional("where", list) if conditional else None
    chosen = members.optional("select", dict)
    members.finish(("columns", "where", "select") if conditional else ("columns", "select"))
    select = _ALL if chosen is None else _parse_select(chosen, table.name)
    if named is None:
        columns += (ColumnSpec(name, select) for name in ("_version", *(c.name for c in table.columns)))
    else:
        columns += (ColumnSpec(_parse_column(name, table, named), select) for name in named)
    return select, parse_where(clauses or [], table)


def _parse_select(json: object, table: str) -> int:
    members = Members(json, f"table {table} select")
    flags = 0
    for name, flag in _SELECT.items():
        if members.optional(name, bool) is not False:
            flags |= flag
    members.finish(tuple(_SELECT))
    return flags


def _parse_column(name: object, table: Table, named: list[object]) -> str:
    if not isinstance(name, str):
        raise OvsdbSyntaxError("array of column names expected", named)
    if name not in table.by_name:
        raise OvsdbSyntaxError(f"{name} is not a valid column name", named)
    return name


def _check_columns_once(columns: list[ColumnSpec], requests: object) -> None:
    names = [column.name for column in columns]
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is None:
        return
    last = requests[-1] if isinstance(requests, list) else requests
    syntax = last.get("columns") if isinstance(last, dict) else None
    raise OvsdbSyntaxError(f"column {twice} mentioned more than once", syntax)
