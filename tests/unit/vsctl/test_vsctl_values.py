from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovsdb.datum import Value, format_value_text
from ovsdb.schema import Atom, BaseType, ColumnType
from vsctl.errors import CommandError
from vsctl.symbols import Symbols
from vsctl.values import parse_value

INTEGERS = ColumnType(BaseType("integer", min_integer=0, max_integer=4095), None, 0, 4096)
STRINGS = ColumnType(BaseType("string"), None, 0, None)
MAP = ColumnType(BaseType("string"), BaseType("string"), 0, None)
FLAG = ColumnType(BaseType("boolean"))
REFERENCE = ColumnType(BaseType("uuid"))


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (INTEGERS, "1,2 3", frozenset({1, 2, 3})),
        (INTEGERS, "[ 1-3 , 7 ]", frozenset({1, 2, 3, 7})),
        (INTEGERS, "[]", frozenset()),
        (STRINGS, 'a "b c",d', frozenset({"a", "b c", "d"})),
        (STRINGS, '"a\\n\\u00e9"', frozenset({"a\né"})),
        (MAP, 'a=b,"c d"="e=f"', {"a": "b", "c d": "e=f"}),
        (MAP, "{}", {}),
        (FLAG, "yes", True),
        (FLAG, "[off]", False),
    ],
)
def test_values_are_read_as_users_write_them(type_: ColumnType, text: str, value: Value) -> None:
    assert parse_value(type_, text) == value


@pytest.mark.parametrize(
    ("type_", "text", "complaint"),
    [
        (INTEGERS, "1,x", '"x" is not a valid integer or range'),
        (INTEGERS, "5-1", '"5-1" is not a valid range. Range end cannot be before start.'),
        (INTEGERS, "4096", "constraint violation: 4096 is not in the valid range 0 to 4095 (inclusive)"),
        (INTEGERS, "1,1", "1,1: set contains duplicate value"),
        (INTEGERS, "[1", '[1: missing "]" at end of data'),
        (INTEGERS, "[1]2", '[1]2: trailing garbage after "]"'),
        (INTEGERS, "", 'use "[]" to specify the empty set'),
        (STRINGS, '"a', '"a: quoted string extends past end of argument'),
        (MAP, "a=b,a=c", "a=b,a=c: map contains duplicate key"),
        (FLAG, "maybe", '"maybe" is not a valid boolean (use "true" or "false")'),
        (FLAG, "true,false", "true,false: 2 value(s) specified but the maximum number is 1"),
        (REFERENCE, "x", '"x" is not a valid UUID'),
    ],
)
def test_mistakes_show_the_text(type_: ColumnType, text: str, complaint: str) -> None:
    with pytest.raises(CommandError) as raised:
        parse_value(type_, text)
    assert str(raised.value) == complaint


def test_name_stands_for_the_same_row_before_and_after_it_is_defined() -> None:
    symbols = Symbols()
    before = parse_value(REFERENCE, "@a", symbols)
    assert symbols.define("@a") == before == parse_value(REFERENCE, "@a", symbols)


@given(st.frozensets(st.text(min_size=0)))
def test_a_set_of_strings_is_read_as_it_is_printed(strings: frozenset[str]) -> None:
    assert parse_value(STRINGS, format_value_text(STRINGS, strings)) == strings


@given(st.dictionaries(st.text(), st.text()))
def test_a_map_is_read_as_it_is_printed(pairs: dict[Atom, Atom]) -> None:
    assert parse_value(MAP, format_value_text(MAP, pairs)) == pairs


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for type_ in (INTEGERS, STRINGS, MAP, FLAG, REFERENCE):
        with suppress(CommandError):
            parse_value(type_, text)
