"""Tables and rows of a replica as programs see them: read-only, typed by the server's schema, with indexes.

Rule: a Row is a picture that never changes; a Table shows what the replica holds now. Looking a row up by the
value of columns never goes through all rows: the first look-up makes an index, changes keep it. A column or
table that is not there is an Absent, which says whether the server or the selection lacks it.

    bridge = db.tables.Bridge.by("name")["br0"]
    for port in bridge.follow("ports"):
        print(port.name, port.tag)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from ovsdb.client.replica import Change, Replica
from ovsdb.client.replica import Row as Values
from ovsdb.client.values import native, plain
from ovsdb.datum import Value
from ovsdb.schema import ColumnType
from rpc.jsonvalue import Json

UUID_COLUMN = "_uuid"
R = TypeVar("R", bound="Row")


class Absent(AttributeError, KeyError):
    """A table or column that the server does not have or that was not selected; the text says which."""

    def __str__(self) -> str:
        return str(self.args[0])


class Watch(Protocol):
    """Takes note of what is read, and keeps it the same while a transaction is made."""

    def pin(self, table: str, uuid: str, values: Values) -> Values:
        """The row as it was when it was first asked for."""

    def read(self, table: str, uuid: str, column: str) -> None:
        """A column's value was used."""

    def searched(self, table: str, function: str, values: Mapping[str, Value], found: Iterable[str]) -> None:
        """The UUIDs of the rows whose columns are ("==") or include ("includes") `values` were used."""


class Row:
    """A row as it was when it was looked up. Columns are attributes, and items: row["name"].

    Rows are equal, and hash, by table and UUID.
    """

    __slots__ = ("_store", "_values", "_watch", "table_name", "uuid")

    def __init__(
        self, store: Store, table: str, uuid: str, values: Values, watch: Watch | None = None
    ) -> None:
        self._store = store
        self._values = values
        self._watch = watch
        self.table_name = table
        self.uuid = uuid

    if not TYPE_CHECKING:  # a class of `ovsdb-tool stubs` knows its columns

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(name)
            return self[name]

    def __getitem__(self, column: str) -> Any:
        """A scalar, None or a scalar for an optional one, a frozen set, or a mapping. Absent."""
        value = self._native(column)
        type_ = self._store.types(self.table_name).get(column)
        return value if type_ is None else plain(type_, value)

    def _native(self, column: str) -> Value:
        value = self._values.get(column)
        if value is None:
            raise self._store.absent(self.table_name, column)
        if self._watch is not None:
            self._watch.read(self.table_name, self.uuid, column)
        return value

    def get(self, column: str, default: Any = None) -> Any:
        """The same, with a default where the column is absent."""
        return self[column] if column in self._values else default

    def columns(self) -> Iterable[str]:
        """The names of the columns that are there."""
        return self._values.keys()

    def values(self) -> dict[str, Any]:
        """Every column that is there with its value."""
        return {column: self[column] for column in self._values}

    def follow(self, column: str) -> tuple[AnyRow, ...]:
        """The rows that the column refers to, by its values where it is a map with references for values.

        Rows that the replica does not hold are left out. ValueError: the column refers to no table.
        """
        value = self._native(column)
        type_ = self._store.types(self.table_name).get(column)
        if type_ is not None and type_.value is not None and type_.value.ref_table is not None:
            assert isinstance(value, Mapping)
            return self._rows(type_.value.ref_table, value.values())
        if type_ is not None and type_.key.ref_table is not None:
            return self._rows(
                type_.key.ref_table,
                sorted(value if isinstance(value, Iterable) and not isinstance(value, str) else (value,)),
            )
        raise ValueError(f"{self.table_name}.{column} refers to no table")

    def _rows(self, name: str, uuids: Iterable[Any]) -> tuple[AnyRow, ...]:
        table: Table[AnyRow] = Table(self._store, name, self._watch)
        return tuple(table.row(uuid) for uuid in uuids if uuid in table.uuids)

    def reference(self) -> Json:
        """As on the wire."""
        return ["uuid", self.uuid]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Row) and (self.uuid, self.table_name) == (other.uuid, other.table_name)

    def __hash__(self) -> int:
        return hash(self.uuid)

    def __repr__(self) -> str:
        return f"<{self.table_name} {self.uuid} {dict(self._values)!r}>"


class AnyRow(Row):
    """A row whose columns type checkers do not know."""

    __slots__ = ()

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


