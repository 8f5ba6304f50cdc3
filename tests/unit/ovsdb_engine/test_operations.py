"""The ten operations; texts as the C ovsdb-server 3.1 gives them."""

from typing import Any

import pytest

from ovsdb.engine.ops import Context
from tests.unit.ovsdb_engine.engine_bench import UUIDS, Bench, uuid, where_uuid

PARSING = "Parsing ovsdb operation 1 of 1 failed: "


@pytest.mark.parametrize(
    ("operation", "details"),
    [
        ("x", "Object expected."),
        ({}, "Required 'op' member is missing."),
        ({"op": 1}, "Type mismatch for member 'op'."),
        ({"op": "a b"}, "Type mismatch for member 'op'."),
        ({"op": "foo"}, 'No operation "foo"'),
        ({"op": "insert"}, "Required 'table' member is missing."),
        ({"op": "insert", "table": "Z", "row": {}}, "No table named Z."),
        ({"op": "insert", "table": 1, "row": {}}, "Type mismatch for member 'table'."),
        ({"op": "insert", "table": "Thing"}, "Required 'row' member is missing."),
        ({"op": "insert", "table": "Thing", "row": []}, "Type mismatch for member 'row'."),
        (
            {"op": "insert", "table": "Thing", "row": {}, "x": 1},
            "Member 'x' is present but not allowed here.",
        ),
        (
            {"op": "insert", "table": "Thing", "row": {}, "x": 1, "y": 2},
            "Member 'y' and 1 other member are present but not allowed here.",
        ),
        ({"op": "insert", "table": "Thing", "row": {}, "uuid": 1}, "Type mismatch for member 'uuid'."),
        (
            {"op": "insert", "table": "Thing", "row": {}, "uuid-name": "1a"},
            "Type mismatch for member 'uuid-name'.",
        ),
        ({"op": "select", "table": "Thing"}, "Required 'where' member is missing."),
        ({"op": "select", "table": "Thing", "where": 1}, "Type mismatch for member 'where'."),
        ({"op": "update", "table": "Thing", "where": []}, "Required 'row' member is missing."),
        ({"op": "mutate", "table": "Thing", "where": []}, "Required 'mutations' member is missing."),
        ({"op": "wait"}, "Required 'where' member is missing."),
        ({"op": "commit"}, "Required 'durable' member is missing."),
        ({"op": "commit", "durable": 1}, "Type mismatch for member 'durable'."),
        ({"op": "abort", "x": 1}, "Member 'x' is present but not allowed here."),
        ({"op": "comment"}, "Required 'comment' member is missing."),
        ({"op": "assert", "lock": "a b"}, "Type mismatch for member 'lock'."),
    ],
)
def test_malformed_operation_is_a_syntax_error(operation: Any, details: str) -> None:
    assert Bench().error(operation) == ("syntax error", PARSING + details)


def test_syntax_error_shows_the_operation_with_sorted_members() -> None:
    (error,) = Bench().run({"table": "Thing", "op": "select"})
    assert error["syntax"] == '{"op":"select","table":"Thing"}'


def test_results_before_the_error_stand_and_null_stands_for_what_was_not_tried() -> None:
    assert Bench().run(
        {"op": "comment", "comment": "a"}, {"op": "abort"}, {"op": "commit", "durable": False}
    ) == [
        {},
        {"error": "aborted", "details": "aborted by request"},
        None,
    ]


def test_error_of_the_whole_transaction_stands_behind_all_results() -> None:
    results = Bench().run(
        {"op": "insert", "table": "Thing", "uuid": UUIDS[0], "row": {"parts": uuid(1)}},
        {"op": "comment", "comment": "b"},
    )
    assert results[:2] == [{"uuid": uuid(0)}, {}]
    assert results[2]["error"] == "referential integrity violation"


def test_failed_transaction_changes_nothing() -> None:
    bench = Bench()
    assert bench.outcome({"op": "insert", "table": "Thing", "row": {}}, {"op": "abort"}).changeset is None
    assert not bench.database.tables["Thing"].rows


def test_unset_columns_have_defaults() -> None:
    bench = Bench()
    bench.insert("Thing")
    assert bench.select("Thing", "i", "r", "b", "s", "u", "maybe", "map") == [
        {
            "i": 0,
            "r": 0,
            "b": False,
            "s": "",
            "u": ["uuid", "00000000-0000-0000-0000-000000000000"],
            "maybe": ["set", []],
            "map": ["map", []],
        }
    ]


def test_default_that_breaks_a_constraint_must_be_given() -> None:
    bench = Bench()
    operation = {"op": "insert", "table": "Strict", "row": {}}
    assert bench.error(operation) == ("constraint violation", "0 is less than minimum allowed value 3")
    bench.insert("Strict", from3=3)


