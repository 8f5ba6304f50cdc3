"""Which rows a document means: for each that it wants, the one that is to become it, or a new one.

Rule: a row of a table with unique names is found by its name, any other where the document has it. A row
that somebody refers to of whom the document says nothing is taken only if it is already as it is wanted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set

from declare.columns import (
    KEYS,
    LOOSE,
    OPEN_COLLECTIONS,
    ROOT,
    UNIQUE,
    configuration,
    names_rows,
    tables_in_order,
    target_of,
)
from declare.errors import DocumentError
from declare.export import INTERNAL
from declare.picture import Picture, references
from declare.wanted import Document, Members, Name, Wanted
from ovsdb.datum import Value, default_value
from ovsdb.schema import Atom, ColumnSchema
from ovsdb.uuids import new_uuid


class Matching:
    """The rows of a document beside those that there are."""

    def __init__(self, picture: Picture, document: Document) -> None:
        self.picture = picture
        self.schema = picture.schema
        self.document = document
        self.uuids: dict[Wanted, str] = {}
        self.rows: dict[str, Wanted] = {}  # the other way round
        self.new: dict[str, str] = {}  # UUID -> table
        self.values: dict[tuple[str, str], dict[str, Value]] = {}  # (table, UUID) -> columns that change
        self.by_name: dict[tuple[str, str], Wanted] = {}  # (table, name), of tables with unique names

    def complete(self) -> None:
        """Give a new bridge its own port, and a new port its interface."""
        root, known = self.document.root, self.picture.named["Port"]
        for bridge in _inner(root, "bridges"):
            ports = bridge.rows.get("ports")
            own = ("Port", bridge.key)
            if not self.exists(bridge) or (own in self.document.names and bridge.key not in known):
                ports = bridge.rows.setdefault("ports", {})
                ports.setdefault(bridge.key, self.plain_row("Port", bridge))
            for port in _inner(bridge, "ports") if ports else ():
                if not self.exists(port) and "interfaces" not in port.rows:
                    port.rows["interfaces"] = {port.key: self.plain_row("Interface", port)}
                for interface in _inner(port, "interfaces"):
                    if port.key == bridge.key == interface.key and not self.exists(interface):
                        interface.values.setdefault("type", INTERNAL)

    def plain_row(self, table: str, parent: Wanted) -> Wanted:
        """A row that says nothing but its name."""
        return Wanted(table, parent.path, parent.key, {"name": parent.key})

    def exists(self, row: Wanted) -> bool:
        """Whether there is such a row already."""
        return row.key in self.picture.named[row.table]

    def resolve(self) -> None:
        """Find for each row that is wanted the one that is to become it; or make one."""
        rows: dict[str, list[Wanted]] = {}
        places: dict[Wanted, list[tuple[Wanted, ColumnSchema, Atom | None]]] = {}
        for parent in self.wanted():
            rows.setdefault(parent.table, []).append(parent)
            for column, key, child in self.children(parent):
                places.setdefault(child, []).append((parent, column, key))
        self.by_name = {(t, row.key): row for t in UNIQUE for row in rows.get(t, ())}
        for table in tables_in_order(self.schema):
            for row in rows.get(table, ()):
                uuid = self.find(row, places.get(row, []))
                if uuid is None:
                    uuid = new_uuid()
                    self.new[uuid] = table
                self.uuids[row] = uuid
                self.rows[uuid] = row

    def wanted(self) -> Iterator[Wanted]:
        """Every row of the document, once."""
        seen: set[Wanted] = set()
        pending = [*reversed(self.document.loose), self.document.root]
        while pending:
            row = pending.pop()
            if row not in seen:
                seen.add(row)
                yield row
                pending += reversed([child for _, _, child in self.children(row)])

    def children(self, row: Wanted) -> Iterator[tuple[ColumnSchema, Atom | None, Wanted]]:
        """The rows that stand below a row, shared ones too."""
        columns = self.schema.tables[row.table].columns
        for name, members in row.rows.items():
            for key, member in members.items():
                child = member if isinstance(member, Wanted) else self.shared(member)
                if child is not None:
                    yield columns[name], key, child

    def shared(self, name: Name) -> Wanted | None:
        """The row of the document's `shared` that a name stands for."""
        return self.document.shared.get((name.table, name.name))

    def find(self, row: Wanted, places: list[tuple[Wanted, ColumnSchema, Atom | None]]) -> str | None:
        """The row that is to become this one; None: a new one."""
        if row.table == ROOT:
            return self.picture.root
        if row.table in UNIQUE:
            return self.picture.named[row.table].get(row.key)
        if not places:
            return self.find_loose(row)
        for parent, column, key in places:
            found = self.candidates(self.uuids[parent], parent.table, column, key, row.key)
            if isinstance(key, int) and not column.type.is_map:  # a list, where several may have one name
                found = [uuid for uuid in found if self.is_exactly(row, uuid)]
            for uuid in found:
                if uuid not in self.rows and (not self.others(uuid) or self.is_met(row, uuid)):
                    return uuid
        return None

    def find_loose(self, row: Wanted) -> str | None:
        """The same, of a table that nothing refers to."""
        columns = next((columns for table, columns in LOOSE.values() if table == row.table), ())
        for uuid in self.picture.rows.get(row.table, {}):
            if uuid not in self.rows and all(
                self.picture.value(row.table, uuid, column) == self.target_value(row, column)
                for column in columns
            ):
                return uuid
        return None

    def candidates(
        self, parent: str, table: str, column: ColumnSchema, key: Atom | None, name: str
    ) -> list[str]:
        """The rows that a column refers to now, where a document says `key` or `name`."""
        found = list(references(column, self.picture.value(table, parent, column.name)))
        if parent in self.new:
            return []
        if column.type.is_map:
            return [uuid for at, uuid in found if at == key]
        target = target_of(column.type)
        assert target is not None
        return [uuid for _, uuid in found if target not in KEYS or self.picture.key(target, uuid) == name]

    def others(self, uuid: str) -> bool:
        """Whether somebody refers to a row whose references the document does not say."""
        for place in self.picture.referrers.get(uuid, ()):
            row = self.rows.get(place.uuid)
            if row is None or place.column not in row.rows:
                return True
        return False

    def is_exactly(self, row: Wanted, uuid: str) -> bool:
        """Whether a row is as it is wanted, and by default in what is not named."""
        columns = [c for c in configuration(self.schema.tables[row.table]) if is_plain(row.table, c)]
        wanted: dict[str, Value] = {c.name: default_value(c.type) for c in columns}
        for column, pairs in row.merged.items():
            wanted[column] = {key: text for key, text in pairs.items() if text is not None}
        wanted |= row.values | {column: self.target_value(row, column) for column in row.rows}
        return all(self.picture.value(row.table, uuid, column) == wanted[column] for column in wanted)

    def is_met(self, row: Wanted, uuid: str) -> bool:
        """Whether a row is already as it is wanted."""
        columns = self.schema.tables[row.table].columns
        for column, value in row.values.items():
            if self.picture.value(row.table, uuid, column) != value:
                return False
        for column in row.merged:
            if self.picture.value(row.table, uuid, column) != self.merged(row, uuid, column):
                return False
        for name, members in row.rows.items():
            found = list(references(columns[name], self.picture.value(row.table, uuid, name)))
            if len(found) != len(members):
                return False
        return all(
            any(
                self.is_met(child, found)
                for found in self.candidates(uuid, row.table, column, key, child.key)
            )
            for column, key, child in self.children(row)
        )

    def value(self, table: str, uuid: str, column: str) -> Value:
        """A column as it is to be, as far as that is known."""
        changed = self.values.get((table, uuid), {})
        return changed[column] if column in changed else self.picture.value(table, uuid, column)

    def merged(self, row: Wanted, uuid: str, column: str) -> Value:
        """A map with what the document says of it."""
        value = self.value(row.table, uuid, column)
        assert isinstance(value, Mapping)
        kept = {key: text for key, text in value.items() if key not in row.merged[column]}
        return kept | {key: text for key, text in row.merged[column].items() if text is not None}

    def target_value(self, row: Wanted, name: str) -> Value:
        """The value of a column that the document says."""
        column = self.schema.tables[row.table].columns[name]
        if name in row.values:
            return row.values[name]
        members = row.rows[name]
        is_open = (row.table, name) in OPEN_COLLECTIONS
        before = self.value(row.table, self.uuids[row], name) if is_open else default_value(column.type)
        if column.type.is_map:
            assert isinstance(before, Mapping)
            return {**before, **{k: self.uuid(m) for k, m in members.items() if k is not None}}
        found = frozenset(map(self.uuid, members.values()))
        if column.type.is_scalar:
            return next(iter(found))
        assert isinstance(before, Set)
        return before | found if is_open else found

    def uuid(self, member: Wanted | Name) -> str:
        """The row that a member stands for. DocumentError."""
        if isinstance(member, Wanted):
            return self.uuids[member]
        row = self.shared(member) or self.by_name.get((member.table, member.name))
        if row is not None:
            return self.uuids[row]
        found = self.picture.named.get(member.table, {}).get(member.name)
        if found is None:
            raise DocumentError(member.path, f"there is no {member.table} named {member.name}")
        return found


def is_plain(table: str, column: ColumnSchema) -> bool:
    """Whether the column's values need no row that is still to be found."""
    return target_of(column.type) is None or names_rows(table, column)


def _inner(row: Wanted, column: str) -> list[Wanted]:
    members: Members = row.rows.get(column, {})
    return [member for member in members.values() if isinstance(member, Wanted)]
