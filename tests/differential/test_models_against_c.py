"""Relays and backups, ours and the C ones, behind each other."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.kit.certificates import Authority
from tests.kit.peers import C_BIN, OVSDB_SERVERS, Daemon, Home, home, wait_until

pytestmark = pytest.mark.peer
LISTENING = re.compile(r"listening on port (\d+)")
PAIRS = [("ours", "c"), ("c", "ours"), ("ours", "ours")]
SCHEMA: dict[str, Any] = {
    "name": "db",
    "version": "1.0.0",
    "tables": {
        name: {
            "columns": {
                "n": {"type": "integer"},
                "s": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
                "m": {"type": {"key": "string", "value": "integer", "min": 0, "max": "unlimited"}},
            },
            "isRoot": True,
        }
        for name in ("T", "U")
    },
}
SELECT = {"op": "select", "table": "T", "where": [], "columns": ["n", "s", "m"]}


def insert(n: int, table: str = "T") -> dict[str, Any]:
    row = {"n": n, "s": ["set", ["a", str(n)]], "m": ["map", [["k", n]]]}
    return {"op": "insert", "table": table, "row": row}


def transact(server: Daemon, *operations: dict[str, Any], check: bool = True) -> list[Any]:
    text = json.dumps(["db", *operations])
    done = server.run(C_BIN / "ovsdb-client", "transact", server.remote, text, check=check)
    found: list[Any] = json.loads(done.stdout) if done.stdout else [done.stderr]
    return found


def numbers(server: Daemon, table: str = "T") -> list[int]:
    [result] = transact(server, {**SELECT, "table": table}, check=False)
    return sorted(row["n"] for row in result["rows"]) if isinstance(result, dict) else []


def wait_numbers(server: Daemon, wanted: list[int], table: str = "T") -> None:
    wait_until(lambda: numbers(server, table) == wanted, f"{server.name} has {wanted}", 60)


def database(place: Home, name: str) -> Path:
    schema = place.path / "schema"
    schema.write_text(json.dumps(SCHEMA))
    path = place.path / f"{name}.db"
    place.run(C_BIN / "ovsdb-tool", "create", path, schema)
    return path


@contextmanager
def serving(kind: str, place: Home, name: str, *args: str, database: str | Path) -> Iterator[Daemon]:
    """A server of its own socket in a directory of its own below the home of all."""
    where = place.path / name
    where.mkdir(exist_ok=True)
    inner = Home(where, place.env)
    with OVSDB_SERVERS[kind](inner, *args, databases=[Path(database)], name=name) as server:
        yield server


def relay_of(source: Daemon) -> str:
    return f"relay:db:{source.remote}"


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_relay_repeats_and_forwards(first: str, second: str) -> None:
    with (
        home() as place,
        serving(first, place, "source", database=database(place, "source")) as source,
        serving(second, place, "relay", database=relay_of(source)) as relay,
    ):
        relay.run(C_BIN / "ovsdb-client", "wait", relay.remote, "db", "connected")
        [inserted, comment] = transact(relay, insert(1), {"op": "comment", "comment": "through the relay"})
        assert ("uuid" in inserted, comment) == (True, {})
        assert numbers(source) == numbers(relay) == [1]
        transact(source, insert(2))
        wait_numbers(relay, [1, 2])
        mutation = {"op": "mutate", "table": "T", "where": [["n", "==", 1]], "mutations": [["n", "+=", 5]]}
        assert transact(relay, mutation, {**SELECT, "where": [["n", "==", 6]]})[0] == {"count": 1}
        log = source.run(C_BIN / "ovsdb-tool", "show-log", source.databases[0]).stdout
        assert '"through the relay' in log


@pytest.mark.parametrize("kinds", [("c", "ours", "c"), ("ours", "c", "ours")])
def test_relays_stand_behind_relays(kinds: tuple[str, str, str]) -> None:
    with (
        home() as place,
        serving(kinds[0], place, "source", database=database(place, "source")) as source,
        serving(kinds[1], place, "middle", database=relay_of(source)) as middle,
        serving(kinds[2], place, "last", database=relay_of(middle)) as last,
    ):
        last.run(C_BIN / "ovsdb-client", "wait", last.remote, "db", "connected", timeout=60)
        transact(last, insert(1))
        assert numbers(source) == numbers(last) == [1]
        transact(source, insert(2))
        wait_numbers(last, [1, 2])


def test_relays_come_and_go_while_they_follow() -> None:
    """In the C server each of these ends in a failed assertion."""
    with home() as place:
        with (
            serving("ours", place, "source", database=database(place, "source")) as source,
            serving("ours", place, "relay", database=database(place, "own")) as server,
        ):
            server.appctl("ovsdb-server/remove-db", "db")
            for n in (1, 2, 3):
                server.appctl("ovsdb-server/add-db", relay_of(source))
                server.run(C_BIN / "ovsdb-client", "wait", server.remote, "db", "connected", timeout=60)
                transact(server, insert(n))
                assert server.appctl("ovsdb-server/compact", "db") == ""
                server.appctl("ovsdb-server/remove-db", "db")
                assert server.appctl("ovsdb-server/list-dbs") == "_Server\n"
            server.appctl("ovsdb-server/add-db", relay_of(source))
            server.appctl("exit")
            assert server.process.wait(30) == 0
        assert numbers_in(place, source) == [1, 2, 3]


def numbers_in(place: Home, server: Daemon) -> list[int]:
    """What is in the file of a server that has ended."""
    text = json.dumps(["db", SELECT])
    done = place.run(C_BIN / "ovsdb-tool", "query", server.databases[0], text)
    return sorted(row["n"] for row in json.loads(done.stdout)[0]["rows"])


@pytest.mark.parametrize("kind", ["ours", "c"])
def test_a_relay_follows_over_tls_and_finds_the_server_that_is_there(kind: str) -> None:
    with home() as place:
        keys = Authority(place.path).issue("server").options()
        listen = "--remote=pssl:0:127.0.0.1"
        with serving(kind, place, "source", listen, *keys, database=database(place, "source")) as source:
            wait_until(lambda: LISTENING.search(source.output()) is not None, "the source listens")
            found = LISTENING.search(source.output())
            assert found is not None
            sources = f"relay:db:unix:{place.path}/nobody,ssl:127.0.0.1:{found[1]}"
            with serving("ours", place, "relay", *keys, database=sources) as relay:
                relay.run(C_BIN / "ovsdb-client", "wait", relay.remote, "db", "connected", timeout=60)
                transact(relay, insert(1))
                assert numbers(source) == numbers(relay) == [1]


@pytest.mark.parametrize("kind", ["ours", "c"])
def test_our_relay_outlives_its_source(kind: str) -> None:
    with home() as place:
        path = database(place, "source")
        with serving("ours", place, "relay", database=f"relay:db:unix:{place.path}/source/db.sock") as relay:
            with serving(kind, place, "source", database=path) as source:
                relay.run(C_BIN / "ovsdb-client", "wait", relay.remote, "db", "connected", timeout=60)
                transact(relay, insert(1))
            assert numbers(relay) == [1]
            with serving(kind, place, "source", database=path) as source:
                transact(source, insert(2))
                wait_numbers(relay, [1, 2])
                new = json.loads(json.dumps(SCHEMA))
                new["tables"]["T"]["columns"]["fresh"] = {"type": "string"}
                (place.path / "new").write_text(json.dumps(new))
                source.run(C_BIN / "ovsdb-client", "convert", source.remote, place.path / "new")
                get = [str(C_BIN / "ovsdb-client"), "get-schema", relay.remote, "db"]
                wait_until(
                    lambda: "fresh" in relay.run(*get, check=False).stdout, "the relay is converted", 60
                )
                wait_numbers(relay, [1, 2])


@pytest.mark.parametrize(("active", "backup"), PAIRS)
def test_a_backup_follows_takes_over_and_comes_back(active: str, backup: str) -> None:
    with (
        home() as place,
        serving(active, place, "active", database=database(place, "active")) as first,
        serving(
            backup,
            place,
            "backup",
            f"--sync-from={first.remote}",
            "--sync-exclude-tables=db:U",
            database=database(place, "backup"),
        ) as second,
    ):
        transact(first, insert(1), insert(7, "U"))
        wait_numbers(second, [1])
        assert numbers(second, "U") == []
        assert second.appctl("ovsdb-server/sync-status") == (
            f"state: backup\nreplicating: {first.remote}\ndatabase: db\nexclude: db:U\n"
        )
        [refused] = transact(second, insert(9))
        assert refused == {
            "error": "not allowed",
            "details": "insert operation not allowed when database server is in read only mode",
        }
        second.appctl("ovsdb-server/disconnect-active-ovsdb-server")
        assert second.appctl("ovsdb-server/sync-status") == "state: active\n"
        transact(second, insert(2))
        assert (numbers(first), numbers(second)) == ([1], [1, 2])
        first.appctl("ovsdb-server/set-active-ovsdb-server", second.remote)
        first.appctl("ovsdb-server/connect-active-ovsdb-server")
        wait_numbers(first, [1, 2])
        wait_numbers(first, [], "U")
        transact(second, insert(3))
        wait_numbers(first, [1, 2, 3])


PREPARED = ["--sync-from=unix:/nowhere/at.all", "--active", "--sync-exclude-tables=db:U"]


@pytest.mark.parametrize("args", [[], PREPARED], ids=["alone", "prepared"])
def test_roles_answer_as_the_c_server_does(args: list[str]) -> None:
    commands: list[list[str]] = [
        ["sync-status"],
        ["get-active-ovsdb-server"],
        ["connect-active-ovsdb-server"],
        ["disconnect-active-ovsdb-server"],
        ["get-sync-exclude-tables"],
        ["set-sync-exclude-tables", "db:U,db:T,a:b"],
        ["get-sync-exclude-tables"],
        ["set-active-ovsdb-server-probe-interval", "many"],
        ["set-active-ovsdb-server-probe-interval", "5000"],
        ["set-active-ovsdb-server", "unix:/nowhere/at.all"],
        ["get-active-ovsdb-server"],
        ["sync-status"],
        ["connect-active-ovsdb-server"],
        ["sync-status"],
        ["set-active-ovsdb-server"],
    ]
    answers: dict[str, list[list[object]]] = {}
    for kind in OVSDB_SERVERS:
        with home() as place, serving(kind, place, "one", *args, database=database(place, "one")) as server:
            answers[kind] = []
            for command, *rest in commands:
                argv = ["-t", str(server.control), f"ovsdb-server/{command}", *rest]
                done = server.run(C_BIN / "ovs-appctl", *argv, check=False)
                told = done.stderr.replace(str(server.control), "CONTROL")
                answers[kind].append([command, done.returncode, done.stdout, told])
    assert answers["ours"] == answers["c"]
