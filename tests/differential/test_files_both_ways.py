"""Database files both ways: what the C tool writes ours reads, and the other way round, after every kind of record.

Values are compared as JSON, reals to 15 digits, which is what the C programs print.
"""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from ovsdb.cli.tool import TOOL
from ovsdb.hosted import execute_once
from ovsdb.storage.fsck import check
from tests.kit import peers
from tests.kit.peers import C_BIN, Home

pytestmark = pytest.mark.peer
C_TOOL = C_BIN / "ovsdb-tool"


def many(key: Any, value: Any = None) -> dict[str, Any]:
    kind = {"key": key, "min": 0, "max": "unlimited"}
    return {"type": kind if value is None else {**kind, "value": value}}


COLUMNS: dict[str, Any] = {
    "name": {"type": "string"},
    "i": {"type": "integer"},
    "r": {"type": "real"},
    "b": {"type": "boolean"},
    "u": {"type": "uuid"},
    "maybe": {"type": {"key": "string", "min": 0, "max": 1}},
    "ints": many("integer"),
    "reals": many("real"),
    "strings": many("string"),
    "map": many("string", "string"),
    "numbers": many("integer", "real"),
    "two": {"type": {"key": "integer", "min": 0, "max": 2}},
    "needs": many({"type": "uuid", "refTable": "Part"}),
    "likes": many({"type": "uuid", "refTable": "Thing", "refType": "weak"}),
    "forgotten": {"type": "string", "ephemeral": True},
}
SCHEMA: dict[str, Any] = {
    "name": "both",
    "version": "1.0.0",
    "tables": {
        "Thing": {"columns": COLUMNS, "isRoot": True, "indexes": [["name"]]},
        "Part": {"columns": {"label": {"type": "string"}, "weight": {"type": "real"}}},
    },
}
NEWER: dict[str, Any] = {
    **SCHEMA,
    "version": "2.0.0",
    "tables": {
        **SCHEMA["tables"],
        "Thing": {
            **SCHEMA["tables"]["Thing"],
            "columns": {**{k: v for k, v in COLUMNS.items() if k != "two"}, "fresh": {"type": "integer"}},
        },
    },
}
CONTROLS = "".join(map(chr, range(1, 32))) + "\x7f\x80\x9f"
UNICODE = "é ß 漢字 😀 \U0010ffff e\u0301 \u2028\u2029 \ufeff \uffff"
QUOTES = "\" \\ / ' \\u0041 \\n [by uid=0]"
REALS = [
    0.1,
    -0.0,
    1e300,
    2.22507385850721e-308,
    1 / 3,
    0.30000000000000004,
    1e15,
    1e16,
    123456789.123456789,
    2.0**53,
    -2.5e-10,
]
INTEGERS = [0, 1, -1, 2**63 - 1, -(2**63), 10**15, 2**53 + 1]


def insert(name: str, **row: Any) -> dict[str, Any]:
    return {"op": "insert", "table": "Thing", "row": {"name": name, **row}}


def update(name: str, **row: Any) -> dict[str, Any]:
    return {"op": "update", "table": "Thing", "where": [["name", "==", name]], "row": row}


def mutate(name: str, column: str, mutator: str, value: Any) -> dict[str, Any]:
    where = [["name", "==", name]]
    return {"op": "mutate", "table": "Thing", "where": where, "mutations": [[column, mutator, value]]}


def delete(name: str) -> dict[str, Any]:
    return {"op": "delete", "table": "Thing", "where": [["name", "==", name]]}


def comment(text: str) -> dict[str, Any]:
    return {"op": "comment", "comment": text}


def part(label: str, symbol: str) -> dict[str, Any]:
    return {"op": "insert", "table": "Part", "row": {"label": label, "weight": 0.7}, "uuid-name": symbol}


