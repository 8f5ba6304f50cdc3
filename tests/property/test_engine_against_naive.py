"""The engine answers as a naive one does that was written from the RFC, and has the same contents afterwards."""

from collections.abc import Mapping, Set
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings

from ovsdb.datum import Value
from ovsdb.engine.database import Database
from ovsdb.schema import Schema
from tests.kit.naive_engine import NaiveEngine
from tests.kit.strategies import histories

RELAXED = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def naive(value: Value) -> frozenset[Any]:
    """A value of ours as the naive engine has it."""
    if isinstance(value, Mapping):
        return frozenset(value.items())
    return frozenset(value) if isinstance(value, Set) else frozenset([value])


def contents(database: Database) -> dict[str, Any]:
    return {
        name: {
            uuid: {c.name: naive(row.values[c.index]) for c in table.columns}
            for uuid, row in table.rows.items()
        }
        for name, table in database.tables.items()
    }


def run(database: Database, operations: list[Any]) -> list[Any]:
    outcome = database.execute(operations)
    if outcome.changeset:
        database.apply(outcome.changeset)
    results: list[Any] = orjson.loads(orjson.dumps(outcome.results))
    return results


def failure(results: list[Any]) -> tuple[int, str] | None:
    return next(((i, r["error"]) for i, r in enumerate(results) if r and "error" in r), None)


def check_summaries(database: Database) -> None:
    """What the tables keep beside rows is what the rows say."""
    fresh = Database(database.schema)
    record = orjson.loads(database.snapshot_record() or b"{}")
    ephemeral = any(not c.persistent for t in database.tables.values() for c in t.columns)
    if ephemeral:  # not in a snapshot: references from there are lost with them
        return
    fresh.apply(fresh.changeset_from_record(record))
    for name, table in database.tables.items():
        assert table.references == fresh.tables[name].references
        assert table.weak_referrers == fresh.tables[name].weak_referrers
        for ours, theirs in zip(table.indexes, fresh.tables[name].indexes, strict=False):
            for row in table.rows.values():
                assert set(ours.find(ours.key(row))) == set(theirs.find(theirs.key(row)))


@RELAXED
@given(histories())
def test_engine_answers_as_a_naive_one(history: tuple[Schema, list[list[Any]]]) -> None:
    schema, transactions = history
    database, simple = Database(schema), NaiveEngine(schema)
    for operations in transactions:
        results = run(database, operations)
        expected, failed = simple.transact(operations)
        assert failure(results) == failed, (operations, results)
        for operation, ours, theirs in zip(operations, results, expected, strict=False):
            if operation["op"] in ("update", "mutate", "delete"):
                assert ours["count"] == theirs
            elif operation["op"] == "select":
                assert {row["_uuid"][1] for row in ours["rows"]} == theirs.keys()
        assert contents(database) == simple.tables
    check_summaries(database)
