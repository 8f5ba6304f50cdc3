"""The control commands of ovsdb-server, ours and the C server's."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rpc.address import parse_active
from rpc.blocking import Connection
from rpc.errors import RemoteError
from tests.kit.peers import C_BIN, OUR_BIN, OVSDB_SERVERS, Daemon, home, wait_until

pytestmark = pytest.mark.peer
OURS_ALONE = {  # of releases after 3.1, and our own
    "ovsdb-server/reload",
    "ovsdb-server/set-relay-source-probe-interval",
    "set-options",
}


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Daemon]]:
    """Both, each on an Open_vSwitch database, with the same contents."""
    with ExitStack() as stack:
        made = {}
        for kind, start in OVSDB_SERVERS.items():
            place = stack.enter_context(home())
            made[kind] = stack.enter_context(start(place))
            commands = ["init", "--", "add-br", "br0", "--", "add-port", "br0", "p1"]
            commands += ["--", "set", "bridge", "br0", "external-ids:a=b", "external-ids:c=d"]
            place.run(C_BIN / "ovs-vsctl", "--no-wait", f"--db={made[kind].remote}", *commands)
            place.run("cp", made[kind].databases[0], place.path / "copy.db")
            (place.path / "link.db").symlink_to("conf.db")
        yield made


def ask(server: Daemon, *words: str) -> tuple[int, str, str]:
    done = server.run(C_BIN / "ovs-appctl", "-t", server.control, *words, check=False)
    home = str(server.home.path)
    return done.returncode, done.stdout.replace(home, "HOME"), done.stderr.replace(home, "HOME")


@pytest.mark.parametrize(
    "line",
    [
        "version",
        "ovsdb-server/list-dbs",
        "ovsdb-server/add-db HOME/conf.db",
        "ovsdb-server/add-db HOME/copy.db",
        "ovsdb-server/add-db HOME/link.db",
        "ovsdb-server/add-db HOME/none.db",
        "ovsdb-server/add-db relay:x",
        "ovsdb-server/add-db",
        "ovsdb-server/remove-db none",
        "ovsdb-server/remove-db _Server",
        "ovsdb-server/list-remotes",
        "ovsdb-server/add-remote db:none,a,b",
        "ovsdb-server/remove-remote none",
        "ovsdb-server/compact none",
        "ovsdb-server/compact _Server",
        "ovsdb-server/compact Open_vSwitch",
        "ovsdb-server/get-db-storage-status Open_vSwitch",
        "ovsdb-server/get-db-storage-status none",
        "ovsdb-server/tlog-set Open_vSwitch:Bridge on",
        "ovsdb-server/tlog-list",
        "ovsdb-server/tlog-set Open_vSwitch:Bridge OFF",
        "ovsdb-server/tlog-set Open_vSwitch:Bridge maybe",
        "ovsdb-server/tlog-set Open_vSwitch on",
        "ovsdb-server/tlog-set Open_vSwitch:Bridge:x on",
        "ovsdb-server/tlog-set none:Bridge on",
        "ovsdb-server/tlog-set Open_vSwitch:none on",
        "ovsdb-server/tlog-set",
        "ovsdb-server/perf-counters-clear",
        "ovsdb-server/memory-trim-on-compaction on",
        "ovsdb-server/memory-trim-on-compaction maybe",
        "coverage/read-counter nosuch",
        "cluster/status Open_vSwitch",
    ],
)
def test_both_answer_the_same(servers: dict[str, Daemon], line: str) -> None:
    ours, theirs = (
        ask(server, *(word.replace("HOME", str(server.home.path)) for word in line.split()))
        for server in (servers["ours"], servers["c"])
    )
    assert ours == theirs


def test_both_count_the_same(servers: dict[str, Daemon]) -> None:
    def counts(kind: str) -> dict[str, str]:
        return dict(word.split(":") for word in ask(servers[kind], "memory/show")[1].split())

    theirs = counts("c")
    assert {name: n for name, n in counts("ours").items() if name in theirs} == theirs


def test_both_know_the_same_commands(servers: dict[str, Daemon]) -> None:
    lists = {}
    for kind, server in servers.items():
        rows = [line.split() for line in ask(server, "list-commands")[1].splitlines()[1:]]
        lists[kind] = {row[0]: row[1:] for row in rows}
    assert lists["ours"].keys() - lists["c"].keys() == OURS_ALONE
    assert {name: usage for name, usage in lists["ours"].items() if name not in OURS_ALONE} == lists["c"]


LOGGED = re.compile(r"\|transaction\|INFO\|(table:Bridge,.*)")
MEMBER = re.compile(r"(\w+):((?:\[[^]]*\]|\{[^}]*\}|[^,]*))")


def logged(start: Any) -> list[dict[str, str]]:
    """What a server of its own logs of a bridge that comes, changes and goes."""
    with start() as server:
        server.run(C_BIN / "ovs-vsctl", "--no-wait", f"--db={server.remote}", "init")
        ask(server, "ovsdb-server/tlog-set", "Open_vSwitch:Bridge", "on")
        for words in (["add-br", "br9"], ["set", "bridge", "br9", "external-ids:k=v"], ["del-br", "br9"]):
            server.run(C_BIN / "ovs-vsctl", "--no-wait", f"--db={server.remote}", *words)
        wait_until(lambda: len(LOGGED.findall(server.output())) == 3, "there are three lines")
        rows = [dict(MEMBER.findall(line)) for line in LOGGED.findall(server.output())]
        for row in rows:
            for column in ("_uuid", "_version", "ports"):
                assert row.pop(column)
        return rows


def test_the_log_of_transactions_has_the_same_lines() -> None:
    assert logged(OVSDB_SERVERS["ours"]) == logged(OVSDB_SERVERS["c"])


def test_counters_count(servers: dict[str, Daemon]) -> None:
    server = servers["ours"]
    shown = ask(server, "coverage/show")[1]
    assert re.search(r"^ovsdb_commit +\d+\.\d/sec +\d+\.\d{3}/sec +\d+\.\d{4}/sec   total: \d+$", shown, re.M)
    assert int(ask(server, "coverage/read-counter", "ovsdb_commit")[1]) > 0


@pytest.mark.parametrize("kind", OVSDB_SERVERS)
def test_a_server_can_forget_conditional_monitors(kind: str) -> None:
    with OVSDB_SERVERS[kind]() as server:
        assert ask(server, "ovsdb-server/disable-monitor-cond")[:2] == (0, "")
        with Connection.open(parse_active(server.remote), time.monotonic() + 30) as connection:
            with pytest.raises(RemoteError) as caught:
                connection.call("monitor_cond", ["Open_vSwitch", "m", {}], time.monotonic() + 30)
            assert caught.value.error == "unknown method"
            assert connection.call("monitor", ["Open_vSwitch", "m", {}], time.monotonic() + 30) == {}


def test_answers_come_as_json_where_they_are_asked_for(servers: dict[str, Daemon]) -> None:
    server = servers["ours"]

    def run(*words: str) -> Any:
        return server.run(OUR_BIN / "ovs-appctl", "-t", server.control, *words, check=False)

    assert json.loads(run("--format", "json", "ovsdb-server/list-dbs").stdout) == {
        "reply": "Open_vSwitch\n_Server\n",
        "reply-format": "plain",
    }
    assert run("-fjson", "--pretty", "ovsdb-server/compact").stdout == (
        '{\n  "reply": "",\n  "reply-format": "plain"}\n'
    )
    assert run("-f", "text", "ovsdb-server/list-dbs").stdout == "Open_vSwitch\n_Server\n"
    assert run("-f", "xml", "version").returncode == 1
    assert run("--pretty", "version").returncode == 1
    refused = run("--format=json", "nosuch")
    assert (refused.returncode, refused.stdout) == (2, "")
    old = run("-t", str(servers["c"].control), "--format=json", "version")  # knows no JSON
    assert (old.returncode, Path(old.stderr.splitlines()[-1].split()[0]).name) == (2, "ovs-appctl:")
