"""A second engine, as simple as RFC 7047 permits: it copies the database, changes the copy and checks all of it.

Written from the RFC and not from `ovsdb.engine`.  It says of a failed transaction only which operation failed and
with which tag.  A value is a frozenset of atoms or, of a map, of pairs; a UUID is a str.
"""

from __future__ import annotations

import copy
import math
from typing import Any

from ovsdb.schema import ColumnType, Schema, TableSchema

DEFAULTS: dict[str, Any] = {"integer": 0, "real": 0.0, "boolean": False, "string": "", "uuid": "0" * 8}
ZERO = "00000000-0000-0000-0000-000000000000"
DEFAULTS["uuid"] = ZERO
Value = frozenset[Any]
Rows = dict[str, dict[str, Value]]


class Refused(Exception):
    """With the tag of the error."""


def atom_of(wire: Any, kind: str, names: dict[str, str]) -> Any:
    if kind == "uuid":
        return names[wire[1]] if wire[0] == "named-uuid" else wire[1]
    return float(wire) if kind == "real" else wire


def value_of(wire: Any, column_type: ColumnType, names: dict[str, str], as_set: bool = False) -> Value:
    key = column_type.key.type
    if column_type.value is not None and not as_set:
        other = column_type.value.type
        return frozenset((atom_of(k, key, names), atom_of(v, other, names)) for k, v in wire[1])
    if isinstance(wire, list) and wire and wire[0] == "set":
        return frozenset(atom_of(a, key, names) for a in wire[1])
    return frozenset([atom_of(wire, key, names)])


def default_of(column_type: ColumnType) -> Value:
    if column_type.min == 0:
        return frozenset()
    key = DEFAULTS[column_type.key.type]
    return frozenset([(key, DEFAULTS[column_type.value.type]) if column_type.value else key])


