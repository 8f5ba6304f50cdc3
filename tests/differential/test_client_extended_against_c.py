"""ovsdb-client's commands beyond dump and monitor: each with the C tool and ours, on the C server and ours."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.kit.peers import C_BIN, OUR_BIN, OVSDB_SERVERS, Daemon, create_database, home, wait_until

pytestmark = pytest.mark.peer
TOOLS = {"C tool": C_BIN / "ovsdb-client", "our tool": OUR_BIN / "ovsdb-client"}
SCHEMAS = {
    "same": {"c": {"type": "string"}, "n": {"type": "integer", "mutable": False}},
    "other": {"c": {"type": "string"}, "d": {"type": "string"}},
}
REFERENCE = {"key": {"type": "uuid", "refTable": "T"}, "min": 0, "max": "unlimited"}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
LOG_LINE = re.compile(r"^\d{4}-\d\d-\d\dT.*\n", re.MULTILINE)


def schema(kind: str, version: str = "1.0.0") -> str:
    tables = {
        "T": {"columns": SCHEMAS[kind], "isRoot": True, "indexes": [["c"]]},
        "U": {
            "isRoot": True,
            "columns": {"refs": {"type": REFERENCE}, "live": {"type": "string", "ephemeral": True}},
        },
    }
    return json.dumps({"name": "shop", "version": version, "tables": tables})


@pytest.fixture(params=OVSDB_SERVERS, scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Daemon]:
    with home() as place:
        for kind in SCHEMAS:
            (place.path / f"{kind}.ovsschema").write_text(schema(kind))
        (place.path / "newer.ovsschema").write_text(schema("same", "2.0.0"))
        (place.path / "stranger.ovsschema").write_text(schema("same").replace("shop", "stranger"))
        databases = [
            create_database(place),
            create_database(place, "shop.db", place.path / "same.ovsschema"),
            create_database(place, "other.db", place.path / "stranger.ovsschema"),
        ]
        with OVSDB_SERVERS[request.param](place, databases=databases) as running:
            yield running


def run(server: Daemon, tool: str, *words: str, stdin: str = "") -> tuple[int, str, str]:
    """`stdin` is a file for the C tool, which cannot restore from a pipe, and a pipe for ours."""
    if stdin and tool == "C tool":
        (server.home.path / "stdin").write_text(stdin)
        argv: list[str | Path] = ["/bin/sh", "-c", 'exec "$@" < stdin', "sh", TOOLS[tool], *words]
        done = server.run(*argv, check=False)
    else:
        done = server.run(TOOLS[tool], *words, check=False, stdin=stdin)
    return done.returncode, done.stdout, LOG_LINE.sub("", done.stderr)


def transact(server: Daemon, *operations: object, database: str = "shop") -> list[dict[str, Any]]:
    """With our tool, which must be able to do it."""
    code, out, err = run(server, "our tool", "transact", json.dumps([database, *operations]))
    assert (code, err) == (0, "")
    results: list[dict[str, Any]] = json.loads(out)
    return results


def contents(server: Daemon, database: str = "shop") -> dict[str, list[dict[str, Any]]]:
    select: list[object] = [{"op": "select", "table": table, "where": []} for table in ("T", "U")]
    found = {}
    for table, result in zip(("T", "U"), transact(server, *select, database=database), strict=True):
        rows = result["rows"]
        for row in rows:
            del row["_version"]
        found[table] = sorted(rows, key=str)
    return found


COMMANDS = [
    ["needs-conversion", "same.ovsschema"],
    ["needs-conversion", "other.ovsschema"],
    ["needs-conversion", "newer.ovsschema"],
    ["needs-conversion", "/nonexistent"],
    ["needs-conversion"],
    ["convert", "/nonexistent"],
    ["convert", "shop.db"],
    ["convert"],
    ["wait", "shop", "added"],
    ["wait", "shop", "connected"],
    ["wait", "nothing", "removed"],
    ["wait", "shop", "foo"],
    ["wait", "shop"],
    ["wait"],
    ["lock"],
    ["unlock", "a", "b"],
    ["backup", "nothing"],
    ["restore"],
    ["restore", "shop", "x"],
    ["monitor-cond"],
    ["monitor-cond", "[]", "Foo"],
    ["monitor-cond", "shop", "[]", "T", "nothing"],
    ["monitor-cond", "shop", "[]", "T", "c", "c"],
    ["monitor-cond", "shop", "{", "T"],
    ["monitor-cond", "shop", "[1]", "T"],
    ["monitor-cond-since", "shop", "[]"],
    ["monitor-cond-since", "shop", "x", "[]", "T"],
    ["list-dbs", "SERVER,unix:/nonexistent"],
    ["list-dbs", "unix:/nonexistent,unix:/nonexistent2"],
    ["get-schema-version", "SERVER,unix:/nonexistent"],
    ["get-schema-version", "unix:/nonexistent,SERVER", "shop"],
    ["get-schema-version", "--no-leader-only", "unix:/nonexistent,SERVER", "shop"],
    ["get-schema-version", "unix:/nonexistent,SERVER", "nothing"],
    ["list-dbs", "foo:bar"],
    ["transact", "{}"],
    ["transact", "[]"],
    ["-t", "0", "list-dbs"],
    ["help"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_same_command_ends_alike(server: Daemon, words: list[str]) -> None:
    words = [word.replace("SERVER", server.remote) for word in words]
    theirs, ours = (run(server, tool, *words) for tool in TOOLS)
    assert ours[0] == theirs[0]
    assert words == ["help"] or ours[1] == theirs[1]
    assert bool(ours[2]) == bool(theirs[2])
    assert "Traceback" not in ours[2]


def fill(server: Daemon) -> None:
    """Three rows that refer to each other, of which two have been changed since."""
    transact(
        server,
        {"op": "delete", "table": "U", "where": []},
        {"op": "delete", "table": "T", "where": []},
        {"op": "insert", "table": "T", "row": {"c": "ü\n", "n": 1}, "uuid-name": "a"},
        {"op": "insert", "table": "T", "row": {"c": "b", "n": 2}, "uuid-name": "b"},
        {
            "op": "insert",
            "table": "U",
            "row": {"refs": ["set", [["named-uuid", "a"], ["named-uuid", "b"]]], "live": "x"},
        },
    )


@pytest.mark.parametrize("tool", TOOLS)
def test_a_backup_is_a_database_file_that_both_open(server: Daemon, tool: str) -> None:
    fill(server)
    code, text, err = run(server, tool, "backup", "shop")
    assert (code, err) == (0, "")
    path = server.home.path / "backup.db"
    path.write_text(text)
    for place in (C_BIN, OUR_BIN):
        query = json.dumps(["shop", {"op": "select", "table": "T", "where": [], "columns": ["c", "n"]}])
        found = json.loads(server.run(place / "ovsdb-tool", "query", path, query).stdout)
        assert sorted(row["c"] for row in found[0]["rows"]) == ["b", "ü\n"]


@pytest.mark.parametrize("change", ["nothing", "values", "fixed", "gone", "more"])
def test_restore_brings_back_rows_with_their_names(server: Daemon, change: str) -> None:
    """Other than the C tool's, which gives each row a new UUID."""
    fill(server)
    before = contents(server)
    backup = run(server, "our tool", "backup", "shop")[1]
    row: dict[str, object] = {"op": "insert", "table": "T", "row": {"c": "c", "n": 1}}
    gone: dict[str, object] = {"op": "delete", "table": "T", "where": [["c", "==", "b"]]}
    changes: dict[str, list[object]] = {
        "nothing": [],
        "values": [{"op": "update", "table": "T", "where": [["c", "==", "b"]], "row": {"c": "z"}}],
        "fixed": [],
        "gone": [{"op": "update", "table": "U", "where": [], "row": {"refs": ["set", []]}}, gone],
        "more": [row],
    }
    transact(server, *changes[change])
    if change == "fixed":  # the same UUID with another value in a column that does not change
        uuid = next(row["_uuid"] for row in before["T"] if row["c"] == "b")
        transact(server, {"op": "update", "table": "U", "where": [], "row": {"refs": ["set", []]}}, gone)
        transact(server, {**row, "uuid": uuid[1]})
    assert run(server, "our tool", "restore", "shop", stdin=backup) == (0, "", "")
    after = contents(server)
    if change == "fixed":
        assert [row["c"] for row in after["T"]].count("b") == 1
        assert UUID.sub("", str(sorted(after["T"], key=lambda row: str(row["c"])))) == UUID.sub(
            "", str(sorted(before["T"], key=lambda row: str(row["c"])))
        )
    else:
        assert after == before


