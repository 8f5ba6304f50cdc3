"""The trio client on a real server, the C one and ours: the same program sees the same."""

import pytest
import trio

from ovsdb.client.trio_client import open_database
from rpc.jsonvalue import Json
from rpc.reconnect import Timing
from tests.kit.peers import C_BIN, OVSDB_SERVERS, Daemon

pytestmark = pytest.mark.peer


@pytest.mark.parametrize("kind", OVSDB_SERVERS)
def test_program_follows_the_database_through_a_reconnection(kind: str) -> None:
    async def follow(server: Daemon) -> None:
        def vsctl(*words: str) -> None:
            server.run(C_BIN / "ovs-vsctl", f"--db={server.remote}", "--no-wait", *words)

        vsctl("add-br", "br0")
        tables = {"Bridge": ["name", "flood_vlans"], "Port": ["name"], "Missing": None}
        with trio.fail_after(30):
            async with open_database(server.remote, "Open_vSwitch", tables, Timing(min_backoff=0.05)) as db:
                await db.wait_connected()
                first = await db.wait_changed()
                assert sorted(str(c.new["name"]) for c in first if c.new) == ["br0", "br0"]
                await trio.to_thread.run_sync(vsctl, "set", "bridge", "br0", "flood_vlans=1,2")
                (change,) = await db.wait_changed()
                assert change.old is not None
                assert change.new is not None
                assert (change.old["flood_vlans"], change.new["flood_vlans"]) == (frozenset(), {1, 2})
                await trio.to_thread.run_sync(server.appctl, "ovsdb-server/reconnect")
                assert await db.wait_changed() == []
                await db.wait_connected()
                assert await db.wait_changed() == [], "nothing is different after the reconnection"
                async with db.lock("program") as lock:
                    await lock.wait_held()
                emptying: list[Json] = [{"op": "delete", "table": "Open_vSwitch", "where": []}]
                assert await db.transact(emptying) == [{"count": 1}]
                while db.replica.tables["Port"]:
                    await db.wait_changed()
                assert db.replica.tables == {"Bridge": {}, "Port": {}, "Missing": {}}

    with OVSDB_SERVERS[kind]() as server:
        trio.run(follow, server)
