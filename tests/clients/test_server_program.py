"""ovsdb-server as a program: its files, its life, its control commands; on ours, and mostly on the C server too."""

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from ovsdb.storage import fsck
from tests.kit import peers
from tests.kit.peers import C_BIN, C_SBIN, OUR_BIN, Daemon, Home
from tests.kit.transcripts import CLOSED, SocketClient

pytestmark = pytest.mark.peer
Start = Callable[..., AbstractContextManager[Daemon]]
PROGRAMS = {"c": C_SBIN / "ovsdb-server", "ours": OUR_BIN / "ovsdb-server"}
both = pytest.mark.parametrize("which", list(PROGRAMS))


@pytest.fixture
def place() -> Iterator[Home]:
    with peers.home() as made:
        yield made


def vsctl(server: Daemon, *args: str) -> str:
    return server.run(C_BIN / "ovs-vsctl", "--no-wait", *args).stdout


def contents(server: Daemon) -> str:
    return server.run(C_BIN / "ovsdb-client", "-f", "json", "dump", server.remote, "Open_vSwitch").stdout


def call(client: SocketClient, method: str, *params: Any) -> Any:
    client.send({"method": method, "params": list(params), "id": 1})
    return client.receive()


# --- files


@pytest.mark.parametrize(("first", "second"), [("c", "ours"), ("ours", "c")])
def test_each_server_opens_the_files_of_the_other(place: Home, first: str, second: str) -> None:
    with peers.OVSDB_SERVERS[first](place) as server:
        vsctl(server, "init", "--", "add-br", "br0", "--", "add-br", "br1")
        for n in range(5):
            vsctl(server, "add-port", "br0", f"p{n}", "--", "set", "Port", f"p{n}", f"trunks=[{n},{n + 10}]")
        vsctl(server, "set", "Bridge", "br0", "other_config:a=b", 'external_ids:"x y"="é \\"q\\""')
        vsctl(server, "remove", "Port", "p3", "trunks", "3", "--", "set", "Bridge", "br0", "other_config:a=c")
        vsctl(server, "del-port", "p1", "--", "del-br", "br1")
        before = contents(server)
    for which in (second, first):
        with peers.OVSDB_SERVERS[which](place) as server:
            assert contents(server) == before
            server.appctl("ovsdb-server/compact")
            assert contents(server) == before
            vsctl(
                server,
                "add-br",
                "later",
                "--",
                "del-br",
                "later",
                "--",
                "set",
                "Open_vSwitch",
                ".",
                "next_cfg=1",
            )
            before = contents(server)


@pytest.mark.parametrize("holder", list(PROGRAMS))
@both
def test_a_second_server_on_a_file_is_refused(place: Home, holder: str, which: str) -> None:
    with peers.OVSDB_SERVERS[holder](place) as server:
        second = place.run(PROGRAMS[which], server.databases[0], "--unixctl=second.ctl", check=False)
        assert second.returncode == 1
        assert f"cannot lock file because it is already locked by pid {server.pid}" in second.stderr
        refused = f"{server.databases[0]}: failed to lock lockfile (Resource temporarily unavailable)\n"
        assert second.stderr.endswith(f"ovsdb-server: I/O error: {refused}")


@both
def test_a_damaged_end_is_logged_and_cut_off(place: Home, which: str) -> None:
    with peers.OVSDB_SERVERS[which](place) as server:
        vsctl(server, "add-br", "br0")
    path = place.path / "conf.db"
    with path.open("ab") as file:
        file.write(b"OVSDB JSON 99 0123\n")
    with peers.OVSDB_SERVERS[which](place) as server:
        assert re.search(rf'{path}: parse error at offset \d+ in header line "OVSDB JSON', server.output())
        vsctl(server, "add-br", "br1")
    assert place.run(C_BIN / "ovsdb-tool", "show-log", path).stdout.count("record ") == 3


@both
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "I/O error: {}: open failed (No such file or directory)"),
        (b"", "ovsdb error: {}: cannot identify file type"),
        (b"hello\nworld\n", "ovsdb error: {}: unexpected file format"),
    ],
)
def test_what_is_no_database_is_refused(place: Home, which: str, data: bytes | None, message: str) -> None:
    path = place.path / "bad.db"
    if data is not None:
        path.write_bytes(data)
    done = place.run(PROGRAMS[which], path, "--unixctl=x.ctl", check=False)
    assert (done.returncode, done.stderr.strip()) == (1, "ovsdb-server: " + message.format(path))


