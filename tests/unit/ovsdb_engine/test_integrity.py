"""What a commit checks and cleans up; texts as the C ovsdb-server 3.1 gives them."""

from typing import Any

from tests.unit.ovsdb_engine.engine_bench import SCHEMA, UUIDS, Bench, ref, uuid, where_uuid


def part(number: int, **row: Any) -> dict[str, Any]:
    return {"op": "insert", "table": "Part", "uuid": UUIDS[number], "row": {"name": f"p{number}", **row}}


def thing(number: int, **row: Any) -> dict[str, Any]:
    return {"op": "insert", "table": "Thing", "uuid": UUIDS[number], "row": row}


def few(number: int, **row: Any) -> dict[str, Any]:
    return {"op": "insert", "table": "Few", "uuid": UUIDS[number], "row": row}


def test_row_that_is_referred_to_stays() -> None:
    bench = Bench()
    bench.run(thing(0, parts=uuid(1)), part(1))
    assert bench.error({"op": "delete", "table": "Part", "where": []}) == (
        "referential integrity violation",
        f"cannot delete Part row {UUIDS[1]} because of 1 remaining reference(s)",
    )
    assert bench.run(
        {"op": "delete", "table": "Part", "where": []}, {"op": "delete", "table": "Thing", "where": []}
    ) == [
        {"count": 1},
        {"count": 1},
    ]


def test_reference_to_nothing_is_refused() -> None:
    assert Bench().error(thing(0, parts=uuid(1))) == (
        "referential integrity violation",
        f"Table Thing column parts row {UUIDS[0]} references nonexistent row {UUIDS[1]} in table Part.",
    )


def test_unreferenced_rows_go_and_what_only_they_referred_to() -> None:
    bench = Bench()
    bench.run(thing(0, parts=uuid(1)), part(1, next=uuid(2)), part(2, next=uuid(3)), part(3))
    assert len(bench.select("Part", "name")) == 3
    bench.run({"op": "mutate", "table": "Thing", "where": [], "mutations": [["parts", "delete", uuid(1)]]})
    assert bench.select("Part", "name") == []
    assert not bench.database.tables["Part"].references


def test_new_row_that_nobody_refers_to_is_not_kept() -> None:
    bench = Bench()
    outcome = bench.outcome(part(1))
    assert outcome.results == [{"uuid": uuid(1)}]
    assert not outcome.changeset


def test_reference_to_itself_keeps_no_row_but_a_ring_does() -> None:
    bench = Bench()
    bench.run(part(1, next=uuid(1)))
    assert bench.select("Part", "name") == []
    bench.run(part(1, next=uuid(2)), part(2, next=uuid(1)))
    assert len(bench.select("Part", "name")) == 2


def test_moving_the_only_reference_keeps_the_row() -> None:
    bench = Bench()
    bench.run(thing(0, parts=uuid(1)), part(1))
    bench.run(
        {"op": "update", "table": "Thing", "where": [], "row": {"parts": ["set", []]}},
        thing(2, parts=uuid(1)),
    )
    assert len(bench.select("Part", "name")) == 1


def test_all_tables_are_root_where_none_is_said_to_be() -> None:
    bench = Bench({"name": "S", "tables": {"T": {"columns": {"c": {"type": "integer"}}}}})
    bench.insert("T", c=1)
    assert bench.select("T", "c") == [{"c": 1}]


def test_weak_reference_to_deleted_row_disappears() -> None:
    bench = Bench()
    bench.run(
        thing(0, parts=["set", [uuid(1), uuid(2)]], watched=["set", [uuid(1), uuid(2)]]), part(1), part(2)
    )
    bench.run({"op": "mutate", "table": "Thing", "where": [], "mutations": [["parts", "delete", uuid(1)]]})
    assert bench.select("Thing", "parts", "watched") == [{"parts": uuid(2), "watched": uuid(2)}]
    assert set(bench.database.tables["Part"].weak_referrers) == {UUIDS[2]}


def test_weak_reference_to_nothing_is_dropped_at_once() -> None:
    bench = Bench()
    bench.insert("Thing", watched=uuid(1))
    assert bench.select("Thing", "watched") == [{"watched": ["set", []]}]
    bench.run({"op": "update", "table": "Thing", "where": [], "row": {"i": 0, "watched": uuid(1)}})
    outcome = bench.outcome({"op": "update", "table": "Thing", "where": [], "row": {"watched": uuid(1)}})
    assert not outcome.changeset


