"""The client for scripts: the same names as under trio, without trio, and calls that wait.

    with connect("unix:/run/openvswitch/db.sock", tables={"Bridge": ["name"]}, timeout=10) as db:
        print([bridge.name for bridge in db.tables.Bridge.values()])

Rule: what clients decide, `core` decides; here is one connection, which is read only within a call. Between
calls the replica does not change, and the server's probes are not answered: a program that computes for long
calls wait(0) now and then, or finds itself connected anew. Not to be shared between threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypeVar

from ovsdb.client.changes import RowChange
from ovsdb.client.core import FAILURES, AmbiguousOutcome, Answer, Core, Lock
from ovsdb.client.selection import Rows, Wanted
from ovsdb.client.transaction import Conflict
from ovsdb.client.txn import Txn
from ovsdb.client.values import ValueMismatch
from ovsdb.client.view import Remotes, View, is_next_at_once, pause_after
from rpc import jsonvalue
from rpc.blocking import Connection
from rpc.errors import ConnectError, ConnectionLost, RemoteError, Timeout
from rpc.jsonvalue import Json
from rpc.reconnect import Action, Event, Reconnect, Timing
from rpc.tls_settings import NO_SETTINGS, TlsSettings

jsonvalue.hurry()
T = TypeVar("T")
SEND_SECONDS = 30.0  # after which a server that takes nothing is given up
Deadline = float | None  # of time.monotonic(); None: never


def connect(
    remote: str | Sequence[str],
    database: str = "Open_vSwitch",
    tables: Wanted | None = None,
    *,
    timeout: float | None = None,
    tls: TlsSettings = NO_SETTINGS,
    leader_only: bool = False,
    retry: bool = False,
    timing: Timing | None = None,
) -> Database:
    """A client whose replica holds the server's contents: a context manager that closes it.

    The parameters are those of ovsdb.client.connect(). `timeout` is the limit for each call that waits, this
    one too, in seconds. ConnectError, ConnectionLost; with `retry` only when the time is over. AddressError,
    ValueError, ValueMismatch.
    """
    db = Database(Core(database, tables, leader_only=leader_only), Remotes(remote), timing or Timing(), tls)
    db.timeout = timeout
    try:
        db._connect_first(retry)
    except BaseException:
        db.close()
        raise
    return db


class Database(View):
    """What connect() returns."""

    def __init__(self, core: Core, remotes: Remotes, timing: Timing, tls: TlsSettings) -> None:
        super().__init__(core)
        self.timeout: float | None = None  # seconds for each call that waits
        self._remotes = remotes
        self._tries = 0  # servers that are still to be tried before the next pause
        self._tls = tls
        self._connection: Connection | None = None
        self._outgoing: list[bytes] = []
        self._failure: Exception = ConnectionLost("not connected")  # why there is no connection
        self._machine = Reconnect(time.monotonic(), timing)
        self._machine.handle(Event.ENABLE, time.monotonic())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the replica stays as it is."""
        if self._connection is not None:
            self._end(ConnectionLost("the client is closing"))

    # --- the replica

    def wait(self, timeout: float | None = None) -> bool:
        """Take in what the server sends until rows, `connected` or a lock are different; whether they are.

        With a timeout of 0 only what is there already.
        """
        before = self._state()
        return self._pump(lambda: self._state() != before, _deadline(timeout))

    def wait_connected(self) -> None:
        """Wait until the replica holds the server's contents; the last error when the time is over."""
        if not self._pump(lambda: self.connected, _deadline(self.timeout)):
            raise self._failure

    def changes(self, *tables: str, initial: bool = True, timeout: float | None = None) -> Changes:
        """What changes in these tables (none named: in all), from now on; for `for`.

        With `initial` first every row that is there. A loop ends when nothing has changed for `timeout`
        seconds; another over the same Changes goes on from there. ValueError: a table is not selected.
        """
        return Changes(self, tables or None, initial, timeout)

    def set_condition(self, table: str, rows: Rows) -> None:
        """Change which rows of a table are wanted; returns when the replica holds them.

        RemoteError: the server refuses, and what was wanted before holds again. ValueError, ValueMismatch,
        TimeoutError.
        """
        errors: list[object] = []
        self._core.set_condition(table, rows, errors.append)
        self._pump_or_time_out(lambda: bool(errors), "the server has not changed the condition")
        if errors[0] is not None:
            raise RemoteError("monitor_cond_change", errors[0])

    # --- transactions

    def transact(self, operations: Sequence[Json]) -> list[Json]:
        """Execute operations as on the wire; the results, for check_results().

        ConnectionLost: not connected. AmbiguousOutcome, which is one: the connection broke, or the time was
        over, before the answer came. RemoteError: the server refused the request.
        """
        answers: list[Answer] = []
        id_ = self._core.transact(operations, answers.append)
        try:
            answered = self._pump(lambda: bool(answers), _deadline(self.timeout))
        finally:
            self._core.forget(id_)  # which the next call tells the server
        if not answered:
            raise AmbiguousOutcome("the server has not answered in time")
        answer = answers[0]
        if isinstance(answer, ConnectionLost):
            raise AmbiguousOutcome(answer.reason)
        if answer.error is not None or not isinstance(answer.result, list):
            raise RemoteError("transact", answer.error if answer.error is not None else answer.result)
        return answer.result

    @contextmanager
    def transaction(self, comment: str = "", *, lock: str = "") -> Iterator[Txn]:
        """A transaction that is committed at the end of the block, unless an exception leaves it.

        Errors are those of the trio client's transaction().
        """
        txn = self._core.txn(comment, lock)
        yield txn
        self.commit(txn)

    def commit(self, txn: Txn) -> None:
        """Commit what transaction() would."""
        self.wait_connected()
        operations = txn.operations()
        if operations:
            txn.finish(self.transact(operations))

    def run(self, function: Callable[[Txn], T], *, retries: int = 10, comment: str = "", lock: str = "") -> T:
        """Call `function` with a transaction, commit that, and return what the function did.

        On a Conflict everything is done again, on newer contents of the replica, up to `retries` times: the
        function must do nothing that it may not do twice.
        """
        for attempt in range(retries + 1):
            version = self._core.version
            try:
                with self.transaction(comment, lock=lock) as txn:
                    return function(txn)
            except Conflict:
                if attempt == retries:
                    raise
            self._wait_for_news(version, pause_after(attempt))
        raise AssertionError("not reached")

    def _wait_for_news(self, version: int, timeout: float) -> None:
        self._pump(lambda: self._core.version != version, _deadline(timeout))

    # --- locks

    @contextmanager
    def lock(self, name: str, *, wait: bool = True, steal: bool = False) -> Iterator[Lock]:
        """Hold a lock: waits for it; with `steal` it is taken from whoever has it. TimeoutError.

        It can be lost with the connection, and is then asked for again: `held` tells. To be safe, give its
        name to the transactions, which then fail. Without `wait` the block begins at once, in the queue.
        """
        lock = Lock(name, steal=steal)
        self._core.add_lock(lock)
        try:
            if wait:
                self._pump_or_time_out(lambda: lock.held, f"lock {name} is not to be had")
            yield lock
        finally:
            self._core.remove_lock(lock)
            try:
                self._flush()
            except ConnectionLost as error:
                self._end(error)

    # --- the connection

    def fileno(self) -> int:
        """For select(), when it is readable call wait(0); ConnectionLost: there is no connection now."""
        if self._connection is None:
            raise ConnectionLost("not connected")
        return self._connection.fileno()

    def _state(self) -> tuple[object, ...]:
        return self._core.version, self.connected, *(lock.held for lock in self._core.locks.values())

    def _connect_first(self, retry: bool) -> None:
        deadline = _deadline(self.timeout)
        while not self.connected:
            if not self._step(deadline) or (not retry and not self._tries and self._connection is None):
                raise self._failure

    def _pump_or_time_out(self, done: Callable[[], bool], why: str) -> None:
        if not self._pump(done, _deadline(self.timeout)):
            raise TimeoutError(f"{why}: {self.last_error}" if self.last_error else why)

    def _pump(self, done: Callable[[], bool], deadline: Deadline) -> bool:
        """Talk to the server until something is done; false if the deadline passes before."""
        while not done():
            if not self._step(deadline):
                return False
        return True

    def _step(self, deadline: Deadline) -> bool:
        """Try a server, or take a message; false where the deadline passes before. ValueMismatch."""
        if self._connection is None:
            return self._connect(deadline)
        return self._exchange(self._connection, deadline)

    def _connect(self, deadline: Deadline) -> bool:
        if not self._tries:
            until = self._machine.deadline() or time.monotonic()
            time.sleep(max(0.0, _earlier(until, deadline) - time.monotonic()))
            if deadline is not None and deadline < until:
                return False
            self._tries = self._remotes.count
        self._tries -= 1
        address = self._remotes.next()
        self._machine.handle(Event.CONNECT, time.monotonic())
        patience = time.monotonic() + max(1.0, self._machine.backoff)
        self._failure = ConnectError(address.text(), "timed out")
        try:
            self._connection = Connection.open(address, _earlier(patience, deadline), self._tls)
        except ConnectError as error:
            self._end(error)
        else:
            self._machine.handle(Event.CONNECTED, time.monotonic())
            self._core.opened(address.text(), self._outgoing.append)
        return deadline is None or time.monotonic() < deadline

    def _exchange(self, connection: Connection, deadline: Deadline) -> bool:
        probe = self._machine.deadline()
        try:
            self._flush()
            message = connection.receive(deadline if probe is None else _earlier(probe, deadline))
            self._machine.handle(Event.ACTIVITY, time.monotonic())
            self._core.receive(message)
            self._flush()
        except Timeout:
            now = time.monotonic()
            action = self._machine.run(now)
            if action is Action.PROBE:
                self._core.request("echo", [], lambda _: None)
                self._machine.handle(Event.PROBE, now)
            elif action is Action.DISCONNECT:
                seconds = self._machine.timing.probe_interval
                self._end(ConnectionLost(f"no response to inactivity probe after {seconds:g} seconds"))
            return deadline is None or now < deadline
        except FAILURES as error:
            self._end(error)
        except ValueMismatch as error:
            self._end(error)
            raise
        return True

    def _flush(self) -> None:
        """Send what is to be sent; ConnectionLost."""
        if self._connection is None or not self._outgoing:
            return
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        try:
            self._connection.send(data, time.monotonic() + SEND_SECONDS)
        except Timeout:
            raise ConnectionLost(f"the server takes nothing for {SEND_SECONDS:g} seconds") from None

    def _end(self, error: Exception) -> None:
        """There is no connection, or no longer."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._outgoing.clear()
        self._failure = error
        self._machine.handle(Event.DISCONNECTED, time.monotonic())
        self._core.closed(error)
        if not is_next_at_once(error):
            self._tries = 0


class Changes:
    """RowChanges, to be looped over again and again."""

    def __init__(
        self, db: Database, tables: Sequence[str] | None, initial: bool, timeout: float | None
    ) -> None:
        self._db = db
        self._timeout = timeout
        self._subscription = db._core.subscribe(tables, initial, lambda: None)

    def __iter__(self) -> Iterator[RowChange]:
        while self._db._pump(lambda: self.pending() > 0, _deadline(self._timeout)):
            change = self._subscription.pop()
            if change is not None:
                yield change

    def pending(self) -> int:
        """The number of rows that the reader has not heard of yet."""
        return len(self._subscription)


def _deadline(timeout: float | None) -> Deadline:
    return None if timeout is None else time.monotonic() + timeout


def _earlier(moment: float, deadline: Deadline) -> float:
    return moment if deadline is None else min(moment, deadline)
