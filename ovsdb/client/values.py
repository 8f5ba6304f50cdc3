"""Column values as programs see them, and the way from there to the wire.

Rule: what programs read is what the replica holds, but for optional scalars (sets of at most one), which are
None or the bare atom. What they write may be any of it, a collection in place of a set, and rows in place of
UUIDs; a value of the wrong kind is a ValueMismatch here, before anything is sent. Limits and enumerations are
the server's to check.
"""

from __future__ import annotations

import uuid as uuid_module
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

from ovsdb.datum import Value, format_datum, parse_datum
from ovsdb.schema import BaseType, ColumnType
from ovsdb.uuids import is_uuid
from rpc.jsonvalue import Json

PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "real": (int, float),
    "boolean": (bool,),
    "string": (str,),
}


class ValueMismatch(TypeError):
    """A value that cannot be one of the column `where` ("Bridge.name")."""

    def __init__(self, where: str, expected: str, value: object) -> None:
        super().__init__(where, expected, value)
        self.where = where
        self.expected = expected
        self.value = value

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected}, not {self.value!r}"


@runtime_checkable
class Reference(Protocol):
    """A row, old or new, that stands for its UUID."""

    def reference(self) -> Json:
        """["uuid", ...], or ["named-uuid", ...] of a row that is being inserted."""


def plain(type_: ColumnType, value: Value) -> Any:
    """A native value as programs see it."""
    if type_.is_optional_scalar:
        return next(iter(value), None)  # type: ignore[arg-type]
    return value


def to_wire(type_: ColumnType, value: object, where: str) -> Json:
    """A program's value as on the wire; ValueMismatch."""
    if type_.value is not None:
        if not isinstance(value, Mapping):
            raise ValueMismatch(where, type_.english(), value)
        other = type_.value
        return ["map", [[_atom(type_.key, k, where), _atom(other, v, where)] for k, v in value.items()]]
    if type_.is_scalar:
        return _atom(type_.key, value, where)
    if value is None and type_.min == 0:
        return ["set", []]
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)):
        return ["set", [_atom(type_.key, member, where) for member in value]]
    return _atom(type_.key, value, where)


def mutation_to_wire(type_: ColumnType, mutator: str, value: object, where: str) -> Json:
    """The argument of a mutation (RFC 7047, 5.1); ValueMismatch."""
    if mutator not in ("insert", "delete"):
        return _atom(type_.key, value, where)
    if mutator == "delete" and type_.value is not None and not isinstance(value, Mapping):
        return to_wire(ColumnType(type_.key, None, 0, None), value, where)
    return to_wire(ColumnType(type_.key, type_.value, 0, None), value, where)


def condition_to_wire(type_: ColumnType, function: str, value: object, where: str) -> Json:
    """The argument of a condition (RFC 7047, 5.1); ValueMismatch."""
    if function in ("includes", "excludes") and not type_.is_scalar:
        return to_wire(ColumnType(type_.key, type_.value, 0, None), value, where)
    if function in ("<", "<=", ">", ">="):
        return _atom(type_.key, value, where)
    return to_wire(type_, value, where)


def native(type_: ColumnType, value: object, where: str) -> Value:
    """A program's value as the replica holds it; ValueMismatch, and OvsdbError where a limit forbids it."""
    if type(value) is str and type_.is_scalar and type_.key.type == "string":
        return value
    return parse_datum(type_, to_wire(type_, value, where))


def native_to_wire(type_: ColumnType, value: Value) -> Json:
    """A value of the replica as on the wire."""
    wire: Json = format_datum(type_, value)
    return wire


def _atom(base: BaseType, atom: object, where: str) -> Json:
    if base.type == "uuid":
        if isinstance(atom, Reference):
            return atom.reference()
        if isinstance(atom, uuid_module.UUID):
            return ["uuid", str(atom)]
        if isinstance(atom, str) and is_uuid(atom):
            return ["uuid", atom.lower()]
        raise ValueMismatch(where, "a row or a UUID", atom)
    if type(atom) not in PYTHON_TYPES[base.type]:
        raise ValueMismatch(where, base.type, atom)
    return atom  # type: ignore[return-value]