def test_each_tool_restores_what_the_other_saved(server: Daemon) -> None:
    fill(server)
    for saved, restored in (("C tool", "our tool"), ("our tool", "C tool")):
        backup = run(server, saved, "backup", "shop")[1]
        transact(
            server, {"op": "delete", "table": "U", "where": []}, {"op": "delete", "table": "T", "where": []}
        )
        assert run(server, restored, "restore", "shop", stdin=backup) == (0, "", "")
        found = contents(server)
        assert sorted((row["c"], row["n"]) for row in found["T"]) == [("b", 2), ("ü\n", 1)]
        assert sorted(found["U"][0]["refs"][1]) == sorted(row["_uuid"] for row in found["T"])
        assert found["U"][0]["live"] == ""


@pytest.mark.parametrize("tool", TOOLS)
def test_a_backup_of_another_schema_is_refused(server: Daemon, tool: str) -> None:
    fill(server)
    backup = run(server, "our tool", "backup", "shop")[1]
    code, _, err = run(server, tool, "restore", "Open_vSwitch", stdin=backup)
    assert code == 1
    assert 'backup schema has version "1.0.0" but database schema has version "8.3.1" (use --force' in err
    assert run(server, tool, "restore", "shop", stdin=backup[:300])[0] == 1


def test_force_restores_into_the_database_that_was_named(server: Daemon) -> None:
    """The C tool restores into the one that the file is of, whatever it was told."""
    fill(server)
    backup = run(server, "our tool", "backup", "shop")[1]
    assert run(server, "our tool", "--force", "restore", "stranger", stdin=backup)[:2] == (0, "")
    assert [row["c"] for row in contents(server, "stranger")["T"]] == [
        row["c"] for row in contents(server)["T"]
    ]


