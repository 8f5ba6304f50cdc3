"""The indexes of a schema: no two rows of a table may have the same values in all columns of an index."""

from __future__ import annotations

from ovsdb.datum import format_value_text
from ovsdb.engine.changes import RowChange
from ovsdb.engine.row import Row
from ovsdb.engine.table import HashIndex
from ovsdb.engine.txn import TxnTable
from ovsdb.errors import ConstraintViolation


def check_unique(target: TxnTable, index: HashIndex) -> None:
    """No two rows may have the same values in the columns of an index."""
    seen: dict[object, Row] = {}
    places = index.places
    for change in target.changes.values():
        row = change.new
        if row is None or (change.old is not None and not any(place in change.deltas for place in places)):
            continue
        key = index.key(row)
        other = seen.setdefault(key, row)
        if other is not row:
            raise ConstraintViolation(_index_details(target, index, row, other))
        for uuid in index.find(key):
            # A row that is changed in these columns is compared by its new values, above.
            standing = target.changes.get(uuid)
            if uuid != row.uuid and (standing is None or _stays(standing, places)):
                raise ConstraintViolation(_index_details(target, index, row, target.table.rows[uuid]))


def _stays(change: RowChange, places: list[int]) -> bool:
    """Whether the row is there and has its old values in these columns."""
    return change.new is not None and not any(place in change.deltas for place in places)


def _index_details(target: TxnTable, index: HashIndex, a: Row, b: Row) -> str:
    if a.uuid < b.uuid:
        a, b = b, a  # a fixed order, where the C server leaves it to chance
    names = _enumerate([f'"{column.name}"' for column in index.columns])
    plural = "s" if len(index.columns) > 1 else ""
    return (
        f'Transaction causes multiple rows in "{target.table.name}" table to have identical values '
        f"({_index_values(index, a)}) for index on column{plural} {names}.  "
        f"First row, with UUID {a.uuid}, {_origin(target, index, a)}  "
        f"Second row, with UUID {b.uuid}, {_origin(target, index, b)}"
    )


def _index_values(index: HashIndex, row: Row) -> str:
    return _enumerate([format_value_text(c.type, row.values[c.index]) for c in index.columns])


def _enumerate(texts: list[str]) -> str:
    """As in English: "a", "a and b", "a, b, and c"."""
    if len(texts) <= 2:
        return " and ".join(texts)
    return ", ".join(texts[:-1]) + ", and " + texts[-1]


def _origin(target: TxnTable, index: HashIndex, row: Row) -> str:
    change = target.changes.get(row.uuid)
    if change is None:
        return "existed in the database before this transaction and was not modified by the transaction."
    if change.old is None:
        return "was inserted by this transaction."
    if any(column.index in change.deltas for column in index.columns):
        return f"had the following index values before the transaction: {_index_values(index, change.old)}."
    return (
        "existed in the database before this transaction, which modified some of the row's columns but not "
        "any columns in this index."
    )
