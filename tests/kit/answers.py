"""Answers of two servers made comparable: what is left to chance, or to the number of digits, is taken out.

Rule: two answers that are equal here mean the same to a client. What an error names may differ where several rows are
equally to blame, since the C server names the one that its hash tables have first.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ovsdb.schema import ColumnType, Schema

# What an error names: a UUID, a string, a table, a number.
NAMED = re.compile(
    r'[0-9a-f]{8}-[0-9a-f-]{27}|"[^"]*"|\bT\d\b|\bc\d\b|-?\d+(\.\d+)?(e[+-]?\d+)?|, inserted.*'
)
UUIDS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
DEFAULT_ATOMS: dict[str, Any] = {
    "integer": 0,
    "real": 0.0,
    "boolean": False,
    "string": "",
    "uuid": "00000000-0000-0000-0000-000000000000",
}


def normal(results: list[Any]) -> list[Any]:
    """Results of a transaction: rows in a fixed order and without versions, reals with the digits the C server writes."""
    results = rounded(results)
    for result in results:
        if result and "rows" in result:
            for row in result["rows"]:
                row.pop("_version", None)
            result["rows"].sort(key=lambda row: json.dumps(row, sort_keys=True))
    return results


def rounded(value: Any) -> Any:
    """The C server writes a real with 15 digits, ours as many as it needs."""
    if isinstance(value, float):
        return float(f"{value:.15g}")
    if isinstance(value, list):
        return [rounded(element) for element in value]
    return {k: rounded(v) for k, v in value.items()} if isinstance(value, dict) else value


def strip(result: Any) -> Any:
    """A result without what an error says beside its tag."""
    return {"error": result["error"]} if result and "error" in result else result


def shape(details: str) -> str:
    """What is wrong, without naming it; which of two rows is the first is left to chance in the C server."""
    if "eak reference" in details:
        return "weak reference"  # in which of several columns, decides the text
    text = re.sub(r"identical values \(.*\) for index", "identical values for index", details)
    return NAMED.sub("_", text.partition("  First row, ")[0])


# --- values, by their type

Value = Any  # an atom, a frozenset of atoms, or a dict; references are bare UUIDs


def atom(wire: Any) -> Any:
    """An atom as it is compared."""
    if isinstance(wire, list):
        return wire[1]
    return rounded(wire)


def value(column_type: ColumnType, wire: Any) -> Value:
    """A column's value as it is compared."""
    if column_type.value is not None:
        return {atom(key): atom(other) for key, other in wire[1]}
    members = wire[1] if isinstance(wire, list) and wire[0] == "set" else [wire]
    if column_type.is_scalar:
        [only] = members
        return atom(only)
    return frozenset(map(atom, members))


def default(column_type: ColumnType) -> Value:
    """What a row has where nothing was given."""
    key = DEFAULT_ATOMS[column_type.key.type]
    if column_type.value is not None:
        return {key: DEFAULT_ATOMS[column_type.value.type]} if column_type.min else {}
    if column_type.is_scalar:
        return key
    return frozenset([key] if column_type.min else [])


def patched(column_type: ColumnType, known: Value, diff: Value) -> Value:
    """The value after a difference of update2."""
    if column_type.max == 1:
        return diff
    if column_type.value is None:
        return known ^ diff
    after = dict(known)
    for key, other in diff.items():
        if key in known and known[key] == other:
            del after[key]
        else:
            after[key] = other
    return after


def row(schema: Schema, table: str, wire: dict[str, Any], *, diff: bool = False) -> dict[str, Value]:
    """A <row>, without `_version`; of a `diff`, what could be the value of a set or map of any size."""
    columns = schema.tables[table].columns
    found = {}
    for name, json_value in wire.items():
        if name != "_version":
            column_type = columns[name].type
            if diff and column_type.max != 1:
                column_type = ColumnType(column_type.key, column_type.value, 0, None)
            found[name] = value(column_type, json_value)
    return found