class Index:
    """Rows by the values of columns, or of one column by each of its members."""

    def __init__(self, columns: tuple[str, ...], by_member: bool, rows: Mapping[str, Values]) -> None:
        self.columns = columns
        self._by_member = by_member
        self._found: dict[Any, dict[str, None]] = {}
        for uuid, row in rows.items():
            self._add(uuid, row)

    def get(self, key: Any) -> Iterable[str]:
        """The UUIDs of the rows."""
        return self._found.get(key, ())

    def take(self, change: Change) -> None:
        """Follow a change of a row."""
        if change.old is not None:
            for key in self._keys(change.old):
                uuids = self._found[key]
                del uuids[change.uuid]
                if not uuids:
                    del self._found[key]
        if change.new is not None:
            self._add(change.uuid, change.new)

    def _add(self, uuid: str, row: Values) -> None:
        for key in self._keys(row):
            self._found.setdefault(key, {})[uuid] = None

    def _keys(self, row: Values) -> Iterable[Any]:
        if self._by_member:
            return members(row.get(self.columns[0]))
        return (key_of(row.get(column) for column in self.columns),)


def key_of(values: Iterable[Value | None]) -> tuple[Any, ...]:
    """What rows with these values are found by."""
    return tuple(
        frozenset(v.items()) if isinstance(v, Mapping) else frozenset(v) if isinstance(v, Set) else v
        for v in values
    )


def members(value: Value | None) -> Iterable[Any]:
    """The elements of a set, the pairs of a map, or the one atom."""
    if isinstance(value, Mapping):
        return value.items()
    return value if isinstance(value, Set) else (value,)


class Store:
    """A replica with its indexes."""

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        self._indexes: dict[str, dict[tuple[tuple[str, ...], bool], Index]] = {}

    def types(self, table: str) -> Mapping[str, ColumnType]:
        """The columns that are kept; none where the server does not have the table."""
        return self.replica.types(table) or {}

    def take(self, changes: Iterable[Change]) -> None:
        """Follow changes that the replica has taken."""
        if self._indexes:
            for change in changes:
                for index in self._indexes.get(change.table, {}).values():
                    index.take(change)

    def forget_indexes(self) -> None:
        """Make them anew when they are needed: the columns are others."""
        self._indexes.clear()

    def index(self, table: str, columns: tuple[str, ...], by_member: bool) -> Index:
        """The index, made from all rows when it is first asked for."""
        of_table = self._indexes.setdefault(table, {})
        index = of_table.get((columns, by_member))
        if index is None:
            rows = self.replica.tables[table]
            index = of_table[columns, by_member] = Index(columns, by_member, rows)
        return index

    def absent(self, table: str, column: str | None = None) -> Absent:
        """Why a table or column cannot be read."""
        schema = self.replica.schema
        if schema is None:
            return Absent("not connected yet: the server's schema is not known")
        what = f"{schema.name} {schema.version}".strip()
        if table not in schema.tables:
            return Absent(f"the server's schema ({what}) has no table {table}")
        if column is not None and column not in schema.tables[table].columns:
            return Absent(f"table {table} of the server's schema ({what}) has no column {column}")
        if column is None:
            return Absent(f"table {table} is not among the selected tables")
        return Absent(f"column {column} is not among those selected of table {table}")


