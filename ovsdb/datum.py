"""Column values: read them from the wire, check them, write them; ovsdb/delta.py changes them.

A value is native Python: a bare atom where the type is a scalar (min = max = 1, no value type), an immutable
set of atoms for other sets (frozenset, or PersistentSet where it is large), an immutable mapping for maps (a
dict that nobody changes, or PersistentMap).  An atom is an int, a float (always, for "real"), a bool, a str,
and for a UUID a str of 36 lower-case characters.  Which of them, the column knows: hence the exact checks on
the way in, as True == 1 == 1.0.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Set

from ovsdb.errors import ConstraintViolation, DuplicateElementError, OvsdbSyntaxError
from ovsdb.schema import COUNT_MAX, INTEGER_MAX, INTEGER_MIN, ZERO_UUID, Atom, BaseType, ColumnType
from ovsdb.uuids import is_uuid
from ovsdb.words import is_identifier, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ovsdb.symbols import Symbols

Value = Atom | Set[Atom] | Mapping[Atom, Atom]

# The smallest of full precision that still has it when written with 15 digits, as the C programs do.
SMALLEST_REAL = 2.22507385850721e-308

if TYPE_CHECKING:
    AtomParser = Callable[[Any, Symbols | None], Atom]
    Parser = Callable[[Any, Symbols | None], Value]

# --- text of atoms and values, as errors show them


def format_atom_text(atomic: str, atom: Atom) -> str:
    """As the C programs print an atom: a string is quoted unless it is a plain word."""
    if atomic == "string":
        assert isinstance(atom, str)
        return quoted(atom)
    if atomic == "boolean":
        return "true" if atom else "false"
    if atomic == "real":
        return f"{atom:.15g}"
    return str(atom)


def format_value_text(column_type: ColumnType, value: Value) -> str:
    """As the C programs print a value: `5`, `[a, b]`, `{k=v}`."""
    key = column_type.key.type
    if isinstance(value, Mapping):
        assert column_type.value is not None
        other = column_type.value.type
        pairs = (
            f"{format_atom_text(key, k)}={format_atom_text(other, value[k])}" for k in sorted_atoms(value)
        )
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, Set):
        texts = [format_atom_text(key, atom) for atom in sorted_atoms(value)]
        return texts[0] if len(texts) == 1 and column_type.max == 1 else "[" + ", ".join(texts) + "]"
    return format_atom_text(key, value)


def sorted_atoms(atoms: Iterable[Atom]) -> list[Atom]:
    """In the order that values have on the wire."""
    return sorted(atoms)  # all are of one kind


# --- constraints


def check_atom(base: BaseType, atom: Atom) -> None:
    """Raise ConstraintViolation if the atom, which is of the right kind, is not one that `base` permits."""
    if base.enum is not None:
        if atom not in base.enum:
            allowed = ", ".join(format_atom_text(base.type, value) for value in base.enum)
            raise ConstraintViolation(
                f"{format_atom_text(base.type, atom)} is not one of the allowed values ([{allowed}])"
            )
    elif isinstance(atom, str):
        if base.type == "string":
            _check_length(base, atom)
    elif base.type == "integer":
        _check_range(base.min_integer, base.max_integer, atom)
    elif base.type == "real":
        _check_range(base.min_real, base.max_real, atom)


def _check_range(low: float | None, high: float | None, atom: float) -> None:
    if (low is None or atom >= low) and (high is None or atom <= high):
        return
    shown = f"{atom:.15g}" if isinstance(atom, float) else str(atom)
    if low is not None and high is not None:
        raise ConstraintViolation(f"{shown} is not in the valid range {low:.15g} to {high:.15g} (inclusive)")
    if low is not None:
        raise ConstraintViolation(f"{shown} is less than minimum allowed value {low:.15g}")
    raise ConstraintViolation(f"{shown} is greater than maximum allowed value {high:.15g}")


def _check_length(base: BaseType, atom: str) -> None:
    size = len(atom)
    if base.min_length is not None and size < base.min_length:
        raise ConstraintViolation(
            f'"{atom}" length {size} is less than minimum allowed length {base.min_length}'
        )
    if base.max_length is not None and size > base.max_length:
        raise ConstraintViolation(
            f'"{atom}" length {size} is greater than maximum allowed length {base.max_length}'
        )


def is_constrained(base: BaseType) -> bool:
    """Whether `check_atom` could refuse an atom of this type."""
    return base.enum is not None or any(limit is not None for limit in base.limits())


def check_value(column_type: ColumnType, value: Value) -> None:
    """Raise ConstraintViolation if a value of the right shape breaks a constraint on its atoms."""
    if isinstance(value, Mapping):
        assert column_type.value is not None
        for key, other in value.items():
            check_atom(column_type.key, key)
            check_atom(column_type.value, other)
    elif isinstance(value, Set):
        for atom in value:
            check_atom(column_type.key, atom)
    else:
        check_atom(column_type.key, value)


# --- defaults

_DEFAULT_ATOMS: dict[str, Atom] = {
    "integer": 0,
    "real": 0.0,
    "boolean": False,
    "string": "",
    "uuid": ZERO_UUID,
}


@functools.cache
def default_value(column_type: ColumnType) -> Value:
    """The value of a column that nobody has set (RFC 7047, section 5.2.1)."""
    atom = _DEFAULT_ATOMS[column_type.key.type]
    if column_type.is_scalar:
        return atom
    if column_type.value is not None:
        return {atom: _DEFAULT_ATOMS[column_type.value.type]} if column_type.min else {}
    return frozenset((atom,)) if column_type.min else frozenset()


# --- from the wire


def _parse_integer(wire: Any, symbols: Symbols | None) -> Atom:
    if type(wire) is int:
        if INTEGER_MIN <= wire <= INTEGER_MAX:
            return wire
    elif type(wire) is float and wire.is_integer() and -(2.0**63) <= wire < 2.0**63:
        return int(wire)  # 1.0 and 1e3 are integers in JSON
    raise OvsdbSyntaxError("expected integer", wire)


def _parse_real(wire: Any, symbols: Symbols | None) -> Atom:
    if type(wire) is float:
        if is_subnormal(wire):
            raise OvsdbSyntaxError("number outside valid range", wire)
        return wire
    if type(wire) is int:
        try:
            return float(wire)
        except OverflowError:
            pass
    raise OvsdbSyntaxError("expected real", wire)


def _parse_boolean(wire: Any, symbols: Symbols | None) -> Atom:
    if type(wire) is bool:
        return wire
    raise OvsdbSyntaxError("expected boolean", wire)


def is_subnormal(real: float) -> bool:
    """Whether it is too near to 0 for the C programs, which could not read a file or message with it."""
    return -SMALLEST_REAL < real < SMALLEST_REAL and real != 0


def _parse_string(wire: Any, symbols: Symbols | None) -> Atom:
    if type(wire) is str:
        check_text(wire)
        return wire
    raise OvsdbSyntaxError("expected string", wire)


def check_text(text: str) -> None:
    """Raise OvsdbSyntaxError if the C programs could not read a file or message with this string."""
    if "\0" in text:
        raise OvsdbSyntaxError("null bytes not supported in strings", text)


def parse_uuid(wire: Any, symbols: Symbols | None = None) -> str:
    """["uuid", text] and, where names may be used, ["named-uuid", name].  Raises OvsdbSyntaxError."""
    if type(wire) is list and len(wire) == 2 and type(wire[1]) is str:
        kind, text = wire
        if kind == "uuid":
            if is_uuid(text):
                return str(text).lower()
            raise OvsdbSyntaxError(f'"{text}" is not a valid UUID', wire)
        if kind == "named-uuid" and symbols is not None:
            if is_identifier(text):
                return symbols.resolve(text)
            raise OvsdbSyntaxError("named-uuid string is not a valid <id>", wire)
    raise OvsdbSyntaxError('expected ["uuid", <string>]', wire)


_ATOM_PARSERS: dict[str, AtomParser] = {
    "integer": _parse_integer,
    "real": _parse_real,
    "boolean": _parse_boolean,
    "string": _parse_string,
    "uuid": parse_uuid,
}


@functools.cache
def atom_parser(base: BaseType) -> AtomParser:
    """The reader of one atom."""
    parse = _ATOM_PARSERS[base.type]
    if not is_constrained(base):
        return parse

    def parse_checked(wire: Any, symbols: Symbols | None) -> Atom:
        atom = parse(wire, symbols)
        check_atom(base, atom)
        return atom

    return parse_checked


def _inner(kind: str, column_type: ColumnType, wire: Any) -> list[Any]:
    """The elements of ["set", [...]] or ["map", [...]], as many as the type permits."""
    if type(wire) is not list or len(wire) != 2 or wire[0] != kind or type(wire[1]) is not list:
        raise OvsdbSyntaxError(f'expected ["{kind}", <array>]', wire)
    inner: list[Any] = wire[1]
    size = len(inner)
    low, high = column_type.min, column_type.max
    if size < low or (high is not None and size > high):
        if low == high == 1:
            raise OvsdbSyntaxError(f"{kind} must have exactly one member but {size} are present", wire)
        count = f"{low} to {COUNT_MAX if high is None else high}"
        raise OvsdbSyntaxError(f"{kind} must have {count} members but {size} are present", wire)
    return inner


def _is_set(wire: Any) -> bool:
    return type(wire) is list and len(wire) > 0 and wire[0] == "set"


@functools.cache
def parser(column_type: ColumnType) -> Parser:
    """The reader of a column's values: `parse_datum` with the type already looked at."""
    parse_atom = atom_parser(column_type.key)
    if column_type.value is not None:
        return _map_parser(column_type, parse_atom, atom_parser(column_type.value))
    if column_type.is_scalar:

        def parse_scalar(wire: Any, symbols: Symbols | None) -> Value:
            if type(wire) is list and _is_set(wire):
                return parse_atom(_inner("set", column_type, wire)[0], symbols)
            return parse_atom(wire, symbols)

        return parse_scalar

    def parse_set(wire: Any, symbols: Symbols | None) -> Value:
        if type(wire) is not list or not _is_set(wire):
            return frozenset((parse_atom(wire, symbols),))
        inner = _inner("set", column_type, wire)
        atoms = frozenset([parse_atom(element, symbols) for element in inner])
        if len(atoms) != len(inner):
            raise DuplicateElementError("set contains duplicate")
        return atoms

    return parse_set


