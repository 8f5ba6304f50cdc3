"""A client for long-running programs under trio: keeps a replica of selected tables and comes back after
failures.

    async with open_database("unix:/run/db.sock", "Open_vSwitch", {"Bridge": ["name"], "Port": None}) as db:
        while True:
            for table, uuid, old, new in await db.wait_changed():
                ... db.replica.tables["Bridge"][uuid]["name"] ...

Rule: one task reads a connection and one writes it; what others want goes through a queue, so that a
cancelled transact() never leaves half a message behind. After a reconnection the program sees only what
really changed.
Source: RFC 7047; ovsdb-server(7) for monitor_cond_since, update2 and update3.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import trio

from ovsdb.client.replica import Change, Replica, ReplicaError, Selection
from ovsdb.errors import OvsdbError
from ovsdb.schema import Schema
from rpc.address import ActiveAddress, TcpAddress, parse_active
from rpc.errors import ConnectError, ConnectionLost, RemoteError
from rpc.jsonvalue import Json
from rpc.message import Message, Notification, Reply, Request, encode_error, encode_request, encode_result
from rpc.reconnect import Action, Event, Reconnect, Timing
from rpc.tls_settings import NO_SETTINGS, TlsSettings
from rpc.trio_io import MessageStream, connect

if TYPE_CHECKING:
    from rpc.tls import Tls

NO_TRANSACTION = "00000000-0000-0000-0000-000000000000"  # an id that is in no history
MONITOR = "replica"  # names our monitor, the only one on its connection
# The requests that start a monitor, the best first, and the version of their updates.
MONITOR_METHODS = (("monitor_cond_since", 2), ("monitor_cond", 2), ("monitor", 1))
Receive = Callable[[], Awaitable[Message]]
FAILURES = (ConnectionLost, RemoteError, ReplicaError, OvsdbError)


@asynccontextmanager
async def open_database(
    remote: str,
    database: str,
    tables: Selection,
    timing: Timing | None = None,
    *,
    tls: TlsSettings = NO_SETTINGS,
) -> AsyncIterator[Database]:
    """A client of `database` at `remote`, which may name several servers "a,b"; AddressError where it names
    none.

    Yields at once: `connected` is false until the replica holds the server's contents. Tables and columns
    that the server does not have are left out. Failures of the connection show in `last_error`, not as
    exceptions.
    """
    addresses = [parse_active(text) for text in remote.split(",")]
    db = Database(database, tables)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_keep_connected, db, addresses, timing or Timing(), _tls_for(addresses, tls))
        try:
            yield db
        finally:
            nursery.cancel_scope.cancel()


class Database:
    """What open_database() yields."""

    def __init__(self, name: str, tables: Selection) -> None:
        self.name = name
        self.replica = Replica(tables)
        self.connected = False  # the replica follows the server
        self.remote = ""  # the server that it follows, or followed last
        self.last_error = ""  # why the last connection ended or could not be made
        self.last_id = NO_TRANSACTION  # up to where the replica knows the server's history
        self._changes: list[Change] = []
        self._changed = trio.Event()
        self._connected = trio.Event()
        self._link: _Link | None = None
        self._locks: dict[str, Lock] = {}

    async def wait_changed(self) -> list[Change]:
        """Wait until rows, `connected` or a lock differ from what the last call knew; one task at a time.

        Returns the changes of rows since then, in order; a row may occur several times.
        """
        await self._changed.wait()
        self._changed = trio.Event()
        changes, self._changes = self._changes, []
        return changes

    async def wait_connected(self) -> None:
        """Wait until the replica holds the server's contents."""
        while not self.connected:
            await self._connected.wait()

    async def transact(self, operations: Sequence[Json]) -> list[Json]:
        """Execute a transaction; the results, for check_results().

        ConnectionLost: not connected, or the connection broke before the answer came: then the outcome is
        unknown. RemoteError: the server refused the request.
        """
        if self._link is None:
            await trio.lowlevel.checkpoint()
            raise ConnectionLost("not connected")
        result = await self._link.call("transact", [self.name, *operations])
        if not isinstance(result, list):
            raise RemoteError("transact", result)
        return result

    @asynccontextmanager
    async def lock(self, name: str) -> AsyncIterator[Lock]:
        """Stand in the queue for a lock while the block lasts, also over reconnections; see `held`."""
        if name in self._locks:
            raise ValueError(f"lock {name} is asked for already")
        lock = self._locks[name] = Lock(name)
        if self._link is not None:
            self._request_lock(self._link, lock)
        try:
            yield lock
        finally:
            del self._locks[name]
            if self._link is not None:
                self._link.post("unlock", [name])

    def _request_lock(self, link: _Link, lock: Lock) -> None:
        def granted(reply: Reply) -> None:
            if isinstance(reply.result, dict) and reply.result.get("locked") is True:
                self._set_held(lock, True)

        link.post("lock", [lock.name], granted)

    def _set_held(self, lock: Lock, held: bool) -> None:
        lock.set_held(held)
        self._changed.set()

    def _begin(self, link: _Link, remote: str) -> None:
        self._link, self.remote, self.connected, self.last_error = link, remote, True, ""
        for lock in self._locks.values():
            self._request_lock(link, lock)
        self._connected.set()
        self._changed.set()

    def _end(self, reason: str) -> None:
        self.last_error = reason
        if self.connected:
            self._link, self.connected = None, False
            self._connected = trio.Event()
            for lock in self._locks.values():
                lock.set_held(False)
            self._changed.set()

    def _take(self, changes: list[Change]) -> None:
        if changes:
            self._changes += changes
            self._changed.set()

    def _notified(self, method: str, params: list[Json]) -> None:
        """Act on a notification; ReplicaError, ConnectionLost."""
        match method, params:
            case "update3", [monitor, str(last_id), updates] if monitor == MONITOR:
                self._take(self.replica.apply(updates, 2))
                self.last_id = last_id
            case (("update2" | "update"), [monitor, updates]) if monitor == MONITOR:
                self._take(self.replica.apply(updates, 2 if method == "update2" else 1))
            case (("locked" | "stolen"), [str(name)]) if name in self._locks:
                self._set_held(self._locks[name], method == "locked")
            case "monitor_canceled", [monitor] if monitor == MONITOR:
                raise ConnectionLost("the server has ended the monitor")


