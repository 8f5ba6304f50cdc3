"""What changes become when they are merged, and what monitors are told of them."""

import tracemalloc
from typing import Any

import pytest

from ovsdb.engine.changes import Changeset, merge
from tests.kit.watching import Watch
from tests.unit.ovsdb_engine.engine_bench import UUIDS, Bench


class Followed:
    """A bench whose changes are merged into one from some moment on."""

    def __init__(self, **row: Any) -> None:
        self.bench = Bench()
        if row:
            self.bench.insert("Thing", **row)
        self.merged = Changeset({})

    def run(self, *operations: Any) -> None:
        outcome = self.bench.outcome(*operations)
        assert outcome.changeset is not None, outcome.results
        self.merged = merge(self.bench.database.tables, self.merged, outcome.changeset)
        self.bench.database.apply(outcome.changeset)

    def set(self, **row: Any) -> None:
        self.run({"op": "update", "table": "Thing", "where": [], "row": row})

    def seen(self, *names: str, version: int = 2) -> Any:
        table = self.bench.database.tables["Thing"]
        (change,) = self.merged.tables["Thing"].values()
        return Watch(table, *names).update(change, version)


INSERT = {"op": "insert", "table": "Thing", "uuid": UUIDS[0], "row": {"i": 1, "few": ["set", [1, 2]]}}
DELETE = {"op": "delete", "table": "Thing", "where": []}


def test_modified_and_changed_back_is_no_change() -> None:
    for row in ({"i": 1}, {"s": "x"}, {"few": ["set", [1]]}, {"map": ["map", [["a", 1]]]}):
        followed = Followed(i=5)
        (name,) = row
        (before,) = followed.bench.select("Thing", name)
        followed.set(**row)
        assert followed.merged
        followed.set(**before)
        assert not followed.merged


def test_inserted_and_deleted_is_no_change() -> None:
    followed = Followed()
    followed.run(INSERT)
    followed.set(i=2)
    followed.run(DELETE)
    assert not followed.merged


def test_inserted_and_modified_is_inserted() -> None:
    followed = Followed()
    followed.run(INSERT)
    followed.set(i=2)
    assert followed.seen("i", "s", "few") == {"insert": {"i": 2, "few": ["set", [1, 2]]}}


def test_modified_and_deleted_is_deleted_with_its_first_values() -> None:
    followed = Followed(i=1)
    followed.set(i=2)
    followed.run(DELETE)
    assert followed.seen("i") == {"delete": None}
    assert followed.seen("i", version=1) == {"old": {"i": 1}}


def test_deleted_and_inserted_again_is_modified() -> None:
    followed = Followed(i=5, s="kept", few=["set", [2, 3]])
    followed.run(DELETE)
    followed.run({**INSERT, "row": {**INSERT["row"], "s": "kept"}})  # type: ignore[dict-item]
    assert followed.seen("i", "s", "few") == {"modify": {"i": 1, "few": ["set", [1, 3]]}}


@pytest.mark.parametrize(
    ("rows", "modify"),
    [
        ([{"i": 2}, {"s": "y"}], {"i": 2, "s": "y"}),
        ([{"few": ["set", [1, 3]]}, {"few": ["set", [1, 4]]}], {"few": ["set", [2, 4]]}),
        ([{"maybe": 3}, {"maybe": ["set", []]}], {"maybe": ["set", []]}),
        (
            [{"map": ["map", [["a", 2], ["c", 3]]]}, {"map": ["map", [["c", 4]]]}],
            {"map": ["map", [["a", 1], ["b", 1], ["c", 4]]]},
        ),
    ],
)
def test_modifications_are_one(rows: list[Any], modify: Any) -> None:
    followed = Followed(i=1, s="x", few=["set", [1, 2]], maybe=1, map=["map", [["a", 1], ["b", 1]]])
    for row in rows:
        followed.set(**row)
    assert followed.seen("i", "s", "few", "maybe", "map") == {"modify": modify}


def test_columns_that_are_not_watched_are_not_seen() -> None:
    followed = Followed(i=1, s="x")
    followed.set(i=2)
    assert followed.seen("s") is None
    assert followed.seen("s", version=1) is None
    assert followed.seen("i", "s", version=1) == {"old": {"i": 1}, "new": {"i": 2, "s": "x"}}


def test_version_is_seen_with_every_modification() -> None:
    followed = Followed(i=1)
    followed.set(i=2)
    assert followed.seen("_version", "s")["modify"].keys() == {"_version"}


def test_what_a_row_remembers_of_its_bytes_is_no_longer_than_they_are() -> None:
    followed = Followed(s="short")
    table = followed.bench.database.tables["Thing"]
    (row,) = table.rows.values()
    column = table.by_name["s"]
    tracemalloc.start()
    try:
        for _ in range(100):
            row.wire = None
            column.wire(row)
        row.wire = None
        before, _ = tracemalloc.get_traced_memory()
        column.wire(row)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 1000  # orjson gives away buffers of 4 kB
