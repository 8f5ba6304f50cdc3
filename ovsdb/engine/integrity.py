"""Commit-time integrity of one transaction.

Rule: this is the only module that counts references.  In: a Transaction.  Out: a Changeset, or an OvsdbError.
The order of checks is visible to clients: what really changed, strong references, garbage, maxRows, weak
references, indexes (as in the C server; RFC 7047, section 4.1.3, leaves it open).

The cost is that of the change: references are counted from what left a column and what came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import cast

from ovsdb.datum import Value
from ovsdb.delta import Delta, apply_delta
from ovsdb.engine.changes import Changeset, RowChange
from ovsdb.engine.row import Row
from ovsdb.engine.table import Column, Table
from ovsdb.engine.txn import Transaction, TxnTable
from ovsdb.engine.uniqueness import check_unique
from ovsdb.errors import ConstraintViolation
from ovsdb.refusals import ReferentialIntegrityViolation
from ovsdb.schema import ZERO_UUID, Atom

# References that left and came: pairs of the table and the row referred to.
Reference = tuple[str, str]


def commit(txn: Transaction) -> Changeset:
    """Check the transaction as a whole, delete what is no longer referred to, and say what has changed.

    Raises ReferentialIntegrityViolation or ConstraintViolation.
    """
    alone = True  # no reference came or went, nor a row that others refer to or may need
    for target in txn.txn_tables.values():
        target.settle()
        alone = alone and target.alone
    counts = {} if alone else _count_references(txn)
    if not alone:
        _check_references(txn, counts)
        _collect_garbage(txn, counts)
    _check_row_counts(txn)
    while not alone and _drop_weak_references(txn, counts):
        _collect_garbage(txn, counts)
    tables = {}
    for name, target in txn.txn_tables.items():
        for index in target.table.indexes:
            if index.unique:
                check_unique(target, index)
        if target.changes:
            tables[name] = target.changes
    return Changeset(tables, "\n".join(txn.comments), counts)


# --- references in values


def _references(column: Column, value: Value | Delta, weak: bool, added: bool = True) -> list[Reference]:
    """The strong, or the weak, references in a value, or in what a Delta removes or adds."""
    part: Mapping[Atom, Atom | None] | Value
    if isinstance(value, Delta):
        part = value.added if added else value.removed
    else:
        part = value
    if column.type.is_scalar:
        return [(cast(str, column.key_ref), cast(str, part))]
    part = cast(Mapping[Atom, Atom], part)  # or a set: both give their keys
    found: list[Reference] = []
    if column.key_ref is not None and column.key_weak == weak:
        table = column.key_ref
        found = [(table, cast(str, atom)) for atom in part]
    if column.value_ref is not None and column.value_weak == weak:
        found += [(column.value_ref, cast(str, atom)) for atom in part.values()]
    return found


def _moved(
    table: Table, change: RowChange, weak: bool
) -> list[tuple[Column, list[Reference], list[Reference]]]:
    """The columns of a row whose references changed, with those that left and those that came."""
    columns = table.weak_columns if weak else table.strong_columns
    if not columns:
        return []
    old, new = change.old, change.new
    moved = []
    if old is not None and new is not None:
        # By what changed: a bridge has nine columns with references, and gets a port.
        for place, delta in change.deltas.items():
            column = table.columns[place]
            if column.has_weak if weak else column.has_strong:
                before = old.values[place] if delta is None else delta
                after = new.values[place] if delta is None else delta
                left, came = _references(column, before, weak, False), _references(column, after, weak)
                moved.append((column, left, came))
        return moved
    row = old if new is None else new
    assert row is not None
    for column in columns:
        value = row.values[column.index]
        if value is not column.default or column.type.min:  # else it is empty
            references = _references(column, value, weak)
            moved.append((column, references, []) if new is None else (column, [], references))
    return moved


# --- strong references

Counts = dict[str, dict[str, int]]  # table → row → by how much the number of strong references changes


def _add(counts: Counts, references: Iterable[Reference], sign: int) -> None:
    for table, uuid in references:
        rows = counts.setdefault(table, {})
        rows[uuid] = rows.get(uuid, 0) + sign


def _without(references: list[Reference], own: Reference) -> list[Reference]:
    """A row's references but for those to itself, which do not keep it alive."""
    return [reference for reference in references if reference != own]