STEPS: list[list[dict[str, Any]]] = [
    [insert("plain")],
    [insert("full", i=5, r=2.5, b=True, maybe="x", strings=["set", ["a", "b"]], map=["map", [["k", "v"]]])],
    [insert("gone"), insert("ephemeral", forgotten="soon")],
    [update("plain", i=-7, b=True, maybe="set"), comment("first\nsecond"), comment("third")],
    [update("plain", maybe=["set", []], strings="one")],
    [insert(CONTROLS, maybe=CONTROLS, strings=["set", [CONTROLS, "x\ty"]], map=["map", [[CONTROLS, "\x01"]]])],
    [insert(UNICODE, map=["map", [[UNICODE, QUOTES], [QUOTES, UNICODE]]]), comment(UNICODE + QUOTES + CONTROLS)],
    [insert("reals", reals=["set", REALS], numbers=["map", [[n, r] for n, r in enumerate(REALS)]])],
    [insert("integers", ints=["set", INTEGERS])],
    *([update("plain", r=real)] for real in REALS),
    *([update("plain", i=integer)] for integer in INTEGERS),
    [mutate("full", "strings", "insert", ["set", ["c", "d"]]), mutate("full", "strings", "delete", "a")],
    [mutate("full", "map", "insert", ["map", [["k2", "v2"], ["k3", "v3"]]])],
    [mutate("full", "map", "delete", ["map", [["k", "v"]]]), mutate("full", "map", "insert", ["map", [["k", "w"]]])],
    [update("full", map=["map", [["k2", "other"], ["k4", ""]]], strings=["set", ["", "b"]])],
    [update("full", two=["set", [1, 2]])],
    [mutate("full", "two", "delete", 1)],
    [mutate("reals", "reals", "delete", ["set", [0.1, 1e300]]), mutate("reals", "numbers", "delete", ["set", [0]])],
    [update("plain", i=10), mutate("plain", "i", "-=", 3)],
    [part("p1", "p"), mutate("full", "needs", "insert", ["set", [["named-uuid", "p"]]])],
    [part("p2", "p"), part("p3", "q"), update("plain", needs=["set", [["named-uuid", "p"], ["named-uuid", "q"]]])],
    [mutate("plain", "needs", "delete", ["set", []]), update("full", needs=["set", []])],
    [{**insert("liked"), "uuid-name": "l"}, update("plain", likes=["set", [["named-uuid", "l"]]])],
    [delete("liked")],
    [delete("gone"), comment("it is gone")],
    [delete(CONTROLS)],
]  # fmt: skip


@pytest.fixture
def place() -> Iterator[Home]:
    with peers.home() as made:
        (made.path / "schema").write_bytes(orjson.dumps(SCHEMA))
        (made.path / "newer").write_bytes(orjson.dumps(NEWER))
        yield made


def alike(value: Any) -> Any:
    """Without what may differ: the digits of reals behind the 15th, versions of rows."""
    if isinstance(value, float):
        return float(f"{value:.15g}")
    if isinstance(value, list):
        if len(value) == 2 and value[0] in ("set", "map"):
            return [value[0], sorted(map(alike, value[1]), key=repr)]
        return [alike(each) for each in value]
    if isinstance(value, dict):
        return {name: alike(each) for name, each in value.items() if name != "_version"}
    return value


def c_transact(place: Home, command: str, path: Path, operations: list[Any]) -> Any:
    text = orjson.dumps(["both", *operations]).decode()
    return orjson.loads(place.run(C_TOOL, command, path, text).stdout)


def contents(answer: Any) -> Any:
    rows = [row for each in answer for row in each["rows"]]
    return sorted(map(alike, rows), key=lambda row: str(row["_uuid"]))


def compare(place: Home, path: Path) -> Any:
    """What both read, which is the same."""
    select: list[Any] = [{"op": "select", "table": table, "where": []} for table in ("Thing", "Part")]
    ours = contents(orjson.loads(orjson.dumps(execute_once(path, ["both", *select], writes=False))))
    theirs = contents(c_transact(place, "query", path, select))
    assert ours == theirs
    return ours


def writers(place: Home) -> dict[str, Callable[[Path, list[dict[str, Any]]], Any]]:
    return {
        "ours": lambda path, operations: execute_once(path, ["both", *operations], writes=True),
        "c": lambda path, operations: c_transact(place, "transact", path, operations),
    }


