"""Random schemas, values and transactions, for hypothesis and for plain seeds.

`Maker` draws from anything with the interface of random.Random: hypothesis' `st.randoms()`, which shrinks, or
`random.Random(seed)`, which is fast.  Every row that is inserted brings its UUID from a small pool, so that later
transactions can name it, and two engines can be compared without looking at UUIDs.

An operation is wrong in at most one place: which of two errors is reported is nobody's business.
"""

from __future__ import annotations

import copy
import random
from typing import Any

from hypothesis import strategies as st

from ovsdb.schema import BaseType, ColumnSchema, ColumnType, Schema, TableSchema

POOL_SIZE = 12
STRINGS = ("", "a", "b", "xy", "x y", "é", 'q"\\', "true")
INTEGERS = (0, 1, 2, 3, -1, -7, 2**62, -(2**61))  # the C server cannot multiply the largest by 1
REALS = (0, 0.5, 1, 2.5, -1.25, 1e300)
JUNK: tuple[Any, ...] = (
    None,
    True,
    0,
    7,
    1.5,
    "junk",
    [],
    {},
    ["set", []],
    ["set", [1, 2, 3]],
    ["map", []],
    ["uuid", "nope"],
)


def pool_uuid(table: int, number: int) -> str:
    """A UUID of the pool of a table."""
    return f"{table:08x}-0000-4000-8000-{number:012x}"