def test_unknown_column_is_named() -> None:
    operation = {"op": "insert", "table": "Thing", "row": {"zz": 1}}
    assert Bench().error(operation) == ("unknown column", "No column zz in table Thing.")


def test_named_uuid_may_be_used_before_its_insert() -> None:
    bench = Bench()
    results = bench.run(
        {"op": "insert", "table": "Thing", "row": {"parts": ["named-uuid", "p"]}},
        {"op": "insert", "table": "Part", "uuid-name": "p", "row": {}},
    )
    assert bench.select("Thing", "parts") == [{"parts": results[1]["uuid"]}]


def test_uuid_name_is_good_for_one_row() -> None:
    insert = {"op": "insert", "table": "Thing", "row": {}, "uuid-name": "a"}
    details = 'This "uuid-name" appeared on an earlier "insert" operation.'
    assert Bench().error(insert, insert) == ("duplicate uuid-name", details)


DUPLICATE = (
    "duplicate uuid",
    "This UUID would duplicate a UUID already present within the table or deleted within the same transaction.",
)


def test_uuid_of_a_row_that_is_there_or_was_a_moment_ago_is_taken() -> None:
    bench = Bench()
    bench.insert("Thing", UUIDS[0])
    insert = {"op": "insert", "table": "Thing", "uuid": UUIDS[0].upper(), "row": {}}
    assert bench.error(insert) == DUPLICATE
    assert bench.error({"op": "delete", "table": "Thing", "where": []}, insert) == DUPLICATE
    assert bench.error({"op": "insert", "table": "Thing", "uuid": "x", "row": {}}) == (
        "syntax error",
        "bad uuid",
    )


def test_uuid_of_a_row_that_came_and_went_in_the_transaction_is_free() -> None:
    insert = {"op": "insert", "table": "Thing", "uuid": UUIDS[0], "row": {}}
    results = Bench().run(insert, {"op": "delete", "table": "Thing", "where": []}, insert)
    assert results == [{"uuid": uuid(0)}, {"count": 1}, {"uuid": uuid(0)}]