def _count_references(txn: Transaction) -> Counts:
    """Count what left and what came; what came must exist."""
    counts: Counts = {}
    for target in list(txn.txn_tables.values()):
        if not target.table.strong_columns:
            continue
        name = target.table.name
        for uuid, change in target.changes.items():
            for column, left, came in _moved(target.table, change, False):
                if name in (column.key_ref, column.value_ref):
                    left, came = _without(left, (name, uuid)), _without(came, (name, uuid))
                _add(counts, left, -1)
                _add(counts, came, +1)
                for table, referred in came:
                    if not _is_known(txn, table, referred):
                        raise ReferentialIntegrityViolation(
                            f"Table {name} column {column.name} row {uuid} references "
                            f"nonexistent row {referred} in table {table}."
                        )
    return counts


def _is_known(txn: Transaction, table: str, uuid: str) -> bool:
    """Whether there is such a row, or was before this transaction."""
    if uuid in txn.tables[table].rows:
        return True
    target = txn.txn_tables.get(table)
    return target is not None and uuid in target.changes


def _check_references(txn: Transaction, counts: Counts) -> None:
    """No row that was deleted may be referred to."""
    for target in txn.txn_tables.values():
        if target.inserts_only:
            continue
        table = target.table
        moved = counts.get(table.name, {})
        for uuid, change in target.changes.items():
            if change.new is None:
                remaining = table.references.get(uuid, 0) + moved.get(uuid, 0)
                if remaining:
                    raise ReferentialIntegrityViolation(
                        f"cannot delete {table.name} row {uuid} because of {remaining} remaining reference(s)"
                    )


def _collect_garbage(txn: Transaction, counts: Counts) -> None:
    """Delete rows that nobody refers to from tables that are not root, and what only they referred to."""
    suspects: list[Reference] = []
    for target in txn.txn_tables.values():
        if not target.table.schema.is_root:
            name = target.table.name
            moved = counts.get(name, {})
            suspects += [
                (name, uuid) for uuid, c in target.changes.items() if c.old is None and not moved.get(uuid)
            ]
    for name, rows in counts.items():
        if not txn.tables[name].schema.is_root:
            suspects += [(name, uuid) for uuid, count in rows.items() if count <= 0]
    while suspects:
        name, uuid = suspects.pop()
        target = txn.table(name)
        row = target.get(uuid)
        if row is None or target.table.references.get(uuid, 0) + counts.get(name, {}).get(uuid, 0):
            continue
        change = target.changes.get(uuid)
        old = row if change is None else change.old
        for column in target.table.strong_columns:
            references = _without(_references(column, row.values[column.index], False), (name, uuid))
            _add(counts, references, -1)
            suspects += [(table, key) for table, key in references if not txn.tables[table].schema.is_root]
        target.delete(row)
        if old is None:
            del target.changes[uuid]


# --- maxRows


def _check_row_counts(txn: Transaction) -> None:
    for target in txn.txn_tables.values():
        limit = target.table.max_rows
        if limit is not None and target.row_count > limit:
            raise ConstraintViolation(
                f'transaction causes "{target.table.name}" table to contain {target.row_count} rows, greater '
                f"than the schema-defined limit of {limit} row(s)"
            )


# --- weak references


def _vain_references(txn: Transaction) -> dict[Reference, set[Reference]]:
    """Rows with weak references to rows that are not there → those references."""
    gone: dict[Reference, set[Reference]] = {}
    for target in list(txn.txn_tables.values()):
        table = target.table
        if target.inserts_only and not table.weak_columns:
            continue
        for uuid, change in target.changes.items():
            if change.new is None:
                for referrer in table.weak_referrers.get(uuid, ()):
                    gone.setdefault(referrer, set()).add((table.name, uuid))
                continue
            for _, _, came in _moved(table, change, True):
                for reference in came:
                    name, referred = reference
                    if txn.table(name).get(referred) is None:
                        gone.setdefault((table.name, uuid), set()).add(reference)
    return gone