class Lock:
    """A lock that is held or waited for."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.held = False
        self._event = trio.Event()

    async def wait_held(self) -> None:
        """Wait until the server says that the lock is ours."""
        while not self.held:
            await self._event.wait()

    def set_held(self, held: bool) -> None:
        """Note what the server said."""
        self.held = held
        if held:
            self._event.set()
        else:
            self._event = trio.Event()


class _Link:
    """One connection while it lasts."""

    def __init__(self, stream: MessageStream) -> None:
        self._stream = stream
        self._outgoing, self._queue = trio.open_memory_channel[bytes](math.inf)
        self._waiting: dict[int, Callable[[Reply], None]] = {}
        self._next_id = 0
        self._ended = trio.Event()
        self.reason = ""  # why it ended

    def post(
        self, method: str, params: Sequence[Json], on_reply: Callable[[Reply], None] | None = None
    ) -> int:
        """Send a request without waiting; its id. `on_reply` is called unless the connection ends before."""
        id_ = self._next_id
        self._next_id += 1
        if on_reply is not None:
            self._waiting[id_] = on_reply
        self._outgoing.send_nowait(encode_request(method, params, id_))
        return id_

    async def call(self, method: str, params: Sequence[Json]) -> Json:
        """The result of a request, sent from any task but the reading one. RemoteError, ConnectionLost."""
        replies: list[Reply] = []
        answered = trio.Event()

        def take(reply: Reply) -> None:
            replies.append(reply)
            answered.set()

        id_ = self.post(method, params, take)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_after, self._ended, nursery.cancel_scope)
                await answered.wait()
                nursery.cancel_scope.cancel()
        finally:
            self._waiting.pop(id_, None)
        if not replies:
            raise ConnectionLost(self.reason)
        return _result(method, replies[0])

    async def request(self, method: str, params: Sequence[Json], receive: Receive) -> Json:
        """The same from the reading task, before the monitor has begun."""
        replies: list[Reply] = []
        self.post(method, params, replies.append)
        while not replies:
            self.answer(await receive())
        return _result(method, replies[0])

    def answer(self, message: Message) -> None:
        """Act on what is no notification."""
        if isinstance(message, Reply):
            on_reply = self._waiting.pop(message.id, None) if isinstance(message.id, int) else None
            if on_reply is not None:
                on_reply(message)
        elif isinstance(message, Request):
            if message.method == "echo":
                self._outgoing.send_nowait(encode_result(message.params, message.id))
            else:
                self._outgoing.send_nowait(encode_error("unknown method", message.id))

    async def write(self) -> None:
        """Send what is queued; for ever, or ConnectionLost."""
        async for data in self._queue:
            await self._stream.send(data)

    def end(self, reason: str) -> None:
        """Wake everybody who waits for a reply."""
        self.reason = self.reason or reason
        self._ended.set()


def _result(method: str, reply: Reply) -> Json:
    if reply.error is not None:
        raise RemoteError(method, reply.error)
    return reply.result


async def _cancel_after(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


def _tls_for(addresses: list[ActiveAddress], settings: TlsSettings) -> Tls | None:
    if not any(isinstance(address, TcpAddress) and address.tls for address in addresses):
        return None
    from rpc.tls import Tls  # most programs need it not

    return Tls(settings)


async def _keep_connected(
    db: Database, addresses: list[ActiveAddress], timing: Timing, tls: Tls | None
) -> None:
    machine = Reconnect(trio.current_time(), timing)
    machine.handle(Event.ENABLE, trio.current_time())
    while True:
        await _sleep_until(machine.deadline())
        machine.handle(Event.CONNECT, trio.current_time())
        try:
            stream, remote = await _connect_any(addresses, machine, tls)
        except ConnectError as error:
            db._end(str(error))
        else:
            machine.handle(Event.CONNECTED, trio.current_time())
            db._end(await _serve(db, stream, remote, machine))
        machine.handle(Event.DISCONNECTED, trio.current_time())


async def _sleep_until(deadline: float | None) -> None:
    await trio.sleep_until(math.inf if deadline is None else deadline)


async def _connect_any(
    addresses: list[ActiveAddress], machine: Reconnect, tls: Tls | None
) -> tuple[MessageStream, str]:
    """The first server that accepts, in the order in which the user gave them."""
    failure = ConnectError("", "no address")
    for address in addresses:
        deadline = trio.current_time() + max(1.0, machine.backoff)
        with trio.CancelScope(deadline=deadline):
            try:
                return MessageStream(await connect(address, tls)), address.text()
            except ConnectError as error:
                failure = error
                continue
        failure = ConnectError(address.text(), "timed out")
    raise failure


async def _serve(db: Database, stream: MessageStream, remote: str, machine: Reconnect) -> str:
    """Use one connection to its end; why it ended."""
    link = _Link(stream)

    async def receive() -> Message:
        message = await stream.receive()
        machine.handle(Event.ACTIVITY, trio.current_time())
        return message

    async def run(task: Callable[[], Awaitable[None]]) -> None:
        try:
            await task()
        except FAILURES as error:
            if isinstance(error, ReplicaError):
                db.last_id = NO_TRANSACTION
            db._end(str(error))  # first: who is woken must not find the dead link again
            link.end(str(error))
            nursery.cancel_scope.cancel()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, link.write)
            nursery.start_soon(run, partial(_probe, link, machine))
            nursery.start_soon(run, partial(_follow, db, link, remote, receive))
    finally:
        link.end("the client is closing")
        with trio.CancelScope() as scope:
            scope.cancel()
            await stream.aclose()
    return link.reason


async def _probe(link: _Link, machine: Reconnect) -> None:
    """Ask a silent server for a sign of life; ConnectionLost when it gives none."""
    while (deadline := machine.deadline()) is not None:
        await trio.sleep_until(deadline)
        action = machine.run(trio.current_time())
        if action is Action.PROBE:
            link.post("echo", [])
            machine.handle(Event.PROBE, trio.current_time())
        elif action is Action.DISCONNECT:
            seconds = machine.timing.probe_interval
            raise ConnectionLost(f"no response to inactivity probe after {seconds:g} seconds")
    await trio.sleep_forever()


async def _follow(db: Database, link: _Link, remote: str, receive: Receive) -> None:
    """Bring the replica up to date and keep it so; FAILURES."""
    schema = Schema.parse(await link.request("get_schema", [db.name], receive))
    if not db.replica.adopt(schema):
        db.last_id = NO_TRANSACTION
    await _begin_monitor(db, link, receive)
    db._begin(link, remote)
    while True:
        message = await receive()
        if isinstance(message, Notification):
            db._notified(message.method, message.params)
        else:
            link.answer(message)


async def _begin_monitor(db: Database, link: _Link, receive: Receive) -> None:
    for method, version in MONITOR_METHODS:
        wanted: dict[str, Json] = {
            table: [{"columns": list(columns)}] if version == 2 else {"columns": list(columns)}
            for table, columns in db.replica.selected().items()
        }
        params: list[Json] = [db.name, MONITOR, wanted]
        try:
            if method != "monitor_cond_since":
                db._take(db.replica.replace(await link.request(method, params, receive), version))
                return
            match await link.request(method, [*params, db.last_id], receive):
                case [bool(found), str(last_id), updates]:
                    take = db.replica.apply if found else db.replica.replace
                    db._take(take(updates, version))
                    db.last_id = last_id
                    return
                case _:
                    raise ReplicaError(method, "unexpected result")
        except RemoteError as error:
            if method == "monitor" or error.error != "unknown method":
                raise