class Followed:
    """A tool that goes on, and what it has printed."""

    def __init__(self, server: Daemon, stack: ExitStack, tool: str, *words: str) -> None:
        self.path = server.home.path / f"{tool}.out"
        out = stack.enter_context(self.path.open("w"))
        argv: list[str | Path] = [TOOLS[tool], *words]
        self.process = subprocess.Popen(
            argv, env=server.home.env, stdout=out, stderr=out, cwd=server.home.path
        )
        stack.callback(self.process.wait)
        stack.callback(self.process.terminate)

    def text(self) -> str:
        return LOG_LINE.sub("", self.path.read_text())


CHANGES = [
    '{"op":"insert","table":"T","row":{"c":"new","n":5}}',
    '{"op":"update","table":"T","where":[["c","==","new"]],"row":{"c":"end"}}',
    '{"op":"delete","table":"T","where":[["c","==","end"]]}',
]
WATCHED = [
    ["monitor-cond", "shop", "[]", "T"],
    ["monitor-cond", "shop", '[["n",">",1]]', "T", "c,n,!insert"],
    ["monitor-cond", "shop", "[true]", "U"],
    ["monitor-cond-since", "shop", "[]", "T", "c", "n"],
    ["monitor-cond-since", "shop", "11111111-2222-3333-4444-555555555555", '[["c","==","end"]]', "T", "c"],
]


