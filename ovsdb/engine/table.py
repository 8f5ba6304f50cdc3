"""A table as it is: rows, counts of references to them, and hash indexes.

Rule: only `Table.apply` changes a table; it costs what changes, not what there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import TYPE_CHECKING, cast

import orjson

from ovsdb.datum import Value, check_value, default_value, format_datum, parser
from ovsdb.delta import diff_type
from ovsdb.engine.row import Row
from ovsdb.errors import ConstraintViolation
from ovsdb.schema import BaseType, ColumnSchema, ColumnType, TableSchema

if TYPE_CHECKING:
    from ovsdb.datum import Parser

UUID_INDEX = -1
VERSION_INDEX = -2

# After so many searches through a table of at least INDEX_ROWS rows by one scalar column, the column gets an
# index.
INDEX_SEARCHES = 4
INDEX_ROWS = 32


class Column:
    """A column at work: its place in Row.values and the functions of its type."""

    __slots__ = (
        "default",
        "default_wire",
        "diff_type",
        "has_strong",
        "has_weak",
        "index",
        "key_ref",
        "key_weak",
        "mutable",
        "name",
        "parse",
        "parse_diff",
        "persistent",
        "prefix",
        "type",
        "value_ref",
        "value_weak",
    )

    def __init__(self, schema: ColumnSchema, index: int) -> None:
        self.name = schema.name
        self.index = index  # in Row.values; UUID_INDEX and VERSION_INDEX for the two that every table has
        self.type = schema.type
        self.mutable = schema.mutable
        self.persistent = not schema.ephemeral
        self.parse: Parser = parser(schema.type)
        self.diff_type = diff_type(schema.type) if schema.type.has_diff else schema.type
        self.parse_diff: Parser = parser(self.diff_type)
        self.default: Value = default_value(schema.type)
        self.default_wire = b"%b" % orjson.dumps(format_datum(schema.type, self.default))
        self.prefix = orjson.dumps(schema.name) + b":"  # of a member of a <row> on the wire
        key, value = schema.type.key, schema.type.value
        self.key_ref = key.ref_table  # the table that keys refer to, if any
        self.key_weak = key.weak
        self.value_ref = None if value is None else value.ref_table
        self.value_weak = value is not None and value.weak
        refs = ((self.key_ref, self.key_weak), (self.value_ref, self.value_weak))
        self.has_strong = any(ref is not None and not weak for ref, weak in refs)  # references
        self.has_weak = any(ref is not None and weak for ref, weak in refs)

    def get(self, row: Row) -> Value:
        """The column's value."""
        index = self.index
        if index >= 0:
            return row.values[index]
        return row.uuid if index == UUID_INDEX else row.version

    def wire(self, row: Row) -> bytes:
        """The column's value as JSON; encoded once for each row."""
        index = self.index
        if index < 0:
            return b'["uuid","%b"]' % cast(str, self.get(row)).encode()
        if row.values[index] is self.default:  # most columns of most rows
            return self.default_wire
        wire = row.wire
        if wire is None:
            wire = row.wire = [None] * len(row.values)
        encoded = wire[index]
        if encoded is None:
            # Copied, since orjson gives away a buffer of 4 kB however little is in it.
            encoded = wire[index] = b"%b" % orjson.dumps(format_datum(self.type, row.values[index]))
        return encoded

    def __repr__(self) -> str:
        return f"Column({self.name!r})"


def hash_key(value: Value) -> object:
    """Something to put into a dict that is equal where values are equal."""
    if type(value) in _HASHABLE:  # first: 0.1 µs against 0.8 for the abstract types below
        return value
    if isinstance(value, Mapping):
        return frozenset(value.items())
    if isinstance(value, Set):
        return frozenset(value)
    return value


_HASHABLE = frozenset((str, int, bool, float, frozenset))


class HashIndex:
    """Finds rows by the values of some columns.  `unique`: the schema forbids two rows with the same."""

    __slots__ = ("_entries", "columns", "places", "unique")

    def __init__(self, columns: tuple[Column, ...], unique: bool) -> None:
        self.columns = columns
        self.places = [column.index for column in columns]
        self.unique = unique
        # Key → UUID, or → several; a dict for each row would cost 232 bytes more.
        self._entries: dict[object, str | dict[str, None]] = {}

    def key(self, row: Row) -> object:
        """What `row` is found under."""
        if len(self.columns) == 1:
            return hash_key(row.values[self.columns[0].index])
        return tuple([hash_key(row.values[column.index]) for column in self.columns])

    def key_of(self, values: Mapping[int, Value]) -> object:
        """What rows with these values (by Column.index) are found under."""
        if len(self.columns) == 1:
            return hash_key(values[self.columns[0].index])
        return tuple([hash_key(values[column.index]) for column in self.columns])

    def find(self, key: object) -> Iterable[str]:
        """The UUIDs of the rows under a key."""
        found = self._entries.get(key)
        if found is None:
            return ()
        return (found,) if isinstance(found, str) else found

    def add(self, row: Row) -> None:
        """Put a row in."""
        key = self.key(row)
        found = self._entries.get(key)
        if found is None:
            self._entries[key] = row.uuid
        elif isinstance(found, str):
            self._entries[key] = {found: None, row.uuid: None}
        else:
            found[row.uuid] = None

    def remove(self, row: Row) -> None:
        """Take a row out, which must be in."""
        key = self.key(row)
        found = self._entries[key]
        if isinstance(found, str):
            del self._entries[key]
        else:
            del found[row.uuid]
            if len(found) == 1:
                self._entries[key] = next(iter(found))