def test_commits_that_were_answered_as_durable_survive_kill_9(place: Home) -> None:
    with peers.our_ovsdb_server(place) as server:
        client = SocketClient(place.socket)
        row = {"op": "insert", "table": "QoS", "row": {"type": "kept"}}
        for _ in range(20):
            assert (
                "error"
                not in call(client, "transact", "Open_vSwitch", row, {"op": "commit", "durable": True})[
                    "result"
                ]
            )
        os.kill(server.pid, signal.SIGKILL)
        server.process.wait()
        client.close()
    with peers.c_ovsdb_server(place) as server:
        assert contents(server).count('"kept"') == 20


def test_the_log_tells_who_made_a_commit_and_the_c_tool_shows_it(place: Home) -> None:
    with peers.our_ovsdb_server(place) as server:
        vsctl(server, "init", "--", "add-br", "br0")
        shown = place.run(C_BIN / "ovsdb-tool", "show-log", place.path / "conf.db").stdout
        ours = place.run(OUR_BIN / "ovsdb-tool", "show-log", place.path / "conf.db").stdout
    assert re.search(rf'\n\[by uid={os.geteuid()} pid=[0-9]+ \(ovs-vsctl\)\]"', shown)
    assert ours == shown
    log = place.run(OUR_BIN / "ovsdb-tool", "-f", "json", "log", place.path / "conf.db").stdout
    assert json.loads(log)[-1]["author"]["program"] == "ovs-vsctl"
    with peers.our_ovsdb_server(place, "--no-authors") as server:
        vsctl(server, "add-br", "br1")
        anonymous = place.run(C_BIN / "ovsdb-tool", "show-log", place.path / "conf.db").stdout
    assert anonymous.startswith(shown)
    assert "[by" not in anonymous[len(shown) :]


def test_commits_go_on_while_a_file_is_compacted(place: Home) -> None:
    with peers.our_ovsdb_server(place) as server:
        client = SocketClient(place.socket)
        row = {"op": "insert", "table": "QoS", "row": {"external_ids": ["map", [["x", "y" * 1000]]]}}
        for _ in range(20):
            assert "error" not in call(client, "transact", "Open_vSwitch", *[row] * 100)["result"][-1]
        argv: list[str | Path] = [C_BIN / "ovs-appctl", "-t", server.control, "ovsdb-server/compact"]
        compaction = subprocess.Popen(argv, env=place.env)
        late = 0
        while compaction.poll() is None or late < 5:
            commit = {"op": "commit", "durable": late % 5 == 0}
            late += 1
            assert "error" not in call(client, "transact", "Open_vSwitch", row, commit)["result"][-1]
        assert compaction.returncode == 0
        client.close()
    report = fsck.check(place.path / "conf.db")
    assert report.damage == ""
    assert report.commits <= late + 1
    with peers.c_ovsdb_server(place) as server:
        assert contents(server).count("yyyy") >= 1
        client = SocketClient(place.socket)
        counted = call(client, "transact", "Open_vSwitch", {"op": "select", "table": "QoS", "where": []})
        assert len(counted["result"][0]["rows"]) == 2000 + late
        client.close()


# --- life


@both
def test_the_command_line_of_the_service_starts_a_daemon(place: Home, which: str) -> None:
    peers.create_database(place)
    ssl = [
        f"--{o}=db:Open_vSwitch,SSL,{c}"
        for o, c in (("private-key", "private_key"), ("certificate", "certificate"))
    ]
    pidfile, log = place.path / "x.pid", place.path / "x.log"
    done = place.run(
        PROGRAMS[which],
        place.path / "conf.db",
        *("-vconsole:emer", "-vsyslog:err", "-vfile:info", f"--remote=punix:{place.socket}", *ssl),
        *("--bootstrap-ca-cert=db:Open_vSwitch,SSL,ca_cert", "--no-chdir", f"--log-file={log}"),
        *(f"--pidfile={pidfile}", "--detach"),
    )
    pid = int(pidfile.read_text())
    try:
        assert (done.stdout, done.stderr) == ("", "")
        assert peers.is_listening(place.socket)  # at once: the parent waits until the daemon serves
        assert Path(f"/proc/{pid}/comm").read_text() == "ovsdb-server\n"
        place.run(C_BIN / "ovs-appctl", "-t", f"{place.path}/ovsdb-server.{pid}.ctl", "exit")
        peers.wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the daemon is gone")
    finally:
        if Path(f"/proc/{pid}").exists():
            os.kill(pid, signal.SIGKILL)
    assert sorted(p.name for p in place.path.iterdir()) == [".conf.db.~lock~", "conf.db", "x.log"]
    assert "ovsdb-server (Open vSwitch) 3.1.0" in log.read_text()


