"""The "where" of operations and monitors (RFC 7047, section 5.1), with Open vSwitch's extensions.

Extensions: a boolean in place of a condition, and `<`, `<=`, `>=`, `>` on optional integers and reals, which
hold for no empty column.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Set
from typing import TYPE_CHECKING, Any

from ovsdb.datum import Value, parser
from ovsdb.engine.row import Row
from ovsdb.engine.table import Column, Table
from ovsdb.errors import OvsdbSyntaxError
from ovsdb.refusals import UnknownColumn, UnknownFunction
from ovsdb.schema import ColumnType

if TYPE_CHECKING:
    from ovsdb.symbols import Symbols

Test = Callable[[Value, Value], bool]  # (the column's value, the condition's) -> whether it holds


def _includes(value: Value, wanted: Value) -> bool:
    if isinstance(wanted, Mapping):
        assert isinstance(value, Mapping)
        return all(key in value and value[key] == other for key, other in wanted.items())
    if isinstance(wanted, Set):
        assert isinstance(value, Set)
        return wanted <= value
    return value == wanted


def _excludes(value: Value, unwanted: Value) -> bool:
    if isinstance(unwanted, Mapping):
        assert isinstance(value, Mapping)
        return not any(key in value and value[key] == other for key, other in unwanted.items())
    if isinstance(unwanted, Set):
        assert isinstance(value, Set)
        return value.isdisjoint(unwanted)
    return value != unwanted


_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">=": operator.ge,
    ">": operator.gt,
}


def _optional_order(compare: Callable[[Any, Any], bool]) -> Test:
    """The order of an optional number and an atom."""

    def test(value: Value, bound: Value) -> bool:
        assert isinstance(value, Set)
        return len(value) > 0 and compare(next(iter(value)), bound)

    return test


_TESTS: dict[str, Test] = {
    "==": operator.eq,
    "!=": operator.ne,
    "includes": _includes,
    "excludes": _excludes,
}
_OPTIONAL_TESTS = {name: _optional_order(compare) for name, compare in _ORDERS.items()}


class Clause:
    """One condition."""

    __slots__ = ("column", "function", "test", "value")

    def __init__(self, column: Column, function: str, value: Value, test: Test) -> None:
        self.column = column
        self.function = function
        self.value = value
        self.test = test

    def holds(self, row: Row) -> bool:
        """Whether it holds for a row."""
        return self.test(self.column.get(row), self.value)


class Condition:
    """A whole "where": all clauses hold, and none is `false`."""

    __slots__ = ("clauses", "never")

    def __init__(self, clauses: list[Clause], never: bool = False) -> None:
        self.clauses = clauses
        self.never = never

    def holds(self, row: Row) -> bool:
        """Whether it holds for a row."""
        if self.never:
            return False
        for clause in self.clauses:  # noqa: SIM110  a loop takes half the time of all() for one clause
            if not clause.test(clause.column.get(row), clause.value):
                return False
        return True

    def equalities(self) -> dict[int, Value]:
        """Column.index → the only value that rows can have there."""
        return {c.column.index: c.value for c in self.clauses if c.function == "=="}


EVERY_ROW = Condition([])


def parse_condition(table: Table, wire: list[Any], symbols: Symbols | None = None) -> Condition:
    """Read a "where".  Raises an OvsdbError."""
    clauses: list[Clause] = []
    never = False
    for element in wire:
        if element is True:
            continue
        if element is False:
            never = True
            continue
        clauses.append(_parse_clause(table, element, symbols))
    return Condition(clauses, never)


def _parse_clause(table: Table, wire: Any, symbols: Symbols | None) -> Clause:
    if type(wire) is not list or len(wire) != 3 or type(wire[0]) is not str or type(wire[1]) is not str:
        raise OvsdbSyntaxError("Parse error in condition.", wire)
    name, function, value = wire
    column = table.by_name.get(name)
    if column is None:
        raise UnknownColumn(f"No column {name} in table {table.name}.", wire)
    if function in _TESTS:
        test = _TESTS[function]
        parse = column.parse if function in ("==", "!=") else parser(_member_type(column.type, function))
    elif function in _ORDERS:
        column_type = column.type
        ordered = column_type.key.type in ("integer", "real")
        if not ordered or not (column_type.is_scalar or column_type.is_optional_scalar):
            raise OvsdbSyntaxError(
                f'Type mismatch: "{function}" operator may not be applied to column {name} of type '
                f"{column_type.english()}.",
                wire,
            )
        test = _ORDERS[function] if column_type.is_scalar else _OPTIONAL_TESTS[function]
        parse = column.parse if column_type.is_scalar else parser(_member_type(column_type, function))
    else:
        raise UnknownFunction(f"No function named {function}.")
    return Clause(column, function, parse(value, symbols), test)


@functools.cache
def _member_type(column_type: ColumnType, function: str) -> ColumnType:
    """The type of a condition's value where it may have other sizes than the column's."""
    if column_type.is_scalar:
        return column_type
    if function == "includes":
        return ColumnType(column_type.key, column_type.value, 0, column_type.max)
    if function == "excludes":
        return ColumnType(column_type.key, column_type.value, 0, None)
    return ColumnType(column_type.key)  # an order: compared with one atom
