"""Databases under another schema."""

from typing import Any

import pytest

from ovsdb.engine.convert import check_name, convert
from ovsdb.engine.database import Database
from ovsdb.errors import ConstraintViolation, OvsdbError, OvsdbSyntaxError
from ovsdb.refusals import InvalidParameters, ReferentialIntegrityViolation
from ovsdb.schema import Schema


def schema(**tables: dict[str, Any]) -> Schema:
    described = {}
    for name, columns in tables.items():
        extra = columns.pop("*", {})
        described[name] = {"columns": {c: {"type": t} for c, t in columns.items()}, **extra}
    return Schema.parse({"name": "db", "tables": described})


def database(old: Schema, *rows: tuple[str, dict[str, Any]]) -> tuple[Database, list[str]]:
    made = Database(old)
    operations = [{"op": "insert", "table": table, "row": row} for table, row in rows]
    outcome = made.execute(operations)
    assert outcome.changeset is not None, outcome.results
    made.apply(outcome.changeset)
    return made, [result["uuid"][1] for result in outcome.results]


def value(db: Database, table: str, uuid: str, column: str) -> object:
    return db.tables[table].by_name[column].get(db.tables[table].rows[uuid])


UP_TO_TWO = {"key": "integer", "min": 0, "max": 2}


def test_rows_keep_their_uuids_and_columns_come_and_go() -> None:
    old, [uuid] = database(schema(T={"n": "integer", "gone": "string"}), ("T", {"n": 5, "gone": "x"}))
    new = convert(old, schema(T={"n": "integer", "fresh": "string"}))
    assert list(new.tables["T"].rows) == [uuid]
    assert (value(new, "T", uuid, "n"), value(new, "T", uuid, "fresh")) == (5, "")
    assert value(old, "T", uuid, "gone") == "x"


def test_tables_that_vanish_take_their_rows_with_them() -> None:
    old, _ = database(schema(T={"n": "integer"}, U={"n": "integer"}), ("T", {}), ("U", {}))
    assert {name: len(t.rows) for name, t in convert(old, schema(T={"n": "integer"})).tables.items()} == {
        "T": 1
    }


@pytest.mark.parametrize(
    ("before", "wire", "after", "found"),
    [
        ("integer", 5, "real", 5.0),
        ("real", 5.0, "integer", 5),
        ("integer", 5, UP_TO_TWO, frozenset({5})),
        (UP_TO_TWO, 5, "integer", 5),
        (UP_TO_TWO, ["set", [1, 2]], {"key": "real", "min": 0, "max": "unlimited"}, frozenset({1.0, 2.0})),
        ("string", "red", {"key": {"type": "string", "enum": ["set", ["red", "green"]]}}, "red"),
    ],
)
def test_a_value_is_taken_over_by_what_it_is_on_the_wire(
    before: Any, wire: Any, after: Any, found: object
) -> None:
    old, [uuid] = database(schema(T={"c": before}), ("T", {"c": wire}))
    taken = value(convert(old, schema(T={"c": after})), "T", uuid, "c")
    assert (taken, type(taken)) == (found, type(found))


@pytest.mark.parametrize(
    ("before", "wire", "after", "error", "text"),
    [
        ("integer", 5, "string", OvsdbSyntaxError, "expected string"),
        ("real", 5.5, "integer", OvsdbSyntaxError, "expected integer"),
        (UP_TO_TWO, ["set", []], "integer", OvsdbSyntaxError, "set must have exactly one member but 0"),
        ("integer", 5, {"key": {"type": "integer", "minInteger": 9}}, ConstraintViolation, "5 is less than"),
        ("integer", 5, {"key": "integer", "value": "integer"}, OvsdbSyntaxError, 'expected \\["map"'),
    ],
)
def test_a_value_that_does_not_fit_refuses_the_conversion(
    before: Any, wire: Any, after: Any, error: type[OvsdbError], text: str
) -> None:
    old, _ = database(schema(T={"c": before}), ("T", {"c": wire}))
    with pytest.raises(error, match=text):
        convert(old, schema(T={"c": after}))


def test_the_new_schema_s_constraints_on_tables_hold() -> None:
    old, _ = database(schema(T={"n": "integer"}), ("T", {"n": 1}), ("T", {"n": 1}))
    with pytest.raises(ConstraintViolation, match="identical values"):
        convert(old, schema(T={"n": "integer", "*": {"indexes": [["n"]]}}))
    with pytest.raises(ConstraintViolation, match="contain 2 rows"):
        convert(old, schema(T={"n": "integer", "*": {"maxRows": 1}}))


def test_references_are_counted_anew() -> None:
    strong = {"key": {"type": "uuid", "refTable": "U"}, "min": 0, "max": "unlimited"}
    plain = {"key": "uuid", "min": 0, "max": "unlimited"}
    root: dict[str, Any] = {"isRoot": True}
    u = {"n": "integer"}
    old, [target, _] = database(
        schema(T={"r": plain, "*": root}, U={**u, "*": root}),
        ("U", {}),
        ("T", {"r": ["uuid", "00000000-0000-0000-0000-000000000001"]}),
    )
    with pytest.raises(ReferentialIntegrityViolation, match="references nonexistent row"):
        convert(old, schema(T={"r": strong, "*": root}, U={**u, "*": root}))
    # A table that is no longer root loses what nobody refers to.
    assert not convert(old, schema(T={"r": plain, "*": root}, U=dict(u))).tables["U"].rows
    assert target in old.tables["U"].rows


def test_the_name_stays() -> None:
    with pytest.raises(InvalidParameters, match=r"new schema name \(db\) does not match database name \(x\)"):
        check_name(schema(T={"n": "integer"}), "x")