@both
def test_sigterm_leaves_no_socket_behind(place: Home, which: str) -> None:
    with peers.OVSDB_SERVERS[which](place, "--pidfile") as server:
        assert (place.path / "ovsdb-server.pid").exists()
        assert server.terminate() == -signal.SIGTERM
    left = {p.name for p in place.path.iterdir()}
    assert left == {".conf.db.~lock~", "conf.db", "ovsdb-server.out"}


@both
def test_run_serves_while_a_command_runs(place: Home, which: str) -> None:
    peers.create_database(place)
    argv: list[str | Path] = [
        PROGRAMS[which],
        place.path / "conf.db",
        f"--remote=punix:{place.socket}",
        "--unixctl=x.ctl",
    ]
    done = place.run(*argv, f"--run=ovsdb-client list-dbs unix:{place.socket}")
    assert done.stdout == "Open_vSwitch\n_Server\n"
    assert place.run(*argv, "--run=exit 3", check=False).returncode == 1


# --- remotes


def listening_port(server: Daemon) -> int:
    found: list[str] = []

    def look() -> bool:
        found[:] = re.findall(r"listening on port (\d+)", server.output())
        return bool(found)

    peers.wait_until(look, "it listens on a port")
    return int(found[-1])


@both
def test_a_manager_row_opens_and_closes_a_port(place: Home, which: str) -> None:
    source = "--remote=db:Open_vSwitch,Open_vSwitch,manager_options"
    with peers.OVSDB_SERVERS[which](place, source) as server:
        vsctl(server, "set-manager", "ptcp:0:127.0.0.1")
        port = listening_port(server)
        assert server.run(C_BIN / "ovsdb-client", "list-dbs", f"tcp:127.0.0.1:{port}").stdout.startswith(
            "Open_vSw"
        )
        vsctl(server, "del-manager")

        def refused() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) != 0

        peers.wait_until(refused, "the port is closed")


def test_it_connects_to_a_manager_that_listens(place: Home) -> None:
    with socket.socket(socket.AF_UNIX) as manager:
        manager.bind(str(place.path / "manager"))
        manager.listen()
        manager.settimeout(10)
        with peers.our_ovsdb_server(place, f"--remote=unix:{place.path}/manager"):
            connection, _ = manager.accept()
            with connection:
                connection.sendall(b'{"method":"echo","params":["hi"],"id":7}')
                connection.settimeout(10)
                assert json.loads(connection.recv(1000))["result"] == ["hi"]
            again, _ = manager.accept()
            again.close()


def test_tls_without_files_is_told_in_the_log_and_the_rest_is_served(place: Home) -> None:
    with peers.our_ovsdb_server(place, "--remote=pssl:0", "-p", "key", "-c", "cert", "-C", "ca") as server:
        told = "pssl:0: key: No such file or directory"
        peers.wait_until(lambda: told in server.output(), "the log tells of it")
        assert vsctl(server, "list-br") == ""


# --- control commands

COMMANDS = [
    ["ovsdb-server/list-dbs"],
    ["ovsdb-server/list-remotes"],
    ["ovsdb-server/add-remote", "ptcp:0:127.0.0.1"],
    ["ovsdb-server/list-remotes"],
    ["ovsdb-server/remove-remote", "ptcp:0:127.0.0.1"],
    ["ovsdb-server/remove-remote", "ptcp:0:127.0.0.1"],
    ["ovsdb-server/add-remote", "db:Open_vSwitch,Open_vSwitch,manager_options"],
    ["ovsdb-server/add-remote", "db:Open_vSwitch,Open_vSwitch,nope"],
    ["ovsdb-server/add-remote", "db:nope,a,b"],
    ["ovsdb-server/add-remote", "db:nope"],
    ["ovsdb-server/add-remote", "db:a,b,c,d"],
    ["ovsdb-server/add-remote", "db:,Open_vSwitch,Open_vSwitch,x"],
    ["ovsdb-server/add-remote", "db:Open_vSwitch,Open_vSwitch,cur_cfg"],
    ["ovsdb-server/add-remote", "foo:bar"],
    ["ovsdb-server/add-remote", "foo:bar"],
    ["ovsdb-server/remove-remote", "foo:bar"],
    ["ovsdb-server/list-remotes"],
    ["ovsdb-server/add-db", "/nonexistent"],
    ["ovsdb-server/remove-db", "x"],
    ["ovsdb-server/remove-db", "_Server"],
    ["ovsdb-server/add-db", "@conf.db"],
    ["ovsdb-server/sync-status"],
    ["ovsdb-server/get-db-storage-status", "Open_vSwitch"],
    ["ovsdb-server/compact", "x"],
    ["ovsdb-server/compact", "_Server"],
    ["ovsdb-server/compact", "Open_vSwitch"],
    ["ovsdb-server/compact"],
    ["ovsdb-server/memory-trim-on-compaction", "x"],
    ["ovsdb-server/memory-trim-on-compaction", "on"],
    ["ovsdb-server/nonsense"],
    ["ovsdb-server/remove-db", "Open_vSwitch"],
    ["ovsdb-server/list-dbs"],
    ["ovsdb-server/add-db", "@conf.db"],
    ["ovsdb-server/list-dbs"],
]


