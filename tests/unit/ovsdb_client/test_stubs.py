"""The classes that are made of a schema. That mypy takes them is tested in tests/clients."""

from typing import Any

import pytest

from ovsdb.client.stubs import generate, type_name
from ovsdb.schema import ColumnType, Schema


def column_type(json: Any) -> ColumnType:
    column = {"columns": {"c": {"type": json}}}
    return Schema.parse({"name": "d", "tables": {"T": column}}).tables["T"].columns["c"].type


@pytest.mark.parametrize(
    ("json", "expected"),
    [
        ("string", "str"),
        ("real", "float"),
        ({"key": "integer", "min": 0}, "int | None"),
        ({"key": "uuid", "min": 0, "max": "unlimited"}, "Set[str]"),
        ({"key": "string", "min": 1, "max": 2}, "Set[str]"),
        ({"key": "string", "value": "integer", "min": 0, "max": "unlimited"}, "Mapping[str, int]"),
        ({"key": {"type": "string", "enum": ["set", ["a", 'b"']]}}, 'Literal["a", "b\\""]'),
        ({"key": {"type": "real", "enum": ["set", [0.5]]}}, "float"),
    ],
)
def test_columns_have_the_types_that_rows_give(json: Any, expected: str) -> None:
    assert type_name(column_type(json)) == expected


def test_module_runs_and_leaves_out_what_cannot_be_an_attribute() -> None:
    columns = {"name": {"type": "string"}, "class": {"type": "string"}, "follow": {"type": "integer"}}
    text = generate(
        Schema.parse({"name": "d", "tables": {"T": {"columns": columns}, "None": {"columns": columns}}})
    )
    module: dict[str, Any] = {"__name__": "types_of_d"}
    exec(compile(text, "types_of_d.py", "exec"), module)
    assert module["TRow"].__annotations__ == {"name": "str"}
    assert module["Tables"].__annotations__ == {"T": "Table[TRow]"}
    assert '# row["class"]: str' in text
    assert '# row["follow"]: int' in text