@pytest.mark.parametrize("turns", [["ours"], ["c"], ["ours", "c"]], ids="-".join)
def test_after_every_kind_of_record_both_read_the_same(place: Home, turns: list[str]) -> None:
    path = place.path / "both.db"
    if turns[0] == "ours":
        TOOL.main(["create", str(path), str(place.path / "schema")])
    else:
        place.run(C_TOOL, "create", path, place.path / "schema")
    write = writers(place)
    for operations, turn in zip(STEPS, itertools.cycle(turns), strict=False):
        answer = orjson.loads(orjson.dumps(write[turn](path, operations)))
        assert not any("error" in each for each in answer if each), answer
        found = compare(place, path)
    assert len(found) > 4
    report = check(path)
    assert (report.damage, report.commits) == ("", len(STEPS))
    before = found
    for command in (["compact"], ["convert"], ["compact"]):
        words = [*command, str(path), *([str(place.path / "newer")] if command == ["convert"] else [])]
        for turn in turns:
            copy = path.with_name("copy.db")
            copy.write_bytes(path.read_bytes())
            if turn == "ours":
                TOOL.main(words)
            else:
                place.run(C_TOOL, *words)
            found = compare(place, path)
            if command == ["compact"]:
                assert found == before
            before = found
        assert check(path).damage == ""
    answer = write[turns[-1]](path, [update("plain", fresh=5), comment("after the conversion")])
    assert {row.get("fresh") for row in compare(place, path)} == {None, 0, 5}


def test_records_without_differences_are_read(place: Home) -> None:
    """Files of servers before 2.16, or with --disable-file-column-diff."""
    path = place.path / "both.db"
    place.run(C_TOOL, "create", path, place.path / "schema")
    with peers.c_ovsdb_server(place, "--disable-file-column-diff", databases=[path]) as server:
        for operations in STEPS:
            text = orjson.dumps(["both", *operations]).decode()
            answer = place.run(C_BIN / "ovsdb-client", "transact", server.remote, text).stdout
            assert '"error"' not in answer
    assert b"_is_diff" not in path.read_bytes()
    whole = compare(place, path)
    execute_once(path, ["both", mutate("full", "strings", "insert", "late")], writes=True)
    assert b"_is_diff" in path.read_bytes()
    assert compare(place, path) != whole
    c_transact(place, "transact", path, [mutate("full", "strings", "delete", "late")])
    assert compare(place, path) == whole


@pytest.mark.parametrize(
    "row",
    [
        '"name":"nul \\u0000 inside"',
        '"name":"lone \\ud800 surrogate"',
        '"name":"other \\udc00 half"',
        '"map":["map",[["a","\\u0000"]]]',
        '"r":5e-324',
        '"r":1e999',
    ],
)
def test_what_the_c_tool_cannot_read_is_never_written(place: Home, row: str) -> None:
    path = place.path / "both.db"
    place.run(C_TOOL, "create", path, place.path / "schema")
    before = path.read_bytes()
    transaction = f'["both",{{"op":"insert","table":"Thing","row":{{{row}}}}}]'
    for tool in (C_TOOL, peers.OUR_BIN / "ovsdb-tool"):
        done = place.run(tool, "transact", path, transaction, check=False)
        assert (done.returncode, done.stdout) == (1, "") or "error" in done.stdout
        assert path.read_bytes() == before


def test_a_result_that_the_c_tool_could_not_read_is_out_of_range(place: Home) -> None:
    """The C tool writes it, and cannot open its own file then."""
    path = place.path / "both.db"
    place.run(C_TOOL, "create", path, place.path / "schema")
    small = [insert("small", r=1e-300), mutate("small", "r", "/=", 1e20)]
    answer = execute_once(path, ["both", *small], writes=True)
    assert answer[-1]["error"] == "range error"
    answer = execute_once(path, ["both", insert("said"), comment("nul \0")], writes=True)
    assert answer[-1]["error"] == "syntax error"
    compare(place, path)