def _map_parser(column_type: ColumnType, parse_key: AtomParser, parse_value: AtomParser) -> Parser:
    def parse_map(wire: Any, symbols: Symbols | None) -> Value:
        inner = _inner("map", column_type, wire)
        value: dict[Atom, Atom] = {}
        for pair in inner:
            if type(pair) is not list or len(pair) != 2:
                raise OvsdbSyntaxError("expected 2-element array", pair)
            key = parse_key(pair[0], symbols)
            value[key] = parse_value(pair[1], symbols)
        if len(value) != len(inner):
            raise DuplicateElementError("map contains duplicate key")
        return value

    return parse_map


def parse_datum(column_type: ColumnType, wire: object, symbols: Symbols | None = None) -> Value:
    """Read a value, checking its type and its constraints.

    Raises OvsdbSyntaxError, DuplicateElementError or ConstraintViolation.  Without `symbols`, names of new
    rows are not accepted.
    """
    return parser(column_type)(wire, symbols)


# --- to the wire


def format_atom(atomic: str, atom: Atom) -> Any:
    """As on the wire."""
    if atomic == "uuid":
        return ["uuid", atom]
    if atomic == "real":
        # A real that is an integer is written as one, as the C programs do.
        return int(atom) if -1e15 < float(atom) < 1e15 and float(atom).is_integer() else atom
    return atom


