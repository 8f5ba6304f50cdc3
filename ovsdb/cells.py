"""What stands in the cells of a table, and how each looks (ovs-vsctl(8), "Table Formatting Options": --data).

Rule: a cell is what RFC 7047 has on the wire.
"""

from __future__ import annotations

from ovsdb.words import quoted
from rpc.structs import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Datum(Struct):
    """A column's value: `wire` as in RFC 7047 section 5.1; `many` where the column may hold several atoms."""

    wire: Any
    many: bool = False


class Raw(Struct):
    """Any JSON value, shown as JSON in every data format."""

    wire: Any


Cell = str | Datum | Raw | None  # None: nothing to show, null in JSON


def read_datum(wire: Any, kind: Any) -> Datum:
    """The value of a column of this type (RFC 7047 section 3.2): in a real column, also 5 is a float."""
    if not isinstance(kind, dict):
        return Datum(_as_real(wire) if kind == "real" else wire)
    key, value = (_base(kind.get(part)) == "real" for part in ("key", "value"))
    if key or value:
        wire = _with_reals(wire, key, value)
    return Datum(wire, kind.get("max", 1) != 1)


def _base(kind: Any) -> Any:
    return kind.get("type") if isinstance(kind, dict) else kind


def _as_real(atom: Any) -> Any:
    return float(atom) if isinstance(atom, int) else atom


def _with_reals(wire: Any, key: bool, value: bool) -> Any:
    match wire:
        case ["map", [*pairs]]:
            return ["map", [[_as_real(k) if key else k, _as_real(v) if value else v] for k, v in pairs]]
        case ["set", [*atoms]]:
            return ["set", [_as_real(atom) for atom in atoms]]
    return _as_real(wire)


def format_atom(atom: Any, *, bare: bool = False) -> str:
    """Write one atom from the wire: strings in quotes where they are no plain words, unless `bare`."""
    if isinstance(atom, str):
        return atom if bare else quoted(atom)
    if isinstance(atom, bool):
        return "true" if atom else "false"
    if isinstance(atom, list):
        return str(atom[1])
    return f"{atom:.15g}" if isinstance(atom, float) else str(atom)


def format_datum(datum: Datum, *, bare: bool = False) -> str:
    """Write a value as `ovs-vsctl list` does: an atom, [a, b] or {k=v}; `bare`: without punctuation."""
    kind, members = _members(datum.wire)
    if kind == "map":
        words = [f"{format_atom(k, bare=bare)}={format_atom(v, bare=bare)}" for k, v in members]
    else:
        words = [format_atom(atom, bare=bare) for atom in members]
    if bare:
        return " ".join(words)
    if kind == "map":
        return "{" + ", ".join(words) + "}"
    return words[0] if len(words) == 1 and not datum.many else "[" + ", ".join(words) + "]"


def in_order(wire: Any) -> Any:
    """Sort the members of a set or map from the wire, as every tool prints them."""
    kind, members = _members(wire)
    return [kind, members] if kind else wire


def _members(wire: Any) -> tuple[str, list[Any]]:
    """Return ("set" | "map" | "" for a lone atom, its members in order)."""
    if isinstance(wire, list) and wire[0] in ("set", "map"):
        return wire[0], sorted(wire[1])
    return "", [wire]
