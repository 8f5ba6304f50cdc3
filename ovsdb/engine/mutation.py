"""The mutations of "mutate" (RFC 7047, section 5.1).

In: a column's value. Out: its new value and, for "insert" and "delete", what changed, which costs what is
inserted or deleted and not what is there.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Set, Sized
from typing import TYPE_CHECKING, Any, cast

from ovsdb.datum import Value, check_atom, is_constrained, is_subnormal, parser
from ovsdb.delta import Delta, apply_delta
from ovsdb.engine.table import Column, Table
from ovsdb.errors import ConstraintViolation, OvsdbError, OvsdbSyntaxError
from ovsdb.refusals import DomainError, RangeError, UnknownColumn, UnknownMutator
from ovsdb.schema import INTEGER_MAX, INTEGER_MIN, Atom, BaseType, ColumnType

if TYPE_CHECKING:
    from ovsdb.symbols import Symbols


class Mutation:
    """One mutation, read."""

    __slots__ = ("column", "mutator", "value")

    def __init__(self, column: Column, mutator: str, value: Value) -> None:
        self.column = column
        self.mutator = mutator
        self.value = value


def _integer_divide(x: int, y: int) -> int:
    if y == 0:
        raise ZeroDivisionError
    quotient = abs(x) // abs(y)  # towards zero, as in C
    return quotient if (x < 0) == (y < 0) else -quotient


def _integer_modulo(x: int, y: int) -> int:
    if x == INTEGER_MIN and y == -1:
        raise OverflowError  # as the C server has it, where the quotient overflows
    return x - y * _integer_divide(x, y)


_INTEGER: dict[str, Callable[[Any, Any], Any]] = {
    "+=": lambda x, y: x + y,
    "-=": lambda x, y: x - y,
    "*=": lambda x, y: x * y,
    "/=": _integer_divide,
    "%=": _integer_modulo,
}
_REAL: dict[str, Callable[[Any, Any], Any]] = {
    "+=": lambda x, y: x + y,
    "-=": lambda x, y: x - y,
    "*=": lambda x, y: x * y,
    "/=": lambda x, y: x / y,
}


def parse_mutations(table: Table, wire: list[Any], symbols: Symbols) -> list[Mutation]:
    """Read "mutations".  Raises an OvsdbError."""
    return [_parse_mutation(table, element, symbols) for element in wire]


def _parse_mutation(table: Table, wire: Any, symbols: Symbols) -> Mutation:
    if type(wire) is not list or len(wire) != 3 or type(wire[0]) is not str or type(wire[1]) is not str:
        raise OvsdbSyntaxError("Parse error in mutation.", wire)
    name, mutator, value = wire
    column = table.by_name.get(name)
    if column is None:
        raise UnknownColumn(f"No column {name} in table {table.name}.", wire)
    if not column.mutable:
        raise ConstraintViolation(f"Cannot mutate immutable column {name} in table {table.name}.", wire)
    column_type = column.type
    if mutator in ("insert", "delete"):
        if column_type.is_scalar:
            raise _mismatch(column, mutator, wire)
        parse = _parse_deleted if mutator == "delete" else _parse_inserted
        return Mutation(column, mutator, parse(column_type, value, symbols))
    if mutator not in _INTEGER:
        raise UnknownMutator(f"No mutator named {mutator}.")
    known = {"integer": _INTEGER, "real": _REAL}.get(column_type.key.type, {})
    if mutator not in known or column_type.is_map:
        raise _mismatch(column, mutator, wire)
    return Mutation(column, mutator, parser(_operand_type(column_type))(value, symbols))


def _mismatch(column: Column, mutator: str, wire: Any) -> OvsdbSyntaxError:
    return OvsdbSyntaxError(
        f'Type mismatch: "{mutator}" operator may not be applied to column {column.name} of type '
        f"{column.type.english()}.",
        wire,
    )


@functools.cache
def _operand_type(column_type: ColumnType) -> ColumnType:
    return ColumnType(BaseType(column_type.key.type))


@functools.cache
def _insert_type(column_type: ColumnType) -> ColumnType:
    return ColumnType(column_type.key, column_type.value, 0, column_type.max)


@functools.cache
def _delete_type(column_type: ColumnType) -> ColumnType:
    return ColumnType(column_type.key, column_type.value, 0, None)


def _parse_inserted(column_type: ColumnType, wire: Any, symbols: Symbols) -> Value:
    return parser(_insert_type(column_type))(wire, symbols)


def _parse_deleted(column_type: ColumnType, wire: Any, symbols: Symbols) -> Value:
    """Pairs or, of a map, also a set of keys."""
    wanted = _delete_type(column_type)
    if column_type.value is None:
        return parser(wanted)(wire, symbols)
    try:
        return parser(wanted)(wire, symbols)
    except OvsdbError:
        return parser(ColumnType(column_type.key, None, 0, None))(wire, symbols)


def mutate(mutation: Mutation, value: Value) -> tuple[Value, Delta | None]:
    """The new value, and what changed in a set or map; None: compare the two.  Raises an OvsdbError."""
    column_type = mutation.column.type
    if mutation.mutator == "insert":
        delta = _inserted(column_type, value, mutation.value)
    elif mutation.mutator == "delete":
        delta = _deleted(column_type, value, mutation.value)
    else:
        return _calculate(mutation, value), None
    if delta.is_empty:
        return value, delta
    changed = apply_delta(column_type, value, delta)
    size = len(cast(Sized, changed))
    if size < column_type.min or (column_type.max is not None and size > column_type.max):
        raise ConstraintViolation(f"Attempted to store {size} elements in {column_type.english()}.")
    return changed, delta


def _inserted(column_type: ColumnType, value: Value, new: Value) -> Delta:
    """Of a map, pairs whose key is there already stay as they are."""
    if column_type.is_map:
        there, pairs = cast(Mapping[Atom, Atom], value), cast(Mapping[Atom, Atom], new)
        return Delta({}, {key: other for key, other in pairs.items() if key not in there})
    present, atoms = cast(Set[Atom], value), cast(Set[Atom], new)
    return Delta({}, {atom: None for atom in atoms if atom not in present})


def _deleted(column_type: ColumnType, value: Value, gone: Value) -> Delta:
    if column_type.is_map:
        there = cast(Mapping[Atom, Atom], value)
        if isinstance(gone, Mapping):
            return Delta({k: v for k, v in gone.items() if k in there and there[k] == v}, {})
        return Delta({key: there[key] for key in cast(Set[Atom], gone) if key in there}, {})
    present, atoms = cast(Set[Atom], value), cast(Set[Atom], gone)
    return Delta({atom: None for atom in atoms if atom in present}, {})


def _calculate(mutation: Mutation, value: Value) -> Value:
    base = mutation.column.type.key
    if not isinstance(value, Set):
        return _calculate_atom(mutation.mutator, base, value, mutation.value)
    results = [_calculate_atom(mutation.mutator, base, atom, mutation.value) for atom in value]
    atoms = frozenset(results)
    if len(atoms) != len(results):
        raise ConstraintViolation(f'Result of "{mutation.mutator}" operation contains duplicates.')
    return atoms


def _calculate_atom(mutator: str, base: BaseType, x: Any, y: Any) -> int | float:
    out_of_range = RangeError(f'Result of "{mutator}" operation is out of range.')
    result: int | float
    try:
        if base.type == "integer":
            result = _INTEGER[mutator](x, y)
            if not INTEGER_MIN <= result <= INTEGER_MAX:
                raise out_of_range
        else:
            result = _REAL[mutator](x, y)
            if not math.isfinite(result) or is_subnormal(result):
                raise out_of_range
    except ZeroDivisionError:
        raise DomainError("Division by zero.") from None
    except OverflowError:
        raise out_of_range from None
    if is_constrained(base):
        check_atom(base, result)
    return result