def test_select_shows_equal_rows_once_unless_their_uuid_is_wanted() -> None:
    bench = Bench()
    for number in range(3):
        bench.insert("Thing", UUIDS[number], i=number // 2)
    assert bench.select("Thing", "i") == [{"i": 0}, {"i": 1}]
    assert len(bench.select("Thing", "i", "_uuid")) == 3


def test_select_without_columns_has_all_with_uuid_and_version() -> None:
    bench = Bench()
    bench.insert("Part", UUIDS[1])  # nobody refers to it: gone
    bench.insert("Few", UUIDS[2], name="a")
    (result,) = bench.run({"op": "select", "table": "Few", "where": []})
    assert set(result["rows"][0]) == {"_uuid", "_version", "name", "n"}
    assert bench.run({"op": "select", "table": "Part", "where": []}) == [{"rows": []}]


def test_select_sorts() -> None:
    bench = Bench()
    for number in (2, 0, 1):
        bench.insert("Thing", UUIDS[number], i=number, maybe=7 - number)
    select = {"op": "select", "table": "Thing", "where": [], "columns": ["i"]}
    assert bench.run({**select, "sort": ["i"]}) == [{"rows": [{"i": 0}, {"i": 1}, {"i": 2}]}]
    assert bench.run({**select, "sort": ["maybe"]}) == [{"rows": [{"i": 2}, {"i": 1}, {"i": 0}]}]


@pytest.mark.parametrize(
    ("columns", "details"),
    [
        (["zz"], "zz is not a valid column name"),
        ([1], "array of distinct column names expected"),
        (["i", "i"], "array of distinct column names expected"),
    ],
)
def test_columns_are_distinct_and_exist(columns: list[Any], details: str) -> None:
    operation = {"op": "select", "table": "Thing", "where": [], "columns": columns}
    assert Bench().error(operation) == ("syntax error", details)


def test_immutable_columns_are_set_once() -> None:
    bench = Bench()
    bench.insert("Thing", fixed="a")
    update = {"op": "update", "table": "Thing", "where": [], "row": {"fixed": "b"}}
    assert bench.error(update)[1] == "Cannot update immutable column fixed in table Thing."
    mutate = {"op": "mutate", "table": "Thing", "where": [], "mutations": [["_uuid", "+=", 1]]}
    assert bench.error(mutate) == (
        "constraint violation",
        "Cannot mutate immutable column _uuid in table Thing.",
    )


def test_update_of_a_row_to_what_it_is_counts_but_changes_nothing() -> None:
    bench = Bench()
    bench.insert("Thing", i=3)
    outcome = bench.outcome({"op": "update", "table": "Thing", "where": [], "row": {"i": 3}})
    assert outcome.results == [{"count": 1}]
    assert outcome.changeset is not None
    assert not outcome.changeset


def test_version_changes_with_the_row_only() -> None:
    bench = Bench()
    bench.insert("Thing", UUIDS[0], i=3)
    (before,) = bench.select("Thing", "_version")
    bench.run({"op": "update", "table": "Thing", "where": [], "row": {"i": 3}})
    assert bench.select("Thing", "_version") == [before]
    bench.run({"op": "update", "table": "Thing", "where": [], "row": {"i": 4}})
    assert bench.select("Thing", "_version") != [before]


def test_later_operations_see_what_earlier_ones_did() -> None:
    bench = Bench()
    results = bench.run(
        {"op": "insert", "table": "Thing", "uuid": UUIDS[0], "row": {"i": 1}},
        {"op": "update", "table": "Thing", "where": [["i", "==", 1]], "row": {"i": 2}},
        {"op": "select", "table": "Thing", "where": [["i", "==", 1]], "columns": ["i"]},
        {"op": "select", "table": "Thing", "where": where_uuid(0), "columns": ["i"]},
        {"op": "delete", "table": "Thing", "where": [["i", "==", 2]]},
        {"op": "select", "table": "Thing", "where": []},
    )
    assert results[1:] == [{"count": 1}, {"rows": []}, {"rows": [{"i": 2}]}, {"count": 1}, {"rows": []}]


WAIT = {"op": "wait", "table": "Thing", "where": [], "columns": ["i"], "until": "==", "rows": [{"i": 1}]}


def test_wait_that_holds_has_an_empty_result() -> None:
    bench = Bench()
    bench.insert("Thing", UUIDS[0], i=1)
    bench.insert("Thing", UUIDS[1], i=1)  # rows that are equal in these columns are one
    assert bench.run(WAIT, {**WAIT, "until": "!=", "rows": [{"i": 2}]}) == [{}, {}]


def test_wait_blocks_until_its_time_is_over() -> None:
    bench = Bench()
    blocked = bench.outcome({"op": "select", "table": "Few", "where": []}, {**WAIT, "timeout": 10}).blocked
    assert blocked is not None
    assert blocked.timeout_ms == 10
    assert blocked.tables == {"Few", "Thing"}
    forever = bench.outcome(WAIT).blocked
    assert forever is not None
    assert forever.timeout_ms is None
    error = {"error": "timed out", "details": '"wait" timed out after 11 ms'}
    assert bench.run({**WAIT, "timeout": 10}, context=Context(elapsed_ms=11)) == [error]
    assert bench.error({**WAIT, "timeout": 0}) == ("timed out", '"where" clause test failed')


@pytest.mark.parametrize(
    ("changed", "details"),
    [
        ({"until": "x"}, '"until" must be "==" or "!="'),
        ({"timeout": -1}, "timeout must be nonnegative"),
        ({"rows": [1]}, "row must be JSON object"),
    ],
)
def test_malformed_wait_is_a_syntax_error(changed: Any, details: str) -> None:
    assert Bench().error({**WAIT, "timeout": 0, **changed}) == ("syntax error", details)


def test_commit_durable_is_reported() -> None:
    bench = Bench()
    assert bench.outcome({"op": "commit", "durable": True}).durable
    assert not bench.outcome({"op": "commit", "durable": False}).durable


def test_comments_are_joined() -> None:
    insert = {"op": "insert", "table": "Thing", "row": {}}
    outcome = Bench().outcome({"op": "comment", "comment": "a"}, insert, {"op": "comment", "comment": "b"})
    assert outcome.changeset is not None
    assert outcome.changeset.comment == "a\nb"


def test_assert_asks_who_owns_the_lock() -> None:
    bench = Bench()
    operation = {"op": "assert", "lock": "l"}
    assert bench.error(operation) == ("not owner", "Asserted lock l not held.")
    assert bench.run(operation, context=Context(owns_lock={"l"}.__contains__)) == [{}]


def test_read_only_database_is_not_changed() -> None:
    bench = Bench()
    context = Context(read_only=True)
    insert = {"op": "insert", "table": "Thing", "row": {}}
    (error,) = bench.run(insert, context=context)
    details = "insert operation not allowed when database server is in read only mode"
    assert error == {"error": "not allowed", "details": details}
    assert bench.run({"op": "select", "table": "Thing", "where": []}, context=context) == [{"rows": []}]