class Maker:
    """Draws what the tests need from `r`."""

    def __init__(self, r: random.Random) -> None:
        self.r = r

    def chance(self, percent: int) -> bool:
        return self.r.randrange(100) < percent

    # --- schemas

    def base_type(self, kind: str, tables: list[str]) -> BaseType:
        r = self.r
        if kind == "uuid" and tables and self.chance(80):
            return BaseType("uuid", ref_table=r.choice(tables), weak=self.chance(40))
        if kind == "integer" and self.chance(30):
            return BaseType(
                "integer", min_integer=r.choice((None, -1, 0)), max_integer=r.choice((None, 3, 9))
            )
        if kind == "real" and self.chance(30):
            return BaseType("real", min_real=-2.0, max_real=3.0)
        if kind == "string" and self.chance(15):
            return BaseType("string", min_length=r.choice((None, 0)), max_length=2)
        if kind == "string" and self.chance(15):
            return BaseType("string", enum=("", "a", "b"))
        return BaseType(kind)  # type: ignore[arg-type]

    def column_type(self, tables: list[str], unlimited_only: bool = False) -> ColumnType:
        r = self.r
        kinds = ("integer", "real", "boolean", "string", "uuid", "uuid")
        key = self.base_type(r.choice(kinds), tables)
        value = self.base_type(r.choice(kinds), tables) if self.chance(25) else None
        low, high = r.choice(((1, 1), (1, 1), (0, 1), (0, 1), (0, 3), (0, None), (1, None)))
        if key.ref_table is not None and not key.weak:
            low = 0  # a default of zeros refers to nothing
        if value is not None and value.ref_table is not None and not value.weak:
            low = 0
        return ColumnType(key, value, low, high)

    def schema(self) -> Schema:
        """Some tables; at least one is root, so that rows stay."""
        r = self.r
        names = [f"T{i}" for i in range(r.randint(1, 3))]
        tables = {}
        for number, name in enumerate(names):
            columns = {}
            for i in range(r.randint(1, 5)):
                column_type = self.column_type(names)
                weak = column_type.key.weak or (column_type.value is not None and column_type.value.weak)
                mutable = weak or self.chance(90)
                columns[f"c{i}"] = ColumnSchema(f"c{i}", column_type, mutable, self.chance(10))
            stable = [c for c in columns.values() if not c.ephemeral]
            indexes = tuple(
                tuple(c.name for c in r.sample(stable, r.randint(1, min(2, len(stable)))))
                for _ in range(r.choice((0, 0, 1)) if stable else 0)
            )
            limit = r.choice((None, None, None, 4))
            tables[name] = TableSchema(name, columns, number == 0 or self.chance(50), limit, indexes)
        return Schema("Random", tables, "1.0.0")

    # --- values, as on the wire

    def atom(self, base: BaseType, schema: Schema) -> Any:
        r = self.r
        if base.enum is not None:
            return r.choice(base.enum)
        if base.type == "integer":
            if base.min_integer is None and base.max_integer is None:
                return r.choice(INTEGERS)
            # Not the extremes: a sum out of bounds would be out of range as well.
            low = -7 if base.min_integer is None else base.min_integer
            high = 7 if base.max_integer is None else base.max_integer
            return r.choice([i for i in INTEGERS if low <= i <= high])
        if base.type == "real":
            return r.choice([f for f in REALS if base.max_real is None or -2 <= f <= 3])
        if base.type == "boolean":
            return r.choice((False, True))
        if base.type == "string":
            return r.choice([s for s in STRINGS if base.max_length is None or len(s) <= base.max_length])
        names = list(schema.tables)
        table = names.index(base.ref_table) if base.ref_table in names else 0
        return ["uuid", pool_uuid(table, self.number())]

    def number(self) -> int:
        """Which UUID of a table's pool to speak of."""
        return self.r.randrange(POOL_SIZE)

    def new_number(self) -> int:
        """Which of them a new row gets."""
        return self.number()

    def atoms(self, base: BaseType, schema: Schema, count: int) -> list[Any]:
        """Up to `count` atoms, all different."""
        chosen: list[Any] = []
        for _ in range(count):
            atom = self.atom(base, schema)
            if not any(atom == other for other in chosen):
                chosen.append(atom)
        return chosen

    def datum(self, column_type: ColumnType, schema: Schema) -> Any:
        high = 4 if column_type.max is None else column_type.max
        keys = self.atoms(column_type.key, schema, self.r.randint(column_type.min, high))
        if column_type.value is not None:
            return ["map", [[key, self.atom(column_type.value, schema)] for key in keys]]
        return keys[0] if len(keys) == 1 and self.chance(80) else ["set", keys]

    # --- transactions

    def row(self, table: TableSchema, schema: Schema, mutable_only: bool = False) -> dict[str, Any]:
        columns = [c for c in table.columns.values() if c.mutable or not mutable_only]
        chosen = self.r.sample(columns, self.r.randint(0, len(columns)))
        return {column.name: self.datum(column.type, schema) for column in chosen}

    def where(self, table: TableSchema, schema: Schema) -> list[Any]:
        r = self.r
        if self.chance(25):
            return []
        number = list(schema.tables).index(table.name)
        if self.chance(50):
            return [["_uuid", "==", ["uuid", pool_uuid(number, self.number())]]]
        clauses: list[Any] = []
        for column in r.sample(list(table.columns.values()), 1):
            functions = ["==", "!=", "includes", "excludes"]
            scalar = column.type.value is None and column.type.max == 1
            if scalar and column.type.key.type in ("integer", "real"):
                functions += ["<", "<=", ">", ">="]
            function = r.choice(functions)
            datum = self.datum(column.type, schema)
            if function[0] in "<>":
                datum = self.atom(column.type.key, schema)
            clauses.append([column.name, function, datum])
        if self.chance(5):
            clauses.append(r.choice((True, False)))
        return clauses

    def mutation(self, column: ColumnSchema, schema: Schema) -> list[Any]:
        r, column_type = self.r, column.type
        number = column_type.key.type in ("integer", "real") and column_type.value is None
        scalar = column_type.value is None and column_type.min == column_type.max == 1
        if number and (scalar or self.chance(30)):
            operators = ["+=", "-=", "*=", "/="] + (["%="] if column_type.key.type == "integer" else [])
            return [column.name, r.choice(operators), r.choice((1, 2, -1, 3))]
        if scalar:
            return [column.name, "+=", 1]  # a type mismatch
        mutator = r.choice(("insert", "insert", "delete"))
        if mutator == "delete" and column_type.value is not None and self.chance(50):
            return [column.name, mutator, ["set", self.atoms(column_type.key, schema, 2)]]
        return [column.name, mutator, self.datum(column_type, schema)]

    def operation(self, schema: Schema) -> dict[str, Any]:
        r = self.r
        names = list(schema.tables)
        number = r.randrange(len(names))
        table = schema.tables[names[number]]
        kind = r.choice(("insert",) * 6 + ("update",) * 3 + ("mutate",) * 4 + ("delete",) * 2 + ("look",) * 2)
        op: dict[str, Any] = {"op": kind, "table": table.name}
        if kind == "insert":
            op["uuid"] = pool_uuid(number, self.new_number())
            op["row"] = self.row(table, schema)
        elif kind == "update":
            op["where"] = self.where(table, schema)
            op["row"] = self.row(table, schema, mutable_only=not self.chance(3))
        elif kind == "mutate":
            columns = [c for c in table.columns.values() if c.mutable]
            chosen = [r.choice(columns) for _ in range(r.randint(1, 2))] if columns else []
            op["where"] = self.where(table, schema)
            op["mutations"] = [self.mutation(column, schema) for column in chosen]
        elif kind == "delete":
            op["where"] = self.where(table, schema)
        else:
            return self.other(op, table, schema)
        return op

    def other(self, op: dict[str, Any], table: TableSchema, schema: Schema) -> dict[str, Any]:
        """An operation that changes nothing."""
        r = self.r
        columns = r.sample(list(table.columns), r.randint(1, len(table.columns)))
        kind = r.choice(("select",) * 6 + ("wait", "comment", "commit", "assert", "abort"))
        if kind == "select":
            return {**op, "op": kind, "where": self.where(table, schema), "columns": ["_uuid", *columns]}
        if kind == "wait":
            rows = [self.row(table, schema) for _ in range(r.randint(0, 2))]
            until = r.choice(("==", "!=", "!=", "!="))
            where = self.where(table, schema)
            return {
                **op,
                "op": kind,
                "timeout": 0,
                "where": where,
                "columns": columns,
                "rows": rows,
                "until": until,
            }
        others: dict[str, dict[str, Any]] = {
            "comment": {"op": "comment", "comment": "hello"},
            "commit": {"op": "commit", "durable": self.chance(50)},
            "assert": {"op": "assert", "lock": "mine"},
            "abort": {"op": "abort"},
        }
        return others[kind]

    def named(self, operations: list[dict[str, Any]]) -> None:
        """Speak of some rows by uuid-name instead: from anywhere in the transaction, forward too."""
        names: dict[str, str] = {}
        for op in operations:
            if op["op"] == "insert" and op["uuid"] not in names and self.chance(40):
                names[op["uuid"]] = op["uuid-name"] = f"row{len(names)}"
        # Before its "insert", a name stands for another UUID where "uuid" is given: leave those as they are.
        seen: set[str] = set()
        for op in operations:
            if "uuid-name" in op:
                seen.add(op["uuid"])
            for member in ("row", "where", "mutations"):
                if member in op:
                    op[member] = self._renamed(op[member], {u: n for u, n in names.items() if u in seen})

    def _renamed(self, json: Any, names: dict[str, str]) -> Any:
        if isinstance(json, list):
            if len(json) == 2 and json[0] == "uuid" and json[1] in names and self.chance(50):
                return ["named-uuid", names[json[1]]]
            return [self._renamed(element, names) for element in json]
        if isinstance(json, dict):
            return {name: self._renamed(value, names) for name, value in json.items()}
        return json

    def broken(self, op: dict[str, Any]) -> dict[str, Any]:
        """The operation with one thing wrong."""
        r = self.r
        op = copy.deepcopy(op)
        kind = r.randrange(4)
        member = r.choice(list(op))
        if kind == 0 and member != "uuid":  # without it, the row would have a UUID that nobody can foresee
            del op[member]
        elif kind == 1:
            op["surplus"] = 1
        elif kind == 2 and isinstance(op.get("row"), dict) and op["row"]:
            op["row"][r.choice(list(op["row"]))] = r.choice(JUNK)
        else:
            op[member] = r.choice(JUNK)
        if op.get("op") == "wait" and op.get("timeout") != 0:
            op["timeout"] = 0  # nobody waits in these tests
        return op

    def transaction(self, schema: Schema, broken: int = 0) -> list[Any]:
        """Operations; `broken` of a hundred transactions have one that is malformed."""
        operations = [self.operation(schema) for _ in range(self.r.randint(1, 6))]
        self.named(operations)
        if self.chance(broken):
            place = self.r.randrange(len(operations))
            operations[place] = self.broken(operations[place])
        return operations


