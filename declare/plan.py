"""A document and the rows there are, to the changes that make it so.

Rule: pure, and planning again after the changes gives none. What the document does not name is changed in two
cases only: a port or an interface that it names stands elsewhere; a row of QoS or Queue is left that nothing
refers to. A row that others refer to as well, whom the document does not name, is not changed: one of its own
takes its place.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Set

from declare.change import Change, Kind, Step
from declare.columns import KEYS, LOOSE, MERGED, OPEN_COLLECTIONS, OWNED_PREFIX, ROOT, target_of
from declare.errors import DocumentError
from declare.fallout import unreferenced, vanishing
from declare.match import Matching
from declare.owned import ONE, Tree, format_tree, joined, lost, parse_tree, tree_of
from declare.picture import Picture, references
from declare.wanted import Document, Name, Wanted
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


class _Planner(Matching):
    """What the rows are to hold."""

    def __init__(self, picture: Picture, document: Document) -> None:
        super().__init__(picture, document)
        self.said = tree_of(document)  # before complete() adds to it
        self.dropped: list[tuple[str, str]] = []  # rows that nothing refers to, to be deleted

    def set(self, table: str, uuid: str, column: str, value: Value) -> None:
        self.values.setdefault((table, uuid), {})[column] = value

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
