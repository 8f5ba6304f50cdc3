"""What the log gets and what is read back: as the C server writes it, diffs or not."""

from typing import Any

import orjson
import pytest

from ovsdb.errors import OvsdbError
from tests.unit.ovsdb_engine.engine_bench import UUIDS, Bench, uuid


def record_of(bench: Bench, *operations: Any) -> Any:
    outcome = bench.outcome(*operations)
    assert outcome.changeset is not None, outcome.results
    record = orjson.loads(bench.database.changeset_to_record(outcome.changeset) or b"{}")
    bench.database.apply(outcome.changeset)
    return record


def test_inserted_row_is_written_without_defaults_and_ephemeral_columns() -> None:
    row = {"i": 5, "s": "", "passing": 7, "few": ["set", [2, 1]], "maybe": 1}
    record = record_of(Bench(), {"op": "insert", "table": "Thing", "uuid": UUIDS[0], "row": row})
    assert record == {"Thing": {UUIDS[0]: {"i": 5, "few": ["set", [1, 2]], "maybe": 1}}}


def test_modified_row_has_differences_where_more_than_one_element_fits() -> None:
    bench = Bench()
    bench.insert("Thing", few=["set", [1, 2]], maybe=1, map=["map", [["a", 1], ["b", 2]]], s="x")
    row = {"few": ["set", [1, 5]], "maybe": 2, "map": ["map", [["b", 3], ["c", 4]]], "s": "y", "passing": 1}
    record = record_of(bench, {"op": "update", "table": "Thing", "where": [], "row": row})
    assert record == {
        "Thing": {
            UUIDS[0]: {
                "few": ["set", [2, 5]],
                "maybe": 2,
                "map": ["map", [["a", 1], ["b", 3], ["c", 4]]],
                "s": "y",
            }
        }
    }


def test_change_of_ephemeral_columns_leaves_no_record() -> None:
    bench = Bench()
    bench.insert("Thing")
    assert record_of(bench, {"op": "update", "table": "Thing", "where": [], "row": {"passing": 1}}) == {}


def test_deleted_rows_are_null_also_those_that_were_garbage() -> None:
    bench = Bench()
    bench.run(
        {"op": "insert", "table": "Part", "uuid": UUIDS[1], "row": {}},
        {"op": "insert", "table": "Thing", "uuid": UUIDS[0], "row": {"parts": uuid(1)}},
    )
    record = record_of(bench, {"op": "delete", "table": "Thing", "where": []})
    assert record == {"Thing": {UUIDS[0]: None}, "Part": {UUIDS[1]: None}}


def replayed(*records: Any) -> Bench:
    bench = Bench()
    for record in records:
        bench.database.apply(bench.database.changeset_from_record(record))
    return bench


INSERTED = {"_date": 1, "Thing": {UUIDS[0]: {"few": ["set", [1, 2]], "maybe": 1, "map": ["map", [["a", 1]]]}}}


def test_records_are_read_with_and_without_differences() -> None:
    row = {"few": ["set", [2, 5]], "maybe": ["set", []], "map": ["map", [["a", 1], ["b", 1]]]}
    change = {"_date": 2, "Thing": {UUIDS[0]: row}}
    with_diff = replayed(INSERTED, {**change, "_is_diff": True})
    assert with_diff.select("Thing", "few", "maybe", "map") == [
        {"few": ["set", [1, 5]], "maybe": ["set", []], "map": ["map", [["b", 1]]]}
    ]
    assert replayed(INSERTED, change).select("Thing", "few", "maybe", "map") == [row]


@pytest.mark.parametrize(
    "record",
    [
        {"Nope": {}},
        {"Thing": 1},
        {"Thing": {"x": {}}},
        {"Thing": {UUIDS[0]: 1}},
        {"Thing": {UUIDS[0]: None}},
        {"Thing": {UUIDS[0]: {"nope": 1}}},
        {"Thing": {UUIDS[0]: {"_uuid": uuid(0)}}},
        {"Thing": {UUIDS[0]: {"i": "x"}}},
        {"Thing": {UUIDS[0]: {"parts": uuid(7)}}},
    ],
)
def test_bad_record_is_an_error(record: Any) -> None:
    with pytest.raises(OvsdbError):
        Bench().database.changeset_from_record(record)
