"""Monitors: a position in the change history, and the update bytes from there to the present.

Rule: a monitor holds a position and no queue, so that a client who does not read costs nothing; what it has
missed is one merged update. Monitors with equal specifications at equal positions share the bytes. Row
values are encoded once for each version of a row (`Column.wire`), an update is joined from them. Formats:
RFC 7047, 4.1.6; ovsdb-server(7), 4.1.14.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import compress
from operator import is_not
from typing import TYPE_CHECKING

import orjson

from ovsdb.datum import format_datum
from ovsdb.engine.changes import RowChange, diff_json
from ovsdb.engine.row import Row
from ovsdb.engine.table import VERSION_INDEX, Column, Table
from ovsdb.monitor_request import (
    DELETE,
    INITIAL,
    INSERT,
    MODIFY,
    Conditions,
    TableSpec,
    parse_condition_change,
)
from ovsdb.row_filter import RowFilter

if TYPE_CHECKING:
    from ovsdb.hosted import HostedDatabase
    from ovsdb.session import Session

_UNCHANGED = RowChange(None, None, {})
V1, V2 = 1, 2  # <table-updates> (monitor) and <table-updates2> (monitor_cond, monitor_cond_since)


class Layout:
    """What a specification shows of each row of one table that it shows."""

    __slots__ = ("columns", "places", "select", "sent", "table")

    def __init__(self, table: Table, spec: TableSpec) -> None:
        self.table = table
        self.select = spec.select
        self.columns = tuple(table.by_name[c.name] for c in spec.columns)
        self.sent: dict[int, tuple[tuple[Column, bytes, object], ...]] = {
            kind: tuple(
                (column, *_named_default(table, column))
                for column, c in zip(self.columns, spec.columns, strict=True)
                if c.select & kind
            )
            for kind in (INITIAL, INSERT, DELETE, MODIFY)
        }
        self.places = {kind: self._by_place(kind) for kind in (INITIAL, INSERT)}

    def _by_place(self, kind: int) -> tuple[list[Column], list[Column | None]]:
        """The columns sent that have no place in Row.values, and for each place its column or None."""
        sent = [column for column, *_ in self.sent[kind]]
        by_place: list[Column | None] = [None] * len(self.table.columns)
        for column in sent:
            if column.index >= 0:
                by_place[column.index] = column
        return [column for column in sent if column.index < 0], by_place


class View:
    """What a specification shows of one table."""

    __slots__ = ("_layout", "conditions", "filter", "table")

    def __init__(self, layout: Layout, conditions: Conditions) -> None:
        self.table = layout.table
        self.conditions = conditions
        self.filter = RowFilter(layout.table, conditions)
        self._layout = layout

    def initial(self, version: int) -> bytes:
        """<table-update> with every row that is seen; empty without any."""
        if not self._layout.select & INITIAL:
            return b""
        rows = self.filter.rows()
        encode = self._whole if version == V1 else self._set_columns
        label = b'":{"new":' if version == V1 else b'":{"initial":'
        updates = [b'"' + row.uuid.encode() + label + encode(row, INITIAL) + b"}" for row in rows]
        return b"{" + b",".join(updates) + b"}" if updates else b""

    def recondition(self, conditions: Conditions, version: int) -> tuple[View, bytes]:
        """The same view under another condition, and the <table-update> that leads there."""
        view = View(self._layout, conditions)
        updates = []
        for row, old, new in self.filter.compare(view.filter):
            encoded = self._row_update(row if old else None, row if new else None, _UNCHANGED, version)
            if encoded:
                updates.append(b'"' + row.uuid.encode() + b'":' + encoded)
        return view, b"{" + b",".join(updates) + b"}" if updates else b""

    def has_ephemeral(self) -> bool:
        """Whether it shows columns whose values a restart of the server loses."""
        return any(not column.persistent or column.index == VERSION_INDEX for column in self._layout.columns)

    def update(self, changes: Mapping[str, RowChange], version: int) -> bytes:
        """<table-update> with these changes, as far as they are seen; empty without any."""
        updates = []
        sees = self.filter.sees
        for uuid, change in changes.items():
            old = change.old if sees(change.old) else None
            new = change.new if sees(change.new) else None
            encoded = self._row_update(old, new, change, version)
            if encoded:
                updates.append(b'"' + uuid.encode() + b'":' + encoded)
        return b"{" + b",".join(updates) + b"}" if updates else b""

    def _row_update(self, old: Row | None, new: Row | None, change: RowChange, version: int) -> bytes:
        if new is None:
            if old is None or not self._layout.select & DELETE:
                return b""
            return b'{"old":' + self._whole(old, DELETE) + b"}" if version == V1 else b'{"delete":null}'
        if old is None:
            if not self._layout.select & INSERT:
                return b""
            if version == V1:
                return b'{"new":' + self._whole(new, INSERT) + b"}"
            return b'{"insert":' + self._set_columns(new, INSERT) + b"}"
        if not self._layout.select & MODIFY:
            return b""
        changed = change.deltas
        if not any(c.index in changed or c.index == VERSION_INDEX for c in self._layout.columns):
            return b""
        return self._modified_v1(old, new, change) if version == V1 else self._modified_v2(new, change)

    def _whole(self, row: Row, kind: int) -> bytes:
        """Every column. Defaults share their bytes, so that they are not held once more for each row."""
        values = row.values
        members = [
            named_default
            if column.index >= 0 and values[column.index] is default
            else column.prefix + column.wire(row)
            for column, named_default, default in self._layout.sent[kind]
        ]
        return b"{" + b",".join(members) + b"}"

    def _set_columns(self, row: Row, kind: int) -> bytes:
        """The columns that are not at their defaults."""
        values = row.values
        without_place, by_place = self._layout.places[kind]
        members = [column.prefix + column.wire(row) for column in without_place]
        # Most columns of most rows are at their defaults: 44 are passed over in 1.3 µs, in a loop in 4.
        for column in compress(by_place, map(is_not, values, self.table.defaults)):
            if column is not None and values[column.index] != column.default:
                members.append(column.prefix + column.wire(row))
        return b"{" + b",".join(members) + b"}"

    def _modified_v1(self, old: Row, new: Row, change: RowChange) -> bytes:
        changed = [
            column.prefix + column.wire(old)
            for column, *_ in self._layout.sent[MODIFY]
            if column.index in change.deltas or column.index == VERSION_INDEX
        ]
        return b'{"old":{' + b",".join(changed) + b'},"new":' + self._whole(new, MODIFY) + b"}"

    def _modified_v2(self, new: Row, change: RowChange) -> bytes:
        members = []
        for column, *_ in self._layout.sent[MODIFY]:
            if column.index == VERSION_INDEX:
                members.append(column.prefix + column.wire(new))
            elif column.index in change.deltas:
                members.append(column.prefix + diff_json(column, change))
        return b'{"modify":{' + b",".join(members) + b"}}"


def _named_default(table: Table, column: Column) -> tuple[bytes, object]:
    """The member of a row with the column at its default, and the default."""
    if column.index < 0:
        return b"", None
    default = table.defaults[column.index]
    return column.prefix + orjson.dumps(format_datum(column.type, default)), default


class Spec:
    """A whole specification, shared by the monitors that asked for the same."""

    def __init__(self, views: Mapping[str, View], version: int, key: bytes) -> None:
        self.views = views
        self.version = version
        self.key = key  # equal for equal specifications

    def initial(self) -> bytes:
        """<table-updates> with everything that is seen."""
        tables = ((name, view.initial(self.version)) for name, view in self.views.items())
        return b"{" + _join(tables) + b"}"

    def update(self, changes: Mapping[str, Mapping[str, RowChange]]) -> bytes:
        """<table-updates> with these changes; empty if none is seen."""
        seen = (
            (name, self.views[name].update(rows, self.version))
            for name, rows in changes.items()
            if name in self.views
        )
        tables = _join(seen)
        return b"{" + tables + b"}" if tables else b""

    def recondition(self, conditions: Mapping[str, Conditions], key: bytes) -> tuple[Spec, bytes]:
        """The specification under new conditions, and the <table-updates> that leads there, or nothing."""
        views = dict(self.views)
        updates = []
        for name, conditions_of_table in conditions.items():
            views[name], update = self.views[name].recondition(conditions_of_table, self.version)
            updates.append((name, update))
        tables = _join(updates)
        return Spec(views, self.version, key), b"{" + tables + b"}" if tables else b""

    def has_ephemeral(self) -> bool:
        """Whether it shows columns whose values a restart of the server loses."""
        return any(view.has_ephemeral() for view in self.views.values())


def _join(tables: Iterable[tuple[str, bytes]]) -> bytes:
    return b",".join([orjson.dumps(name) + b":" + rows for name, rows in tables if rows])


def _uuid(position: int) -> str:
    """The id of a position as clients see it."""
    digits = f"{position:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


class Monitor:
    """One monitor of one session."""

    def __init__(
        self, database: HostedDatabase, session: Session, method: str, key: bytes, spec: Spec
    ) -> None:
        """`method` is the request's; `key` the monitor's id as JSON."""
        self.database = database
        self.session = session
        self.spec = spec
        self.position = database.history.head
        self._method = {"monitor": b"update", "monitor_cond": b"update2"}.get(method, b"update3")
        self._key = key

    def initial(self, last_id: int) -> object:
        """The result of the request; `last_id` is a position for monitor_cond_since, 0 for the others."""
        if self._method != b"update3":
            return orjson.Fragment(self.spec.initial())
        history = self.database.history
        position = history.find(last_id, survives_restart=not self.spec.has_ephemeral())
        head = _uuid(history.head_id)
        if position is None:
            return [False, head, orjson.Fragment(self.spec.initial())]
        return [True, head, orjson.Fragment(self.database.update_since(position, self.spec) or b"{}")]

    def next_update(self) -> bytes:
        """The notification that leads to the present; empty if nothing is to be told."""
        database = self.database
        head, position = database.history.head, self.position
        if position == head:
            return b""
        self.position = head
        key = (self.spec, position, self._method, self._key)
        message = database.notifications.get(key)
        if message is None:
            update = database.update_since(position, self.spec)
            message = database.notifications[key] = self._notification(update) if update else b""
        return message

    def _notification(self, update: bytes) -> bytes:
        last_id = b""
        if self._method == b"update3":
            last_id = b'"%b",' % _uuid(self.database.history.head_id).encode()
        return b'{"id":null,"method":"%b","params":[%b,%b%b]}' % (self._method, self._key, last_id, update)

    def change_conditions(self, json: object, key: bytes) -> list[bytes]:
        """Read and take on <monitor-cond-update-requests>, and another id; OvsdbError.

        The notifications that lead there: first to the present under the old conditions, then to the new
        ones.
        """
        current = {name: view.conditions for name, view in self.spec.views.items()}
        conditions = parse_condition_change(json, self.database.tables, current)
        pending = self.next_update()
        self._key = key
        spec, update = self.spec.recondition(conditions, self.spec.key + orjson.dumps(json))
        before, self.spec = self.spec, self.database.follow(spec)
        self.database.unfollow(before)
        return [message for message in (pending, self._notification(update) if update else b"") if message]

    def close(self) -> None:
        """The monitor is canceled."""
        self.database.forget_monitor(self)
