"""The client library on real servers, the C one and ours: what programs do with it."""

# ruff: noqa: PT012  a transaction fails at the end of its block

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import pytest
import trio

from ovsdb.client import (
    Absent,
    Conflict,
    ConstraintViolation,
    Database,
    DuplicateUuid,
    NotOwner,
    ReferentialIntegrityViolation,
    Select,
    TimedOut,
    Timing,
    Txn,
    ValueMismatch,
    connect,
)
from tests.kit.peers import C_BIN, OVSDB_SERVERS, Daemon

pytestmark = pytest.mark.peer
FAST = Timing(min_backoff=0.02, max_backoff=0.2)
TABLES = {"Open_vSwitch": None, "Bridge": None, "Port": None, "Interface": None, "Missing": None}


@pytest.fixture(params=OVSDB_SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Daemon]:
    with OVSDB_SERVERS[request.param]() as running:
        yield running


def vsctl(server: Daemon, *words: str) -> None:
    server.run(C_BIN / "ovs-vsctl", f"--db={server.remote}", "--no-wait", *words)


def opened(server: Daemon, tables: Any = TABLES, **more: Any) -> AbstractAsyncContextManager[Database]:
    return connect(server.remote, "Open_vSwitch", tables, timing=FAST, **more)


def run(program: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        with trio.fail_after(60):
            await program()

    trio.run(limited)


def add_bridge(txn: Txn, name: str) -> Any:
    interface = txn.insert("Interface", name=name, type="internal")
    port = txn.insert("Port", name=name, interfaces=[interface])
    bridge = txn.insert("Bridge", name=name, ports=[port], external_ids={"by": "test"})
    [switch] = txn.tables.Open_vSwitch.values()
    txn.mutate(switch, "bridges", "insert", bridge)
    return bridge


def test_rows_are_found_by_the_values_of_columns_and_followed(server: Daemon) -> None:
    vsctl(server, "add-br", "br0", "--", "add-port", "br0", "p1", "tag=5", "--", "add-port", "br0", "p2")

    async def program() -> None:
        async with opened(server) as db:
            bridge = db.tables.Bridge.by("name")["br0"]
            assert sorted(port.name for port in bridge.follow("ports")) == ["br0", "p1", "p2"]
            p1 = db.tables.Port.one(name="p1")
            assert (p1.tag, p1.trunks, db.tables.Port.one(name="p2").tag) == (5, frozenset(), None)
            assert db.table("Port").find(tag=5) == (p1,)
            assert db.tables.Bridge.having("ports", p1) == (bridge,)
            assert db.tables.Port.by("name").get("none") is None
            assert p1.uuid in db.tables.Port
            assert "Missing" not in db.tables
            assert not db.schema_has("Missing")
            with pytest.raises(Absent, match="has no table Missing"):
                _ = db.tables.Missing
            with pytest.raises(Absent, match="has no column colour"):
                _ = p1.colour

    run(program)


def test_committed_rows_are_in_the_replica_when_the_block_ends(server: Daemon) -> None:
    vsctl(server, "init")

    async def program() -> None:
        async with opened(server) as db:
            async with db.transaction("adds a bridge") as txn:
                new = add_bridge(txn, "br0")
            assert db.tables.Bridge[new.uuid].name == "br0"
            async with db.transaction() as txn:
                bridge = txn.tables.Bridge.by("name")["br0"]
                txn.mutate(bridge, "external_ids", "delete", ["by"])
                txn.update(bridge, fail_mode="secure", flood_vlans={1, 2})
                select = txn.select(bridge, "fail_mode")
            row = db.tables.Bridge[new.uuid]
            assert (row.external_ids, row.fail_mode, row.flood_vlans) == ({}, "secure", {1, 2})
            assert select.result == {"rows": [{"fail_mode": "secure"}]}
            async with db.transaction() as txn:
                txn.update(row, fail_mode=None)
            assert db.tables.Bridge[new.uuid].fail_mode is None

    run(program)


def test_what_was_read_is_verified(server: Daemon) -> None:
    vsctl(server, "add-br", "br0")

    async def program() -> None:
        async with opened(server) as db, opened(server) as other:

            async def rename(to: str) -> None:
                async with other.transaction() as txn:
                    txn.update(other.tables.Bridge.one(name="br0"), other_config={"is": to})

            with pytest.raises(Conflict):
                async with db.transaction() as txn:
                    bridge = txn.tables.Bridge.one(name="br0")
                    assert bridge.other_config == {}
                    await rename("x")
                    txn.update(bridge, datapath_type="netdev")
            async with db.transaction() as txn:  # what is not read does not matter
                bridge = txn.tables.Bridge.one(name="br0")
                await rename("y")
                txn.update(bridge, datapath_type="netdev")
            with pytest.raises(Conflict):  # that a row is not there has been read too
                async with db.transaction() as txn:
                    assert txn.tables.Bridge.by("name").get("br1") is None
                    await other.run(partial(add_bridge, name="br1"))
                    add_bridge(txn, "br2")
            with pytest.raises(Conflict):  # and a row that is changed must be there still
                async with db.transaction() as txn:
                    while "br1" not in db.tables.Bridge.by("name"):
                        await db.wait_changed()
                    row = db.tables.Bridge.one(name="br1")
                    async with other.transaction() as theirs:
                        [switch] = theirs.tables.Open_vSwitch.values()
                        theirs.mutate(switch, "bridges", "delete", row)
                    txn.update(row, fail_mode="secure")

    run(program)


def test_function_is_run_again_after_a_conflict(server: Daemon) -> None:
    vsctl(server, "add-br", "br0")

    async def program() -> None:
        async with opened(server) as db:

            async def count(txn: Txn) -> None:
                bridge = txn.tables.Bridge.one(name="br0")
                number = int(bridge.external_ids.get("count", "0"))
                await trio.lowlevel.checkpoint()
                txn.update(bridge, external_ids={"count": str(number + 1)})

            async def count_up() -> None:
                await db.run(count, retries=100)

            async with trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(count_up)
            assert db.tables.Bridge.one(name="br0").external_ids == {"count": "5"}

    run(program)


def test_refusals_are_told_apart(server: Daemon) -> None:
    vsctl(server, "add-br", "br0")

    async def program() -> None:
        async with opened(server) as db:
            bridge = db.tables.Bridge.one(name="br0")
            port = db.tables.Port.one(name="br0")
            with pytest.raises(ConstraintViolation):
                async with db.transaction() as txn:
                    txn.update(port, tag=5000)
            with pytest.raises(ReferentialIntegrityViolation):
                async with db.transaction() as txn:
                    txn.update(port, interfaces=["00000000-0000-4000-8000-000000000000"])
            with pytest.raises(NotOwner):
                async with db.transaction(lock="nobody_has_it") as txn:
                    txn.update(bridge, fail_mode="secure")
            with pytest.raises(TimedOut) as raised:
                async with db.transaction() as txn:
                    where: Any = txn.where("Bridge", "name", "==", "br0")
                    columns: Any = ["name"]
                    txn.operation(
                        {
                            "op": "wait",
                            "table": "Bridge",
                            "where": where,
                            "columns": columns,
                            "until": "!=",
                            "rows": [{"name": "br0"}],
                            "timeout": 0,
                        }
                    )
            assert not isinstance(raised.value, Conflict)
            with pytest.raises(DuplicateUuid):
                async with db.transaction() as txn:
                    txn.operation({"op": "insert", "table": "Port", "uuid": port.uuid, "row": {}})
            with pytest.raises(ValueMismatch, match=r"Port\.tag: expected integer, not '5'"):
                async with db.transaction() as txn:
                    txn.update(port, tag="5")
            with pytest.raises(Absent):
                async with db.transaction() as txn:
                    txn.insert("Port", colour="red")
            with pytest.raises(ZeroDivisionError):
                async with db.transaction() as txn:
                    txn.update(bridge, fail_mode="standalone")
                    _ = 1 // 0
            assert db.tables.Bridge.one(name="br0").fail_mode is None

    run(program)


def test_readers_hear_of_changes_each_at_its_own_pace(server: Daemon) -> None:
    vsctl(server, "add-br", "br0")

    async def program() -> None:
        async with opened(server) as db:
            fast, slow = db.changes("Bridge"), db.changes("Bridge", initial=False)
            first = await anext(fast)
            assert (first.kind, first.resync, first.row.name) == ("insert", True, "br0")
            for mode in ("secure", "standalone"):
                async with db.transaction() as txn:
                    txn.update(first.row, fail_mode=mode)
                change = await anext(fast)
                assert (change.kind, change.columns, change.resync) == (
                    "modify",
                    frozenset({"fail_mode"}),
                    False,
                )
                assert change.row.fail_mode == mode
            assert slow.pending() == 1
            change = await anext(slow)
            assert change.old is not None
            assert (change.old.fail_mode, change.row.fail_mode) == (None, "standalone")
            await trio.to_thread.run_sync(server.appctl, "ovsdb-server/reconnect")
            await trio.to_thread.run_sync(vsctl, server, "del-br", "br0", "--", "add-br", "br1")
            kinds = {(change := await anext(fast)).kind: change.row.name for _ in range(2)}
            assert kinds == {"delete": "br0", "insert": "br1"}
            with pytest.raises(ValueError, match="Controller"):
                db.changes("Controller")

    run(program)


def test_replica_holds_the_rows_that_meet_the_condition(server: Daemon) -> None:
    vsctl(server, "add-br", "br0", "--", "add-br", "br1", "--", "add-br", "br2")

    async def program() -> None:
        tables = {"Bridge": Select(["name"], [["name", "==", "br0"]]), "Port": Select(["name"], False)}
        async with opened(server, tables) as db:

            def names(table: str) -> list[str]:
                return sorted(row.name for row in db.table(table).values())

            assert (names("Bridge"), names("Port")) == (["br0"], [])
            await db.set_condition("Bridge", [["name", "==", "br1"], ["name", "==", "br2"]])
            assert names("Bridge") == ["br1", "br2"]
            await db.set_condition("Port", True)
            assert names("Port") == ["br0", "br1", "br2"]
            with pytest.raises(ValueMismatch):
                await db.set_condition("Port", [["name", "==", 5]])
            await trio.to_thread.run_sync(server.appctl, "ovsdb-server/reconnect")
            await db.set_condition("Port", [["name", "!=", "br0"]])
            assert (names("Bridge"), names("Port")) == (["br1", "br2"], ["br1", "br2"])

    run(program)


def test_lock_is_held_by_one_at_a_time(server: Daemon) -> None:
    vsctl(server, "add-br", "br0")

    async def program() -> None:
        async with opened(server) as db, opened(server) as other:
            bridge = db.tables.Bridge.one(name="br0")
            async with other.lock("l", wait=False) as theirs:
                await theirs.wait_held()
                async with db.lock("l", wait=False) as ours:
                    with pytest.raises(NotOwner):
                        async with db.transaction(lock="l") as txn:
                            txn.update(bridge, fail_mode="secure")
                    assert not ours.held
                async with db.lock("l", steal=True):
                    await theirs.wait_lost()
                    async with db.transaction(lock="l") as txn:
                        txn.update(bridge, fail_mode="secure")
                await theirs.wait_held()
            async with db.lock("l"):
                pass

    run(program)


def test_program_sees_its_own_exceptions_as_they_are(server: Daemon) -> None:
    async def program() -> None:
        async with opened(server):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(program)


def test_condition_that_cannot_be_is_told_to_the_program(server: Daemon) -> None:
    async def program() -> None:
        async with opened(server, {"Bridge": Select(None, [["name", "==", 5]])}):
            pass

    with pytest.raises(ValueMismatch, match=r"Bridge\.name"):
        run(program)