@pytest.mark.parametrize("form", ["table", "json"])
@pytest.mark.parametrize("words", WATCHED, ids=" ".join)
def test_what_is_monitored_under_conditions_looks_alike(server: Daemon, words: list[str], form: str) -> None:
    fill(server)
    with ExitStack() as stack:
        followed = [Followed(server, stack, tool, "-f", form, *words) for tool in TOOLS]
        wait_until(lambda: all(each.text() for each in followed), "the contents are printed")
        for change in CHANGES:
            server.run(TOOLS["C tool"], "transact", f'["shop",{change}]')
        wait_until(lambda: all("delete" in each.text() or "U" in words for each in followed), "the end")
        wait_until(lambda: like(followed[0].text()) == like(followed[1].text()), "both print the same")


def like(text: str) -> list[str]:
    """Without what servers choose, ids of transactions and the order of rows.

    The C tool puts no line's end behind an id where the first table or JSON follows.
    """
    lines = re.sub(rf"last_id: {UUID.pattern}\n?", "last_id\n", text).splitlines()
    return sorted("".join(sorted(line)) if line.startswith("{") else line for line in lines)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_lock_is_held_in_the_background(server: Daemon, tool: str) -> None:
    pidfile = server.home.path / "ovsdb-client.pid"
    out = server.home.path / "background.out"
    start = f'exec "$@" > {out} 2> {out}.err'
    command: list[str | Path] = [TOOLS[tool], "--detach", "--pidfile", "lock", server.remote, "first"]
    server.run("/bin/sh", "-c", start, "sh", *command)
    try:
        assert json.loads(out.read_text()) == {"locked": True}
        ask: list[str | Path] = [C_BIN / "ovs-appctl", "-t", "ovsdb-client"]
        server.run(*ask, "lock", "second")
        server.run(*ask, "unlock", "first")
        server.run(*ask, "unlock", "never")
        if tool == "our tool":  # the C tool keeps to itself what it prints until it ends
            answers = '{"locked":true}\n{"locked":true}\n{}\n'
            wait_until(lambda: out.read_text() == answers, "the answers are there")
        server.run(*ask, "exit")
        wait_until(lambda: not pidfile.exists(), "it ends")
    finally:
        if pidfile.exists():
            os.kill(int(pidfile.read_text()), signal.SIGTERM)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_monitor_goes_on_in_the_background(server: Daemon, tool: str) -> None:
    fill(server)
    pidfile = server.home.path / "ovsdb-client.pid"
    out = server.home.path / "background.out"
    start = f'exec "$@" > {out} 2> {out}.err'
    command: list[str | Path] = [
        TOOLS[tool],
        "--detach",
        "--pidfile",
        "-f",
        "csv",
        "monitor",
        "shop",
        "T",
        "c",
    ]
    server.run("/bin/sh", "-c", start, "sh", *command)
    try:
        assert "initial" in out.read_text()
        pid = int(pidfile.read_text())
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        transact(server, {"op": "insert", "table": "T", "row": {"c": "late"}})
        wait_until(lambda: "insert,late" in out.read_text(), "the change is printed")
    finally:
        if pidfile.exists():
            os.kill(int(pidfile.read_text()), signal.SIGTERM)
    wait_until(lambda: not pidfile.exists(), "it ends")


def test_a_timeout_is_told_and_is_what_the_tool_dies_of(server: Daemon) -> None:
    ended = [server.run(tool, "-t", "1", "wait", "nothing", "added", check=False) for tool in TOOLS.values()]
    assert {done.returncode for done in ended} == {-signal.SIGALRM}
    text = "|fatal_signal|WARN|terminating with signal 14 (Alarm clock)\n"
    assert all(done.stderr.endswith(text) for done in ended)
