"""batch of ovs-vsctl with a server: a line says and does the same, whether the next one has come or not.

BATCH=full runs 5,000 lines in place of 200.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest

from ovsdb.client.blocking import Client, connect
from ovsdb.client.transaction import check_results
from rpc.address import parse_active
from tests.kit.peers import OUR_BIN, OVSDB_SERVERS, Daemon, our_ovsdb_server
from tests.kit.vsctl_lines import GLOBAL_OPTIONS, command_line, operations, quoted
from tests.kit.vsctl_pair import UUID, contents

pytestmark = pytest.mark.peer

VSCTL = OUR_BIN / "ovs-vsctl"
COUNT = 5_000 if os.environ.get("BATCH") == "full" else 200
LINES_OF_A_DATABASE = 20
Answers = list[dict[str, Any]]


def whole(server: Daemon, lines: Sequence[str]) -> Answers:
    """The answers to lines that come all at once."""
    done = server.run(VSCTL, "--no-wait", "batch", stdin="".join(f"{line}\n" for line in lines), check=False)
    return [json.loads(answer) for answer in done.stdout.splitlines()]


def one_by_one(server: Daemon, lines: Sequence[str]) -> Answers:
    """The answers to lines of which each is written when the one before was answered."""
    with subprocess.Popen(
        [VSCTL, f"--db={server.remote}", "--no-wait", "batch"],
        env=server.home.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        answers = []
        for line in lines:
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            answers.append(json.loads(process.stdout.readline()))
        process.stdin.close()
    return answers


def masked(answer: dict[str, Any]) -> dict[str, Any]:
    """Without what differs from run to run: UUIDs, and the order of rows."""
    shown = dict(answer)
    for name in ("output", "error"):
        if name in shown:
            shown[name] = sorted(UUID.sub("UUID", shown[name]).splitlines())
    return shown


@contextmanager
def client_of(server: Daemon) -> Iterator[Client]:
    with connect([parse_active(server.remote)], "Open_vSwitch") as client:
        yield client


def reset(client: Client) -> None:
    roots = [name for name, table in client.schema.tables.items() if table.is_root]
    client.transact([{"op": "delete", "table": table, "where": []} for table in roots])
    check_results(client.transact(operations()))


def generated(random: Random) -> str:
    while True:
        words = command_line(random)
        if words and words[0] not in GLOBAL_OPTIONS:
            return quoted(words)


@pytest.mark.parametrize("kind", OVSDB_SERVERS)
def test_lines_that_come_at_once_are_answered_as_those_that_come_one_by_one(kind: str) -> None:
    run = OVSDB_SERVERS[kind]
    random = Random(7)
    with run() as first, run() as second, client_of(first) as at_once, client_of(second) as singly:
        for _ in range(0, COUNT, LINES_OF_A_DATABASE):
            reset(at_once)
            reset(singly)
            lines = [generated(random) for _ in range(LINES_OF_A_DATABASE)]
            ours, theirs = whole(first, lines), one_by_one(second, lines)
            for line, one, other in zip(lines, ours, theirs, strict=True):
                assert masked(one) == masked(other), (line, lines)
            assert contents(at_once) == contents(singly), lines


@pytest.fixture
def server() -> Iterator[Daemon]:
    with our_ovsdb_server() as running:
        yield running


def test_what_a_line_has_deleted_is_gone_for_the_next(server: Daemon) -> None:
    lines = [
        "add-br br0",
        *["add-port br0 p0", "del-port p0", "--may-exist add-port br0 p0", "del-port p0"] * 5,
    ]
    lines += [
        "list-ports br0",
        "add-port br0 p0",
        "add-port br0 p0",
        "--if-exists del-port p1",
        "get port p0 name",
    ]
    answers = whole(server, lines)
    assert [answer["ok"] for answer in answers[:-5]] == [True] * (len(lines) - 5)
    assert [answer.get("output", "error") for answer in answers[-5:]] == ["", "", "error", "", "p0\n"]


def test_to_set_what_is_so_in_a_row_that_the_line_before_deletes_is_a_mistake(server: Daemon) -> None:
    lines = ["add-br br0", "add-port br0 p0 tag=5", "del-port p0", "set port p0 tag=5", "add-port br0 p0"]
    answers = whole(server, lines)
    assert [answer["ok"] for answer in answers] == [True, True, True, False, True]
    assert answers[3]["error"] == 'no row "p0" in table Port'


def test_two_batches_that_change_one_row_lose_nothing_of_each_other(server: Daemon) -> None:
    whole(server, ["add-br br0"])
    count = 200

    def run(key: str) -> Answers:
        return whole(server, [f"set bridge br0 external_ids:{key}={n}" for n in range(count)])

    with ThreadPoolExecutor() as pool:
        for answers in pool.map(run, "ab"):
            assert [answer["ok"] for answer in answers] == [True] * count
    (last,) = whole(server, ["get bridge br0 external_ids"])
    assert last["output"] == f'{{a="{count - 1}", b="{count - 1}"}}\n'


def test_each_line_is_a_commit_of_its_own(server: Daemon) -> None:
    whole(server, ["add-br br0", *[f"add-port br0 p{n}" for n in range(20)], "bad", "del-port p3"])
    log = server.run(OUR_BIN / "ovsdb-tool", "show-log", server.databases[0]).stdout
    assert log.count("(invoked by") == 22


def test_the_switch_is_waited_for_once_behind_the_last_line(server: Daemon) -> None:
    process = subprocess.Popen(
        [VSCTL, f"--db={server.remote}", "batch"],
        env=server.home.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process, client_of(server) as client:
        assert process.stdin
        assert process.stdout
        process.stdin.write("init\nadd-br br0\nadd-port br0 p0\nlist-br\n")
        process.stdin.close()
        assert [json.loads(process.stdout.readline())["ok"] for _ in range(4)] == [True] * 4
        assert process.poll() is None
        client.transact([{"op": "update", "table": "Open_vSwitch", "where": [], "row": {"cur_cfg": 3}}])
        process.wait(10)
