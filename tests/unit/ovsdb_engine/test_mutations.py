"""What mutators do to values; texts as the C ovsdb-server 3.1 gives them."""

from typing import Any

import pytest

from ovsdb.delta import LARGE
from ovsdb.persistent import PersistentMap, PersistentSet
from tests.unit.ovsdb_engine.engine_bench import Bench

LEAST, MOST = -(2**63), 2**63 - 1


def mutated(column: str, start: Any, *mutations: Any) -> Any:
    bench = Bench()
    bench.insert("Thing", **{column: start})
    wire = [[column, mutator, value] for mutator, value in mutations]
    bench.run({"op": "mutate", "table": "Thing", "where": [], "mutations": wire})
    return bench.select("Thing", column)[0][column]


@pytest.mark.parametrize(
    ("column", "start", "mutation", "result"),
    [
        ("i", 7, ("+=", 3), 10),
        ("i", 7, ("-=", -3), 10),
        ("i", 7, ("*=", -2), -14),
        ("i", -7, ("/=", 2), -3),
        ("i", 7, ("/=", -2), -3),
        ("i", -7, ("%=", 2), -1),
        ("i", 7, ("%=", -2), 1),
        ("r", 1.5, ("+=", 1), 2.5),
        ("r", 3, ("/=", 2), 1.5),
        ("maybe", 1, ("+=", 5), 6),
        ("maybe", ["set", []], ("+=", 5), ["set", []]),
        ("few", ["set", [1, 2]], ("*=", 3), ["set", [3, 6]]),
        ("few", ["set", [1, 2]], ("insert", ["set", [2, 3]]), ["set", [1, 2, 3]]),
        ("few", ["set", [1, 2]], ("insert", ["set", []]), ["set", [1, 2]]),
        ("few", ["set", [1, 2]], ("delete", ["set", [2, 3, 4, 5]]), 1),
        ("many", ["set", ["b"]], ("insert", "a"), ["set", ["a", "b"]]),
        (
            "map",
            ["map", [["a", 1]]],
            ("insert", ["map", [["a", 2], ["b", 3]]]),
            ["map", [["a", 1], ["b", 3]]],
        ),
        (
            "map",
            ["map", [["a", 1], ["b", 2]]],
            ("delete", ["map", [["a", 2], ["b", 2]]]),
            ["map", [["a", 1]]],
        ),
        ("map", ["map", [["a", 1], ["b", 2]]], ("delete", ["set", ["b", "c"]]), ["map", [["a", 1]]]),
        ("map", ["map", [["a", 1], ["b", 2]]], ("delete", "a"), ["map", [["b", 2]]]),
    ],
)
def test_mutation(column: str, start: Any, mutation: Any, result: Any) -> None:
    assert mutated(column, start, mutation) == result


def test_mutations_of_one_column_follow_each_other() -> None:
    steps = [("insert", 3), ("+=", 1), ("delete", 4), ("insert", 9)]
    assert mutated("few", ["set", [1, 2]], *steps) == ["set", [2, 3, 9]]


MISMATCH = 'Type mismatch: "{}" operator may not be applied to column {}.'