def schemas() -> st.SearchStrategy[Schema]:
    """Random schemas."""
    return st.randoms(use_true_random=False).map(lambda r: Maker(r).schema())


def column_types() -> st.SearchStrategy[ColumnType]:
    """Random column types that refer to no table."""
    return st.randoms(use_true_random=False).map(lambda r: Maker(r).column_type([]))


EMPTY_SCHEMA = Schema("Empty", {})


@st.composite
def typed_datums(draw: st.DrawFn, count: int = 1) -> tuple[ColumnType, list[Any]]:
    """A column type and some of its values, as on the wire."""
    maker = Maker(draw(st.randoms(use_true_random=False)))
    column_type = maker.column_type([])
    return column_type, [maker.datum(column_type, EMPTY_SCHEMA) for _ in range(count)]


@st.composite
def histories(draw: st.DrawFn, length: int = 10, broken: int = 0) -> tuple[Schema, list[list[Any]]]:
    """A schema and transactions for it, one after the other."""
    maker = Maker(draw(st.randoms(use_true_random=False)))
    schema = maker.schema()
    return schema, [maker.transaction(schema, broken) for _ in range(maker.r.randint(3, length))]


def any_json() -> st.SearchStrategy[Any]:
    """Any JSON, with some of the words that have a meaning."""
    words = st.sampled_from(("set", "map", "uuid", "named-uuid", "", "a", pool_uuid(0, 1)))
    atoms = (
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words
    )
    return st.recursive(
        atoms, lambda j: st.lists(j, max_size=3) | st.dictionaries(words, j, max_size=3), max_leaves=8
    )
