"""Values on the wire; texts as the C ovsdb-server 3.1 gives them."""

from typing import Any

import pytest

from ovsdb.datum import format_datum, format_value_text, parse_datum
from ovsdb.errors import OvsdbError
from ovsdb.schema import BaseType, ColumnType, Schema
from tests.unit.ovsdb_engine.engine_bench import SCHEMA

COLUMNS = Schema.parse(SCHEMA).tables["Thing"].columns
UUID = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"


@pytest.mark.parametrize(
    ("column", "wire", "value"),
    [
        ("i", 1.0, 1),
        ("i", 1e3, 1000),
        ("i", -(2**63), -(2**63)),
        ("i", ["set", [5]], 5),
        ("r", 1, 1.0),
        ("b", True, True),
        ("u", ["uuid", UUID.upper()], UUID),
        ("maybe", 5, frozenset([5])),
        ("maybe", ["set", []], frozenset()),
        ("few", ["set", [3, 1]], frozenset([1, 3])),
        ("map", ["map", [["a", 1]]], {"a": 1}),
    ],
)
def test_value_is_native(column: str, wire: Any, value: Any) -> None:
    parsed = parse_datum(COLUMNS[column].type, wire)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("column", "wire", "tag", "details"),
    [
        ("i", "x", "syntax error", "expected integer"),
        ("i", 1.5, "syntax error", "expected integer"),
        ("i", 2**63, "syntax error", "expected integer"),
        ("i", True, "syntax error", "expected integer"),
        ("r", True, "syntax error", "expected real"),
        ("b", 1, "syntax error", "expected boolean"),
        ("s", 1, "syntax error", "expected string"),
        ("u", "x", "syntax error", 'expected ["uuid", <string>]'),
        ("u", ["uuid", "zz"], "syntax error", '"zz" is not a valid UUID'),
        ("u", ["uuid", UUID + "\n"], "syntax error", f'"{UUID}\n" is not a valid UUID'),
        ("u", ["named-uuid", "a"], "syntax error", 'expected ["uuid", <string>]'),
        ("digit", 10, "constraint violation", "10 is not in the valid range 0 to 9 (inclusive)"),
        ("low", 0, "constraint violation", "0 is less than minimum allowed value 1"),
        ("high", ["set", [6]], "constraint violation", "6 is greater than maximum allowed value 5"),
        ("part", 1, "constraint violation", "1 is not in the valid range 1.5 to 2.5 (inclusive)"),
        ("word", "a", "constraint violation", '"a" length 1 is less than minimum allowed length 2'),
        ("word", "abcd", "constraint violation", '"abcd" length 4 is greater than maximum allowed length 3'),
        ("choice", "q", "constraint violation", 'q is not one of the allowed values ([w, x, "y z"])'),
        ("digit", ["set", []], "syntax error", "set must have exactly one member but 0 are present"),
        ("few", ["set", [1, 2, 3, 4]], "syntax error", "set must have 0 to 3 members but 4 are present"),
        ("few", ["set", [1, 1]], "ovsdb error", "set contains duplicate"),
        ("few", ["set", 1], "syntax error", 'expected ["set", <array>]'),
        ("few", ["set", [1], 2], "syntax error", 'expected ["set", <array>]'),
        ("few", None, "syntax error", "expected integer"),
        ("map", ["map", [["a", 1], ["a", 2]]], "ovsdb error", "map contains duplicate key"),
        ("map", ["map", [["a"]]], "syntax error", "expected 2-element array"),
        ("map", ["set", []], "syntax error", 'expected ["map", <array>]'),
        (
            "pair",
            ["map", [["a", ""], ["b", ""], ["c", ""]]],
            "syntax error",
            "map must have 0 to 2 members but 3 are present",
        ),
    ],
)
def test_bad_value_is_an_error(column: str, wire: Any, tag: str, details: str) -> None:
    with pytest.raises(OvsdbError) as caught:
        parse_datum(COLUMNS[column].type, wire)
    assert (caught.value.tag, caught.value.details) == (tag, details)


def test_length_of_a_string_is_counted_in_characters() -> None:
    assert parse_datum(COLUMNS["word"].type, "éé") == frozenset(["éé"])


def test_elements_are_sorted_and_one_stands_alone() -> None:
    assert format_datum(COLUMNS["few"].type, frozenset([3, -1, 2])) == ["set", [-1, 2, 3]]
    assert format_datum(COLUMNS["few"].type, frozenset([3])) == 3
    assert format_datum(COLUMNS["map"].type, {"b": 1, "a": 2}) == ["map", [["a", 2], ["b", 1]]]


def test_real_that_is_an_integer_is_written_as_one() -> None:
    real = ColumnType(BaseType("real"))
    assert [repr(format_datum(real, x)) for x in (3.0, 0.5, 1e300)] == ["3", "0.5", "1e+300"]


def test_values_as_text() -> None:
    assert format_value_text(COLUMNS["many"].type, frozenset(["a", "x y", "true"])) == '[a, "true", "x y"]'
    assert format_value_text(COLUMNS["map"].type, {"k": 1}) == "{k=1}"
    assert format_value_text(COLUMNS["b"].type, False) == "false"
    assert format_value_text(COLUMNS["maybe"].type, frozenset([4])) == "4"