@pytest.mark.parametrize(
    ("start", "mutation", "tag", "details"),
    [
        ({"i": MOST}, ["i", "+=", 1], "range error", 'Result of "+=" operation is out of range.'),
        ({"i": LEAST}, ["i", "-=", 1], "range error", 'Result of "-=" operation is out of range.'),
        ({"i": LEAST}, ["i", "*=", -1], "range error", 'Result of "*=" operation is out of range.'),
        ({"i": LEAST}, ["i", "/=", -1], "range error", 'Result of "/=" operation is out of range.'),
        ({"i": LEAST}, ["i", "%=", -1], "range error", 'Result of "%=" operation is out of range.'),
        ({"r": 1e308}, ["r", "*=", -1e308], "range error", 'Result of "*=" operation is out of range.'),
        ({}, ["i", "/=", 0], "domain error", "Division by zero."),
        ({}, ["i", "%=", 0], "domain error", "Division by zero."),
        ({}, ["r", "/=", 0], "domain error", "Division by zero."),
        ({}, 1, "syntax error", "Parse error in mutation."),
        ({}, ["i", "+=", 1, 2], "syntax error", "Parse error in mutation."),
        ({}, ["i", "=", 1], "unknown mutator", "No mutator named =."),
        ({}, ["zz", "+=", 1], "unknown column", "No column zz in table Thing."),
        ({}, ["i", "+=", "x"], "syntax error", "expected integer"),
        ({}, ["r", "%=", 1], "syntax error", MISMATCH.format("%=", "r of type real")),
        ({}, ["s", "+=", "a"], "syntax error", MISMATCH.format("+=", "s of type string")),
        ({}, ["s", "insert", "a"], "syntax error", MISMATCH.format("insert", "s of type string")),
        ({}, ["digit", "delete", 5], "syntax error", MISMATCH.format("delete", "digit of type integer")),
        (
            {},
            ["map", "+=", 1],
            "syntax error",
            MISMATCH.format("+=", "map of type map of (string, integer) pairs"),
        ),
        (
            {"digit": 9},
            ["digit", "+=", 1],
            "constraint violation",
            "10 is not in the valid range 0 to 9 (inclusive)",
        ),
        (
            {"few": ["set", [1, 2]]},
            ["few", "/=", 9],
            "constraint violation",
            'Result of "/=" operation contains duplicates.',
        ),
        (
            {"few": ["set", [1, 2, 3]]},
            ["few", "insert", 4],
            "constraint violation",
            "Attempted to store 4 elements in set of up to 3 integers.",
        ),
        (
            {},
            ["few", "insert", ["set", [1, 2, 3, 4]]],
            "syntax error",
            "set must have 0 to 3 members but 4 are present",
        ),
        (
            {},
            ["few", "+=", ["set", []]],
            "syntax error",
            "set must have exactly one member but 0 are present",
        ),
        (
            {},
            ["choice", "delete", "q"],
            "constraint violation",
            'q is not one of the allowed values ([w, x, "y z"])',
        ),
        ({}, ["map", "delete", 1], "syntax error", "expected string"),
        ({}, ["map", "insert", ["set", ["a"]]], "syntax error", 'expected ["map", <array>]'),
    ],
)
def test_mutation_that_fails(start: Any, mutation: Any, tag: str, details: str) -> None:
    bench = Bench()
    bench.insert("Thing", **start)
    operation = {"op": "mutate", "table": "Thing", "where": [], "mutations": [mutation]}
    assert bench.error(operation) == (tag, details)


def test_large_set_shares_its_members_with_what_it_was_made_from() -> None:
    bench = Bench()
    names = [f"n{i}" for i in range(2 * LARGE)]
    bench.insert("Thing", many=["set", names])
    table = bench.database.tables["Thing"]
    column = table.by_name["many"]
    for name in ("x", "y"):
        mutations = [["many", "insert", name], ["many", "delete", "n0"]]
        outcome = bench.outcome({"op": "mutate", "table": "Thing", "where": [], "mutations": mutations})
        assert outcome.changeset is not None
        (change,) = outcome.changeset.tables["Thing"].values()
        delta = change.deltas[column.index]
        assert delta is not None
        assert set(delta.added) == {name}  # what the log and the monitors get
        bench.database.apply(outcome.changeset)
    (row,) = table.rows.values()
    assert isinstance(row.values[column.index], PersistentSet)
    assert bench.select("Thing", "many") == [{"many": ["set", sorted([*names[1:], "x", "y"])]}]


def test_large_map_shares_its_members_with_what_it_was_made_from() -> None:
    bench = Bench()
    bench.insert("Thing", map=["map", [[f"n{i}", i] for i in range(2 * LARGE)]])
    mutations = [["map", "delete", "n0"], ["map", "insert", ["map", [["x", 1], ["n1", 5]]]]]
    bench.run({"op": "mutate", "table": "Thing", "where": [], "mutations": mutations})
    (row,) = bench.database.tables["Thing"].rows.values()
    value = row.values[bench.database.tables["Thing"].by_name["map"].index]
    assert isinstance(value, PersistentMap)
    assert value == {f"n{i}": i for i in range(1, 2 * LARGE)} | {"x": 1}
