"""A client for long-running programs under trio: keeps a replica of selected tables and comes back after
failures.

    async with connect("unix:/run/db.sock", "Open_vSwitch", {"Bridge": ["name"], "Port": None}) as db:
        async for change in db.changes("Port"):
            print(change.kind, change.row.name)

Rule: what clients decide, `core` decides; here are the tasks. One task reads a connection and one writes it;
what others want goes through a queue, so that a cancelled wait never leaves half a message behind. After a
reconnection the program sees only what really changed.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

import trio

from ovsdb.client.changes import RowChange, Subscription
from ovsdb.client.core import FAILURES, NO_TRANSACTION, AmbiguousOutcome, Answer, Core
from ovsdb.client.core import Lock as CoreLock
from ovsdb.client.replica import Change
from ovsdb.client.selection import Rows, Wanted
from ovsdb.client.transaction import Conflict
from ovsdb.client.txn import Txn
from ovsdb.client.values import ValueMismatch
from ovsdb.client.view import Remotes, View, is_next_at_once, pause_after
from rpc.address import ActiveAddress
from rpc.errors import ConnectError, ConnectionLost, RemoteError
from rpc.jsonvalue import Json
from rpc.reconnect import Action, Event, Reconnect, Timing
from rpc.tls_settings import NO_SETTINGS, TlsSettings
from rpc.trio_io import MessageStream
from rpc.trio_io import connect as connect_stream

__all__ = ["NO_TRANSACTION", "Changes", "Database", "Lock", "connect", "open_database"]
if TYPE_CHECKING:
    from rpc.tls import Tls

T = TypeVar("T")


@asynccontextmanager
async def connect(
    remote: str | Sequence[str],
    database: str = "Open_vSwitch",
    tables: Wanted | None = None,
    *,
    tls: TlsSettings = NO_SETTINGS,
    leader_only: bool = False,
    retry: bool = False,
    timing: Timing | None = None,
) -> AsyncIterator[Database]:
    """A client whose replica holds the server's contents; limit the wait for that with trio.fail_after().

    `remote` is "ssl:HOST:PORT", "tcp:HOST:PORT" or "unix:FILE", or several of them, in a list or with
    commas; ssl needs `tls`. `tables` names what is wanted (see selection.Select); None: every table and
    column. With `leader_only` only the leader of a cluster will do.

    Raises ConnectError or ConnectionLost where no server can be used, or tries on for ever with `retry`; a
    connection that stood is always made anew when it breaks. AddressError, ValueError, ValueMismatch.
    """
    async with open_database(remote, database, tables, timing, tls=tls, leader_only=leader_only) as db:
        if retry:
            await db.wait_connected()
        else:
            await db._wait_first_attempt()
        yield db


@asynccontextmanager
async def open_database(
    remote: str | Sequence[str],
    database: str,
    tables: Wanted | None,
    timing: Timing | None = None,
    *,
    tls: TlsSettings = NO_SETTINGS,
    leader_only: bool = False,
) -> AsyncIterator[Database]:
    """The same, but yields at once: `connected` is false until the replica holds the server's contents.

    Tables and columns that the server does not have are left out. Failures of the connection show in
    `last_error`, not as exceptions.
    """
    remotes = Remotes(remote)
    db = Database(database, tables, leader_only)
    failure: Exception | None = None

    async def keep_connected() -> None:
        nonlocal failure
        try:
            await _keep_connected(db, remotes, timing or Timing(), _tls_for(remotes, tls))
        except ValueMismatch as error:
            failure = error
            nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_connected)
        try:
            yield db
        except Exception as error:
            failure = error
        finally:
            db._close()
            nursery.cancel_scope.cancel()
    if failure is not None:  # raised here, since the nursery would wrap it in a group
        raise failure


class Database(View):
    """What connect() yields."""

    def __init__(self, name: str, tables: Wanted | None, leader_only: bool = False) -> None:
        super().__init__(Core(name, tables, leader_only=leader_only, wake=self._woken))
        self._changed = trio.Event()
        self._connected = trio.Event()
        self._attempted = trio.Event()  # a connection stands or failed
        self._news = trio.Event()
        self._closed = False
        self._failure: Exception | None = None  # of the last attempt to connect
        self._unread: Subscription | None = None  # of wait_changed()

    # --- the replica

    async def wait_connected(self) -> None:
        """Wait until the replica holds the server's contents."""
        await trio.lowlevel.checkpoint()
        while not self.connected:
            await self._connected.wait()

    async def wait_changed(self) -> list[Change]:
        """Wait until rows, `connected` or a lock differ from what the last call knew; one task at a time.

        Returns the rows that are different, each once, with native values (`replica.tables`).
        """
        if self._unread is None:
            self._unread = self._core.subscribe(None, True, self._wake_follower)
        await self._changed.wait()
        self._changed = trio.Event()
        changes = []
        while (raw := self._unread.pop_raw()) is not None:
            changes.append(raw[0])
        return changes

    def changes(self, *tables: str, initial: bool = True) -> Changes:
        """What changes in these tables (none named: in all), from now on; for `async for`.

        With `initial` first every row that is there. Each call is a reader of its own, which may be slow: it
        hears once of a row that changed several times meanwhile. ValueError: a table is not selected.
        """
        return Changes(self, tables or None, initial)

    async def set_condition(self, table: str, rows: Rows) -> None:
        """Change which rows of a table are wanted; returns when the replica holds them.

        RemoteError: the server refuses, and what was wanted before holds again. ValueError, ValueMismatch.
        """
        errors: list[object] = []
        settled = trio.Event()

        def take(error: object) -> None:
            errors.append(error)
            settled.set()

        self._core.set_condition(table, rows, take)
        await settled.wait()
        if errors[0] is not None:
            raise RemoteError("monitor_cond_change", errors[0])

    # --- transactions

    async def transact(self, operations: Sequence[Json]) -> list[Json]:
        """Execute operations as on the wire; the results, for check_results().

        ConnectionLost: not connected. AmbiguousOutcome, which is one: the connection broke before the answer
        came. RemoteError: the server refused the request.
        """
        answers: list[Answer] = []
        answered = trio.Event()

        def take(answer: Answer) -> None:
            answers.append(answer)
            answered.set()

        try:
            id_ = self._core.transact(operations, take)
        except ConnectionLost:
            await trio.lowlevel.checkpoint()
            raise
        try:
            await answered.wait()
        finally:
            self._core.forget(id_)
        answer = answers[0]
        if isinstance(answer, ConnectionLost):
            raise AmbiguousOutcome(answer.reason)
        if answer.error is not None or not isinstance(answer.result, list):
            raise RemoteError("transact", answer.error if answer.error is not None else answer.result)
        return answer.result

    @asynccontextmanager
    async def transaction(self, comment: str = "", *, lock: str = "") -> AsyncIterator[Txn]:
        """A transaction that is committed at the end of the block, unless an exception leaves it.

        What was read through it (txn.tables) is verified: Conflict, if it is different now; see run(). With
        `lock` the client must hold that: NotOwner. Other refusals are the TransactionErrors of
        ovsdb.client.transaction; see transact() for those of the connection. Without a connection it waits
        for one. Afterwards the replica shows what was committed, as far as it is selected.
        """
        txn = self._core.txn(comment, lock)
        yield txn
        await self.commit(txn)

    async def commit(self, txn: Txn) -> None:
        """Commit what transaction() would."""
        await self.wait_connected()  # from here to the sending nothing waits: the connection stays
        operations = txn.operations()
        if operations:
            txn.finish(await self.transact(operations))

    @overload
    async def run(
        self,
        function: Callable[[Txn], Awaitable[T]],
        *,
        retries: int = ...,
        comment: str = ...,
        lock: str = ...,
    ) -> T: ...

    @overload
    async def run(
        self, function: Callable[[Txn], T], *, retries: int = ..., comment: str = ..., lock: str = ...
    ) -> T: ...

    async def run(
        self, function: Callable[[Txn], Any], *, retries: int = 10, comment: str = "", lock: str = ""
    ) -> Any:
        """Call `function` with a transaction, commit that, and return what the function did.

        On a Conflict everything is done again, on newer contents of the replica, up to `retries` times. The
        function may be a coroutine function, and must do nothing that it may not do twice.
        """
        for attempt in range(retries + 1):
            version = self._core.version
            try:
                async with self.transaction(comment, lock=lock) as txn:
                    result = function(txn)
                    return await result if inspect.isawaitable(result) else result
            except Conflict:
                if attempt == retries:
                    raise
            with trio.move_on_after(pause_after(attempt)):
                while self._core.version == version:
                    self._news = trio.Event()
                    await self._news.wait()
        raise AssertionError("not reached")

    # --- locks

    @asynccontextmanager
    async def lock(self, name: str, *, wait: bool = True, steal: bool = False) -> AsyncIterator[Lock]:
        """Hold a lock: waits for it; with `steal` it is taken from whoever has it.

        It can be lost with the connection, and is then asked for again: `held` tells. To be safe, give its
        name to the transactions, which then fail. Without `wait` the block begins at once, in the queue.
        """
        lock = Lock(name, steal=steal)
        self._core.add_lock(lock)
        try:
            if wait:
                await lock.wait_held()
            yield lock
        finally:
            self._core.remove_lock(lock)

    # --- the tasks' side

    async def _wait_first_attempt(self) -> None:
        await self._attempted.wait()
        if not self.connected and self._failure is not None:
            raise self._failure

    def _woken(self) -> None:
        if self._core.synced:
            self._connected.set()
            self._attempted.set()
        elif self._connected.is_set():
            self._connected = trio.Event()
        self._changed.set()
        self._news.set()

    def _wake_follower(self) -> None:
        self._changed.set()

    def _failed(self, error: Exception) -> None:
        self._core.closed(error)
        self._failure = error

    def _close(self) -> None:
        self._closed = True
        self._core.wake_subscribers()