def test_weak_reference_that_a_column_needs_keeps_the_transaction_from_deleting() -> None:
    bench = Bench()
    bench.run(
        few(1, name="a"), {"op": "insert", "table": "Watcher", "uuid": UUIDS[0], "row": {"needs": uuid(1)}}
    )
    delete = {"op": "delete", "table": "Few", "where": []}
    assert bench.error(delete) == (
        "constraint violation",
        f'Deletion of 1 weak reference(s) to deleted (or never-existing) rows from column "needs" in "Watcher" row '
        f"{UUIDS[0]} caused this column to become empty, but constraints on this column disallow an empty column.",
    )
    assert len(bench.run(delete, {"op": "delete", "table": "Watcher", "where": []})) == 2


def test_default_of_a_weak_reference_that_is_needed_is_refused() -> None:
    tag, details = Bench().error({"op": "insert", "table": "Watcher", "uuid": UUIDS[0], "row": {}})
    assert tag == "constraint violation"
    assert details.startswith(
        f'Weak reference column "needs" in "Watcher" row {UUIDS[0]} (inserted within this transaction) contained '
        "all-zeros UUID"
    )


def test_strong_reference_goes_with_the_weak_one_of_its_pair() -> None:
    column = {"type": {"key": ref("P"), "value": ref("Q", weak=True), "min": 0, "max": "unlimited"}}
    empty = {"columns": {"x": {"type": "integer"}}}
    bench = Bench(
        {
            "name": "S",
            "tables": {
                "T": {"isRoot": True, "columns": {"c": column}},
                "P": empty,
                "Q": {**empty, "isRoot": True},
            },
        }
    )
    bench.run(
        {"op": "insert", "table": "P", "uuid": UUIDS[1], "row": {}},
        {"op": "insert", "table": "Q", "uuid": UUIDS[2], "row": {}},
        {"op": "insert", "table": "T", "row": {"c": ["map", [[uuid(1), uuid(2)]]]}},
    )
    assert len(bench.select("P", "_uuid")) == 1
    bench.run({"op": "delete", "table": "Q", "where": []})
    assert bench.select("T", "c") == [{"c": ["map", []]}]
    assert bench.select("P", "_uuid") == []


def test_table_holds_no_more_than_max_rows() -> None:
    bench = Bench()
    bench.run(few(0, name="a"), few(1, name="b"))
    assert bench.error(few(2, name="c")) == (
        "constraint violation",
        'transaction causes "Few" table to contain 3 rows, greater than the schema-defined limit of 2 row(s)',
    )
    bench.run(few(2, name="c"), {"op": "delete", "table": "Few", "where": where_uuid(0)})
    assert len(bench.select("Few", "name")) == 2


def test_index_allows_no_two_rows_with_the_same_values() -> None:
    bench = Bench()
    bench.run(few(0, name="a b", n=1))
    assert bench.error(few(1, name="a b", n=1)) == (
        "constraint violation",
        'Transaction causes multiple rows in "Few" table to have identical values ("a b" and 1) for index on columns '
        f'"name" and "n".  First row, with UUID {UUIDS[1]}, was inserted by this transaction.  Second row, with UUID '
        f"{UUIDS[0]}, existed in the database before this transaction and was not modified by the transaction.",
    )
    bench.run(few(1, name="a b", n=2))
    update = {"op": "update", "table": "Few", "where": where_uuid(1), "row": {"n": 1}}
    had = 'had the following index values before the transaction: "a b" and 2.'
    assert f"{UUIDS[1]}, {had}" in bench.error(update)[1]


def test_rows_may_swap_the_values_of_an_index() -> None:
    bench = Bench()
    bench.run(few(0, name="a"), few(1, name="b"))
    results = bench.run(
        {"op": "update", "table": "Few", "where": where_uuid(0), "row": {"name": "b"}},
        {"op": "update", "table": "Few", "where": where_uuid(1), "row": {"name": "a"}},
    )
    assert results == [{"count": 1}, {"count": 1}]
    assert bench.select("Few", "_uuid", where=[["name", "==", "b"], ["n", "==", 0]]) == [{"_uuid": uuid(0)}]


def test_garbage_breaks_no_index() -> None:
    bench = Bench()
    bench.run(thing(0, parts=uuid(1)), part(1, note="old"))
    (row,) = bench.run(part(2) | {"row": {"name": "p1"}})
    assert "error" not in row


def test_schema_of_the_bench_is_one() -> None:
    assert Bench(SCHEMA).database.schema.version == "1.2.3"
