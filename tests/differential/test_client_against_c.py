"""ovsdb-client: the same command lines to the C program and to ours, against one server."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.peers import C_BIN, OUR_BIN, Daemon, c_ovsdb_server

pytestmark = pytest.mark.peer

COMMANDS = [
    ["list-dbs"],
    ["get-schema"],
    ["--pretty", "get-schema"],
    ["get-schema", "Open_vSwitch"],
    ["get-schema", "_Server"],
    ["get-schema-version"],
    ["get-schema-cksum"],
    ["transact", '["Open_vSwitch",{"op":"select","table":"Queue","where":[]}]'],
    ["--pretty", "transact", '["Open_vSwitch",{"op":"select","table":"QoS","where":[]}]'],
    ["query", '["Open_vSwitch",{"op":"comment","comment":"x"}, 5]'],
    ["query", '["Open_vSwitch",{"op":"select","table":"QoS","where":[]}]'],
    ["transact", '["Open_vSwitch",{"op":"select","table":"Foo","where":[]}]'],
    ["transact", '["Foo"]'],
    ["transact", "{bad"],
    ["transact"],
    ["transact", "a", "b", "c"],
    ["dump"],
    ["dump", "Open_vSwitch"],
    ["dump", "Queue"],
    ["dump", "Open_vSwitch", "Queue", "external_ids"],
    ["-f", "list", "dump", "Queue"],
    ["-f", "csv", "dump", "Queue", "_uuid", "external_ids", "dscp"],
    ["-f", "html", "dump", "Queue"],
    ["--format=json", "dump", "Queue"],
    ["--format=json", "--pretty", "dump", "Queue"],
    ["--data=bare", "dump", "Queue"],
    ["--data=json", "dump", "Queue"],
    ["--bare", "dump", "Queue"],
    *([f"--max-column-width={width}", "dump", "Queue"] for width in ("7", "7x", "x", "-3", "")),
    ["--no-headings", "dump", "Queue"],
    ["dump", "Foo"],
    ["dump", "Queue", "foo"],
    ["list-columns", "Foo"],
    ["monitor", "Foo"],
    ["monitor", "Queue", "foo"],
    ["monitor"],
    ["foo"],
    [],
    ["list-dbs", "a", "b"],
    ["--foo", "list-dbs"],
    ["-f", "xx", "list-dbs"],
    ["list-dbs", "unix:/nonexistent"],
    ["list-dbs", "tcp:127.0.0.1:1"],
]
UNORDERED = [
    ["list-tables"],
    ["list-columns", "Open_vSwitch", "SSL"],
    ["list-columns"],
    ["-f", "csv", "list-columns", "SSL"],
]
INSERTS = [
    '["Open_vSwitch",{"op":"insert","table":"Queue","row":{"external_ids":["map",[["a","3"]]]}}]',
    '["Open_vSwitch",{"op":"insert","table":"Queue","row":{"dscp":5,"external_ids":["map",[["b","x y"],["a","\\""]]]}}]',
    '["Open_vSwitch",{"op":"insert","table":"Queue","row":{"dscp":1}}]',
    '["Open_vSwitch",{"op":"insert","table":"QoS","row":{"type":"linux-htb"}}]',
]


@pytest.fixture(scope="module")
def server() -> Iterator[Daemon]:
    with c_ovsdb_server() as running:
        for insert in INSERTS:
            running.run(C_BIN / "ovsdb-client", "transact", insert)
        yield running


def both(server: Daemon, words: list[str]) -> list[subprocess.CompletedProcess[str]]:
    return [server.run(place / "ovsdb-client", *words, check=False) for place in (C_BIN, OUR_BIN)]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_same_command_prints_the_same(server: Daemon, words: list[str]) -> None:
    theirs, ours = both(server, words)
    assert (ours.stdout, ours.returncode) == (theirs.stdout, theirs.returncode)
    assert bool(ours.stderr) == bool(theirs.stderr)
    assert "Traceback" not in ours.stderr


@pytest.mark.parametrize("words", UNORDERED, ids=" ".join)
def test_lists_without_an_order_hold_the_same_lines(server: Daemon, words: list[str]) -> None:
    theirs, ours = both(server, words)
    assert sorted(line.rstrip() for line in ours.stdout.splitlines()) == sorted(
        line.rstrip() for line in theirs.stdout.splitlines()
    )


@pytest.mark.parametrize(
    "words", [["Queue"], ["Queue", "dscp,!initial", "external_ids,!delete"], ["ALL"]], ids=" ".join
)
@pytest.mark.parametrize("form", ["table", "list", "csv", "json"])
def test_monitor_shows_each_change_alike(server: Daemon, words: list[str], form: str) -> None:
    paths = [server.home.path / f"monitor-{place.name}.out" for place in (C_BIN, OUR_BIN)]
    with contextlib.ExitStack() as stack:
        for place, path in zip((C_BIN, OUR_BIN), paths, strict=True):
            out = stack.enter_context(path.open("w"))
            argv: list[str | Path] = [place / "ovsdb-client", "-f", form, "monitor", "Open_vSwitch", *words]
            process = subprocess.Popen(argv, env=server.home.env, stdout=out, stderr=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.terminate)
        wait_for_growth(*paths)
        changes = [
            '["Open_vSwitch",{"op":"insert","table":"QoS","row":{"type":"end"}}]',
            '["Open_vSwitch",{"op":"insert","table":"Queue","row":{"dscp":9}}]',
            '["Open_vSwitch",{"op":"update","table":"Queue","where":[["dscp","==",9]],"row":{"dscp":10}}]',
            '["Open_vSwitch",{"op":"delete","table":"Queue","where":[["dscp","==",10]]}]',
        ]
        for change in changes:
            server.run(C_BIN / "ovsdb-client", "transact", change)
        texts = same_in_the_end(*paths)
        assert texts[0] == texts[1]
        assert texts[1]


def wait_for_growth(*paths: Path, timeout: float = 10) -> None:
    deadline = time.monotonic() + timeout
    while not all(path.stat().st_size for path in paths) and time.monotonic() < deadline:
        time.sleep(0.02)


def same_in_the_end(*paths: Path, timeout: float = 5) -> list[list[str]]:
    """Read both until they hold the same lines in any order (rows come in hash order) or the time is over."""
    deadline = time.monotonic() + timeout
    while True:
        texts = [sorted(path.read_text().splitlines()) for path in paths]
        if (texts[0] == texts[1] and texts[0]) or time.monotonic() > deadline:
            return texts
        time.sleep(0.02)
