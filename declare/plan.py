"""A document and the rows there are, to the changes that make it so.

Rule: pure, and planning again after the changes gives none. What the document does not name is changed in two
cases only: a port or an interface that it names stands elsewhere; a row of QoS or Queue is left that nothing
refers to. A row that others refer to as well, whom the document does not name, is not changed: one of its own
takes its place.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Set
from uuid import uuid4

from declare.change import Change, Kind, Step
from declare.columns import (
    KEYS,
    LOOSE,
    MERGED,
    OPEN_COLLECTIONS,
    OWNED_PREFIX,
    ROOT,
    UNIQUE,
    configuration,
    names_rows,
    tables_in_order,
    target_of,
)
from declare.errors import DocumentError
from declare.export import INTERNAL
from declare.fallout import unreferenced, vanishing
from declare.owned import ONE, Tree, format_tree, joined, lost, parse_tree, tree_of
from declare.picture import Picture, references
from declare.wanted import Document, Members, Name, Wanted
from ovsdb.datum import Value, default_value
from ovsdb.schema import Atom, ColumnSchema


def plan(picture: Picture, document: Document, *, prune: bool = False) -> list[Change]:
    """The changes, those that the server makes by itself among them. DocumentError."""
    if prune and not document.name:
        raise DocumentError((), "pruning needs a document with a name")
    planner = _Planner(picture, document)
    planner.complete()
    planner.resolve()
    planner.write()
    if prune:
        planner.prune()
    if document.name:
        planner.remember(prune)
    return planner.changes()


class _Planner:
    def __init__(self, picture: Picture, document: Document) -> None:
        self.picture = picture
        self.schema = picture.schema
        self.document = document
        self.said = tree_of(document)  # before complete() adds to it
        self.uuids: dict[Wanted, str] = {}
        self.rows: dict[str, Wanted] = {}  # the other way round
        self.new: dict[str, str] = {}  # UUID -> table
        self.values: dict[tuple[str, str], dict[str, Value]] = {}  # (table, UUID) -> columns that change
        self.by_name: dict[tuple[str, str], Wanted] = {}  # (table, name), of tables with unique names
        self.dropped: list[tuple[str, str]] = []  # rows that nothing refers to, to be deleted

    # --- which rows are meant

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
        return Wanted(table, parent.path, parent.key, {"name": parent.key})

    def exists(self, row: Wanted) -> bool:
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
                    uuid = str(uuid4())
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
        return self.document.shared.get((name.table, name.name))

    def find(self, row: Wanted, places: list[tuple[Wanted, ColumnSchema, Atom | None]]) -> str | None:
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

    # --- what they are to hold

    def value(self, table: str, uuid: str, column: str) -> Value:
        """A column as it is to be, as far as that is known."""
        changed = self.values.get((table, uuid), {})
        return changed[column] if column in changed else self.picture.value(table, uuid, column)

    def set(self, table: str, uuid: str, column: str, value: Value) -> None:
        self.values.setdefault((table, uuid), {})[column] = value

    def merged(self, row: Wanted, uuid: str, column: str) -> Value:
        value = self.value(row.table, uuid, column)
        assert isinstance(value, Mapping)
        kept = {key: text for key, text in value.items() if key not in row.merged[column]}
        return kept | {key: text for key, text in row.merged[column].items() if text is not None}

    def write(self) -> None:
        for row, uuid in self.uuids.items():
            self.values[row.table, uuid] = {}
            for column, value in row.values.items():
                self.set(row.table, uuid, column, value)
            for column in row.merged:
                self.set(row.table, uuid, column, self.merged(row, uuid, column))
            for column in row.rows:
                self.set(row.table, uuid, column, self.target_value(row, column))
        for row, uuid in list(self.uuids.items()):
            if row.table in ("Port", "Interface"):
                self.detach_elsewhere(row, uuid)

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
        if isinstance(member, Wanted):
            return self.uuids[member]
        row = self.shared(member) or self.by_name.get((member.table, member.name))
        if row is not None:
            return self.uuids[row]
        found = self.picture.named.get(member.table, {}).get(member.name)
        if found is None:
            raise DocumentError(member.path, f"there is no {member.table} named {member.name}")
        return found

    def detach_elsewhere(self, row: Wanted, uuid: str) -> None:
        """Take a port off other bridges, an interface off other ports."""
        for place in self.picture.referrers.get(uuid, ()):
            value = self.value(place.table, place.uuid, place.column)
            if (
                not isinstance(value, Set)
                or uuid not in value
                or self.is_wanted_at(place.uuid, place.column, row)
            ):
                continue
            rest = value - {uuid}
            if not rest and place.table == "Port":
                self.drop_port(place.uuid, row)
            else:
                self.set(place.table, place.uuid, place.column, rest)

    def is_wanted_at(self, parent: str, column: str, row: Wanted) -> bool:
        members = self.rows[parent].rows.get(column, {}) if parent in self.rows else {}
        for member in [members[row.key]] if row.key in members else members.values():
            if member is row or (isinstance(member, Name) and member.name == row.key):
                return True
        return False

    def drop_port(self, port: str, taken: Wanted) -> None:
        """Delete a port whose last interface goes elsewhere."""
        if port in self.rows:
            why = f"its only interface {taken.key} stands elsewhere in the document"
            raise DocumentError(self.rows[port].path, why)
        for place in self.picture.referrers.get(port, ()):
            value = self.value(place.table, place.uuid, place.column)
            if isinstance(value, Set):
                self.set(place.table, place.uuid, place.column, value - {port})

    # --- what the document has said before

    def remembered(self) -> dict[str, Tree]:
        """What documents have said, by key."""
        ids = self.picture.value(ROOT, self.picture.root or "", "external_ids")
        assert isinstance(ids, Mapping)
        known = {str(key): str(text) for key, text in ids.items()}
        return {key: parse_tree(known[key]) for key in known if key.startswith(OWNED_PREFIX)}

    def prune(self) -> None:
        trees = self.remembered()
        mine = trees.pop(OWNED_PREFIX + self.document.name, {})
        for path in lost(mine, functools.reduce(joined, trees.values(), self.said)):
            self.forget(ROOT, self.uuids[self.document.root], path, mine)

    def forget(self, table: str, uuid: str, path: tuple[str, ...], tree: object) -> None:
        """Undo what a document once said about a column, a key in one or a row below it."""
        name, *rest = path
        column = self.schema.tables[table].columns.get(name)
        tree = tree.get(name) if isinstance(tree, dict) else None
        if column is None:
            return
        value = self.value(table, uuid, name)
        target = target_of(column.type)
        if name in MERGED and isinstance(value, Mapping):
            keys = rest or (tree if isinstance(tree, dict) else ())
            self.set(table, uuid, name, {k: v for k, v in value.items() if k not in keys})
        elif (table, name) in OPEN_COLLECTIONS and not rest and isinstance(tree, dict):
            for key in tree:
                self.forget(table, uuid, (name, key), {name: tree})
        elif target is not None and not rest and column.type.min:  # it cannot be empty
            for key, inner in tree.items() if isinstance(tree, dict) else ():
                for member in inner if isinstance(inner, dict) else ():
                    self.forget(table, uuid, (name, key, member), {name: tree})
        elif target is None or not rest:
            self.set(table, uuid, name, default_value(column.type))
        else:
            self.forget_member(table, uuid, column, rest, tree)

    def forget_member(
        self, table: str, uuid: str, column: ColumnSchema, rest: list[str], tree: object
    ) -> None:
        target = target_of(column.type)
        assert target is not None
        key, *inner = rest
        tree = tree.get(key) if isinstance(tree, dict) else None
        for at, child in list(references(column, self.value(table, uuid, column.name))):
            if key not in (ONE if at is None else str(at), self.picture.key(target, child)):
                continue
            is_own = target == "Port" and self.picture.key(table, uuid) == key
            if inner:
                self.forget(target, child, tuple(inner), tree)
            elif is_own and isinstance(tree, dict):  # a bridge's own port stays, as it is by default
                for name in tree:
                    self.forget(target, child, (name,), tree)
            else:
                self.remove_member(table, uuid, column, at, child)

    def remove_member(
        self, table: str, uuid: str, column: ColumnSchema, key: Atom | None, child: str
    ) -> None:
        value = self.value(table, uuid, column.name)
        if isinstance(value, Mapping):
            self.set(table, uuid, column.name, {k: v for k, v in value.items() if k != key})
        elif isinstance(value, Set) and len(value) > column.type.min:
            self.set(table, uuid, column.name, value - {child})
        for other in {table for table, _ in LOOSE.values()}:
            for place in self.picture.referrers.get(child, ()):
                if place.table == other:
                    self.dropped.append((other, place.uuid))

    def remember(self, pruned: bool) -> None:
        """What the document says, and what it has said that was never pruned."""
        uuid = self.uuids[self.document.root]
        ids = self.value(ROOT, uuid, "external_ids")
        assert isinstance(ids, Mapping)
        key = OWNED_PREFIX + self.document.name
        before = {} if pruned else self.remembered().get(key, {})
        text = format_tree(joined(before, self.said))
        self.set(ROOT, uuid, "external_ids", {**ids, key: text})

    # --- the changes

    def changes(self) -> list[Change]:
        changes: list[Change] = []
        for (table, uuid), columns in self.values.items():
            if uuid in self.new:
                changes.append(
                    self.change(Kind.INSERT, table, uuid, {c: Step(None, v) for c, v in columns.items()})
                )
        for (table, uuid), columns in self.values.items():
            if uuid not in self.new:
                steps = {c: Step(self.picture.value(table, uuid, c), v) for c, v in columns.items()}
                steps = {column: step for column, step in steps.items() if step.old != step.new}
                if steps:
                    changes.append(self.change(Kind.MODIFY, table, uuid, steps))
        gone = unreferenced(self.picture, self.values, self.new.keys(), self.dropped)
        changes = [change for change in changes if change.uuid not in gone]
        changes += [self.deletion(table, uuid) for uuid, table in gone.items()]
        for (table, uuid), steps in vanishing(self.picture, self.values, gone).items():
            changes.append(self.change(Kind.MODIFY, table, uuid, steps, implicit=True))
        return changes

    def change(
        self, kind: Kind, table: str, uuid: str, steps: dict[str, Step], *, implicit: bool = False
    ) -> Change:
        key = KEYS.get(table)
        name = "" if key is None else str(self.value(table, uuid, key))
        return Change(kind, table, uuid, steps, name, implicit)

    def deletion(self, table: str, uuid: str) -> Change:
        steps = {column: Step(value, None) for column, value in self.picture.rows[table][uuid].items()}
        root = self.schema.tables[table].is_root
        return self.change(Kind.DELETE, table, uuid, steps, implicit=not root)


def is_plain(table: str, column: ColumnSchema) -> bool:
    """Whether the column's values need no row that is still to be found."""
    return target_of(column.type) is None or names_rows(table, column)


def _inner(row: Wanted, column: str) -> list[Wanted]:
    members: Members = row.rows.get(column, {})
    return [member for member in members.values() if isinstance(member, Wanted)]