class Table(Mapping[str, R], Generic[R]):
    """The rows of a table by UUID."""

    def __init__(self, store: Store, name: str, watch: Watch | None = None) -> None:
        """Absent."""
        if store.replica.types(name) is None:
            raise store.absent(name)
        self.name = name
        self.uuids: Mapping[str, Values] = store.replica.tables[name]
        self._store = store
        self._watch = watch

    def __getitem__(self, uuid: str) -> R:
        there = uuid in self.uuids
        if self._watch is not None:
            self._watch.searched(self.name, "==", {UUID_COLUMN: uuid}, (uuid,) if there else ())
        if not there:
            raise KeyError(uuid)
        return self.row(uuid)

    def __iter__(self) -> Iterator[str]:
        uuids = list(self.uuids)  # a program may wait between two of them
        if self._watch is not None:
            self._watch.searched(self.name, "==", {}, uuids)
        return iter(uuids)

    def __len__(self) -> int:
        return len(self.uuids) if self._watch is None else len(list(iter(self)))

    def row(self, uuid: str) -> R:
        """A row that is there."""
        values = self.uuids[uuid]
        if self._watch is not None:
            values = self._watch.pin(self.name, uuid, values)
        row: Any = AnyRow(self._store, self.name, uuid, values, self._watch)
        return row  # type: ignore[no-any-return]

    def by(self, *columns: str) -> Lookup[R]:
        """Rows by the values of columns. Absent."""
        return Lookup(self, columns, [self._type(column) for column in columns])

    def _type(self, column: str) -> ColumnType:
        type_ = self._store.types(self.name).get(column)
        if type_ is None:
            raise self._store.absent(self.name, column)
        return type_

    def find(self, **columns: object) -> tuple[R, ...]:
        """The rows whose columns have these values. Absent, ValueMismatch."""
        return self.by(*columns).all(*columns.values())

    def one(self, **columns: object) -> R:
        """The one row whose columns have these values; LookupError if there is none or are several."""
        return self.by(*columns).one(tuple(columns.values()))

    def having(self, column: str, member: object) -> tuple[R, ...]:
        """The rows in whose column `member` is: an element, a row referred to, or a (key, value) of a map.

        Absent, ValueMismatch.
        """
        type_ = self._type(column)
        pair: Any = member
        of_one = ColumnType(type_.key, type_.value, 1, 1)
        value = native(of_one, dict([pair]) if type_.value is not None else member, f"{self.name}.{column}")
        [key] = members(value)
        uuids = self._store.index(self.name, (column,), True).get(key)
        if of_one.is_scalar and not type_.is_scalar:
            value = frozenset((key,))
        return self.found({column: value}, "includes", uuids)

    def found(self, values: Mapping[str, Value], function: str, uuids: Iterable[str]) -> tuple[R, ...]:
        """What a search has found."""
        uuids = tuple(uuids)
        if self._watch is not None:
            self._watch.searched(self.name, function, values, uuids)
        return tuple(map(self.row, uuids))

    def index(self, columns: tuple[str, ...]) -> Index:
        """The index over the columns together."""
        return self._store.index(self.name, columns, False)

    def __repr__(self) -> str:
        return f"<table {self.name}, {len(self.uuids)} rows>"


class Lookup(Generic[R]):
    """A table's rows by the values of columns; of several columns by a tuple."""

    def __init__(self, table: Table[R], columns: tuple[str, ...], types: list[ColumnType]) -> None:
        self._table = table
        self._columns = columns
        self._types = types

    def __getitem__(self, key: object) -> R:
        """The one row; LookupError if there is none (KeyError) or are several. ValueMismatch."""
        return self.one(self._values(key))

    def get(self, key: object) -> R | None:
        """The one row, or None; LookupError if there are several. ValueMismatch."""
        return self._only(self._values(key))

    def all(self, *values: object) -> tuple[R, ...]:
        """Every row with the values. ValueMismatch."""
        wanted = {
            column: native(type_, value, f"{self._table.name}.{column}")
            for column, type_, value in zip(self._columns, self._types, values, strict=True)
        }
        uuids = self._table.index(self._columns).get(key_of(wanted.values()))
        return self._table.found(wanted, "==", uuids)

    def __contains__(self, key: object) -> bool:
        return bool(self.all(*self._values(key)))

    def _values(self, key: object) -> tuple[object, ...]:
        if len(self._columns) == 1:
            return (key,)
        assert isinstance(key, tuple), "several columns are looked up by a tuple"
        return key

    def _only(self, values: tuple[object, ...]) -> R | None:
        rows = self.all(*values)
        if len(rows) > 1:
            raise LookupError(f"{len(rows)} rows of {self._table.name} have {self._shown(values)}")
        return rows[0] if rows else None

    def one(self, values: tuple[object, ...]) -> R:
        """The one row; KeyError if there is none, LookupError if there are several."""
        row = self._only(values)
        if row is None:
            raise KeyError(f"no row of {self._table.name} has {self._shown(values)}")
        return row

    def _shown(self, values: tuple[object, ...]) -> str:
        return ", ".join(f"{c}={v!r}" for c, v in zip(self._columns, values, strict=True))


class Tables:
    """Every selected table that the server has, as an attribute: tables.Bridge. Absent for others."""

    def __init__(
        self, open_table: Callable[[str], Table[AnyRow]], names: Callable[[], Iterable[str]]
    ) -> None:
        self._open = open_table
        self._names = names

    def __getattr__(self, name: str) -> Table[AnyRow]:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._open(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __contains__(self, name: object) -> bool:
        return name in set(self._names())
