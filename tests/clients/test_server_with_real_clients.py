"""Real clients on our ovsdb-server, each test on the C server too: what it expects is what that one does."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.kit import peers
from tests.kit.idl import Follower
from tests.kit.peers import C_BIN, C_SCHEMA, Daemon

pytestmark = pytest.mark.peer
Start = Callable[..., AbstractContextManager[Daemon]]


@pytest.fixture(params=list(peers.OVSDB_SERVERS))
def server(request: pytest.FixtureRequest) -> Iterator[Daemon]:
    start: Start = peers.OVSDB_SERVERS[request.param]
    with start() as running:
        yield running
        assert "Traceback" not in running.output()


def vsctl(server: Daemon, *args: str) -> str:
    return server.run(C_BIN / "ovs-vsctl", "--no-wait", *args).stdout


def client(server: Daemon, *args: str) -> str:
    return server.run(C_BIN / "ovsdb-client", *args).stdout


def test_ovs_vsctl_configures_bridges(server: Daemon) -> None:
    vsctl(server, "init")
    vsctl(
        server,
        "add-br",
        "br0",
        "--",
        "add-port",
        "br0",
        "eth1",
        "--",
        "set",
        "Interface",
        "eth1",
        "type=dummy",
    )
    vsctl(server, "add-bond", "br0", "bond0", "eth2", "eth3", "--", "set", "Port", "bond0", "tag=9")
    assert vsctl(server, "list-ports", "br0") == "bond0\neth1\n"
    shown = {line.strip() for line in vsctl(server, "show").splitlines()[1:]}
    ports = {f"Port {p}" for p in ("br0", "eth1", "bond0")}
    interfaces = {f"Interface {i}" for i in ("br0", "eth1", "eth2", "eth3")}
    assert shown == {"Bridge br0", "tag: 9", "type: dummy", "type: internal", *ports, *interfaces}
    vsctl(server, "del-port", "bond0")
    assert vsctl(server, "list-ifaces", "br0") == "eth1\n"
    failed = server.run(C_BIN / "ovs-vsctl", "--no-wait", "add-br", "br0", check=False)
    assert (failed.returncode, "br0 already exists" in failed.stderr or "named br0" in failed.stderr) == (
        1,
        True,
    )
    vsctl(server, "del-br", "br0")
    assert vsctl(server, "list-br") == ""


def test_a_daemon_waits_for_its_configuration_to_be_applied(server: Daemon) -> None:
    vsctl(server, "init")
    with peers.c_vswitchd(server, "--enable-dummy=override"):
        server.run(C_BIN / "ovs-vsctl", "add-br", "br0", "--", "set", "Bridge", "br0", "datapath_type=dummy")
        assert server.run(C_BIN / "ovs-vsctl", "get", "Interface", "br0", "ofport").stdout == "65534\n"


def test_ovsdb_client_lists_and_dumps(server: Daemon) -> None:
    assert client(server, "list-dbs", server.remote) == "Open_vSwitch\n_Server\n"
    assert client(server, "get-schema-version", server.remote, "Open_vSwitch") == "8.3.1\n"
    assert client(server, "get-schema-cksum", server.remote, "Open_vSwitch") == "3012963480 26720\n"
    assert "Bridge\n" in client(server, "list-tables", server.remote, "Open_vSwitch")
    vsctl(server, "init", "--", "set", "Open_vSwitch", ".", "external_ids:a=b")
    dump = client(server, "dump", server.remote, "Open_vSwitch", "Open_vSwitch", "external_ids", "next_cfg")
    assert dump.splitlines()[0] == "Open_vSwitch table"
    assert dump.splitlines()[3].startswith("{a=b}        ")


def test_a_schema_read_over_the_wire_is_the_file(server: Daemon, tmp_path: Path) -> None:
    file = tmp_path / "schema"
    file.write_text(client(server, "get-schema", server.remote, "Open_vSwitch"))
    assert server.run(C_BIN / "ovsdb-client", "needs-conversion", server.remote, C_SCHEMA).stdout == "no\n"
    assert server.run(C_BIN / "ovsdb-tool", "schema-version", file).stdout == "8.3.1\n"


def test_ovsdb_client_waits_for_a_database_to_be_connected(server: Daemon) -> None:
    client(server, "--timeout=5", "wait", server.remote, "Open_vSwitch", "connected")


def test_ovsdb_client_backs_up_and_restores(server: Daemon, tmp_path: Path) -> None:
    vsctl(server, "init", "--", "add-br", "br0")
    backup = tmp_path / "backup"
    backup.write_text(client(server, "backup", server.remote, "Open_vSwitch"))
    vsctl(server, "del-br", "br0")
    server.run("/bin/sh", "-c", f"{C_BIN}/ovsdb-client restore {server.remote} Open_vSwitch <{backup}")
    assert vsctl(server, "list-br") == "br0\n"


def test_ovsdb_client_locks(server: Daemon) -> None:
    assert (
        "locked"
        in server.run(
            C_BIN / "ovsdb-client", "--timeout=1", "lock", server.remote, "mine", check=False
        ).stdout
    )


@contextmanager
def monitoring(server: Daemon, *args: str) -> Iterator[Callable[[], str]]:
    """Run ovsdb-client monitor; the function waits for its next lines and returns all so far."""
    out = server.home.path / "monitor.out"
    with out.open("w") as f:
        process = subprocess.Popen(
            [C_BIN / "ovsdb-client", "--format=csv", *args],
            stdout=f,
            env=server.home.env,
            cwd=server.home.path,
        )
        seen = [0]

        def more() -> str:
            peers.wait_until(lambda: out.stat().st_size > seen[0], f"{args} prints after {out.read_text()!r}")
            seen[0] = out.stat().st_size
            return out.read_text()

        try:
            yield more
        finally:
            process.terminate()
            process.wait(10)


@pytest.mark.parametrize("command", ["monitor", "monitor-cond", "monitor-cond-since"])
def test_ovsdb_client_monitors(server: Daemon, command: str) -> None:
    vsctl(server, "init")
    condition = [] if command == "monitor" else ["[true]"]
    with monitoring(
        server, command, server.remote, "Open_vSwitch", *condition, "Open_vSwitch", "next_cfg,external_ids"
    ) as more:
        more()
        vsctl(server, "set", "Open_vSwitch", ".", "external_ids:a=b")
        text = more()
    assert "initial" in text
    assert ("new" if command == "monitor" else "modify") in text
    assert "{a=b}" in text


def test_the_python_idl_connects_follows_and_commits(server: Daemon) -> None:
    vsctl(server, "init")
    follower = Follower(server)
    try:
        follower.until(lambda: follower.rows("Open_vSwitch"), "the IDL has the root row")
        vsctl(server, "add-br", "br0")
        follower.until(lambda: [b.name for b in follower.rows("Bridge")] == ["br0"], "the IDL sees br0")

        def annotate(transaction: Any) -> None:
            [root] = follower.rows("Open_vSwitch")
            root.verify("external_ids")
            root.external_ids = {"who": "idl"}
            bridge = transaction.insert(follower.idl.tables["Bridge"])
            bridge.name = "br1"
            root.bridges = [*root.bridges, bridge]

        assert follower.commit(annotate) == "success"
        assert vsctl(server, "get", "Open_vSwitch", ".", "external_ids") == "{who=idl}\n"
        assert vsctl(server, "list-br") == "br0\nbr1\n"
        vsctl(server, "del-br", "br0")
        follower.until(lambda: [b.name for b in follower.rows("Bridge")] == ["br1"], "the IDL sees br0 go")
    finally:
        follower.idl.close()


def test_the_python_idl_follows_a_condition(server: Daemon) -> None:
    vsctl(server, "init", "--", "add-br", "br0", "--", "add-br", "br1")
    follower = Follower(server)
    try:
        follower.idl.cond_change("Bridge", [["name", "==", "br1"]])
        follower.until(lambda: [b.name for b in follower.rows("Bridge")] == ["br1"], "only br1 is seen")
        follower.idl.cond_change("Bridge", [["name", "==", "br0"]])
        follower.until(lambda: [b.name for b in follower.rows("Bridge")] == ["br0"], "only br0 is seen")
        follower.idl.cond_change("Bridge", [True])
        follower.until(lambda: len(follower.rows("Bridge")) == 2, "both are seen")
    finally:
        follower.idl.close()


def test_the_python_idl_holds_a_lock(server: Daemon) -> None:
    first, second = Follower(server), Follower(server)
    try:
        first.idl.set_lock("leader")
        first.until(lambda: first.idl.has_lock, "the first has the lock")
        second.idl.set_lock("leader")
        second.until(lambda: second.idl.is_lock_contended, "the second waits")
        first.idl.set_lock(None)
        first.idl.run()
        second.until(lambda: second.idl.has_lock, "the second has the lock")
    finally:
        first.idl.close()
        second.idl.close()