_UUID_TYPE = ColumnType(BaseType("uuid"))


class Table:
    """One table of a database.  Read `rows`; `columns` are in the order of Row.values."""

    def __init__(self, schema: TableSchema) -> None:
        self.schema = schema
        self.name = schema.name
        self.prefix = orjson.dumps(schema.name) + b":"  # of a member of a log record
        self.columns = tuple(Column(c, i) for i, c in enumerate(schema.columns.values()))
        self.uuid_column = Column(ColumnSchema("_uuid", _UUID_TYPE, mutable=False), UUID_INDEX)
        self.version_column = Column(ColumnSchema("_version", _UUID_TYPE, mutable=False), VERSION_INDEX)
        self.by_name: dict[str, Column] = {column.name: column for column in self.columns}
        self.by_name["_uuid"] = self.uuid_column
        self.by_name["_version"] = self.version_column
        self.defaults: tuple[Value, ...] = tuple(column.default for column in self.columns)
        self.invalid_defaults: dict[str, str] = {}  # column that must be given → why its default is invalid
        for column in self.columns:
            try:
                check_value(column.type, column.default)
            except ConstraintViolation as error:
                self.invalid_defaults[column.name] = error.details
        self.max_rows = schema.max_rows
        self.strong_columns = tuple(column for column in self.columns if column.has_strong)
        self.persistent_columns = tuple(column for column in self.columns if column.persistent)
        # The C programs up to 3.1 misread some differences of these: see `misread`.
        self.misread_columns = frozenset(
            column.index
            for column in self.persistent_columns
            if column.type.has_diff and (column.type.max is not None or column.type.min)
        )
        self.weak_columns = tuple(column for column in self.columns if column.has_weak)
        self.stands_alone = schema.is_root and not self.strong_columns and not self.weak_columns
        self.reference_places = frozenset(c.index for c in (*self.strong_columns, *self.weak_columns))
        self.rows: dict[str, Row] = {}
        self.references: dict[str, int] = {}  # row → number of strong references to it; absent: none
        # Row, or what once was one → the rows that weakly refer to it, by table and UUID, with how often.
        self.weak_referrers: dict[str, dict[tuple[str, str], int]] = {}
        self.indexes = [
            HashIndex(tuple(self.by_name[name] for name in names), True) for names in schema.indexes
        ]
        self._searches: dict[int, int] = {}  # column → how often the table was searched by it

    def index_of(self, column: Column) -> HashIndex | None:
        """The index of this column alone; one is made if rows are often wanted by its value."""
        for index in self.indexes:
            if index.columns == (column,):
                return index
        return self.search_index(column)

    def search_index(self, column: Column) -> HashIndex | None:
        """Note that rows are wanted by the value of `column`; make an index when that happens often."""
        scalar = column.type.is_scalar or column.type.is_optional_scalar
        if not scalar or len(self.rows) < INDEX_ROWS:
            return None
        searches = self._searches.get(column.index, 0) + 1
        self._searches[column.index] = searches
        if searches < INDEX_SEARCHES:
            return None
        index = HashIndex((column,), False)
        for row in self.rows.values():
            index.add(row)
        self.indexes.append(index)
        return index

    def apply(self, old: Row | None, new: Row | None, changed: Iterable[int]) -> None:
        """Put one row in, take it out or change it; `changed` are the columns in which old and new differ."""
        if new is None:
            assert old is not None
            del self.rows[old.uuid]
            for index in self.indexes:
                index.remove(old)
            return
        self.rows[new.uuid] = new
        for index in self.indexes:
            if old is None:
                index.add(new)
            elif any(column.index in changed for column in index.columns):
                index.remove(old)
                index.add(new)

    def add_references(self, uuid: str, count: int) -> None:
        """Count strong references to a row; negative where they went."""
        total = self.references.get(uuid, 0) + count
        if total:
            self.references[uuid] = total
        else:
            self.references.pop(uuid, None)

    def add_weak_referrer(self, uuid: str, referrer: tuple[str, str], count: int) -> None:
        """Count weak references from one row to another; negative where they went."""
        referrers = self.weak_referrers.setdefault(uuid, {})
        total = referrers.get(referrer, 0) + count
        if total:
            referrers[referrer] = total
            return
        referrers.pop(referrer, None)
        if not referrers:
            del self.weak_referrers[uuid]