def test_control_commands_answer_as_those_of_the_c_server() -> None:
    answers: dict[str, list[tuple[list[str], str]]] = {}
    for which, start in peers.OVSDB_SERVERS.items():
        with start() as server:
            answers[which] = []
            for command in COMMANDS:
                words = [str(server.home.path / w[1:]) if w.startswith("@") else w for w in command]
                done = server.run(C_BIN / "ovs-appctl", "-t", server.control, *words, check=False)
                text = f"{done.returncode} {done.stdout}{done.stderr}".replace(str(server.home.path), "HOME")
                answers[which].append((command, text))
    assert answers["ours"] == answers["c"]


# --- clients that do harm


@pytest.mark.parametrize(
    "garbage",
    [b"\x00\xff\xfe", b"]", b'{"method":' * 5000, b"[" * 100_000, b'{"id":1,"method":"echo","params":[1}}'],
    ids=len,
)
def test_a_client_that_sends_garbage_is_dropped_and_others_go_on(place: Home, garbage: bytes) -> None:
    with peers.our_ovsdb_server(place) as server:
        good = SocketClient(place.socket)
        bad = SocketClient(place.socket)
        bad._sock.sendall(garbage)
        assert bad.receive() == CLOSED
        assert call(good, "echo", "still here")["result"] == ["still here"]
        good.close()
        bad.close()
        assert "connection dropped (Protocol error)" in server.output()
        assert "Traceback" not in server.output()


def test_a_client_that_does_not_read_costs_no_memory(place: Home) -> None:
    with peers.our_ovsdb_server(place) as server:
        slow = SocketClient(place.socket)
        fast = SocketClient(place.socket)
        call(fast, "transact", "Open_vSwitch", {"op": "insert", "table": "QoS", "row": {"type": "q"}})
        assert "result" in call(slow, "monitor", "Open_vSwitch", "m", {"QoS": {"columns": ["external_ids"]}})
        before = server.resident_kb()
        for n in range(1500):
            row = {"external_ids": ["map", [["n", str(n) * 3000]]]}
            call(fast, "transact", "Open_vSwitch", {"op": "update", "table": "QoS", "where": [], "row": row})
        assert server.resident_kb() - before < 12_000  # 17 MB were committed, and twice as much is not read
        last = str(1499) * 3000
        while True:
            update = slow.receive()
            [change] = update["params"][1]["QoS"].values()
            if change["new"]["external_ids"][1][0][1] == last:
                break
        slow.close()
        fast.close()


def test_a_client_resumes_after_a_restart_of_the_server(place: Home) -> None:
    requests = {"Queue": [{"columns": ["dscp"]}]}
    zero = "00000000-0000-0000-0000-000000000000"
    insert = {"op": "insert", "table": "Queue", "row": {"dscp": 1}}
    with peers.our_ovsdb_server(place):
        client = SocketClient(place.socket)
        call(client, "transact", "Open_vSwitch", insert)
        found, last_id, _ = call(client, "monitor_cond_since", "Open_vSwitch", "m", requests, zero)["result"]
        assert (found, last_id != zero) == (False, True)
        client.close()
    with peers.our_ovsdb_server(place):
        other = SocketClient(place.socket)
        made = call(other, "transact", "Open_vSwitch", {**insert, "row": {"dscp": 2}})["result"][0]["uuid"][1]
        other.close()
        client = SocketClient(place.socket)
        found, newer, delta = call(client, "monitor_cond_since", "Open_vSwitch", "m", requests, last_id)[
            "result"
        ]
        assert (found, newer != last_id, delta) == (True, True, {"Queue": {made: {"insert": {"dscp": 2}}}})
        ephemeral = {"Interface": [{"columns": ["name", "link_state"]}]}
        found, _, _ = call(client, "monitor_cond_since", "Open_vSwitch", "e", ephemeral, last_id)["result"]
        assert not found  # values of ephemeral columns were lost with the restart
        client.close()


def test_a_detached_start_that_fails_says_why(place: Home) -> None:
    done = subprocess.run(
        [OUR_BIN / "ovsdb-server", "/nonexistent/x.db", "--detach"],
        env=place.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "/nonexistent/x.db" in done.stderr
    assert "Traceback" not in done.stderr
