"""The client library for scripts on real servers, the C one and ours. What clients decide is tested under trio."""

# ruff: noqa: PT012  a transaction fails at the end of its block

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ovsdb.client import (
    AmbiguousOutcome,
    Conflict,
    ConnectError,
    ConstraintViolation,
    Select,
    Timing,
    Txn,
    Unsuitable,
    ValueMismatch,
)
from ovsdb.client.sync import Database, connect
from tests.kit.peers import C_BIN, OVSDB_SERVERS, Daemon

pytestmark = pytest.mark.peer
FAST = Timing(min_backoff=0.02, max_backoff=0.2)
TABLES = {"Open_vSwitch": None, "Bridge": None, "Port": None, "Interface": None, "Missing": None}
PATIENCE = 60.0


@pytest.fixture(params=OVSDB_SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Daemon]:
    with OVSDB_SERVERS[request.param]() as running:
        yield running


def vsctl(server: Daemon, *words: str) -> None:
    server.run(C_BIN / "ovs-vsctl", f"--db={server.remote}", "--no-wait", *words)


def opened(server: Daemon, tables: Any = TABLES, **more: Any) -> Database:
    return connect(server.remote, "Open_vSwitch", tables, **{"timing": FAST, "timeout": PATIENCE, **more})


def test_script_reads_writes_and_reacts(server: Daemon) -> None:
    vsctl(server, "add-br", "br0")
    with opened(server) as db, opened(server) as other:
        ports = db.changes("Port", timeout=0)
        news = db.changes("Port", initial=False, timeout=0)
        assert [(c.kind, c.row.name) for c in ports] == [("insert", "br0")]
        bridge = db.tables.Bridge.one(name="br0")
        with other.transaction("adds a port") as txn:
            interface = txn.insert("Interface", name="p1")
            port = txn.insert("Port", name="p1", interfaces=[interface])
            txn.mutate(txn.tables.Bridge[bridge.uuid], "ports", "insert", port)
        assert port.uuid in other.tables.Port
        assert "p1" not in db.tables.Port.by("name"), "nothing changes between calls"
        while "p1" not in db.tables.Port.by("name"):
            assert db.wait(timeout=PATIENCE)
        assert [c.row.name for c in news] == ["p1"]
        assert ports.pending() == 1
        assert not db.wait(timeout=0)
        server.appctl("ovsdb-server/reconnect")
        vsctl(server, "del-br", "br0")
        while db.tables.Port:
            assert db.wait(timeout=PATIENCE)
        assert [(c.kind, c.row.name) for c in db.changes("Port", timeout=0)] == []
        assert [(c.kind, c.row.name) for c in ports] == [("delete", "br0")], "p1 came and went unread"


def test_function_is_run_again_after_a_conflict(server: Daemon) -> None:
    vsctl(server, "add-br", "br0")

    def count(txn: Txn) -> int:
        bridge = txn.tables.Bridge.one(name="br0")
        number = int(bridge.external_ids.get("count", "0")) + 1
        txn.update(bridge, external_ids={"count": str(number)})
        return number

    results: list[int] = []

    def count_up() -> None:
        with opened(server) as db:
            results.extend(db.run(count, retries=1000) for _ in range(5))

    threads = [threading.Thread(target=count_up) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == list(range(1, 16))


def test_refusals_and_conflicts_are_raised_where_the_block_ends(server: Daemon) -> None:
    vsctl(server, "add-br", "br0")
    with opened(server) as db:
        with pytest.raises(ConstraintViolation), db.transaction() as txn:
            txn.update(db.tables.Port.one(name="br0"), tag=5000)
        with pytest.raises(Conflict), db.transaction() as txn:
            bridge = txn.tables.Bridge.one(name="br0")
            assert bridge.fail_mode is None
            vsctl(server, "set-fail-mode", "br0", "secure")
            txn.update(bridge, datapath_type="netdev")
        with pytest.raises(ValueMismatch), opened(server, {"Bridge": Select(None, [["name", "==", 5]])}):
            pass


def test_conditions_and_locks(server: Daemon) -> None:
    vsctl(server, "add-br", "br0", "--", "add-br", "br1")
    with opened(server, {"Bridge": Select(["name"], [["name", "==", "br0"]])}) as db:
        assert [b.name for b in db.tables.Bridge.values()] == ["br0"]
        db.set_condition("Bridge", [["name", "==", "br1"]])
        assert [b.name for b in db.tables.Bridge.values()] == ["br1"]
        with db.lock("l") as ours, opened(server) as other:
            other.timeout = 0.1
            with pytest.raises(TimeoutError, match="lock l is not to be had"), other.lock("l"):
                pass
            with other.lock("l", wait=False) as theirs:
                assert (ours.held, theirs.held) == (True, False)


def test_answer_that_does_not_come_in_time_leaves_the_outcome_open(server: Daemon) -> None:
    vsctl(server, "add-br", "br0")
    with opened(server) as db:
        db.timeout = 0.1
        with pytest.raises(AmbiguousOutcome), db.transaction() as txn:
            txn.operation(
                {"op": "wait", "table": "Bridge", "where": [], "columns": [], "until": "!=", "rows": [{}]}
            )
        db.timeout = PATIENCE
        with db.transaction() as txn:
            txn.update(db.tables.Bridge.one(name="br0"), fail_mode="secure")
        assert db.tables.Bridge.one(name="br0").fail_mode == "secure"


def test_server_that_cannot_be_used_is_told_at_once(server: Daemon, tmp_path: Path) -> None:
    missing = partial(connect, f"unix:{tmp_path}/none", timing=FAST)
    with pytest.raises(ConnectError, match="No such file or directory"):
        missing()
    with pytest.raises(ConnectError, match="No such file or directory"):
        missing(retry=True, timeout=0.2)
    with pytest.raises(Unsuitable, match="no database nope"):
        connect(server.remote, "nope", timing=FAST, timeout=PATIENCE)
    with connect([f"unix:{tmp_path}/none", server.remote], timing=FAST, timeout=PATIENCE) as db:
        assert db.remote == server.remote