class NaiveEngine:
    """`tables`: table → UUID → column → value."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.tables: dict[str, Rows] = {name: {} for name in schema.tables}

    def transact(self, operations: list[dict[str, Any]]) -> tuple[list[Any], tuple[int, str] | None]:
        """Results so far (counts, selected rows), and which operation failed with which tag.

        The number of operations stands for a failure of the whole.
        """
        before = self.tables
        self.tables = copy.deepcopy(before)
        self.before = before
        self.names: dict[str, str] = {}
        self.touched: set[tuple[str, str]] = set()  # rows inserted or deleted by this transaction
        results: list[Any] = []
        number = 0
        try:
            for number, op in enumerate(operations):  # noqa: B007
                results.append(getattr(self, "do_" + op["op"])(op))
            number = len(operations)
            self.check()
        except Refused as refused:
            self.tables = before
            return results, (number, str(refused))
        return results, None

    # --- operations

    def do_insert(self, op: dict[str, Any]) -> None:
        schema, uuid = self.schema.tables[op["table"]], op["uuid"]
        gone = uuid in self.before[op["table"]] and uuid not in self.tables[op["table"]]
        if uuid in self.tables[op["table"]] or gone:
            raise Refused("duplicate uuid")
        if "uuid-name" in op:
            self.names[op["uuid-name"]] = uuid
        row = {name: default_of(column.type) for name, column in schema.columns.items()}
        row |= self.parse_row(schema, op["row"])
        for name, column in schema.columns.items():
            self.check_constraints(column.type, row[name])
        self.tables[op["table"]][uuid] = row

    def parse_row(self, schema: TableSchema, wire: dict[str, Any]) -> dict[str, Value]:
        return {name: value_of(v, schema.columns[name].type, self.names) for name, v in wire.items()}

    def do_select(self, op: dict[str, Any]) -> Any:
        names = [name for name in op["columns"] if name != "_uuid"]
        rows = self.tables[op["table"]]
        return {uuid: {name: rows[uuid][name] for name in names} for uuid in self.matching(op)}

    def do_update(self, op: dict[str, Any]) -> int:
        schema = self.schema.tables[op["table"]]
        row = self.parse_row(schema, op["row"])
        if not all(schema.columns[name].mutable for name in row):
            raise Refused("constraint violation")
        found = self.matching(op)
        for uuid in found:
            self.tables[op["table"]][uuid] |= row
        return len(found)

    def do_mutate(self, op: dict[str, Any]) -> int:
        schema = self.schema.tables[op["table"]]
        for name, mutator, _ in op["mutations"]:
            column_type = schema.columns[name].type
            scalar = column_type.value is None and column_type.min == column_type.max == 1
            number = column_type.value is None and column_type.key.type in ("integer", "real")
            if scalar if mutator in ("insert", "delete") else not number:
                raise Refused("syntax error")
        found = self.matching(op)
        for uuid in found:
            row = self.tables[op["table"]][uuid]
            for name, mutator, wire in op["mutations"]:
                row[name] = self.mutate(schema.columns[name].type, row[name], mutator, wire)
        return len(found)

    def mutate(self, column_type: ColumnType, value: Value, mutator: str, wire: Any) -> Value:
        if mutator == "insert":
            new = value_of(wire, column_type, self.names)
            if column_type.value is not None:
                keys = {key for key, _ in value}
                new = frozenset(pair for pair in new if pair[0] not in keys)
            return self.sized(column_type, value | new)
        if mutator == "delete":
            as_keys = column_type.value is not None and wire[0] == "set"
            gone = value_of(wire, column_type, self.names, as_keys)
            if as_keys:
                return self.sized(column_type, frozenset(pair for pair in value if pair[0] not in gone))
            return self.sized(column_type, value - gone)
        results = [self.calculate(column_type.key.type, atom, mutator, wire) for atom in value]
        changed = frozenset(results)
        if len(changed) < len(results):
            raise Refused("constraint violation")
        self.check_constraints(column_type, changed)
        return changed

    @staticmethod
    def sized(column_type: ColumnType, value: Value) -> Value:
        if len(value) < column_type.min or (column_type.max is not None and len(value) > column_type.max):
            raise Refused("constraint violation")
        return value

    @staticmethod
    def calculate(kind: str, x: Any, mutator: str, y: Any) -> Any:
        if kind == "real":
            result = {"+=": x + y, "-=": x - y, "*=": x * y, "/=": x / y}[mutator]
            if math.isinf(result):
                raise Refused("range error")
            return result
        quotient = abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)
        result = {"+=": x + y, "-=": x - y, "*=": x * y, "/=": quotient, "%=": x - quotient * y}[mutator]
        overflow = mutator == "%=" and abs(quotient) == 2**63 and y == -1
        if not -(2**63) <= result < 2**63 or overflow:
            raise Refused("range error")
        return result

    def do_delete(self, op: dict[str, Any]) -> int:
        found = self.matching(op)
        for uuid in found:
            del self.tables[op["table"]][uuid]
        return len(found)

    def do_wait(self, op: dict[str, Any]) -> None:
        schema, rows = self.schema.tables[op["table"]], self.tables[op["table"]]
        wanted = []
        for wire in op["rows"]:
            row = {name: default_of(column.type) for name, column in schema.columns.items()}
            wanted.append(row | self.parse_row(schema, wire))
        there = [rows[uuid] for uuid in self.matching(op)]
        found = {tuple(row[name] for name in op["columns"]) for row in there}
        expected = {tuple(row[name] for name in op["columns"]) for row in wanted}
        if (found == expected) != (op["until"] == "=="):
            raise Refused("timed out")

    def do_comment(self, op: dict[str, Any]) -> None:
        pass

    def do_commit(self, op: dict[str, Any]) -> None:
        pass

    def do_abort(self, op: dict[str, Any]) -> None:
        raise Refused("aborted")

    def do_assert(self, op: dict[str, Any]) -> None:
        raise Refused("not owner")

    # --- conditions

    def matching(self, op: dict[str, Any]) -> list[str]:
        rows = self.tables[op["table"]]
        schema = self.schema.tables[op["table"]]
        return [uuid for uuid in rows if all(self.holds(schema, uuid, rows[uuid], c) for c in op["where"])]

    def holds(self, schema: TableSchema, uuid: str, row: dict[str, Value], clause: Any) -> bool:
        if isinstance(clause, bool):
            return clause
        name, function, wire = clause
        if name == "_uuid":
            return bool((uuid == atom_of(wire, "uuid", self.names)) == (function == "=="))
        value, argument = row[name], value_of(wire, schema.columns[name].type, self.names)
        if function in ("==", "!="):
            return bool((value == argument) == (function == "=="))
        if function == "includes":
            return argument <= value
        if function == "excludes":
            return not argument & value
        return any(
            {"<": x < y, "<=": x <= y, ">": x > y, ">=": x >= y}[function] for x in value for y in argument
        )

    # --- constraints and integrity

    def check_constraints(self, column_type: ColumnType, value: Value) -> None:
        for element in value:
            pairs = [(column_type.key, element)]
            if column_type.value is not None:
                pairs = [(column_type.key, element[0]), (column_type.value, element[1])]
            for base, atom in pairs:
                bad = base.enum is not None and atom not in base.enum
                bad |= base.min_integer is not None and atom < base.min_integer
                bad |= base.max_integer is not None and atom > base.max_integer
                bad |= base.min_real is not None and atom < base.min_real
                bad |= base.max_real is not None and atom > base.max_real
                bad |= base.max_length is not None and len(atom) > base.max_length
                if bad:
                    raise Refused("constraint violation")

    def references(self, weak: bool) -> list[tuple[str, str, str, Any, str, str]]:
        """All of them: table, row, column, element, table referred to, row referred to."""
        found = []
        for name, rows in self.tables.items():
            for column in self.schema.tables[name].columns.values():
                for uuid, row in rows.items():
                    for element in row[column.name]:
                        atoms = element if column.type.value is not None else (element,)
                        for base, atom in zip((column.type.key, column.type.value), atoms, strict=False):
                            if base is not None and base.ref_table is not None and base.weak == weak:
                                found.append((name, uuid, column.name, element, base.ref_table, atom))
        return found

    def check(self) -> None:
        for *_, table, uuid in self.references(weak=False):
            if uuid not in self.tables[table]:
                raise Refused("referential integrity violation")
        self.collect_garbage()
        for name, rows in self.tables.items():
            limit = self.schema.tables[name].max_rows
            if limit is not None and len(rows) > limit:
                raise Refused("constraint violation")
        while self.drop_weak_references():
            self.collect_garbage()
        for name, rows in self.tables.items():
            for index in self.schema.tables[name].indexes:
                if len({tuple(row[column] for column in index) for row in rows.values()}) < len(rows):
                    raise Refused("constraint violation")

    def collect_garbage(self) -> None:
        while True:
            kept = {(t, u) for name, row, _, _, t, u in self.references(False) if (name, row) != (t, u)}
            garbage = [
                (name, uuid)
                for name, rows in self.tables.items()
                if not self.schema.tables[name].is_root
                for uuid in rows
                if (name, uuid) not in kept
            ]
            if not garbage:
                break
            for name, uuid in garbage:
                del self.tables[name][uuid]

    def drop_weak_references(self) -> bool:
        dropped = False
        for name, row, column, element, table, uuid in self.references(weak=True):
            if uuid not in self.tables[table]:
                dropped = True
                self.tables[name][row][column] -= {element}
                if len(self.tables[name][row][column]) < self.schema.tables[name].columns[column].type.min:
                    raise Refused("constraint violation")
        return dropped
