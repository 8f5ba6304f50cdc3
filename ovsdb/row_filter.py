"""Which rows of a table a monitor shows: those that meet any of its conditions.

Rule: clients give conditions of thousands of parts ("these UUIDs"), and change them by one. What a row or a
change costs must not grow with the parts where these are equalities, nor with the table where an index has
the answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ovsdb.engine.table import Column, hash_key

if TYPE_CHECKING:
    from ovsdb.engine.condition import Clause, Condition
    from ovsdb.engine.row import Row
    from ovsdb.engine.table import Table

Key = tuple[int, str, object]  # of a clause: column, function, value


class RowFilter:
    """The conditions of one table, of which one suffices; without any, every row is shown."""

    __slots__ = ("_equal", "_others", "_parts", "every", "table")

    def __init__(self, table: Table, conditions: Iterable[Condition]) -> None:
        """Each condition has at most one clause."""
        parts = list(conditions)
        self.table = table
        self.every = not parts or any(not part.clauses and not part.never for part in parts)
        self._parts: dict[Key, Clause] = {}
        self._equal: dict[Column, set[object]] = {}  # column → values, for "=="
        self._others: list[Clause] = []
        for clause in (clause for part in parts if not part.never for clause in part.clauses):
            key = (clause.column.index, clause.function, hash_key(clause.value))
            if key in self._parts:
                continue
            self._parts[key] = clause
            if clause.function == "==":
                self._equal.setdefault(clause.column, set()).add(key[2])
            else:
                self._others.append(clause)

    def sees(self, row: Row | None) -> bool:
        """Whether the row is there and is shown."""
        if row is None:
            return False
        if self.every:
            return True
        for column, values in self._equal.items():
            if hash_key(column.get(row)) in values:
                return True
        return any(clause.test(clause.column.get(row), clause.value) for clause in self._others)

    def equalities(self) -> dict[Column, set[object]] | None:
        """Column → the keys of values of which a row that is shown has one; None: any row may be shown."""
        return None if self.every or self._others else self._equal

    def rows(self) -> Iterable[Row]:
        """Every row of the table that is shown."""
        if self.every:
            return self.table.rows.values()
        return filter(self.sees, self._candidates(self._parts))

    def compare(self, other: RowFilter) -> Iterable[tuple[Row, bool, bool]]:
        """The rows that only one of the two shows: whether this one does, whether the other does."""
        if self.every or other.every:
            if self.every and other.every:
                return
            rows: Iterable[Row] = self.table.rows.values()
        else:
            # Who changes sides meets a part that only one of them has.
            differing = self._parts.keys() ^ other._parts.keys()
            rows = self._candidates({key: self._parts.get(key) or other._parts[key] for key in differing})
        for row in rows:
            here, there = self.sees(row), other.sees(row)
            if here != there:
                yield row, here, there

    def _candidates(self, parts: dict[Key, Clause]) -> Iterable[Row]:
        """Rows among which are all that meet one of the parts; each once."""
        if any(function != "==" for _, function, _ in parts):
            return self.table.rows.values()
        found: dict[str, None] = {}
        for index, _, value in parts:
            if index < 0:
                if index != self.table.uuid_column.index:
                    return self.table.rows.values()
                found[str(value)] = None
                continue
            by_column = self.table.index_of(self.table.columns[index])
            if by_column is None:
                return self.table.rows.values()
            found.update(dict.fromkeys(by_column.find(value)))
        rows = self.table.rows
        return [rows[uuid] for uuid in found if uuid in rows]
