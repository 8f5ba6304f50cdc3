"""The client library on a cluster of three C servers: the leader is found, lost and found again."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest
import trio

from ovsdb.client import AmbiguousOutcome, Database, Timing, TransactionError, connect
from ovsdb.client.sync import connect as connect_sync
from tests.kit.peers import C_BIN, C_SCHEMA, Daemon, c_ovsdb_server, home, wait_until

pytestmark = pytest.mark.peer
FAST = Timing(min_backoff=0.1, max_backoff=0.5)
PATIENCE = 90.0  # seconds: elections take some, and more where the machine is busy


class Cluster:
    """Three servers, each in a home of its own."""

    def __init__(self, stack: ExitStack) -> None:
        self._stacks: list[ExitStack] = []
        homes = [stack.enter_context(home()) for _ in range(3)]
        self._addresses = [f"unix:{place.path}/raft" for place in homes]
        tool = C_BIN / "ovsdb-tool"
        for number, place in enumerate(homes):
            database: Path = place.path / "conf.db"
            if number == 0:
                place.run(tool, "create-cluster", database, C_SCHEMA, self._addresses[0])
            else:
                local, first = self._addresses[number], self._addresses[0]
                place.run(tool, "join-cluster", database, "Open_vSwitch", local, first)
        self.homes = homes
        self.servers: dict[int, Daemon] = {}
        self.remotes = [f"unix:{place.socket}" for place in homes]
        for number in range(3):
            self.start(number, stack)
        wait_until(lambda: all(self.is_member(n) for n in self.servers), "all have joined", PATIENCE)

    def start(self, number: int, stack: ExitStack) -> None:
        server = c_ovsdb_server(self.homes[number], databases=[self.homes[number].path / "conf.db"])
        self.servers[number] = stack.enter_context(server)

    def status(self, number: int) -> str:
        return self.servers[number].appctl("cluster/status", "Open_vSwitch", check=False)

    def is_member(self, number: int) -> bool:
        status = self.status(number)
        return "Status: cluster member" in status and "Leader: unknown" not in status and "Leader:" in status

    def leader(self) -> int | None:
        return next((n for n in self.servers if "Role: leader" in self.status(n)), None)

    def leaders_remote(self) -> str:
        number = self.leader()
        return "" if number is None else self.remotes[number]

    def stop_leader(self) -> int:
        wait_until(lambda: self.leader() is not None, "there is a leader", PATIENCE)
        number = self.leader()
        assert number is not None
        self.servers.pop(number).terminate()
        return number


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def run(program: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        with trio.fail_after(3 * PATIENCE):
            await program()

    trio.run(limited)


def opened(cluster: Cluster, **more: Any) -> AbstractAsyncContextManager[Database]:
    tables = {"Open_vSwitch": None, "Bridge": ["name", "external_ids"]}
    return connect(cluster.remotes, tables=tables, timing=FAST, retry=True, **more)


async def add_bridge(db: Database, name: str) -> None:
    """Add a bridge, once, whatever happens to the connection."""
    while name not in db.tables.Bridge.by("name"):
        try:
            async with db.transaction() as txn:
                if txn.tables.Bridge.by("name").get(name) is not None:
                    return
                for switch in txn.tables.Open_vSwitch.values():
                    txn.mutate(switch, "bridges", "insert", txn.insert("Bridge", name=name))
                if not db.tables.Open_vSwitch:
                    txn.insert("Open_vSwitch", bridges=[txn.insert("Bridge", name=name)])
        except (AmbiguousOutcome, TransactionError):  # a cluster without a leader
            await trio.sleep(0.1)
            await db.wait_connected()


def test_clients_go_on_when_the_leader_stops(stack: ExitStack) -> None:
    cluster = Cluster(stack)

    async def program() -> None:
        async with opened(cluster, leader_only=True) as writer, opened(cluster) as reader:
            while True:  # the leader may just be changing
                if writer.remote == await trio.to_thread.run_sync(cluster.leaders_remote):
                    break
                await trio.sleep(0.1)
            await add_bridge(writer, "br0")
            seen = reader.changes("Bridge")
            assert (await anext(seen)).row.name == "br0"
            stopped = await trio.to_thread.run_sync(cluster.stop_leader)
            await add_bridge(writer, "br1")
            assert writer.remote != cluster.remotes[stopped]
            change = await anext(seen)
            assert (change.kind, change.row.name) == ("insert", "br1"), "br0 is not told again"
            await trio.to_thread.run_sync(cluster.start, stopped, stack)
            async with opened(cluster) as late:
                await add_bridge(writer, "br2")
                while "br2" not in late.tables.Bridge.by("name"):
                    await late.wait_changed()
                assert len(late.tables.Bridge) == 3

    run(program)
    with connect_sync(cluster.remotes, timing=FAST, timeout=PATIENCE, retry=True, leader_only=True) as db:
        while db.remote != cluster.leaders_remote():
            db.wait(timeout=0.1)
        assert sorted(bridge.name for bridge in db.tables.Bridge.values()) == ["br0", "br1", "br2"]
