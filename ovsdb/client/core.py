"""The protocol core of a client that keeps a replica of one database: messages in, messages out, no I/O.

Rule: everything that a client decides is decided here, once for the trio and the blocking shell. A shell
makes connections, calls opened(), hands every message to receive(), sends what `send` gets, and calls
closed(). What does not fit the protocol is one of FAILURES, after which the shell closes the connection.

One connection goes through: set_db_change_aware; the schema and contents of _Server, where the server has it
(is this the leader? is the database connected to its cluster?); the schema; the monitor, the best kind that
the server knows. A monitor that the server cancels, since the schema changed, starts over from the schema.
Source: RFC 7047; ovsdb-server(7) for the extensions; ovsdb-server(5) for _Server.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from weakref import WeakSet

from ovsdb.client.changes import Subscription
from ovsdb.client.conditions import Conditions, OnSettled
from ovsdb.client.replica import Change, Replica, ReplicaError
from ovsdb.client.selection import Rows, Wanted, check_rows, parse_wanted, rows_to_wire
from ovsdb.client.tables import AnyRow, Store, Table, Tables
from ovsdb.client.txn import Txn
from ovsdb.errors import OvsdbError
from ovsdb.schema import Schema
from rpc.errors import ConnectionLost, RemoteError
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

NO_TRANSACTION = "00000000-0000-0000-0000-000000000000"  # an id that is in no history
MONITOR = "replica"  # names our monitor of the database
SERVER_MONITOR = "server"  # and that of _Server
# The requests that start a monitor, the best first, and the version of their updates.
MONITOR_METHODS = (("monitor_cond_since", 2), ("monitor_cond", 2), ("monitor", 1))
SERVER_COLUMNS = {"Database": ["name", "model", "connected", "leader", "index"]}
FAILURES = (ConnectionLost, RemoteError, ReplicaError, OvsdbError)
Answer = Reply | ConnectionLost  # to a request: what the server said, or that nothing more will come
OnAnswer = Callable[[Answer], None]


class Unsuitable(ConnectionLost):
    """A server that works, but is not the one that is wanted: another one should be tried at once."""


class AmbiguousOutcome(ConnectionLost):
    """The connection ended when a transaction was on its way: it may have been executed, or not."""


class Lock:
    """A lock that is held or waited for."""

    def __init__(self, name: str, *, steal: bool = False) -> None:
        self.name = name
        self.steal = steal  # from whoever has it
        self.held = False

    def set_held(self, held: bool) -> None:
        """Note what the server said."""
        self.held = held


class Core:
    """A client of one database over a succession of connections."""

    def __init__(
        self,
        database: str,
        wanted: Wanted | None,
        *,
        leader_only: bool = False,
        wake: Callable[[], object] = lambda: None,
    ) -> None:
        """`wake` is called when rows, `synced` or a lock are different. ValueError: `wanted` is no good."""
        columns, conditions = parse_wanted(wanted)
        self.database = database
        self.replica = Replica(columns)
        self.store = Store(self.replica)
        self.synced = False  # the replica follows the server
        self.version = 0  # counts the changes of the replica
        self.last_id = NO_TRANSACTION  # up to where the replica knows the server's history
        self.remote = ""  # the server that it follows, or followed last
        self.last_error = ""  # why the last connection ended or could not be made
        self.locks: dict[str, Lock] = {}
        self._leader_only = leader_only
        self._wake = wake
        self._server = Replica(SERVER_COLUMNS)
        self._least_index = 0  # of the cluster's log; a server behind it has old data
        self._opened = ""  # the server of the connection
        self._send: Callable[[bytes], object] | None = None
        self._next_id = 0
        self._waiting: dict[int, OnAnswer] = {}
        self._subscriptions: WeakSet[Subscription] = WeakSet()
        self._locks_asked = False
        self._method = 0  # the index in MONITOR_METHODS of what the server knows
        self._life = 0  # counts monitors: an answer that comes after the end of one is not for the next
        self._conditions = Conditions(conditions)

    # --- the shell's side

    def opened(self, remote: str, send: Callable[[bytes], object]) -> None:
        """A connection to `remote` stands; `send` takes what is to be sent over it, and does not wait."""
        self._opened = remote
        self._send = send
        self._method = 0
        self._locks_asked = False
        self.request("set_db_change_aware", [True], lambda _: None)
        self.request("get_schema", ["_Server"], self._got_server_schema)

    def receive(self, message: Message) -> None:
        """Act on a message; FAILURES."""
        if isinstance(message, Notification):
            self._notified(message.method, message.params)
        elif isinstance(message, Reply):
            on_answer = self._waiting.pop(message.id, None) if type(message.id) is int else None
            if on_answer is not None:
                on_answer(message)
        elif isinstance(message, Request) and self._send is not None:
            if message.method == "echo":
                self._send(encode_result(message.params, message.id))
            else:
                self._send(encode_error("unknown method", message.id))

    def closed(self, failure: Exception) -> None:
        """The connection is gone, or could not be made; whoever waits for an answer is told why."""
        self.last_error = str(failure)
        if isinstance(failure, ReplicaError):
            self.last_id = NO_TRANSACTION
        self._send = None
        for lock in self.locks.values():
            lock.set_held(False)
        self._interrupt()  # first: who is told below must not find the dead connection again
        waiting, self._waiting = self._waiting, {}
        for on_answer in waiting.values():
            on_answer(ConnectionLost(self.last_error))

    def _interrupt(self) -> None:
        self._life += 1
        self._conditions.interrupted()
        if self.synced:
            self.synced = False
            self._wake()

    def request(self, method: str, params: Sequence[Json], on_answer: OnAnswer) -> int:
        """Send a request over the connection, which must stand; its id, for forget()."""
        assert self._send is not None
        id_ = self._next_id
        self._next_id += 1
        self._waiting[id_] = on_answer
        self._send(encode_request(method, params, id_))
        return id_

    def forget(self, id_: int) -> None:
        """Nobody waits for the answer any longer; a transaction that waits in the server is given up."""
        if self._waiting.pop(id_, None) is not None and self._send is not None:
            self._send(encode_notification("cancel", [id_]))

    def transact(self, operations: Sequence[Json], on_answer: OnAnswer) -> int:
        """Send a transaction; ConnectionLost where there is no server that follows."""
        if not self.synced:
            raise ConnectionLost("not connected")
        return self.request("transact", [self.database, *operations], on_answer)

    # --- the program's side

    def tables(self) -> Tables:
        """The tables of the replica."""
        return Tables(self.table, self.replica.selected)

    def table(self, name: str) -> Table[AnyRow]:
        """One of them. Absent."""
        return Table(self.store, name)

    def txn(self, comment: str, lock: str) -> Txn:
        """A transaction that reads the replica."""
        partial = [table for table, rows in self._conditions.wanted.items() if rows is not True]
        return Txn(self.store, partial, comment, lock)

    def subscribe(
        self, tables: Collection[str] | None, initial: bool, wake: Callable[[], object]
    ) -> Subscription:
        """What changes from now on, for as long as somebody keeps it; with `initial`, first what there is.

        ValueError: a table is not selected.
        """
        for table in tables or ():
            if self.replica.wanted is not None and table not in self.replica.wanted:
                raise ValueError(f"table {table} is not among the selected tables")
        subscription = Subscription(self.store, tables, wake)
        if initial:
            for table, rows in self.replica.tables.items():
                subscription.push([Change(table, uuid, None, row) for uuid, row in rows.items()], True)
        self._subscriptions.add(subscription)
        return subscription

    def wake_subscribers(self) -> None:
        """Let them see that it is over."""
        for subscription in self._subscriptions:
            subscription.wake()

    def add_lock(self, lock: Lock) -> None:
        """Stand in the queue for a lock from now on, over all connections. ValueError: we do already."""
        if lock.name in self.locks:
            raise ValueError(f"lock {lock.name} is asked for already")
        self.locks[lock.name] = lock
        if self._locks_asked:
            self._ask_lock(lock)

    def remove_lock(self, lock: Lock) -> None:
        """Give it back."""
        del self.locks[lock.name]
        if self._locks_asked and self._send is not None:
            self.request("unlock", [lock.name], lambda _: None)

    def set_condition(self, table: str, rows: Rows, on_settled: OnSettled) -> None:
        """Change which rows of a table are wanted. ValueError, ValueMismatch.

        `on_settled` is called when the replica holds those rows (with None), or the server refused (with the
        error; the old condition stays); without a connection, after the next one was made.
        """
        check_rows(table, rows)
        schema = self.replica.schema
        if self.replica.wanted is not None and table not in self.replica.wanted:
            raise ValueError(f"table {table} is not among the selected tables")
        if schema is not None and table in schema.tables:
            rows_to_wire(schema, table, rows)
        self._conditions.change(table, rows, on_settled)
        self._settle_conditions()

    # --- is it the right server?

    def _got_server_schema(self, answer: Answer) -> None:
        if not isinstance(answer, Reply):
            return
        if answer.error is not None:
            self._ask_schema()  # a server from before _Server
            return
        self._server = Replica(SERVER_COLUMNS)
        self._server.adopt(Schema.parse(answer.result))
        wanted: dict[str, Json] = {t: {"columns": list(c)} for t, c in self._server.selected().items()}
        self.request("monitor", ["_Server", SERVER_MONITOR, wanted], self._got_server)

    def _got_server(self, answer: Answer) -> None:
        if isinstance(answer, Reply):
            self._server.replace(_result("monitor", answer), 1)
            self._check_server()
            self._ask_schema()

    def _check_server(self) -> None:
        """Unsuitable, if another server is to be preferred."""
        if self._server.types("Database") is None:
            return
        rows = [r for r in self._server.tables["Database"].values() if r.get("name") == self.database]
        if not rows:
            raise Unsuitable(f"the server has no database {self.database}")
        [row, *_] = rows
        if row.get("model") != "clustered":
            return
        if row.get("connected") is False:
            raise Unsuitable("the server is disconnected from its cluster")
        if self._leader_only and row.get("leader") is False:
            raise Unsuitable("the server is not the cluster's leader")
        index = row.get("index")
        numbers = [i for i in index if isinstance(i, int)] if isinstance(index, frozenset) else []
        if numbers and numbers[0] < self._least_index:
            raise Unsuitable("the server has old data")
        self._least_index = max([self._least_index, *numbers])

    # --- the replica

    def _ask_schema(self) -> None:
        self.request("get_schema", [self.database], self._got_schema)

    def _got_schema(self, answer: Answer) -> None:
        if not isinstance(answer, Reply):
            return
        schema = Schema.parse(_result("get_schema", answer))
        if schema != self.replica.schema:
            self._conditions.forget()
        if not self.replica.adopt(schema):
            self.last_id = NO_TRANSACTION
            self.store.forget_indexes()
        self._ask_monitor()

    def _ask_monitor(self) -> None:
        method, version = MONITOR_METHODS[self._method]
        conditions = self._wire_conditions(self._conditions.wanted)
        if not self._conditions.begin():
            self.last_id = NO_TRANSACTION  # differences to other rows would make no sense
        wanted: dict[str, Json] = {}
        for table, columns in self.replica.selected().items():
            request: dict[str, Json] = {"columns": list(columns)}
            if version == 2 and conditions.get(table):
                request["where"] = conditions[table]
            wanted[table] = [request] if version == 2 else request
        params: list[Json] = [self.database, MONITOR, wanted]
        if method == "monitor_cond_since":
            params.append(self.last_id)
        self.request(method, params, self._got_monitor)

    def _got_monitor(self, answer: Answer) -> None:
        if not isinstance(answer, Reply):
            return
        method, version = MONITOR_METHODS[self._method]
        if answer.error == "unknown method" and method != "monitor":
            self._method += 1
            self._ask_monitor()
            return
        result = _result(method, answer)
        if method != "monitor_cond_since":
            self._take(self.replica.replace(result, version), True)
        else:
            match result:
                case [bool(found), str(last_id), updates]:
                    take = self.replica.apply if found else self.replica.replace
                    self._take(take(updates, version), True)
                    self.last_id = last_id
                case _:
                    raise ReplicaError(method, "unexpected result")
        self.synced, self.remote, self.last_error = True, self._opened, ""
        if not self._locks_asked:
            self._locks_asked = True
            for lock in self.locks.values():
                self._ask_lock(lock)
        self._settle_conditions()
        self._wake()

    def _take(self, changes: list[Change], resync: bool) -> None:
        if not changes:
            return
        self.version += 1
        self.store.take(changes)
        for subscription in self._subscriptions:
            subscription.push(changes, resync)
        self._wake()

    def _notified(self, method: str, params: list[Json]) -> None:
        match method, params:
            case "update3", [monitor, str(last_id), updates] if monitor == MONITOR:
                self._take(self.replica.apply(updates, 2), False)
                self.last_id = last_id
            case (("update2" | "update"), [monitor, updates]) if monitor == MONITOR:
                self._take(self.replica.apply(updates, 2 if method == "update2" else 1), False)
            case "update", [monitor, updates] if monitor == SERVER_MONITOR:
                self._server.apply(updates, 1)
                self._check_server()
            case "monitor_canceled", [monitor] if monitor == MONITOR:
                self._interrupt()
                self._ask_schema()
            case (("locked" | "stolen"), [str(name)]) if name in self.locks:
                self._set_held(self.locks[name], method == "locked")

    # --- conditions

    def _wire_conditions(self, rows: Mapping[str, Rows]) -> dict[str, list[Json]]:
        schema = self.replica.schema
        assert schema is not None
        return {t: rows_to_wire(schema, t, r) for t, r in rows.items() if t in schema.tables}

    def _settle_conditions(self) -> None:
        """Tell the server which rows are wanted now, one request at a time."""
        if not self.synced:
            return
        if MONITOR_METHODS[self._method][1] == 1:
            self._conditions.settle()
            return
        changed = self._conditions.ask()
        if not changed:
            return
        life = self._life

        def answered(answer: Answer) -> None:
            if isinstance(answer, Reply) and self._life == life:
                self._conditions.answered(changed, answer.error)
                self._settle_conditions()

        request: dict[str, Json] = {t: [{"where": w}] for t, w in self._wire_conditions(changed).items()}
        self.request("monitor_cond_change", [MONITOR, MONITOR, request], answered)

    # --- locks

    def _ask_lock(self, lock: Lock) -> None:
        def answered(answer: Answer) -> None:
            if isinstance(answer, Reply) and self.locks.get(lock.name) is lock:
                result = _result("lock", answer)
                if isinstance(result, dict) and result.get("locked") is True:
                    self._set_held(lock, True)

        self.request("steal" if lock.steal else "lock", [lock.name], answered)

    def _set_held(self, lock: Lock, held: bool) -> None:
        lock.set_held(held)
        self._wake()


def _result(method: str, reply: Reply) -> Json:
    if reply.error is not None:
        raise RemoteError(method, reply.error)
    return reply.result
