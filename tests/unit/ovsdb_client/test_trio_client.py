"""The trio client against a small server in the same process, which can do what a test needs: forget, refuse, hang up."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio
import trio.testing

from ovsdb.client.core import AmbiguousOutcome
from ovsdb.client.trio_client import NO_TRANSACTION, Database, open_database
from rpc.address import UnixAddress
from rpc.errors import ConnectionLost
from rpc.jsonvalue import Json
from rpc.message import Request, encode_error, encode_notification, encode_result
from rpc.reconnect import Timing
from rpc.trio_io import MessageStream, listen

A, B = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"
SCHEMA: Json = {"name": "d", "tables": {"T": {"columns": {"name": {"type": "string"}}}}}
FAST = Timing(min_backoff=0.01, max_backoff=0.01, probe_interval=5)


@dataclass
class Server:
    """Holds the rows of table T, name by UUID."""

    path: Path
    methods: tuple[str, ...] = ("monitor_cond_since", "monitor_cond", "monitor")
    rows: dict[str, str] = field(default_factory=dict)
    id: str = NO_TRANSACTION  # of the last transaction; a client that knows it gets differences
    answers: bool = True
    transacted: list[Json] = field(default_factory=list)  # the results of every transaction
    asked_since: list[Json] = field(default_factory=list)
    streams: list[MessageStream] = field(default_factory=list)

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        listening = listen(UnixAddress(str(self.path), passive=True))
        task_status.started()
        await trio.serve_listeners(self.talk, [listening.listener])

    async def talk(self, raw: trio.SocketStream) -> None:
        stream = MessageStream(raw)
        self.streams.append(stream)
        with suppress(ConnectionLost):
            while True:
                message = await stream.receive()
                if isinstance(message, Request) and self.answers:
                    await stream.send(self.answer(message))

    def answer(self, request: Request) -> bytes:
        if request.method == "get_schema" and request.params == ["d"]:
            return encode_result(SCHEMA, request.id)
        if request.method == "transact":
            return encode_result(self.transacted or [{"count": len(request.params) - 1}], request.id)
        if request.method == "lock":
            return encode_result({"locked": False}, request.id)
        if request.method not in self.methods:
            return encode_error("unknown method", request.id)
        if request.method == "monitor":
            return encode_result({"T": {u: {"new": {"name": n}} for u, n in self.rows.items()}}, request.id)
        contents: Json = {"T": {u: {"initial": {"name": n}} for u, n in self.rows.items()}}
        if request.method == "monitor_cond":
            return encode_result(contents, request.id)
        self.asked_since.append(request.params[3])
        return encode_result([False, self.id, contents], request.id)

    async def notify(self, method: str, *params: Json) -> None:
        await self.streams[-1].send(encode_notification(method, params))

    async def hang_up(self) -> None:
        await self.streams[-1].aclose()


Scenario = Callable[[Server, Database], Awaitable[None]]


def run(server: Server, scenario: Scenario, timing: Timing = FAST) -> None:
    async def main() -> None:
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                await nursery.start(server.serve)
                remote = f"unix:{server.path}.not,unix:{server.path}"
                async with open_database(remote, "d", {"T": ["name", "nope"]}, timing) as db:
                    await db.wait_connected()
                    await scenario(server, db)
                nursery.cancel_scope.cancel()

    trio.run(main)


async def until(db: Database, condition: Callable[[], bool]) -> None:
    while not condition():
        await db.wait_changed()


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path / "db.sock", rows={A: "a"})


@pytest.mark.parametrize("methods", [("monitor_cond_since",), ("monitor_cond",), ("monitor",)])
def test_replica_holds_what_the_server_has_whatever_monitor_it_knows(
    server: Server, methods: tuple[str, ...]
) -> None:
    async def scenario(server: Server, db: Database) -> None:
        assert db.remote == f"unix:{server.path}", "the first server of the list does not exist"
        assert db.replica.tables["T"] == {A: {"name": "a"}}
        assert [change.uuid for change in await db.wait_changed()] == [A]

    server.methods = methods
    run(server, scenario)


def test_update_wakes_the_program_with_the_changes(server: Server) -> None:
    async def scenario(server: Server, db: Database) -> None:
        await db.wait_changed()
        await server.notify("update3", "replica", B, {"T": {A: {"modify": {"name": "c"}}}})
        assert [(c.old, c.new) for c in await db.wait_changed()] == [({"name": "a"}, {"name": "c"})]
        assert db.last_id == B

    run(server, scenario)


def test_after_a_reconnection_only_what_is_different_is_a_change(server: Server) -> None:
    async def scenario(server: Server, db: Database) -> None:
        await db.wait_changed()
        server.rows[B] = "b"
        await server.hang_up()
        assert await db.wait_changed() == []
        assert not db.connected
        assert db.last_error
        await db.wait_connected()
        assert [(c.uuid, c.old, c.new) for c in await db.wait_changed()] == [(B, None, {"name": "b"})]
        assert server.asked_since == [NO_TRANSACTION, "1" * 8]

    server.id = "1" * 8
    run(server, scenario)


def test_update_that_does_not_fit_starts_over(server: Server) -> None:
    async def scenario(server: Server, db: Database) -> None:
        await db.wait_changed()
        await server.notify("update3", "replica", B, {"T": {B: {"modify": {"name": "c"}}}})
        await db.wait_changed()
        await db.wait_connected()
        assert server.asked_since == [NO_TRANSACTION, NO_TRANSACTION]
        assert db.replica.tables["T"] == {A: {"name": "a"}}

    server.id = "1" * 8
    run(server, scenario)


def test_transaction_gets_its_results_after_one_was_cancelled(server: Server) -> None:
    async def scenario(server: Server, db: Database) -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await db.transact([{"op": "abort"}])
        assert await db.transact([{"op": "comment"}, {"op": "comment"}]) == [{"count": 2}]

    run(server, scenario)


def test_transaction_fails_when_the_connection_breaks(server: Server) -> None:
    async def scenario(server: Server, db: Database) -> None:
        server.answers = False
        async with trio.open_nursery() as nursery:

            async def transact() -> None:
                with pytest.raises(ConnectionLost):
                    await db.transact([])

            nursery.start_soon(transact)
            await trio.testing.wait_all_tasks_blocked()
            await server.hang_up()
        with pytest.raises(ConnectionLost, match="not connected"):
            await db.transact([])

    run(server, scenario)


def test_commit_waits_for_a_connection_however_late_the_last_one_breaks(server: Server) -> None:
    async def scenario(server: Server, db: Database) -> None:
        async def commit() -> None:
            with suppress(AmbiguousOutcome):  # it was on its way already
                async with db.transaction() as txn:
                    txn.insert("T", name="a")

        async def disconnect() -> None:
            db._core.closed(ConnectionLost("test"))
            await server.hang_up()

        for _ in range(20):
            await db.wait_connected()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(commit)
                nursery.start_soon(disconnect)

    server.transacted = [{"uuid": ["uuid", A]}]
    run(server, scenario)


def test_lock_is_held_from_the_servers_word_until_the_connection_breaks(server: Server) -> None:
    async def scenario(server: Server, db: Database) -> None:
        async with db.lock("l", wait=False) as lock:
            assert not lock.held
            await db.transact([])  # the answer to the request for the lock has come before this one's
            await server.notify("locked", "l")
            await lock.wait_held()
            await server.notify("stolen", "l")
            await until(db, lambda: not lock.held)
            await server.notify("locked", "l")
            await lock.wait_held()
            await server.hang_up()
            await until(db, lambda: not db.connected)
            await until(db, lambda: not lock.held)

    run(server, scenario)


def test_silent_server_is_given_up(server: Server) -> None:
    async def scenario(server: Server, db: Database) -> None:
        server.answers = False
        await until(db, lambda: not db.connected)
        assert db.last_error == "no response to inactivity probe after 0.05 seconds"

    run(server, scenario, Timing(min_backoff=0.01, max_backoff=0.01, probe_interval=0.05))
