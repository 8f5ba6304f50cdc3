"""Whatever a client sends or a file holds, the engine answers, and a refusal leaves it as it was."""

import random
from contextlib import suppress
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from ovsdb.engine.database import Database
from ovsdb.errors import OvsdbError
from ovsdb.schema import Schema
from tests.kit.strategies import Maker, any_json
from tests.property.test_engine_against_naive import contents

RELAXED = settings(max_examples=100, deadline=None)
RANDOMS = st.randoms(use_true_random=False)


def replaced(r: random.Random, json: Any, junk: Any) -> Any:
    """The JSON with one value in it, at any depth, replaced."""
    json = orjson.loads(orjson.dumps(json))
    place = json
    while True:
        key = r.choice(list(place) if isinstance(place, dict) else list(range(len(place))))
        if isinstance(place[key], dict | list) and place[key] and r.randrange(5):
            place = place[key]
            continue
        place[key] = junk
        return json


def filled(r: random.Random) -> tuple[Maker, Schema, Database]:
    maker = Maker(r)
    schema = maker.schema()
    database = Database(schema)
    for _ in range(4):
        outcome = database.execute(maker.transaction(schema))
        if outcome.changeset:
            database.apply(outcome.changeset)
    return maker, schema, database


@RELAXED
@given(RANDOMS, any_json())
def test_any_transaction_has_an_answer(r: random.Random, junk: Any) -> None:
    maker, schema, database = filled(r)
    before = contents(database)
    operations = replaced(r, maker.transaction(schema), junk)
    outcome = database.execute(operations)
    assert contents(database) == before
    if outcome.blocked is None:
        results = orjson.loads(orjson.dumps(outcome.results))
        failed = any(result and "error" in result for result in results)
        assert failed == (outcome.changeset is None)
        assert len(results) - len(operations) in (0, 1)


@RELAXED
@given(RANDOMS, any_json())
def test_any_record_is_a_change_or_an_error(r: random.Random, junk: Any) -> None:
    maker, schema, database = filled(r)
    outcome = database.execute(maker.transaction(schema))
    record = b"" if outcome.changeset is None else database.changeset_to_record(outcome.changeset)
    broken = replaced(r, {**orjson.loads(record or b"{}"), "_is_diff": True}, junk)
    with suppress(OvsdbError):
        database.apply(database.changeset_from_record(broken))
