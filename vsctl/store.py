"""The rows that the commands of one run read and change: as the server has them, under what the run has
changed.

Rule: only rows and columns that somebody asks for are read. Whatever was read is remembered and, if the run
changes anything, verified when it is committed, so that nothing is decided on what is no longer true.
Values are as on the wire (RFC 7047, 5.1). Rows made in this run have UUIDs of their own until the server
gives them others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ovsdb.client.blocking import Client
from ovsdb.client.transaction import Transaction, Where, by_uuid
from ovsdb.uuids import new_uuid
from rpc.jsonvalue import Json
from rpc.structs import Struct
from vsctl.answers import ask, rows_of, uuid_of
from vsctl.errors import TryAgain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Ask(Protocol):
        """Reads; what will be `verified` at the commit may be answered with what is not certain."""

        def __call__(self, request: Transaction, *, verified: bool) -> list[dict[str, Json]]:
            """The results of all operations, as of vsctl.answers.ask()."""


FEW = 64  # rows are read one by one up to this many, beyond it all rows of the table are


class Seen(Struct):
    """An answer of the server, which is verified at the commit."""

    table: str
    where: Where
    columns: list[str]
    rows: list[dict[str, Json]]


class Row:
    """One row. `known` as the server has it, as far as it was read; `changed` columns as they are to be."""

    __slots__ = ("added", "changed", "is_new", "known", "removed", "store", "table", "uuid")

    def __init__(self, store: Store, table: str, uuid: str, *, is_new: bool = False) -> None:
        self.store = store
        self.table = table
        self.uuid = uuid
        self.is_new = is_new
        self.known: dict[str, Json] = {}
        self.changed: dict[str, Json] = {}
        self.added: dict[str, list[Json]] = {}  # column -> atoms to add to a set
        self.removed: dict[str, list[Json]] = {}  # column -> atoms to remove from a set

    def __getitem__(self, column: str) -> Json:
        """The column's value now; None for a column of a new row that was not set."""
        if column in self.changed:
            return self.changed[column]
        if self.is_new:
            return None
        if column not in self.known:
            self.store.load([self], [column])
        value = self.known[column]
        if column in self.added or column in self.removed:
            removed = self.removed.get(column, ())
            kept = [atom for atom in members(value) if atom not in removed]
            return set_of(kept + self.added.get(column, []))
        return value

    def __setitem__(self, column: str, value: Json) -> None:
        self.added.pop(column, None)
        self.removed.pop(column, None)
        if not self.is_new and column in self.known and self.known[column] == value:
            self.changed.pop(column, None)
        else:
            self.changed[column] = value
            self.store.note(self, column, value)

    def add(self, column: str, atom: Json) -> None:
        """Add to a set that does not hold the atom; the set need not be read for it."""
        if self.is_new or column in self.changed:
            self[column] = set_of([*members(self[column]), atom])
        elif atom in self.removed.get(column, ()):
            self.removed[column].remove(atom)
        else:
            self.added.setdefault(column, []).append(atom)

    def discard(self, column: str, atom: Json) -> None:
        """Remove from a set that holds the atom; the set need not be read for it."""
        if self.is_new or column in self.changed:
            self[column] = set_of([member for member in members(self[column]) if member != atom])
        elif atom in self.added.get(column, ()):
            self.added[column].remove(atom)
        else:
            self.removed.setdefault(column, []).append(atom)

    @property
    def ref(self) -> list[Json]:
        """The row as an atom."""
        return ["uuid", self.uuid]

    def refs(self, column: str) -> list[str]:
        """The UUIDs that a column holds."""
        return [
            atom[1] for atom in members(self[column]) if isinstance(atom, list) and isinstance(atom[1], str)
        ]

    def text(self, column: str) -> str:
        """The string that a column holds; "" for an empty set."""
        value = self[column]
        return value if isinstance(value, str) else ""

    def mapping(self, column: str) -> dict[str, str]:
        """The pairs of a map of strings."""
        value = self[column]
        pairs = value[1] if isinstance(value, list) and value[0] == "map" else []
        assert isinstance(pairs, list)
        return {pair[0]: pair[1] for pair in pairs}  # type: ignore[index, misc]


def members(value: Json) -> list[Json]:
    """The atoms of a set, which stands for its only member when it has one; [] for None."""
    if isinstance(value, list) and value and value[0] == "set":
        assert isinstance(value[1], list)
        return value[1]
    return [] if value is None else [value]


def set_of(atoms: Sequence[Json]) -> Json:
    """The value of a set."""
    return atoms[0] if len(atoms) == 1 else ["set", list(atoms)]


def map_of(pairs: dict[str, str]) -> Json:
    """The value of a map of strings."""
    return ["map", [[key, pairs[key]] for key in sorted(pairs)]]


