"""Rows to a document.

Rule: a document holds what somebody has set and nothing else: no column that has its default, nothing that
the switch reports, no port that every bridge has. Equal configurations give equal documents, whatever the
UUIDs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from declare.columns import (
    KEYS,
    LOOSE,
    ROOT,
    SHARED,
    UNIQUE,
    configuration,
    is_internal_key,
    names_rows,
    target_of,
)
from declare.picture import Picture, references
from declare.short import shorten
from ovsdb.datum import Value, default_value, sorted_atoms
from ovsdb.schema import ColumnSchema

Document = dict[str, Any]
INTERNAL = "internal"  # type of the interface of a bridge's own port


def export(picture: Picture) -> Document:
    """The document of a whole switch."""
    return _Export(picture).document()


class _Export:
    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.placed: set[str] = set()  # rows of tables with unique names that stand somewhere already
        self.ids: dict[str, str] = {}  # UUID -> the name of a shared row
        self.shared: dict[str, dict[str, Any]] = {}

    def document(self) -> Document:
        root = self.picture.root
        document: Document = self.row(ROOT, root) if root is not None else {}
        for member, (table, columns) in LOOSE.items():
            rows = self.picture.rows.get(table, {})
            order = sorted(rows, key=lambda uuid: [self.sort_key(table, uuid, c) for c in columns])
            if order:
                document[member] = [self.row(table, uuid) for uuid in order]
        if self.shared:
            document[SHARED] = {table: self.shared[table] for table in sorted(self.shared)}
        return document

    def sort_key(self, table: str, uuid: str, column: str) -> Any:
        schema = self.picture.schema.tables[table].columns[column]
        value = self.picture.value(table, uuid, column)
        target = target_of(schema.type)
        return value if target is None else self.picture.key(target, str(value))

    def row(self, table: str, uuid: str, base: Mapping[str, Value] | None = None) -> Document:
        """The columns of a row that are not as in `base` or by default; not its name."""
        document: Document = {}
        for column in configuration(self.picture.schema.tables[table]):
            value = self.picture.value(table, uuid, column.name)
            if value == (base or {}).get(column.name, default_value(column.type)):
                continue
            if column.name == KEYS.get(table):
                continue
            if target_of(column.type) is None:
                formatted = self.plain(table, column, value)
            elif names_rows(table, column):
                formatted = self.names(column, value)
            else:
                formatted = self.rows(table, uuid, column, value)
            if formatted is not None:
                document[column.name] = formatted
        return document

    def plain(self, table: str, column: ColumnSchema, value: Value) -> Any:
        if isinstance(value, Mapping):
            kept = {k: value[k] for k in sorted_atoms(value) if not is_internal_key(table, column.name, k)}
            return kept or None
        return value if column.type.is_scalar else _listed(column, sorted_atoms(value))  # type: ignore[arg-type]

    def names(self, column: ColumnSchema, value: Value) -> Any:
        target = target_of(column.type)
        assert target is not None
        names = sorted(self.picture.key(target, uuid) for _, uuid in references(column, value))
        return names[0] if column.type.is_scalar else _listed(column, names)

    def rows(self, table: str, uuid: str, column: ColumnSchema, value: Value) -> Any:
        target = target_of(column.type)
        assert target is not None
        found = list(references(column, value))
        if isinstance(value, Mapping):
            return {key: self.child(table, uuid, target, child) for key, child in found}
        if column.type.max == 1:
            return self.child(table, uuid, target, found[0][1])
        key = KEYS.get(target)
        children = [child for _, child in found]
        if key is None:
            return sorted((self.child(table, uuid, target, child) for child in children), key=repr)
        children.sort(key=lambda child: self.picture.key(target, child))
        names = [self.picture.key(target, child) for child in children]
        if len(set(names)) < len(names):  # only a list can hold two of the same name
            listed = [self.child(table, uuid, target, child) for child in children]
            named = [
                {key: name, **child} if isinstance(child, dict) else child
                for name, child in zip(names, listed, strict=True)
            ]
            return sorted(named, key=repr)
        if target == "Interface":
            return self.interfaces(table, uuid, names, children)
        if target == "Port":
            return self.ports(uuid, names, children)
        return {name: self.child(table, uuid, target, c) for name, c in zip(names, children, strict=True)}

    def child(self, table: str, parent: str, target: str, uuid: str) -> Any:
        """A row, or the name under which it stands elsewhere."""
        if target in UNIQUE:
            if uuid in self.placed:
                return self.picture.key(target, uuid)
            self.placed.add(uuid)
        elif len(self.picture.referrers.get(uuid, ())) > 1:
            return self.shared_id(target, uuid)
        return self.row(target, uuid)

    def shared_id(self, table: str, uuid: str) -> str:
        if uuid not in self.ids:
            group = self.shared.setdefault(table, {})
            name = self.ids[uuid] = f"{table.lower()}{len(group) + 1}"
            group[name] = {}  # keeps its place while its own references are looked at
            group[name] = self.row(table, uuid)
            key = KEYS.get(table)
            if key is not None:
                group[name] = {key: self.picture.key(table, uuid), **group[name]}
        return self.ids[uuid]

    def ports(self, bridge: str, names: list[str], ports: list[str]) -> Any:
        own = self.picture.key("Bridge", bridge)
        document = {}
        for name, port in zip(names, ports, strict=True):
            child = self.child("Bridge", bridge, "Port", port)
            if isinstance(child, dict):
                child = shorten(self.picture.schema, name, child)
            if name != own or child != {}:
                document[name] = child
        return document or None

    def interfaces(self, table: str, port: str, names: list[str], interfaces: list[str]) -> Any:
        """None where there is only the one that a port has by default."""
        name = self.picture.key("Port", port)
        own = self.is_bridge_own(port)
        document: Document = {}
        for interface_name, interface in zip(names, interfaces, strict=True):
            if interface in self.placed:
                document[interface_name] = interface_name
                continue
            self.placed.add(interface)
            base = {"type": INTERNAL} if own and interface_name == name else None
            document[interface_name] = self.row("Interface", interface, base)
        return None if document == {name: {}} else document

    def is_bridge_own(self, port: str) -> bool:
        """Whether a port has the name of its bridge."""
        name = self.picture.key("Port", port)
        return any(self.picture.key(p.table, p.uuid) == name for p in self.picture.referrers.get(port, ()))


def _listed(column: ColumnSchema, values: list[Any]) -> Any:
    """An optional value stands alone, the members of a set in a list."""
    return values[0] if column.type.max == 1 else values
