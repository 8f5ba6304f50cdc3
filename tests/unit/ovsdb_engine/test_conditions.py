"""What "where" finds, with and without an index."""

from typing import Any

import pytest

from tests.unit.ovsdb_engine.engine_bench import UUIDS, Bench, uuid

ROWS: dict[str, dict[str, Any]] = {
    "a": {"i": 1, "maybe": 5, "few": ["set", [1, 2]], "map": ["map", [["k", 1], ["l", 2]]]},
    "b": {"i": 2, "few": ["set", [2, 3]], "map": ["map", [["k", 2]]]},
    "c": {"i": 3, "maybe": 7},
}


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    for number, (name, row) in enumerate(ROWS.items()):
        made.insert("Thing", UUIDS[number], s=name, **row)
    return made


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ([], "abc"),
        ([True], "abc"),
        ([False], ""),
        ([["i", "==", 2]], "b"),
        ([["i", "!=", 2]], "ac"),
        ([["i", "<", 2]], "a"),
        ([["i", "<=", 2]], "ab"),
        ([["i", ">", 2]], "c"),
        ([["i", ">=", 2], ["i", "!=", 3]], "b"),
        ([["i", "includes", 2]], "b"),
        ([["i", "excludes", 2]], "ac"),
        ([["maybe", "==", 5]], "a"),
        ([["maybe", "==", ["set", []]]], "b"),
        ([["maybe", "<", 6]], "a"),
        ([["maybe", ">=", 5]], "ac"),
        ([["few", "includes", 2]], "ab"),
        ([["few", "includes", ["set", [2, 3]]]], "b"),
        ([["few", "includes", ["set", []]]], "abc"),
        ([["few", "excludes", 3]], "ac"),
        ([["few", "excludes", ["set", [1, 5, 6, 7]]]], "bc"),
        ([["map", "includes", ["map", [["k", 1]]]]], "a"),
        ([["map", "excludes", ["map", [["k", 1], ["k2", 1]]]]], "bc"),
        ([["map", "==", ["map", [["k", 2]]]]], "b"),
        ([["_uuid", "==", uuid(2)]], "c"),
        ([["_uuid", "!=", uuid(2)]], "ab"),
        ([["_uuid", "includes", uuid(0)], ["i", "==", 2]], ""),
        ([["_uuid", "==", ["named-uuid", "x"]]], ""),
    ],
)
def test_rows_found(bench: Bench, where: Any, found: str) -> None:
    assert sorted(row["s"] for row in bench.select("Thing", "s", where=where)) == list(found)


MISMATCH = 'Type mismatch: "<" operator may not be applied to column '


@pytest.mark.parametrize(
    ("clause", "tag", "details"),
    [
        (1, "syntax error", "Parse error in condition."),
        ([], "syntax error", "Parse error in condition."),
        (["i", "==", 1, 2], "syntax error", "Parse error in condition."),
        ([1, "==", 1], "syntax error", "Parse error in condition."),
        (["zz", "==", 1], "unknown column", "No column zz in table Thing."),
        (["i", "~", 1], "unknown function", "No function named ~."),
        (["i", "==", "x"], "syntax error", "expected integer"),
        (["s", "<", "a"], "syntax error", MISMATCH + "s of type string."),
        (["few", "<", 1], "syntax error", MISMATCH + "few of type set of up to 3 integers."),
        (["map", "<", 1], "syntax error", MISMATCH + "map of type map of (string, integer) pairs."),
        (["maybe", "<", ["set", []]], "syntax error", "set must have exactly one member but 0 are present"),
        (
            ["few", "==", ["set", [1, 2, 3, 4]]],
            "syntax error",
            "set must have 0 to 3 members but 4 are present",
        ),
        (
            ["digit", "==", 10],
            "constraint violation",
            "10 is not in the valid range 0 to 9 (inclusive)",
        ),
    ],
)
def test_malformed_condition(clause: Any, tag: str, details: str) -> None:
    operation = {"op": "select", "table": "Thing", "where": [clause]}
    assert Bench().error(operation) == (tag, details)


def test_column_that_is_often_asked_for_gets_an_index() -> None:
    bench = Bench()
    for number in range(40):
        bench.insert("Thing", UUIDS[number], i=number % 20)
    table = bench.database.tables["Thing"]
    assert not table.indexes
    for _ in range(5):
        assert len(bench.select("Thing", "_uuid", where=[["i", "==", 7]])) == 2
    (index,) = table.indexes
    assert [column.name for column in index.columns] == ["i"]
    bench.run({"op": "update", "table": "Thing", "where": [["i", "==", 7]], "row": {"i": 8}})
    assert len(bench.select("Thing", "_uuid", where=[["i", "==", 8]])) == 4
    assert bench.select("Thing", "_uuid", where=[["i", "==", 7]]) == []
    bench.run({"op": "delete", "table": "Thing", "where": [["i", "==", 8]]})
    assert bench.select("Thing", "_uuid", where=[["i", "==", 8]]) == []


def test_index_knows_what_the_same_transaction_changed() -> None:
    bench = Bench()
    bench.insert("Few", UUIDS[0], name="a", n=1)
    where = [["name", "==", "a"], ["n", "==", 1]]
    look = {"op": "select", "table": "Few", "where": where, "columns": ["_uuid"]}
    results = bench.run(
        look,
        {"op": "update", "table": "Few", "where": where, "row": {"name": "b"}},
        look,
        {"op": "insert", "table": "Few", "uuid": UUIDS[1], "row": {"name": "a", "n": 1}},
        look,
        {"op": "update", "table": "Few", "where": [["name", "==", "a"], ["n", "==", 1]], "row": {"n": 5}},
        look,
        {"op": "delete", "table": "Few", "where": []},
        look,
    )
    found = [[row["_uuid"] for row in result["rows"]] for result in results if "rows" in result]
    assert found == [[uuid(0)], [], [uuid(1)], [], []]
