"""What follows from changed references: rows that nothing refers to go, and references to them vanish.

Source: RFC 7047, 3.2 ("isRoot", "refType"). Rows of root tables that something has referred to, such as QoS
and Queue, are taken along: here they are only reached through those references.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set

from declare.change import Step
from declare.columns import target_of
from declare.picture import Picture, is_weak, reference_columns, references
from ovsdb.datum import Value
from ovsdb.schema import ColumnSchema

Values = Mapping[tuple[str, str], Mapping[str, Value]]  # (table, UUID) -> the columns that change


def unreferenced(
    picture: Picture, values: Values, new: Set[str], dropped: Sequence[tuple[str, str]]
) -> dict[str, str]:
    """UUID -> table of the rows that go. `dropped` are rows (table, UUID) that are deleted in any case."""
    counting = _Counting(picture, values, new)
    for table, uuid in dropped:
        counting.drop(table, uuid)
    counting.settle()
    return counting.gone


class _Counting:
    def __init__(self, picture: Picture, values: Values, new: Set[str]) -> None:
        self.picture = picture
        self.values = values
        self.new = new
        self.gained: dict[str, int] = {}  # references to a row, beyond those that there are
        self.suspects: list[tuple[str, str]] = []  # (table, UUID) of rows that lost a reference
        self.gone: dict[str, str] = {}
        for (table, uuid), columns in values.items():
            for column in self.strong(table):
                if column.name in columns:
                    if uuid not in new:
                        self.count(column, picture.value(table, uuid, column.name), -1)
                    self.count(column, columns[column.name], 1)

    def strong(self, table: str) -> Iterator[ColumnSchema]:
        return (c for c in reference_columns(self.picture.schema, table) if not is_weak(c))

    def count(self, column: ColumnSchema, value: Value, sign: int) -> None:
        target = target_of(column.type)
        assert target is not None
        for _, uuid in references(column, value):
            self.gained[uuid] = self.gained.get(uuid, 0) + sign
            if sign < 0:
                self.suspects.append((target, uuid))

    def settle(self) -> None:
        while self.suspects:
            table, uuid = self.suspects.pop()
            left = len(self.picture.referrers.get(uuid, ())) + self.gained[uuid]
            if left <= 0 and uuid not in self.new and uuid not in self.gone:
                self.drop(table, uuid)

    def drop(self, table: str, uuid: str) -> None:
        self.gone[uuid] = table
        changed = self.values.get((table, uuid), {})
        for column in self.strong(table):
            value = changed.get(column.name, self.picture.value(table, uuid, column.name))
            self.count(column, value, -1)


def vanishing(
    picture: Picture, values: Values, gone: Mapping[str, str]
) -> dict[tuple[str, str], dict[str, Step]]:
    """(table, UUID) -> the columns whose weak references the server removes with the rows."""
    found: dict[tuple[str, str], dict[str, Step]] = {}
    for table, rows in picture.rows.items() if gone else ():
        weak = [c.name for c in reference_columns(picture.schema, table) if is_weak(c)]
        for uuid in rows if weak else ():
            for column in weak if uuid not in gone else ():
                value = values.get((table, uuid), {}).get(column, picture.value(table, uuid, column))
                assert isinstance(value, Set)
                if value & gone.keys():
                    found.setdefault((table, uuid), {})[column] = Step(value, frozenset(value - gone.keys()))
    return found