_NATIVE = frozenset(("integer", "boolean", "string"))  # atoms that are on the wire as they are here


def format_datum(column_type: ColumnType, value: Value) -> Any:
    """As on the wire (RFC 7047, section 5.1): elements sorted; a set of one stands as a bare atom."""
    atomic = column_type.key.type
    if column_type.is_scalar:
        return format_atom(atomic, value)  # type: ignore[arg-type]
    if column_type.value is not None:
        return _format_map(column_type, value)  # type: ignore[arg-type]
    if not value:
        return ["set", []]
    atoms: list[Atom] = list(value)  # type: ignore[arg-type]
    if len(atoms) == 1:
        return format_atom(atomic, atoms[0])
    atoms = sorted_atoms(atoms)
    if atomic == "uuid":
        return ["set", [["uuid", atom] for atom in atoms]]
    if atomic == "real":
        return ["set", [format_atom(atomic, atom) for atom in atoms]]
    return ["set", atoms]


def _format_map(column_type: ColumnType, value: Mapping[Atom, Atom]) -> Any:
    assert column_type.value is not None
    key, other = column_type.key.type, column_type.value.type
    if key in _NATIVE and other in _NATIVE:  # most are from strings to strings
        return ["map", [[k, value[k]] for k in sorted_atoms(value)]]
    return ["map", [[format_atom(key, k), format_atom(other, value[k])] for k in sorted_atoms(value)]]
