"""One client's protocol core (RFC 7047, section 4; ovsdb-server(7)): bytes in, bytes out, no I/O.

Rule: what a client asks is answered or refused here, in the words of the C server. Requests are answered in
order but for transactions that wait. What a commit changes reaches a client before the reply to the
transaction that made it.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from ovsdb.errors import OvsdbError, OvsdbSyntaxError
from ovsdb.limits import PAUSE_BYTES, Limits
from ovsdb.refusals import (
    DatabaseNotAvailable,
    NotAllowed,
    NotSupported,
    PermissionDenied,
    ResourcesExhausted,
    UnknownDatabase,
)
from ovsdb.schema import Schema
from ovsdb.uuids import is_uuid
from ovsdb.words import is_identifier
from rpc import message as rpc_message
from rpc.framing import Framer, FramingError
from rpc.jsonvalue import Json, encode
from rpc.message import MessageError, Notification, Reply, Request

if TYPE_CHECKING:
    from ovsdb.hosted import HostedDatabase, Transaction
    from ovsdb.hub import Hub
    from ovsdb.monitor import Monitor

Params = list[Any]
_REQUEST_MEMBERS = ("method", "params", "id")
NO_OTHER_LIMITS = Limits()


class ProtocolError(Exception):
    """The client does not speak the protocol; the connection has to be closed."""


class ReadOnlyServer(Exception):
    """No lock is given here; the text is the whole error on the wire, as that of the C server."""

    def __str__(self) -> str:
        return "lock and unlock methods not allowed, DB server is read only."


class Session:
    """What the server knows of one client."""

    def __init__(
        self,
        hub: Hub,
        name: str,
        now: Callable[[], float],
        *,
        read_only: bool = False,
        role: str = "",
        client_id: str | None = None,
        limits: Limits = NO_OTHER_LIMITS,
    ):
        """`name` is for the log, as "unix#3"; `now` gives monotonic seconds."""
        self.name = name
        self.read_only = read_only
        self.role = role  # for role-based access control; "": everything is permitted
        self.client_id = client_id  # the CN of its certificate; None: it has shown none
        self.author = ""  # the line of ovsdb.authorship that its commits have in the log
        self.aware = False  # of changes of the set of databases (set_db_change_aware)
        self.monitors: dict[bytes, Monitor] = {}  # by the encoded id that the client chose
        self.locks: set[str] = set()  # that it holds or waits for
        self.parked: dict[bytes, Transaction] = {}  # transactions without a reply, by encoded request id
        self.doomed = ""  # why the server wants to close the connection
        self._hub = hub
        self._now = now
        self._limits = limits
        self._framer = Framer(limits.message, limits.depth)
        self._inbox: deque[Json] = (
            deque()
        )  # read, but not looked at: the answers before are to be taken first
        self._fault: ProtocolError | None = None  # what comes behind the inbox
        self._out: list[bytes] = []
        self.queued = 0  # bytes in it
        self._unasked = 0  # bytes in it that are no answer to what the client has sent last
        self._unflushed = False  # monitors have more to tell than was put into the output

    # --- bytes

    def receive(self, data: bytes) -> None:
        """Handle what the client sent; ProtocolError if the connection is to be closed for it.

        Where its answers pile up, `proceed` is to be called once they are taken.
        """
        try:
            documents = self._framer.feed(data)
        except FramingError as e:
            documents = e.documents
            self._fault = ProtocolError(f"received bad JSON: {e}")
        if len(documents) == 1 and self._fault is None and not self._inbox:
            self.handle(documents[0])
            return
        self._inbox += documents
        self.proceed()

    def proceed(self) -> None:
        """Handle what was received, as long as the answers are not too many; ProtocolError."""
        inbox = self._inbox
        while inbox and self.queued <= PAUSE_BYTES:
            self.handle(inbox.popleft())
        if self._fault is not None and not inbox:
            raise self._fault

    @property
    def has_more(self) -> bool:
        """Whether `proceed` has something to do once the output has been taken."""
        return bool(self._inbox)

    @property
    def has_updates(self) -> bool:
        """Whether the output that was taken last left updates behind."""
        return self._unflushed

    def take_output(self) -> bytes:
        """What the client should hear now, with updates up to the present; take again until there is none."""
        if self.monitors:
            self._unflushed = False
            self._flush_monitors(PAUSE_BYTES)
        out = self._out
        if not out:
            return b""
        self._out = []
        self.queued = self._unasked = 0
        return out[0] if len(out) == 1 else b"".join(out)

    def _put(self, message: bytes, *, asked: bool = False) -> None:
        """Say something. `asked`: in answer to what it has just sent, which `proceed` bounds."""
        if not asked:
            if self._unasked > self._limits.backlog and not self.doomed:
                self.disconnect(f"it does not read: {self._unasked} bytes wait, as --max-backlog has it")
            self._unasked += len(message)
        if not self.doomed:
            self._out.append(message)
            self.queued += len(message)

    def probe(self) -> None:
        """Ask the client for a sign of life."""
        self._put(b'{"id":"echo","method":"echo","params":[]}')

    # --- messages

    def handle(self, document: Json) -> None:
        """Handle one message."""
        if type(document) is dict and len(document) == 3:
            # What nearly every message is, recognised in 0.4 µs instead of 4 (an echo takes 9 in all).
            method, params, request_id = map(document.get, _REQUEST_MEMBERS)
            if type(method) is str and type(params) is list and request_id is not None:
                self._handle_request(method, params, request_id)
                return
        try:
            message = rpc_message.parse(document)
        except MessageError as e:
            raise ProtocolError(f"received bad JSON-RPC message: {e}") from None
        if isinstance(message, Request):
            self._handle_request(*message)
        elif isinstance(message, Notification):
            if message.method == "cancel":
                self._cancel(message.params)
        elif isinstance(message, Reply) and message.id != "echo":
            kind = "reply" if message.error is None else "error"
            raise ProtocolError(f"received unexpected {kind} message")

    def _handle_request(self, method: str, params: Params, request_id: Json) -> None:
        handler = _METHODS.get(method)
        if handler is None or (method.startswith("monitor_cond") and not self._hub.knows_monitor_cond):
            self.reply_error("unknown method", request_id)
            return
        try:
            result = handler(self, params, request_id)
        except OvsdbError as e:
            self.reply_error(e.to_wire(), request_id)
            return
        except ReadOnlyServer as refusal:
            self.reply_error(str(refusal), request_id)
            return
        if result is not None:
            self.reply(result, request_id)

    def reply(self, result: Any, request_id: Json, *, asked: bool = True) -> None:
        """Answer a request; `result` may hold orjson.Fragment. `asked`: at once."""
        self._put(rpc_message.encode_result(result, request_id), asked=asked)

    def reply_error(self, error: Any, request_id: Json, *, asked: bool = True) -> None:
        """Refuse a request."""
        self._put(rpc_message.encode_error(error, request_id), asked=asked)

    def notify(self, method: str, *params: Any) -> None:
        """Tell the client something."""
        self._put(rpc_message.encode_notification(method, list(params)))
        self._hub.mark(self)

    def _flush_monitors(self, pause: int = sys.maxsize) -> None:
        for monitor in self.monitors.values():
            if self.queued > pause:
                self._unflushed = True
                return
            update = monitor.next_update()
            if update:
                self._out.append(update)
                self.queued += len(update)

    # --- requests without a database

    def _echo(self, params: Params, request_id: Json) -> Any:
        return params

    def _list_dbs(self, params: Params, request_id: Json) -> Any:
        return sorted(self._hub.databases, key=lambda name: (name.startswith("_"), name))

    def _get_server_id(self, params: Params, request_id: Json) -> Any:
        return self._hub.server_id

    def _set_db_change_aware(self, params: Params, request_id: Json) -> Any:
        if len(params) != 1 or not isinstance(params[0], bool):
            raise OvsdbSyntaxError("set_db_change_aware: true or false parameter expected", params)
        self.aware = params[0]
        return {}

    # --- locks

    def _lock_name(self, params: Params, method: str) -> str:
        self._check_writable()
        if len(params) != 1 or not isinstance(params[0], str) or not is_identifier(params[0]):
            raise OvsdbSyntaxError(f"{method} request params must be <id>", params)
        return params[0]

    def _check_writable(self) -> None:
        if self.read_only or self._hub.is_backup:
            raise ReadOnlyServer

    def _new_lock_name(self, params: Params, method: str) -> str:
        name = self._lock_name(params, method)
        if name in self.locks:
            raise OvsdbSyntaxError(f'must issue "unlock" before new "{method}"', params)
        if len(self.locks) >= self._limits.locks:
            raise ResourcesExhausted(f"{method}: a session may have {self._limits.locks} locks")
        self.locks.add(name)
        return name

    def _lock(self, params: Params, request_id: Json) -> Any:
        return {"locked": self._hub.locks.lock(self, self._new_lock_name(params, "lock"))}

    def _steal(self, params: Params, request_id: Json) -> Any:
        name = self._new_lock_name(params, "steal")
        victim = self._hub.locks.steal(self, name)
        if victim is not None:
            victim.notify("stolen", name)
        return {"locked": True}

    def _unlock(self, params: Params, request_id: Json) -> Any:
        name = self._lock_name(params, "unlock")
        if name not in self.locks:
            raise OvsdbSyntaxError('unlock: "unlock" without "lock" or "steal"', params)
        self._release(name)
        return {}

    def _release(self, name: str) -> None:
        self.locks.discard(name)
        heir = self._hub.locks.unlock(self, name)
        if heir is not None:
            heir.notify("locked", name)

    def holds_lock(self, name: str) -> bool:
        """For the "assert" operation."""
        return self._hub.locks.holds(self, name)

    def lock_states(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """The names of the locks that it holds, waits for, and has lost to a thief."""
        names, locks = sorted(self.locks), self._hub.locks
        held = tuple(name for name in names if locks.holds(self, name))
        waiting = tuple(name for name in names if name not in held and locks.waits(self, name))
        known = {*held, *waiting}
        return held, waiting, tuple(name for name in names if name not in known)

    # --- databases

    def _database(self, params: Params, method: str) -> HostedDatabase:
        if not params or not isinstance(params[0], str):
            raise OvsdbSyntaxError(f"{method} request params must begin with <db-name>", params)
        database = self._hub.databases.get(params[0])
        if database is None:
            raise UnknownDatabase(f"{method} request specifies unknown database {params[0]}", params)
        if not database.available:
            raise DatabaseNotAvailable(
                f"{method} request specifies database {params[0]} which is not yet available because it has "
                "not completed joining its cluster"
            )
        return database

    def _get_schema(self, params: Params, request_id: Json) -> Any:
        return self._database(params, "get_schema").schema_fragment

    def _convert(self, params: Params, request_id: Json) -> None:
        database = self._database(params, "convert")
        if len(params) != 2:
            raise OvsdbSyntaxError("array expected", params)
        if self.read_only:
            raise NotAllowed("convert operation not allowed when database server is in read only mode")
        if self.parked and encode(request_id) in self.parked:
            raise OvsdbSyntaxError("convert: duplicate request ID", params)
        if self.role:
            client = "(null)" if self.client_id is None else self.client_id
            raise PermissionDenied(
                f'RBAC rules for client "{client}" role "{self.role}" prohibit "convert" of database '
                f"{database.name} (only the root role may convert databases)"
            )
        database.convert(self, Schema.parse(params[1]), request_id, self._now())

    def _get_history(self, params: Params, request_id: Json) -> None:
        database = self._database(params, "get_history")
        if self._hub.on_history is None:
            raise NotSupported("get_history: the past is not kept here")
        self._hub.on_history(self, database, params[1] if len(params) > 1 else {}, request_id)

    def _transact(self, params: Params, request_id: Json) -> None:
        database = self._database(params, "transact")
        if self.parked and encode(request_id) in self.parked:
            raise OvsdbSyntaxError("transact: duplicate request ID", params)
        if len(self.parked) >= self._limits.waiting:
            raise ResourcesExhausted(f"transact: {self._limits.waiting} transactions of the session wait")
        database.transact(self, params[1:], request_id, self._now())

    def transacted(self, transaction: Transaction, result: Any) -> None:
        """Answer a transaction, after all updates up to it."""
        if self.monitors:
            self._flush_monitors()
        waited = bool(self.parked) and transaction.key in self.parked
        self.reply(result, transaction.request_id, asked=not waited)
        if waited:
            self._unpark(transaction)
        else:
            transaction.database.figures.answered(self._now() - transaction.started)

    def refused(self, transaction: Transaction, error: OvsdbError) -> None:
        """Answer a conversion that cannot be made."""
        self.failed(transaction, error.to_wire())

    def failed(self, transaction: Transaction, error: Any) -> None:
        """Answer a transaction with the error that the source of a relay gave."""
        self.reply_error(error, transaction.request_id, asked=False)
        self._unpark(transaction)

    def abandon(self, transaction: Transaction) -> None:
        """Answer a transaction of which nobody knows what became (RFC 7047, 4.1.4: "canceled")."""
        self.failed(transaction, "canceled")

    def _unpark(self, transaction: Transaction) -> None:
        if self.parked and transaction.key in self.parked:
            del self.parked[transaction.key]
            self._hub.mark(self)  # it waited: nobody is about to send what this session has to say

    def _cancel(self, params: Params) -> None:
        if len(params) == 1 and (transaction := self.parked.get(encode(params[0]))):
            self.cancel_transaction(transaction)

    def cancel_transaction(self, transaction: Transaction) -> None:
        """Answer a parked transaction with "canceled" (RFC 7047, 4.1.4)."""
        if transaction.database.cancel(transaction):
            self.abandon(transaction)

    # --- monitors

    def _monitor(self, params: Params, request_id: Json, method: str = "monitor") -> Any:
        database = self._database(params, "monitor")
        if len(params) < (4 if method == "monitor_cond_since" else 3):
            raise OvsdbSyntaxError("invalid parameters", params)
        key = encode(params[1])
        if key in self.monitors:
            raise OvsdbSyntaxError("duplicate monitor ID", params[1])
        if len(self.monitors) >= self._limits.monitors:
            raise ResourcesExhausted(f"monitor: a session may have {self._limits.monitors} monitors")
        last_id = _parse_last_id(params[3]) if method == "monitor_cond_since" else 0
        monitor = database.open_monitor(self, method, key, params[2])
        initial = monitor.initial(last_id)
        self.monitors[key] = monitor
        return initial

    def _monitor_cond_change(self, params: Params, request_id: Json) -> Any:
        if len(params) != 3:
            raise OvsdbSyntaxError("invalid parameters", params)
        key, new_key = encode(params[0]), encode(params[1])
        monitor = self.monitors.get(key)
        if monitor is None:
            raise OvsdbSyntaxError("unknown monitor session", params[0])
        if key != new_key and new_key in self.monitors:
            raise OvsdbSyntaxError("duplicate monitor ID", params[1])
        for message in monitor.change_conditions(params[2], new_key):
            self._put(message, asked=True)
        del self.monitors[key]
        self.monitors[new_key] = monitor
        return {}

    def _monitor_cancel(self, params: Params, request_id: Json) -> Any:
        if len(params) != 1:
            self.reply_error("invalid parameters", request_id)
            return None
        monitor = self.monitors.pop(encode(params[0]), None)
        if monitor is None:
            self.reply_error("unknown monitor", request_id)
            return None
        monitor.close()
        return {}

    # --- what happens to it

    def database_removed(self, database: HostedDatabase, reason: str) -> None:
        """Give up what refers to the database.

        Tell a client that wants to know, else close the connection.
        """
        self._give_up(database, reason)

    def database_converted(self, database: HostedDatabase) -> None:
        """The same: the database has another schema now."""
        self._give_up(database, f"committed {database.name} database schema conversion")

    def _give_up(self, database: HostedDatabase, reason: str) -> None:
        for transaction in list(self.parked.values()):
            if transaction.database is database:
                self.cancel_transaction(transaction)
        for key, monitor in list(self.monitors.items()):
            if monitor.database is database:
                del self.monitors[key]
                monitor.close()
                self.notify("monitor_canceled", orjson.Fragment(key))
        if not self.aware:
            self.disconnect(reason)

    def disconnect(self, reason: str) -> None:
        """Ask the shell to close the connection."""
        self.doomed = reason
        self._hub.mark(self)

    def close(self) -> None:
        """The client is gone: give everything back."""
        for transaction in list(self.parked.values()):
            transaction.database.cancel(transaction)
        self.parked.clear()
        for monitor in self.monitors.values():
            monitor.close()
        self.monitors.clear()
        for name in list(self.locks):
            self._release(name)
        self._hub.forget(self)


def _parse_last_id(json: object) -> int:
    if not isinstance(json, str):
        raise OvsdbSyntaxError("last-txn-id must be string", json)
    if not is_uuid(json):
        raise OvsdbSyntaxError("last-txn-id must be UUID format.", json)
    return int(json.replace("-", ""), 16)


_METHODS: dict[str, Callable[[Session, Params, Json], Any]] = {
    "echo": Session._echo,
    "transact": Session._transact,
    "list_dbs": Session._list_dbs,
    "get_schema": Session._get_schema,
    "get_server_id": Session._get_server_id,
    "set_db_change_aware": Session._set_db_change_aware,
    "monitor": Session._monitor,
    "monitor_cond": partial(Session._monitor, method="monitor_cond"),
    "monitor_cond_since": partial(Session._monitor, method="monitor_cond_since"),
    "monitor_cond_change": Session._monitor_cond_change,
    "monitor_cancel": Session._monitor_cancel,
    "lock": Session._lock,
    "steal": Session._steal,
    "unlock": Session._unlock,
    "convert": Session._convert,
    "get_history": Session._get_history,
}