class Store:
    """What one attempt to execute the commands knows and wants."""

    def __init__(self, client: Client, ask: Ask | None = None) -> None:
        """`ask` in place of plain requests to `client`."""
        self.client = client
        self._request = ask
        self._rows: dict[str, dict[str, Row]] = {}  # table -> uuid -> row
        self._hidden: set[tuple[str, str]] = set()
        self._deleted: list[Row] = []
        self._asked: dict[str, list[Row]] = {}  # a query -> its answer
        self._seen: list[Seen] = []
        self._expected: dict[str, tuple[str, Where, list[str]]] = {}  # queries that are likely to come
        self._foreseen: dict[str, list[dict[str, Json]]] = {}  # answers to some of them
        # (table, column, text) -> rows that were given it, so that thousands of new ports are found by name
        self._written: dict[tuple[str, str, str], list[Row]] = {}
        self._kept_uuids: set[str] = set()  # that new rows are to have

    # --- reading

    def row(self, table: str, uuid: str) -> Row:
        """The row with a UUID that is known to exist."""
        rows = self._rows.setdefault(table, {})
        if uuid not in rows:
            rows[uuid] = Row(self, table, uuid)
        return rows[uuid]

    def find(self, table: str, column: str, value: Json, columns: Sequence[str] = ()) -> list[Row]:
        """The rows whose column holds exactly `value`; `columns` will be needed of them."""
        found = self._ask(table, [[column, "==", value]], [column, *columns])
        found = [row for row in found if column not in row.changed]
        local = (
            self._written.get((table, column, value), []) if isinstance(value, str) else self._local(table)
        )
        found += [row for row in local if column in row.changed and row.changed[column] == value]
        return self._visible(found)

    def expect(self, table: str, column: str = "", value: Json = None, columns: Sequence[str] = ()) -> None:
        """find() will be called so, or all() where no column is named: to be asked together with what is
        asked first. It costs nothing to be wrong: what is not called is neither shown nor verified.
        """
        where: Where = [[column, "==", value]] if column else []
        query = (table, where, _query_columns([column, *columns] if column else columns))
        key = _query_key(*query)
        if key not in self._asked and key not in self._foreseen:
            self._expected[key] = query

    def find_referring(self, table: str, column: str, to: Row, columns: Sequence[str] = ()) -> list[Row]:
        """The rows whose column refers to a row."""
        found: list[Row] = []
        if not to.is_new:
            found = self._ask(table, [[column, "includes", to.ref]], list(columns))
            found = [
                row
                for row in found
                if column not in row.changed and to.ref not in row.removed.get(column, ())
            ]
        for row in self._local(table):
            if to.ref in members(row.changed.get(column)) or to.ref in row.added.get(column, ()):
                found.append(row)
        return self._visible(found)

    def all(self, table: str, columns: Sequence[str] = (), *, verify: bool = True) -> list[Row]:
        """All rows of a table; `columns` will be needed of them."""
        found = self._ask(table, [], list(columns), verify=verify)
        return self._visible(found + [row for row in self._local(table) if row.is_new])

    def load(self, rows: Iterable[Row], columns: Sequence[str]) -> None:
        """Read columns of rows, in one exchange. TryAgain if a row is gone."""
        columns = list(dict.fromkeys(columns))
        missing = [row for row in rows if not row.is_new and any(c not in row.known for c in columns)]
        if len(missing) > FEW:
            self._ask(missing[0].table, [], list(columns), verify=False)
            missing = [row for row in missing if any(c not in row.known for c in columns)]
        if not missing:
            return
        request = Transaction()
        for row in missing:
            request.select(row.table, by_uuid(row.uuid), columns)
        for row, result in zip(missing, self._results(request, verify=True), strict=False):
            answer = rows_of(result, columns)
            if not answer:
                raise TryAgain
            content = answer[0]
            row.known.update(content)
            self._seen.append(Seen(row.table, by_uuid(row.uuid), list(columns), [content]))

    def _ask(self, table: str, where: Where, columns: list[str], *, verify: bool = True) -> list[Row]:
        columns = _query_columns(columns)
        key = _query_key(table, where, columns)
        if key not in self._asked:
            if key not in self._foreseen:
                self._exchange(key, (table, where, columns), verify=verify)
            elif self._request:  # perhaps it came with what is verified
                verify = True
            contents = self._foreseen.pop(key)
            self._asked[key] = [self._learn(table, content) for content in contents]
            if verify:
                self._seen.append(Seen(table, where, columns, contents))
        return list(self._asked[key])

    def _exchange(self, key: str, query: tuple[str, Where, list[str]], *, verify: bool) -> None:
        """Ask for that, and in the same request for what is expected."""
        queries = {key: query, **self._expected}
        self._expected.clear()
        request = Transaction()
        for table, where, columns in queries.values():
            request.select(table, where, columns)
        for each, result in zip(queries, self._results(request, verify=verify), strict=False):
            self._foreseen[each] = rows_of(result, queries[each][2])

    def _results(self, request: Transaction, *, verify: bool) -> list[dict[str, Json]]:
        return self._request(request, verified=verify) if self._request else ask(self.client, request)

    def _learn(self, table: str, content: dict[str, Json]) -> Row:
        row = self.row(table, uuid_of(content["_uuid"]))
        row.known.update((c, v) for c, v in content.items() if c != "_uuid")
        return row

    def _local(self, table: str) -> list[Row]:
        return list(self._rows.get(table, {}).values())

    def _visible(self, rows: list[Row]) -> list[Row]:
        return [row for row in dict.fromkeys(rows) if (row.table, row.uuid) not in self._hidden]

    def is_hidden(self, table: str, uuid: str) -> bool:
        """Whether this run has deleted the row."""
        return (table, uuid) in self._hidden

    # --- changing

    def insert(
        self, table: str, values: dict[str, Json], uuid: str | None = None, *, keep_uuid: bool = False
    ) -> Row:
        """A new row; its UUID is ours until the server gives it another, unless it is to keep it."""
        row = Row(self, table, uuid or new_uuid(), is_new=True)
        if keep_uuid:
            self._kept_uuids.add(row.uuid)
        row.changed.update(values)
        for column, value in values.items():
            self.note(row, column, value)
        self._rows.setdefault(table, {})[row.uuid] = row
        return row

    def note(self, row: Row, column: str, value: Json) -> None:
        """A row was given a value."""
        if isinstance(value, str):
            self._written.setdefault((row.table, column, value), []).append(row)

    def hide(self, row: Row) -> None:
        """Take a row for gone that the server deletes by itself, as nothing refers to it any more."""
        self._hidden.add((row.table, row.uuid))

    def delete(self, row: Row) -> None:
        """Delete a row of a root table."""
        self.hide(row)
        if not row.is_new:
            self._deleted.append(row)

    # --- committing

    def changes(self) -> Transaction:
        """The operations that make the changes of this run, without what verifies its reading."""
        txn = Transaction()
        rows = [row for table in self._rows.values() for row in table.values()]
        names = {
            row.uuid: f"row{row.uuid.replace('-', '_')}"
            for row in rows
            if row.is_new and row.uuid not in self._kept_uuids
        }
        for row in self._visible(rows):
            if row.is_new:
                uuid = row.uuid if row.uuid in self._kept_uuids else None
                txn.insert(row.table, _named_row(row.changed, names), names.get(row.uuid), uuid)
        for row in self._visible(rows):
            if row.is_new:
                continue
            if row.changed:
                txn.update(row.table, by_uuid(row.uuid), _named_row(row.changed, names))
            mutations: list[Json] = []
            for mutator, columns in (("insert", row.added), ("delete", row.removed)):
                mutations += [[c, mutator, _named(set_of(v), names)] for c, v in columns.items() if v]
            if mutations:
                txn.mutate(row.table, by_uuid(row.uuid), mutations)
        for row in self._deleted:
            txn.delete(row.table, by_uuid(row.uuid))
        return txn

    def new_rows(self) -> list[Row]:
        """The rows that changes() inserts, in its order."""
        rows = [row for table in self._rows.values() for row in table.values() if row.is_new]
        return self._visible(rows)

    def known_rows(self) -> list[Row]:
        """All rows that this run has met."""
        return [row for table in self._rows.values() for row in table.values()]

    def modified_rows(self) -> list[Row]:
        """The rows of the server that changes() changes."""
        rows = [row for row in self.known_rows() if row.changed or row.added or row.removed]
        return self._visible([row for row in rows if not row.is_new])

    def hidden_rows(self) -> list[Row]:
        """The rows of the server that will be gone."""
        return [row for row in self.known_rows() if (row.table, row.uuid) in self._hidden and not row.is_new]

    def verification(self) -> Transaction:
        """The operations that fail with Conflict unless everything is still as it was read."""
        txn = Transaction()
        for table, where, columns, rows in self._seen:
            txn.verify(table, where, columns, rows)
        return txn


def _query_columns(columns: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(["_uuid", *columns]))


def _query_key(table: str, where: Where, columns: list[str]) -> str:
    return f"{table} {where} {columns}"


def _named_row(values: dict[str, Json], names: dict[str, str]) -> dict[str, Json]:
    return {column: _named(value, names) for column, value in values.items()}


def _named(value: Json, names: dict[str, str]) -> Json:
    """The value with ["named-uuid", name] for the UUIDs of rows that this transaction makes."""
    if not isinstance(value, list) or not names:
        return value
    if len(value) == 2 and value[0] == "uuid" and isinstance(value[1], str) and value[1] in names:
        return ["named-uuid", names[value[1]]]
    return [_named(member, names) for member in value]
