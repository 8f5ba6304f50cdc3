"""The client library where things go wrong or are not as expected: TLS, schemas of other versions, servers that vanish."""

import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from ovsdb.client import (
    Absent,
    AmbiguousOutcome,
    ConnectError,
    Database,
    Timing,
    TlsSettings,
    connect,
    sync,
)
from tests.kit.certificates import Authority, Identity
from tests.kit.cutting_proxy import cutting_proxy
from tests.kit.peers import C_BIN, C_SCHEMA, OVSDB_SERVERS, Daemon, create_database, home, wait_until

pytestmark = pytest.mark.peer
SERVERS = pytest.mark.parametrize("kind", OVSDB_SERVERS)
FAST = Timing(min_backoff=0.02, max_backoff=0.1)
PATIENCE = 60.0


def run(program: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        with trio.fail_after(PATIENCE):
            await program()

    trio.run(limited)


def vsctl(server: Daemon, *words: str) -> None:
    server.run(C_BIN / "ovs-vsctl", f"--db={server.remote}", "--no-wait", *words)


def tls_of(identity: Identity) -> TlsSettings:
    return TlsSettings(str(identity.key), str(identity.certificate), str(identity.ca))


@SERVERS
def test_connections_are_encrypted_and_peers_known_by_their_ca(kind: str, tmp_path: Path) -> None:
    ca, other = Authority(tmp_path), Authority(tmp_path, "other")
    with OVSDB_SERVERS[kind](None, "--remote=pssl:0:127.0.0.1", *ca.issue("server").options()) as server:
        ports: list[str] = []

        def look() -> bool:
            ports[:] = re.findall(r"listening on port (\d+)", server.output())
            return bool(ports)

        wait_until(look, "it listens")
        vsctl(server, "add-br", "br0")
        remote, tables = f"ssl:127.0.0.1:{ports[-1]}", {"Bridge": ["name"]}
        ours, strange = tls_of(ca.issue("client")), tls_of(other.issue("stranger"))

        async def program() -> None:
            async with connect(remote, tables=tables, tls=ours) as db:
                assert [bridge.name for bridge in db.tables.Bridge.values()] == ["br0"]
                async with db.transaction() as txn:
                    txn.update(db.tables.Bridge.one(name="br0"), fail_mode="secure")

        run(program)
        with sync.connect(remote, tables={"Bridge": None}, tls=ours, timeout=PATIENCE) as db:
            assert db.tables.Bridge.one(name="br0").fail_mode == "secure"
        with pytest.raises(ConnectError, match="certificate verify failed"):
            sync.connect(remote, tls=strange, timeout=PATIENCE)
        with pytest.raises(ConnectError, match="Private key must be configured"):
            sync.connect(remote, timeout=PATIENCE)


def edited_schema(path: Path, edit: Callable[[Any], None]) -> Path:
    """The schema of Open vSwitch, changed."""
    schema = json.loads(C_SCHEMA.read_text())
    schema.pop("cksum", None)
    edit(schema)
    path.write_text(json.dumps(schema))
    return path


def make_older(schema: Any) -> None:
    """As before some table and column came."""
    schema["version"] = "7.0.0"
    del schema["tables"]["Open_vSwitch"]["columns"]["datapaths"]
    for table in ("Datapath", "CT_Zone", "CT_Timeout_Policy"):
        del schema["tables"][table]
    del schema["tables"]["Port"]["columns"]["protected"]


def make_newer(schema: Any) -> None:
    schema["version"] = "99.0.0"
    schema["tables"]["Port"]["columns"]["colour"] = {"type": {"key": "string", "min": 0, "max": 1}}


@SERVERS
def test_program_goes_on_while_the_schema_changes(kind: str) -> None:
    """From an older schema to today's and on to one that no program knows."""
    with home() as place:
        older = edited_schema(place.path / "older.ovsschema", make_older)
        newer = edited_schema(place.path / "newer.ovsschema", make_newer)
        database = create_database(place, schema=older)
        with OVSDB_SERVERS[kind](place, databases=[database]) as server:

            def convert(schema: Path) -> None:
                server.run(C_BIN / "ovsdb-client", "convert", server.remote, schema)

            async def program() -> None:
                tables = {"Open_vSwitch": None, "Port": ["name", "protected", "colour"], "Datapath": None}
                async with connect(server.remote, tables=tables, timing=FAST) as db:
                    changes = db.changes("Port", initial=False)
                    await trio.to_thread.run_sync(vsctl, server, "add-br", "br0")
                    port = (await anext(changes)).row
                    assert set(port.columns()) == {"name"}
                    assert not db.schema_has("Port", "protected")
                    with pytest.raises(Absent, match="no table Datapath"):
                        db.table("Datapath")
                    with pytest.raises(Absent, match=r"7\.0\.0\) has no column protected"):
                        async with db.transaction() as txn:
                            txn.update(port, protected=True)
                    await trio.to_thread.run_sync(convert, C_SCHEMA)
                    await until(db, lambda: db.schema_has("Port", "protected"))
                    change = await anext(changes)
                    assert (change.kind, change.row.protected, change.resync) == ("modify", False, True)
                    assert len(db.table("Datapath")) == 0
                    async with db.transaction() as txn:
                        txn.update(change.row, protected=True)
                    assert (await anext(changes)).row.protected
                    await trio.to_thread.run_sync(convert, newer)
                    await until(db, lambda: db.schema_has("Port", "colour"))
                    assert (await anext(changes)).row.colour is None
                    assert db.tables.Port.find(colour=None) == (port,)

            run(program)


async def until(db: Database, condition: Callable[[], bool]) -> None:
    while not (db.connected and condition()):
        await db.wait_changed()


@SERVERS
def test_outcome_is_open_where_the_server_vanishes_within_its_answer(kind: str) -> None:
    with OVSDB_SERVERS[kind]() as server:
        vsctl(server, "add-br", "br0")
        path = server.home.path / "proxy.sock"

        async def program() -> None:
            async with (
                cutting_proxy(server.home.socket, path, iter(())) as proxy,
                connect(f"unix:{path}", tables={"Bridge": ["external_ids"]}, timing=FAST) as db,
            ):
                [bridge] = db.tables.Bridge.values()
                for number in range(5):
                    proxy.cut_after(10 * number)
                    with pytest.raises(AmbiguousOutcome):
                        async with db.transaction() as txn:
                            txn.mutate(bridge, "external_ids", "insert", {str(number): "x"})
                    await db.wait_connected()  # and look: the server may have had the request, or not
                    if str(number) not in db.tables.Bridge[bridge.uuid].external_ids:
                        async with db.transaction() as txn:
                            txn.mutate(bridge, "external_ids", "insert", {str(number): "x"})
                assert set(db.tables.Bridge[bridge.uuid].external_ids) == set("01234")

        run(program)


@SERVERS
def test_reader_that_never_reads_holds_no_more_than_the_rows(kind: str) -> None:
    with OVSDB_SERVERS[kind]() as server:
        vsctl(server, "add-br", "br0")

        async def program() -> None:
            async with connect(server.remote, tables={"Bridge": ["name", "external_ids"]}) as db:
                slow = db.changes()
                bridge = (await anext(slow)).row
                for number in range(50):
                    async with db.transaction() as txn:
                        txn.update(bridge, external_ids={"n": str(number)})
                assert slow.pending() == 1
                assert (await anext(slow)).row.external_ids == {"n": "49"}

        run(program)