class Lock(CoreLock):
    """A lock that is held or waited for."""

    def __init__(self, name: str, *, steal: bool = False) -> None:
        super().__init__(name, steal=steal)
        self._event = trio.Event()
        self._lost = trio.Event()

    async def wait_held(self) -> None:
        """Wait until the server says that the lock is ours."""
        while not self.held:
            await self._event.wait()

    async def wait_lost(self) -> None:
        """Wait until it is not, or not known to be."""
        while self.held:
            await self._lost.wait()

    def set_held(self, held: bool) -> None:
        """Note what the server said."""
        if held and not self.held:
            self._lost = trio.Event()
            self._event.set()
        elif self.held and not held:
            self._event = trio.Event()
            self._lost.set()
        self.held = held


class Changes:
    """An asynchronous iterator of RowChanges, without end while the database is open."""

    def __init__(self, db: Database, tables: Sequence[str] | None, initial: bool) -> None:
        self._db = db
        self._there = trio.Event()
        self._subscription = db._core.subscribe(tables, initial, self._wake)

    def __aiter__(self) -> Changes:
        return self

    async def __anext__(self) -> RowChange:
        await trio.lowlevel.checkpoint()
        while (change := self._subscription.pop()) is None:
            if self._db._closed:
                raise StopAsyncIteration
            self._there = trio.Event()
            await self._there.wait()
        return change

    def pending(self) -> int:
        """The number of rows that the reader has not heard of yet."""
        return len(self._subscription)

    def _wake(self) -> None:
        self._there.set()


