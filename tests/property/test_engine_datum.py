"""Values: what is read is written again, whatever is read is a value or an error, differences add up."""

from collections.abc import Mapping, Set
from contextlib import suppress
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from ovsdb.datum import format_datum, format_value_text, parse_datum
from ovsdb.delta import (
    Delta,
    apply_delta,
    apply_diff,
    delta_between,
    delta_of_diff,
    diff_of_delta,
    merge_deltas,
)
from ovsdb.errors import OvsdbError, SchemaError
from ovsdb.schema import Atom, BaseType, ColumnType, Schema
from tests.kit.strategies import any_json, column_types, schemas, typed_datums

RELAXED = settings(max_examples=100, deadline=None)
Datums = tuple[ColumnType, list[Any]]


@RELAXED
@given(typed_datums())
def test_value_survives_the_wire(given_datum: Datums) -> None:
    column_type, (wire,) = given_datum
    value = parse_datum(column_type, wire)
    again = orjson.loads(orjson.dumps(format_datum(column_type, value)))
    assert parse_datum(column_type, again) == value
    assert format_value_text(column_type, value)


@RELAXED
@given(column_types(), any_json())
def test_any_json_is_a_value_of_the_right_kind_or_an_error(column_type: ColumnType, wire: Any) -> None:
    try:
        value = parse_datum(column_type, wire)
    except OvsdbError as error:
        error.to_wire()
        return
    kinds = {"integer": int, "real": float, "boolean": bool, "string": str, "uuid": str}
    if column_type.is_scalar:
        assert type(value) is kinds[column_type.key.type]
        return
    assert isinstance(value, Mapping) == (column_type.value is not None)
    assert isinstance(value, Set | Mapping)
    assert len(value) >= column_type.min
    assert column_type.max is None or len(value) <= column_type.max
    assert all(type(atom) is kinds[column_type.key.type] for atom in value)


def collections_of(datums: Datums) -> tuple[ColumnType, list[Any]]:
    """The values, as members of an unlimited set or map of the same atoms."""
    column_type, wires = datums
    values = [parse_datum(column_type, wire) for wire in wires]
    if column_type.is_scalar:
        values = [frozenset([value]) for value in values]  # type: ignore[list-item]
    return ColumnType(column_type.key, column_type.value, 0, None), values


@RELAXED
@given(typed_datums(3))
def test_deltas_lead_from_one_value_to_the_next(datums: Datums) -> None:
    column_type, (a, b, c) = collections_of(datums)
    first, second = delta_between(column_type, a, b), delta_between(column_type, b, c)
    assert apply_delta(column_type, a, first) == b
    assert apply_delta(column_type, b, first.inverted()) == a
    merged = merge_deltas(first, second)
    assert apply_delta(column_type, a, merged) == c
    direct = delta_between(column_type, a, c)
    assert merged == Delta(dict(direct.removed), dict(direct.added))


@RELAXED
@given(typed_datums(2))
def test_differences_on_the_wire_lead_from_one_value_to_the_next(datums: Datums) -> None:
    column_type, (a, b) = collections_of(datums)
    delta = delta_between(column_type, a, b)
    diff = diff_of_delta(column_type, delta)
    received = parse_datum(column_type, orjson.loads(orjson.dumps(format_datum(column_type, diff))))
    assert apply_diff(column_type, a, received) == b
    assert delta_of_diff(column_type, a, received) == delta


@RELAXED
@given(
    st.booleans(),
    st.sets(st.integers(0, 999)),
    st.lists(st.tuples(st.booleans(), st.integers(0, 999)), max_size=40),
    st.integers(0, 600),
)
def test_large_values_change_as_small_ones_do(
    is_map: bool, start: set[int], steps: list[tuple[bool, int]], size: int
) -> None:
    """Beyond LARGE members they are trees; nobody must notice."""
    members = start | set(range(1000, 1000 + size))
    integer = BaseType("integer")
    column_type = ColumnType(integer, integer if is_map else None, 0, None)
    value: Any = dict.fromkeys(members, 1) if is_map else frozenset(members)
    model: Any = dict(value) if is_map else set(value)
    for adding, key in steps:
        if adding == (key in model):
            continue
        part: dict[Atom, Atom | None] = {key: 1 if is_map else None}
        value = apply_delta(column_type, value, Delta({}, part) if adding else Delta(part, {}))
        if is_map:
            model = {**model, key: 1} if adding else {k: v for k, v in model.items() if k != key}
        else:
            model = model | {key} if adding else model - {key}
    assert value == model
    assert model == value
    assert len(value) == len(model)
    assert sorted(value) == sorted(model)
    assert format_datum(column_type, value) == format_datum(
        column_type, dict(model) if is_map else frozenset(model)
    )


@RELAXED
@given(schemas())
def test_schema_survives_the_wire(schema: Schema) -> None:
    assert Schema.parse(orjson.loads(orjson.dumps(schema.to_json()))) == schema


@RELAXED
@given(schemas(), st.randoms(use_true_random=False), any_json())
def test_any_json_is_a_schema_or_an_error(schema: Schema, r: Any, junk: Any) -> None:
    json = orjson.loads(orjson.dumps(schema.to_json()))
    place = json
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = r.choice(keys)
        if isinstance(place[key], dict | list) and place[key] and r.randrange(4):
            place = place[key]
            continue
        place[key] = junk
        break
    with suppress(SchemaError):
        parsed = Schema.parse(json)
        assert Schema.parse(parsed.to_json()) == parsed