def _drop_weak_references(txn: Transaction, counts: Counts) -> bool:
    """Take weak references to rows that are not there out of rows that are.

    True if strong references went with them, from maps that have one of each in a pair.
    """
    gone = _vain_references(txn)
    if not gone:
        return False
    dropped = False
    for (name, uuid), references in gone.items():
        target = txn.table(name)
        row = target.get(uuid)
        if row is not None:
            for column in target.table.weak_columns:
                removed = _vain(column, row.values[column.index], references)
                if removed:
                    row = _drop_from_column(target, row, column, removed)
                    if column.has_strong:
                        own = _without(_references(column, Delta(removed, {}), False, False), (name, uuid))
                        _add(counts, own, -1)
                        dropped = dropped or bool(own)
    for name in {name for name, _ in gone}:
        txn.table(name).settle()  # a reference that came with this transaction may be all that had changed
    return dropped


def _drop_from_column(target: TxnTable, row: Row, column: Column, removed: Mapping[Atom, Atom | None]) -> Row:
    """The row without those elements in one column."""
    value = row.values[column.index]
    size = len(value) if isinstance(value, Mapping | Set) else 1
    if size - len(removed) < column.type.min:
        raise ConstraintViolation(_weak_details(target, row, column, removed))
    delta = Delta(removed, {})
    return target.modify(row, {column.index: apply_delta(column.type, value, delta)}, {column.index: delta})


def _vain(column: Column, value: Value, gone: set[Reference]) -> dict[Atom, Atom | None]:
    """The elements of a value that refer to what is gone."""
    key_table = column.key_ref if column.key_weak else None
    value_table = column.value_ref if column.value_weak else None
    if isinstance(value, Mapping):
        return {
            key: other
            for key, other in value.items()
            if (key_table is not None and (key_table, key) in gone)
            or (value_table is not None and (value_table, other) in gone)
        }
    assert key_table is not None
    if isinstance(value, Set):
        # By what is gone and not by what is there: a mirror of 10,000 ports loses one.
        return {uuid: None for table, uuid in gone if table == key_table and uuid in value}
    return {value: None} if (key_table, value) in gone else {}


def _weak_details(target: TxnTable, row: Row, column: Column, removed: Mapping[Atom, Atom | None]) -> str:
    change = target.changes.get(row.uuid)
    inserted = change is not None and change.old is None
    if inserted and (ZERO_UUID in removed or ZERO_UUID in removed.values()):
        return (
            f'Weak reference column "{column.name}" in "{target.table.name}" row {row.uuid} (inserted within '
            "this transaction) contained all-zeros UUID (probably as the default value for this column) but "
            "deleting this value caused a constraint volation because this column is not allowed to be empty."
        )
    return (
        f"Deletion of {len(removed)} weak reference(s) to deleted (or never-existing) rows from column "
        f'"{column.name}" in "{target.table.name}" row {row.uuid}'
        f"{' (inserted within this transaction)' if inserted else ''} caused this column to become empty, "
        "but constraints on this column disallow an empty column."
    )


# --- into the tables


def apply(tables: dict[str, Table], changeset: Changeset) -> None:
    """Make a Changeset, which `commit` made for the tables as they are, part of them."""
    for name, changes in changeset.tables.items():
        table = tables[name]
        for uuid, change in changes.items():
            table.apply(change.old, change.new, change.deltas)
            if not table.weak_columns:
                continue
            for _, left, came in _moved(table, change, True):
                for referred, key in left:
                    tables[referred].add_weak_referrer(key, (name, uuid), -1)
                for referred, key in came:
                    tables[referred].add_weak_referrer(key, (name, uuid), +1)
    for name, counts in changeset.references.items():
        table = tables[name]
        for uuid, count in counts.items():
            if count:
                table.add_references(uuid, count)
