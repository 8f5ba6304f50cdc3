"""Role-based access control: what a client's role lets it change (ovsdb(7), "RBAC"; ovn-sb(5), RBAC_Role).

Rule: pure; the rules are rows of the very database that they protect, as they stand when a transaction
begins. A client with a role may do what a rule permits and nothing else; a client without one is not
concerned.

A row of RBAC_Role has a `name` and, by table, a row of RBAC_Permission: `authorization` names columns one of
which must hold the client's id ("external_ids:key" in a map; "" lets everybody in), `insert_delete` permits
both, `update` names the columns that may be changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

from ovsdb.datum import Value
from ovsdb.engine.row import Row
from ovsdb.engine.table import Column, Table
from ovsdb.refusals import PermissionDenied

ROLES, PERMISSIONS = "RBAC_Role", "RBAC_Permission"
_WHAT = {
    "insert": "row insertion into",
    "update": "modification of",
    "mutate": "mutate operation on",
    "delete": "row deletion from",
}


class RoleBased:
    """The permissions (ovsdb.engine.ops.Permissions) of one client."""

    def __init__(self, tables: Mapping[str, Table], role: str, client_id: str | None) -> None:
        """`client_id` is the CN of the client's certificate; None: it has shown none."""
        self._tables = tables
        self._role = role
        self._client_id = client_id

    def check(self, operation: str, table: Table, rows: list[Row], columns: Iterable[Column]) -> None:
        """Raise PermissionDenied unless the operation may be done to all rows and columns."""
        if not self._permits(operation, table, rows, columns):
            client = "(null)" if self._client_id is None else self._client_id
            raise PermissionDenied(
                f'RBAC rules for client "{client}" role "{self._role}" prohibit {_WHAT[operation]} table '
                f'"{table.name}".'
            )

    def _permits(self, operation: str, table: Table, rows: list[Row], columns: Iterable[Column]) -> bool:
        rule = self._rule(table.name)
        if rule is None or self._client_id is None:
            return False
        permissions = self._tables[PERMISSIONS]
        owners = _strings(permissions, rule, "authorization")
        if not all(_is_owner(table, row, owners, self._client_id) for row in rows):
            return False
        if operation in ("insert", "delete"):
            return not rows or _value(permissions, rule, "insert_delete") is True
        allowed = _strings(permissions, rule, "update")
        return not rows or all(column.name in allowed for column in columns)

    def _rule(self, table: str) -> Row | None:
        roles = self._tables[ROLES]
        for row in roles.rows.values():
            if _value(roles, row, "name") == self._role:
                by_table = _value(roles, row, "permissions")
                uuid = by_table.get(table) if isinstance(by_table, Mapping) else None
                permissions = self._tables.get(PERMISSIONS)
                return permissions.rows.get(str(uuid)) if permissions is not None else None
        return None


def _is_owner(table: Table, row: Row, owners: Iterable[str], client_id: str) -> bool:
    return any(name == "" or _owner(table, row, name) == client_id for name in owners)


def _owner(table: Table, row: Row, name: str) -> str | None:
    """The client id in a column, or in a map column's "column:key"."""
    if ":" in name:
        words = [word for word in name.split(":") if word]
        pairs = _value(table, row, words[0]) if len(words) > 1 else None
        found = pairs.get(words[1]) if isinstance(pairs, Mapping) else None
        return found if isinstance(found, str) else None
    column = table.by_name.get(name)
    if column is None or column.type.max != 1:
        return None
    value = column.get(row)
    member: object = next(iter(value), None) if isinstance(value, Set) else value
    return member if isinstance(member, str) and column.type.key.type == "string" else None


def _value(table: Table, row: Row, name: str) -> Value | None:
    column = table.by_name.get(name)
    return None if column is None else column.get(row)


def _strings(table: Table, row: Row, name: str) -> frozenset[str]:
    """The members of a column of strings; none where there is no such column."""
    value = _value(table, row, name)
    if isinstance(value, str):
        return frozenset((value,))
    if isinstance(value, Set):
        return frozenset(member for member in value if isinstance(member, str))
    return frozenset()
