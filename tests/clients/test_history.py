"""ovsdb-client history: what a running server tells of its past, and what another one does not."""

import json
import os

import pytest

from tests.kit.peers import C_BIN, OUR_BIN, c_ovsdb_server, our_ovsdb_server

pytestmark = pytest.mark.peer
TOOL = OUR_BIN / "ovsdb-client"


def test_commits_are_told_with_author_time_and_comment() -> None:
    with our_ovsdb_server() as server:
        for name in ("one", "two"):
            server.run(C_BIN / "ovs-vsctl", "--no-wait", "add-br", name)
        server.run(C_BIN / "ovs-vsctl", "--no-wait", "del-br", "one")
        commits = json.loads(server.run(TOOL, "-f", "json", "history").stdout)
        assert "add-br two" in commits[-2]["comment"]
        assert commits[-2]["author"]["uid"] == os.getuid()
        assert commits[-2]["author"]["program"] == "ovs-vsctl"
        assert abs(commits[-1]["date"] - commits[0]["date"]) < 3_600_000
        only = json.loads(server.run(TOOL, "-f", "json", "history", "Bridge", "one").stdout)
        assert [commit["changes"][0]["kind"] for commit in only] == ["insert", "delete"]
        last = server.run(TOOL, "-n", "1", "history", server.remote, "Open_vSwitch").stdout
        assert "-Bridge:one" in last
        assert "(ovs-vsctl)" in last
        since = server.run(
            TOOL, f"--since={commits[-2]['id']}", "-f", "csv", "--no-headings", "history"
        ).stdout
        assert since.count("\n") == 1
        assert server.run(TOOL, "list-dbs").stdout == "Open_vSwitch\n_Server\n"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["history", "Nothing"], "no table Nothing in database Open_vSwitch"),
        (["--since=tomorrowish", "history"], '"tomorrowish" is neither a time nor the id of a commit'),
        (["history", "_Server"], "there is no log of _Server"),
        (["-n", "100000", "history"], "must be an integer from 1 to 1000"),
        (["history", "Bridge", "a", "b"], "invalid syntax"),
    ],
)
def test_what_cannot_be_told_is_refused(words: list[str], text: str) -> None:
    with our_ovsdb_server() as server:
        done = server.run(TOOL, *words, check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert text in done.stderr.replace('\\"', '"')
        assert server.run(TOOL, "list-dbs").returncode == 0


def test_another_server_does_not_tell() -> None:
    with c_ovsdb_server() as server:
        done = server.run(TOOL, "history", check=False)
        assert done.returncode == 1
        assert done.stderr == f"ovsdb-client: {server.remote}: the server does not tell the past\n"
