"""The rows of a database as values, and who refers to whom among them.

Rule: nothing here changes. Only columns of configuration are in a picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from functools import cached_property
from typing import NamedTuple

from declare.columns import KEYS, ROOT, configuration, target_of
from ovsdb.datum import Value, default_value
from ovsdb.schema import Atom, ColumnSchema, Schema

RowValues = Mapping[str, Value]  # column -> value; a column that is missing has its default
Rows = Mapping[str, Mapping[str, RowValues]]  # table -> UUID -> row


class Place(NamedTuple):
    """Where a reference stands."""

    table: str
    uuid: str
    column: str
    key: Atom | None  # of a map


class Picture:
    """The rows, with look-ups."""

    def __init__(self, schema: Schema, rows: Rows) -> None:
        self.schema = schema
        self.rows = rows

    def value(self, table: str, uuid: str, column: str) -> Value:
        """A column of a row; the default of a row that does not exist."""
        row = self.rows.get(table, {}).get(uuid, {})
        return row[column] if column in row else default_value(self.schema.tables[table].columns[column].type)

    @property
    def root(self) -> str | None:
        """The UUID of the row of Open_vSwitch."""
        return next(iter(self.rows.get(ROOT, {})), None)

    def key(self, table: str, uuid: str) -> str:
        """What the row is called among its siblings; "" in a table without names."""
        column = KEYS.get(table)
        return str(self.value(table, uuid, column)) if column is not None else ""

    @cached_property
    def named(self) -> dict[str, dict[str, str]]:
        """Table -> name -> UUID, of the tables whose rows have names."""
        return {t: {self.key(t, uuid): uuid for uuid in self.rows.get(t, {})} for t in KEYS}

    @cached_property
    def referrers(self) -> dict[str, list[Place]]:
        """UUID -> where strong references to the row stand."""
        found: dict[str, list[Place]] = {}
        for table, rows in self.rows.items():
            columns = [c for c in reference_columns(self.schema, table) if not is_weak(c)]
            for uuid, row in rows.items():
                for column in columns:
                    if value := row.get(column.name):
                        for key, target in references(column, value):
                            found.setdefault(target, []).append(Place(table, uuid, column.name, key))
        return found


def is_weak(column: ColumnSchema) -> bool:
    """Whether the column's references vanish with the rows."""
    return (column.type.key if column.type.value is None else column.type.value).weak


def reference_columns(schema: Schema, table: str) -> list[ColumnSchema]:
    """The columns of configuration that refer to rows."""
    return [c for c in configuration(schema.tables[table]) if target_of(c.type) is not None]


def references(column: ColumnSchema, value: Value) -> Iterator[tuple[Atom | None, str]]:
    """(key of a map, UUID) for each row that the value refers to, in order."""
    if isinstance(value, Mapping):
        yield from ((key, str(value[key])) for key in sorted(value))
    else:
        yield from ((None, str(atom)) for atom in sorted(atoms_of(value)))


def atoms_of(value: Value) -> Iterable[Atom]:
    """The atoms of a set or a scalar."""
    return value if isinstance(value, Set) else () if isinstance(value, Mapping) else (value,)