def _tls_for(remotes: Remotes, settings: TlsSettings) -> Tls | None:
    if not remotes.any_tls:
        return None
    from rpc.tls import Tls  # most programs need it not

    return Tls(settings)


async def _keep_connected(db: Database, remotes: Remotes, timing: Timing, tls: Tls | None) -> None:
    """Connect again and again; ValueMismatch: the program's conditions are no good."""
    machine = Reconnect(trio.current_time(), timing)
    machine.handle(Event.ENABLE, trio.current_time())
    while True:
        deadline = machine.deadline()
        await trio.sleep_until(math.inf if deadline is None else deadline)
        for _ in range(remotes.count):
            address = remotes.next()
            machine.handle(Event.CONNECT, trio.current_time())
            error = await _use(db, address, machine, tls)
            machine.handle(Event.DISCONNECTED, trio.current_time())
            if isinstance(error, ValueMismatch):
                raise error
            db._failed(error)
            if not is_next_at_once(error):
                break
        db._attempted.set()


async def _use(db: Database, address: ActiveAddress, machine: Reconnect, tls: Tls | None) -> Exception:
    """Connect to a server and stay with it as long as possible; why that ended."""
    stream = None
    with trio.CancelScope(deadline=trio.current_time() + max(1.0, machine.backoff)):
        try:
            stream = MessageStream(await connect_stream(address, tls))
        except ConnectError as error:
            return error
    if stream is None:
        return ConnectError(address.text(), "timed out")
    machine.handle(Event.CONNECTED, trio.current_time())
    return await _serve(db._core, address.text(), stream, machine)


async def _serve(core: Core, remote: str, stream: MessageStream, machine: Reconnect) -> Exception:
    """Use one connection to its end; why it ended."""
    outgoing, queue = trio.open_memory_channel[bytes](math.inf)
    failure: Exception = ConnectionLost("the client is closing")

    async def read() -> None:
        core.opened(remote, outgoing.send_nowait)
        while True:
            message = await stream.receive()
            machine.handle(Event.ACTIVITY, trio.current_time())
            core.receive(message)

    async def write() -> None:
        async for data in queue:
            await stream.send(data)

    async def run(task: Callable[[], Awaitable[None]]) -> None:
        nonlocal failure
        try:
            await task()
        except (*FAILURES, ValueMismatch) as error:
            failure = error
            core.closed(error)
            nursery.cancel_scope.cancel()

    try:
        async with trio.open_nursery() as nursery:
            for task in (read, write, partial(_probe, core, machine)):
                nursery.start_soon(run, task)
    finally:
        core.closed(failure)
        with trio.CancelScope() as scope:
            scope.cancel()
            await stream.aclose()
    return failure


async def _probe(core: Core, machine: Reconnect) -> None:
    """Ask a silent server for a sign of life; ConnectionLost when it gives none."""
    while (deadline := machine.deadline()) is not None:
        await trio.sleep_until(deadline)
        action = machine.run(trio.current_time())
        if action is Action.PROBE:
            core.request("echo", [], lambda _: None)
            machine.handle(Event.PROBE, trio.current_time())
        elif action is Action.DISCONNECT:
            seconds = machine.timing.probe_interval
            raise ConnectionLost(f"no response to inactivity probe after {seconds:g} seconds")
    await trio.sleep_forever()
