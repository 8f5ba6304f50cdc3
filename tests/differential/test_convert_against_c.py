"""Online schema conversion on our server and on the C one; each opens what the other has converted."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.kit.peers import C_BIN, OUR_BIN, OVSDB_SERVERS, Daemon, Home, home

pytestmark = pytest.mark.peer
OLD: dict[str, Any] = {
    "name": "db",
    "version": "1.0.0",
    "tables": {
        "T": {
            "columns": {
                "n": {"type": "integer"},
                "s": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
                "gone": {"type": "string"},
            },
            "isRoot": True,
        },
        "U": {"columns": {"x": {"type": "integer"}}, "isRoot": True},
    },
}


def column(kind: Any, name: str = "n") -> dict[str, Any]:
    columns = {**OLD["tables"]["T"]["columns"], name: {"type": kind}}
    return {**OLD, "version": "2.0.0", "tables": {"T": {"columns": columns, "isRoot": True}}}


NEW = column({"key": "real", "min": 0, "max": 3})
del NEW["tables"]["T"]["columns"]["gone"]
NEW["tables"]["T"]["columns"]["fresh"] = {"type": {"key": "string", "min": 0, "max": 1}}
REFUSED = [
    column("string"),
    column({"key": {"type": "integer", "minInteger": 6}}),
    column({"key": {"type": "string", "enum": ["set", ["a"]]}}, "gone"),
    column({"key": "string"}, "s"),
]
FILL = [
    "db",
    {"op": "insert", "table": "T", "row": {"n": 5, "s": ["set", ["a", "b"]], "gone": "x"}},
    {"op": "insert", "table": "U", "row": {"x": 1}},
]
SELECT = ["db", {"op": "select", "table": "T", "where": [], "columns": ["n", "s", "fresh"]}]


def client(server: Daemon, *words: str, check: bool = True) -> str:
    done = server.run(C_BIN / "ovsdb-client", *words, check=check)
    return done.stdout + done.stderr


def prepare(place: Home, name: str) -> Path:
    path = place.path / f"{name}.db"
    (place.path / "old").write_text(json.dumps(OLD))
    place.run(C_BIN / "ovsdb-tool", "create", path, place.path / "old")
    return path


def refusal(server: Daemon, schema: dict[str, Any]) -> str:
    path = server.home.path / "refused"
    path.write_text(json.dumps(schema))
    text = client(server, "-vsyslog:off", "convert", server.remote, str(path), check=False)
    return text.partition("ovsdb-client: ")[2]


def test_both_refuse_the_same_in_the_same_words() -> None:
    answers = {}
    for kind, start in OVSDB_SERVERS.items():
        with home() as place, start(place, databases=[prepare(place, "db")]) as server:
            client(server, "transact", server.remote, json.dumps(FILL))
            answers[kind] = [refusal(server, schema) for schema in REFUSED]
            assert json.loads(client(server, "get-schema", server.remote, "db"))["version"] == "1.0.0"
    assert all(answers["c"]), answers
    assert answers["ours"] == answers["c"]


@pytest.mark.parametrize(("first", "second"), [("ours", "c"), ("c", "ours")])
def test_each_serves_what_the_other_has_converted(first: str, second: str) -> None:
    with home() as place:
        path = prepare(place, "db")
        (place.path / "new").write_text(json.dumps(NEW))
        with OVSDB_SERVERS[first](place, databases=[path]) as server:
            client(server, "transact", server.remote, json.dumps(FILL))
            client(server, "convert", server.remote, str(place.path / "new"))
            before = json.loads(client(server, "transact", server.remote, json.dumps(SELECT)))
        assert before[0]["rows"] == [{"n": 5, "s": ["set", ["a", "b"]], "fresh": ["set", []]}]
        with OVSDB_SERVERS[second](place, databases=[path]) as server:
            assert json.loads(client(server, "transact", server.remote, json.dumps(SELECT))) == before
            assert json.loads(client(server, "get-schema", server.remote, "db"))["version"] == "2.0.0"
        shown = place.run(OUR_BIN / "ovsdb-tool", "show-log", path).stdout
        assert '"converted by ovsdb-server"' in shown
