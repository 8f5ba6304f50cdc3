"""A transaction under way: the database with the changes made so far laid over it.

Rule: nothing here changes the database; a transaction that fails is dropped.  `ovsdb.engine.integrity` turns
what is here into a Changeset, or refuses it.
"""

from __future__ import annotations

from collections.abc import Iterator

from ovsdb.datum import Value
from ovsdb.delta import Delta, absorb_delta, delta_between
from ovsdb.engine.changes import Deltas, RowChange
from ovsdb.engine.condition import Condition
from ovsdb.engine.row import Row
from ovsdb.engine.table import HashIndex, Table
from ovsdb.uuids import new_uuid


class TxnTable:
    """One table as the transaction sees it.  `changes` also has rows that came and went."""

    __slots__ = ("_found", "alone", "changes", "inserts_only", "row_count", "table")

    def __init__(self, table: Table) -> None:
        self.table = table
        self.changes: dict[str, RowChange] = {}
        self.row_count = len(table.rows)
        self.inserts_only = True  # nothing was modified or deleted: much need not be looked at in the end
        self.alone = True  # nor do references: none came or went, nor a row that others may refer to
        # Index → key → rows that had this key at some time in this transaction; what is found is checked
        # again.
        self._found: dict[HashIndex, dict[object, list[str]]] = {}

    def get(self, uuid: str) -> Row | None:
        """The row as it is now."""
        change = self.changes.get(uuid)
        return self.table.rows.get(uuid) if change is None else change.new

    def rows(self) -> Iterator[Row]:
        """Every row as it is now."""
        changes = self.changes
        if not changes:
            yield from self.table.rows.values()
            return
        for uuid, row in self.table.rows.items():
            change = changes.get(uuid)
            current = row if change is None else change.new
            if current is not None:
                yield current
        for change in changes.values():
            if change.old is None and change.new is not None:
                yield change.new

    def find(self, condition: Condition) -> list[Row]:
        """The rows for which a condition holds; without a scan where an index has the answer."""
        if condition.never:
            return []
        equalities = condition.equalities()
        if equalities:
            candidates = self._candidates(equalities)
            if candidates is not None:
                return [row for row in candidates if condition.holds(row)]
        elif not condition.clauses:
            return list(self.rows())
        return [row for row in self.rows() if condition.holds(row)]

    def _candidates(self, equalities: dict[int, Value]) -> list[Row] | None:
        """The rows that may have these values, or None if no index tells."""
        table = self.table
        uuid = equalities.get(table.uuid_column.index)
        if uuid is not None:
            assert isinstance(uuid, str)
            row = self.get(uuid)
            return [] if row is None else [row]
        for index in table.indexes:
            if all(column.index in equalities for column in index.columns):
                return self.lookup(index, index.key_of(equalities))
        for place in equalities:
            made = table.search_index(table.columns[place]) if place >= 0 else None
            if made is not None:
                return self.lookup(made, made.key_of(equalities))
        return None

    def lookup(self, index: HashIndex, key: object) -> list[Row]:
        """The rows, as they are now, that may be under a key; those that had it once may be among them."""
        found = dict.fromkeys(index.find(key))
        if self.changes:
            found.update(dict.fromkeys(self._overlay(index).get(key, ())))
        rows = [self.get(uuid) for uuid in found]
        return [row for row in rows if row is not None]

    def _overlay(self, index: HashIndex) -> dict[object, list[str]]:
        overlay = self._found.get(index)
        if overlay is None:
            overlay = self._found[index] = {}
            for change in self.changes.values():
                if change.new is not None:
                    overlay.setdefault(index.key(change.new), []).append(change.new.uuid)
        return overlay

    def insert(self, row: Row) -> None:
        """Put a new row in; its UUID must be free."""
        self.changes[row.uuid] = RowChange(None, row, {})
        self.alone = self.alone and self.table.stands_alone
        self.row_count += 1
        if self._found:
            for index, overlay in self._found.items():
                overlay.setdefault(index.key(row), []).append(row.uuid)

    def is_taken(self, uuid: str) -> bool:
        """Whether a new row may not have this UUID: there is such a row, or one was deleted a moment ago."""
        change = self.changes.get(uuid)
        if change is None:
            return uuid in self.table.rows
        return change.new is not None or change.old is not None

    def modify(self, row: Row, values: dict[int, Value], deltas: dict[int, Delta | None]) -> Row:
        """Change columns of a row; `deltas` says how, with None for columns to compare in the end."""
        self.inserts_only = False
        if self.alone:
            self.alone = self.table.reference_places.isdisjoint(values)
        changed = row.replace(values)
        change = self.changes.get(row.uuid)
        if change is None:
            change = self.changes[row.uuid] = RowChange(row, changed, {})
        else:
            change.new = changed
        if change.old is not None:
            for place, delta in deltas.items():
                _note(change.deltas, place, delta)
        for index, overlay in self._found.items():
            if any(column.index in values for column in index.columns):
                overlay.setdefault(index.key(changed), []).append(row.uuid)
        return changed

    def delete(self, row: Row) -> None:
        """Take a row out."""
        self.inserts_only = self.alone = False
        change = self.changes.get(row.uuid)
        if change is None:
            self.changes[row.uuid] = RowChange(row, None, {})
        else:
            change.new = None
            change.deltas = {}
        self.row_count -= 1

    def settle(self) -> None:
        """Drop what has not changed in the end, and say of each modified set and map what left and came."""
        if self.inserts_only:
            return
        self.changes = {
            uuid: change for uuid, change in self.changes.items() if _settle_row(self.table, change)
        }


