"""Following one database of another server: what to ask it, and what its messages mean.

Rule: no I/O; the shell (`ovsdb.upstream`) tells what happens to the connection and sends what is in
`outgoing`. What the server says becomes calls of a Listener, with changes in the form of log records. A
server that cannot be followed ends the connection (FollowError): the shell waits, and tries the next one.
Source: ovsdb-server(7); ovsdb-server(5) for the _Server database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import orjson

from ovsdb.engine.contents import Selection
from ovsdb.errors import OvsdbError
from ovsdb.schema import Schema
from ovsdb.uuids import is_uuid
from rpc.jsonvalue import Json
from rpc.message import (
    Message,
    Notification,
    Reply,
    Request,
    encode_error,
    encode_notification,
    encode_request,
    encode_result,
)

MONITOR, SERVER_MONITOR = "follow", "server"  # the names of our monitors
NO_ID = 0  # a position that is in no history
METHODS = (("monitor_cond_since", 2), ("monitor_cond", 2), ("monitor", 1))  # the best first; their updates


class FollowError(Exception):
    """The server cannot be followed; the text says why."""


class SelfError(FollowError):
    """The server is the very one that wants to follow it."""


class Listener(Protocol):
    """Who follows."""

    def schema_received(self, schema: Schema) -> Selection | None:
        """The database's schema, at first and after each change: what to monitor, None for nothing.

        FollowError.
        """
        ...

    def contents_received(self, contents: Any, id_: int, selection: Selection) -> None:
        """All selected rows, without columns that have their defaults; OvsdbError, FollowError."""
        ...

    def changed(self, record: dict[str, Any], id_: int) -> None:
        """A change, as the log has it; OvsdbError, FollowError. `id_` is NO_ID where the server has none."""
        ...

    def following(self, now_following: bool) -> None:
        """Whether the database here is what the server has, from now on."""
        ...


OnReply = Callable[[Reply], None]


class Follower:
    """The client's side of one connection after the other."""

    def __init__(self, database: str, own_id: str, listener: Listener) -> None:
        """`own_id` is this server's, which must not be followed."""
        self.database = database
        self.outgoing: list[bytes] = []
        self.wake: Callable[[], None] = lambda: None  # something was added to `outgoing` from outside
        self.is_following = False
        self.last_id = NO_ID
        self._own_id = own_id
        self._listener = listener
        self._waiting: dict[int, OnReply] = {}
        self._forwarded: dict[int, OnReply] = {}
        self._next_id = 0
        self._server_row: dict[str, Any] | None = None
        self._row_uuid = ""
        self._schema: Schema | None = None  # that was looked at last
        self._busy = False  # a monitor is there or asked for
        self._selection: Selection = {}
        self._method = 0  # place in METHODS

    # --- the connection

    def connected(self) -> None:
        """A connection has been made."""
        self._server_row, self._row_uuid, self._schema = None, "", None
        self._method, self._busy = 0, False
        self._ask("set_db_change_aware", [True], lambda reply: None)
        self._ask("get_server_id", [], self._server_id_received)
        columns = ["name", "connected", "schema"]
        self._ask(
            "monitor_cond",
            ["_Server", SERVER_MONITOR, {"Database": [{"columns": columns}]}],
            self._server_received,
        )

    def disconnected(self) -> list[OnReply]:
        """The connection is gone: who waits for the answers to requests that were sent over it."""
        self.outgoing.clear()
        self._waiting.clear()
        lost, self._forwarded = list(self._forwarded.values()), {}
        self._set_following(False)
        return lost

    def forward(self, method: str, params: Sequence[Any], on_reply: OnReply) -> int:
        """Send a request on somebody's behalf; what to cancel it by."""
        number = self._send(method, params)
        self._forwarded[number] = on_reply
        self.wake()
        return number

    def cancel(self, number: int) -> None:
        """Nobody waits for the answer any more."""
        if self._forwarded.pop(number, None) is not None:
            self.outgoing.append(encode_notification("cancel", [number]))
            self.wake()

    def probe(self) -> None:
        """Ask for a sign of life."""
        self._ask("echo", [], lambda reply: None)

    def _send(self, method: str, params: Sequence[Any]) -> int:
        number = self._next_id
        self._next_id += 1
        self.outgoing.append(encode_request(method, params, number))
        return number

    def _ask(self, method: str, params: Sequence[Any], on_reply: OnReply) -> None:
        self._waiting[self._send(method, params)] = on_reply

    # --- messages

    def receive(self, message: Message) -> None:
        """Act on a message; FollowError, OvsdbError."""
        if isinstance(message, Reply):
            number = message.id if isinstance(message.id, int) else -1
            handler = self._waiting.pop(number, None) or self._forwarded.pop(number, None)
            if handler is not None:
                handler(message)
        elif isinstance(message, Notification):
            self._notified(message.method, message.params)
        elif isinstance(message, Request):
            if message.method == "echo":
                self.outgoing.append(encode_result(message.params, message.id))
            else:
                self.outgoing.append(encode_error("unknown method", message.id))

    def _notified(self, method: str, params: list[Json]) -> None:
        match method, params:
            case "update3", [name, str(last_id), updates] if name == MONITOR and self.is_following:
                self._take(_record(updates, 2), _parse_id(last_id))
            case (("update2" | "update"), [name, updates]) if name == MONITOR and self.is_following:
                self._take(_record(updates, 1 if method == "update" else 2), NO_ID)
            case "update2", [name, updates] if name == SERVER_MONITOR:
                self._server_changed(updates)
            case "monitor_canceled", [name] if name == MONITOR:
                # The row of _Server may still have the old schema.
                self._set_following(False)
                self._ask("get_schema", [self.database], self._schema_received)

    # --- the server and its database

    def _server_id_received(self, reply: Reply) -> None:
        if reply.error is None and reply.result == self._own_id:
            raise SelfError("Server ID check failed: Self replicating is not allowed")

    def _server_received(self, reply: Reply) -> None:
        if reply.error is not None:  # an old server, without _Server
            self._ask("get_schema", [self.database], self._schema_received)
            return
        self._server_changed(reply.result)
        if self._server_row is None:
            self._look()

    def _server_changed(self, updates: Json) -> None:
        for uuid, update in _object(_object(updates).get("Database", {})).items():
            for kind, row in _object(update).items():
                self._row_changed(uuid, kind, row)

    def _row_changed(self, uuid: str, kind: str, row: Json) -> None:
        if kind in ("initial", "insert"):
            found = _object(row)
            if found.get("name") == self.database:
                self._server_row, self._row_uuid = dict(found), uuid
                self._look()
        elif uuid == self._row_uuid and self._server_row is not None:
            if kind == "modify":
                self._server_row |= _object(row)
            else:
                self._server_row, self._row_uuid = None, ""
            self._look()

    def _look(self) -> None:
        """Begin to follow as soon as the server has the database."""
        row = self._server_row
        if row is None:
            raise FollowError(f"server does not have {self.database} database")
        if row.get("connected") is not True:
            raise FollowError(f"{self.database} database on server is not connected to its storage or source")
        text = row.get("schema")
        if isinstance(text, str) and not self._busy:  # else the monitor is canceled first
            try:
                schema = Schema.parse(orjson.loads(text))
            except orjson.JSONDecodeError as e:
                raise FollowError(f"{self.database}: bad schema: {e}") from None
            if schema != self._schema:
                self._follow(schema)

    def _schema_received(self, reply: Reply) -> None:
        if reply.error is not None:
            raise FollowError(f"server does not have {self.database} database")
        self._follow(Schema.parse(reply.result))

    def _follow(self, schema: Schema) -> None:
        self._schema = schema
        selection = self._listener.schema_received(schema)
        self._busy = selection is not None
        if selection is not None:
            self._selection = selection
            self._monitor()

    def _monitor(self) -> None:
        method, version = METHODS[self._method]
        requests: dict[str, Any] = {
            table: [{"columns": list(columns)}] if version == 2 else {"columns": list(columns)}
            for table, columns in self._selection.items()
        }
        params: list[Any] = [self.database, MONITOR, requests]
        if method == "monitor_cond_since":
            params.append(_format_id(self.last_id))
        self._ask(method, params, self._contents_received)

    def _contents_received(self, reply: Reply) -> None:
        method, version = METHODS[self._method]
        if reply.error is not None:
            if reply.error == "unknown method" and self._method + 1 < len(METHODS):
                self._method += 1
                self._monitor()
                return
            raise FollowError(f"{method} of {self.database} was refused: {reply.error}")
        found, id_, updates = False, NO_ID, reply.result
        if method == "monitor_cond_since":
            match reply.result:
                case [bool(found), str(text), updates]:
                    id_ = _parse_id(text)
                case _:
                    raise FollowError(f"{method}: unexpected result")
        record = _record(updates, version)
        if found:
            self._take(record, id_)
        else:
            del record["_is_diff"]
            self.last_id = NO_ID
            self._listener.contents_received(record, id_, self._selection)
            self.last_id = id_
        self._set_following(True)

    def _take(self, record: dict[str, Any], id_: int) -> None:
        """Hand a change on. Where that fails the next connection asks for everything, not from here on."""
        self.last_id = NO_ID
        self._listener.changed(record, id_)
        self.last_id = id_

    def _set_following(self, now_following: bool) -> None:
        if self.is_following != now_following:
            self.is_following = now_following
            self._listener.following(now_following)


def _record(updates: Json, version: int) -> dict[str, Any]:
    """<table-updates> or <table-updates2> as a record of the log."""
    record: dict[str, Any] = {}
    for table, rows in _object(updates).items():
        record[table] = {uuid: _row(_object(update), version) for uuid, update in _object(rows).items()}
    record["_is_diff"] = version == 2
    return record


def _row(update: dict[str, Json], version: int) -> Json:
    if version == 1:
        return update.get("new")
    for kind in ("initial", "insert", "modify"):
        if kind in update:
            return update[kind]
    if "delete" in update:
        return None
    raise FollowError("an update that is neither initial, insert, modify nor delete")


def _object(json: Json) -> dict[str, Any]:
    if not isinstance(json, dict):
        raise FollowError("an update that is not a JSON object")
    return json


def _parse_id(text: str) -> int:
    if not is_uuid(text):
        raise FollowError(f'"{text}" is not a valid UUID')
    return int(text.replace("-", ""), 16)


def _format_id(id_: int) -> str:
    digits = f"{id_:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


FAILURES = (FollowError, OvsdbError)
