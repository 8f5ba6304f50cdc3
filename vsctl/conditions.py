"""COLUMN[:KEY]OPERATOR VALUE, as find and wait-until take it (ovs-vsctl(8), "find")."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set

from ovsdb.datum import Value
from ovsdb.schema import Atom, ColumnSchema, ColumnType
from rpc.structs import Struct
from vsctl.errors import CommandError
from vsctl.store import Row
from vsctl.symbols import Symbols
from vsctl.tables import Table, value_of
from vsctl.values import parse_atom, parse_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Items = Mapping[Atom, Atom | None]  # the atoms of a value; of a map, with what they lead to


def _compare(a: Items, b: Items) -> int:
    """-1, 0 or 1: the more elements, the larger; then by keys in order, then by values."""
    keys_a: list[Any] = sorted(a)
    keys_b: list[Any] = sorted(b)
    left: tuple[Any, ...] = (len(a), keys_a, [a[key] for key in keys_a])
    right: tuple[Any, ...] = (len(b), keys_b, [b[key] for key in keys_b])
    return -1 if left < right else int(left != right)


def _is_subset(a: Items, b: Items) -> bool:
    return all(key in b and b[key] == value for key, value in a.items())


OPERATORS: dict[str, Callable[[Items, Items], bool]] = {
    "=": lambda a, b: _compare(a, b) == 0,
    "!=": lambda a, b: _compare(a, b) != 0,
    "<": lambda a, b: _compare(a, b) < 0,
    ">": lambda a, b: _compare(a, b) > 0,
    "<=": lambda a, b: _compare(a, b) <= 0,
    ">=": lambda a, b: _compare(a, b) >= 0,
    "{=}": lambda a, b: a == b,
    "{!=}": lambda a, b: a != b,
    "{<}": lambda a, b: len(a) < len(b) and _is_subset(a, b),
    "{>}": lambda a, b: len(a) > len(b) and _is_subset(b, a),
    "{<=}": _is_subset,
    "{>=}": lambda a, b: _is_subset(b, a),
    "{in}": _is_subset,
    "{not-in}": lambda a, b: not any(key in b and b[key] == value for key, value in a.items()),
}
_LONGEST_FIRST = sorted(OPERATORS, key=len, reverse=True)


class Condition(Struct):
    """One condition, read."""

    column: ColumnSchema
    key: Atom | None
    operator: str
    value: Items

    def holds(self, row: Row) -> bool:
        """Whether the row satisfies it."""
        have = _items(value_of(row, self.column))
        if self.key is not None:
            if self.key in have:
                have = {have[self.key]: None}  # type: ignore[dict-item]  # only maps have keys here
            elif self.operator.startswith("{"):
                have = {}
            else:
                return False
        return OPERATORS[self.operator](have, self.value)


def parse_condition(table: Table, text: str, symbols: Symbols) -> Condition:
    """Read COLUMN[:KEY]OPERATOR VALUE. CommandError."""
    column, key_text, rest = table.parse_column_key(text)
    operator = next((o for o in _LONGEST_FIRST if rest.startswith(o) and len(rest) > len(o)), None)
    if operator is None:
        quoted = [f'"{name}"' for name in OPERATORS]
        raise CommandError(
            f"{text}: argument does not end in {', '.join(quoted[:-1])}, or {quoted[-1]} followed by a value."
        )
    type_, key = column.type, None
    if key_text is not None:
        if type_.value is None:
            raise CommandError(f"cannot specify key to check for non-map column {column.name}")
        key = parse_atom(type_.key, key_text)
        type_ = ColumnType(type_.value, None, type_.min, type_.max)
    return Condition(column, key, operator, _items(parse_value(type_, rest[len(operator) :], symbols)))


def _items(value: Value) -> Items:
    if isinstance(value, Mapping):
        return value
    return dict.fromkeys(value) if isinstance(value, Set) else {value: None}