def _note(deltas: Deltas, place: int, delta: Delta | None) -> None:
    """Add a column's change to those before it in the same transaction."""
    if place not in deltas:
        # A copy: it grows in place, so that 10,000 changes of one set do not cost their square.
        deltas[place] = None if delta is None else Delta(dict(delta.removed), dict(delta.added))
        return
    earlier = deltas[place]
    if earlier is None or delta is None:
        deltas[place] = None
    else:
        assert isinstance(earlier.removed, dict)
        assert isinstance(earlier.added, dict)
        absorb_delta(earlier.removed, earlier.added, delta)


def _settle_row(table: Table, change: RowChange) -> bool:
    """Whether the row has changed."""
    old, new = change.old, change.new
    if old is None or new is None:
        return old is not new
    settled: Deltas = {}
    for place, delta in change.deltas.items():
        if delta is not None:
            if not delta.is_empty:
                settled[place] = delta
            continue
        before, after = old.values[place], new.values[place]
        if before is after or before == after:
            continue
        column = table.columns[place]
        settled[place] = None if column.type.is_scalar else delta_between(column.type, before, after)
    change.deltas = settled
    return bool(settled)


class Transaction:
    """The tables as one transaction sees them, and what it says beside changing them."""

    __slots__ = ("_claimed", "_names", "comments", "durable", "tables", "txn_tables")

    def __init__(self, tables: dict[str, Table]) -> None:
        self.tables = tables
        self.txn_tables: dict[str, TxnTable] = {}
        self.comments: list[str] = []
        self.durable = False
        self._names: dict[str, str] = {}  # uuid-name → UUID, of rows inserted or just spoken of
        self._claimed: set[str] = set()  # uuid-names of rows that were inserted

    def table(self, name: str) -> TxnTable:
        """A table; its name is one of the schema."""
        found = self.txn_tables.get(name)
        if found is None:
            found = self.txn_tables[name] = TxnTable(self.tables[name])
        return found

    def resolve(self, name: str) -> str:
        """The UUID behind a named-uuid, whether or not the row has been inserted yet."""
        uuid = self._names.get(name)
        if uuid is None:
            uuid = self._names[name] = new_uuid()
        return uuid

    def claim(self, name: str) -> bool:
        """Take a uuid-name for a row that is being inserted; False if another row has it."""
        if name in self._claimed:
            return False
        self._claimed.add(name)
        return True

    def name_row(self, name: str, uuid: str) -> None:
        """Say which row a named-uuid stands for from now on."""
        self._names[name] = uuid
