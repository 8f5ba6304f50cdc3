"""Changes of rows: as operations of a transaction, backwards, and as a reader sees them.

Rule: a change holds what was and what is to be, so that it can be undone and shown without looking again.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from declare.columns import KEYS, target_of
from ovsdb.client.transaction import Transaction, by_uuid
from ovsdb.datum import Value, default_value, format_datum, format_value_text
from ovsdb.delta import delta_between
from ovsdb.schema import ColumnSchema, ColumnType, Schema
from rpc.jsonvalue import Json


class Kind(enum.Enum):
    """What happens to a row."""

    INSERT = "insert"
    MODIFY = "modify"
    DELETE = "delete"


class Step(NamedTuple):
    """A column: what was, what is to be; None where there is no row."""

    old: Value | None
    new: Value | None


@dataclass(frozen=True)
class Change:
    """One row's change."""

    kind: Kind
    table: str
    uuid: str
    columns: Mapping[str, Step]
    name: str = ""  # what the row is called, "" if it has no name
    implicit: bool = False  # the server does it by itself, as nothing refers to the row any more


_OPPOSITE = {Kind.INSERT: Kind.DELETE, Kind.MODIFY: Kind.MODIFY, Kind.DELETE: Kind.INSERT}


def inverted(schema: Schema, changes: Iterable[Change]) -> list[Change]:
    """The changes that undo these."""
    return [
        Change(
            kind := _OPPOSITE[change.kind],
            change.table,
            change.uuid,
            {column: Step(step.new, step.old) for column, step in change.columns.items()},
            change.name,
            implicit=kind is Kind.DELETE and not schema.tables[change.table].is_root,
        )
        for change in changes
    ]


def operations(schema: Schema, changes: Sequence[Change]) -> list[Json]:
    """The operations that make the changes; new rows get the UUIDs that they have here.

    Sets and maps are changed by what differs, so that what others add or remove meanwhile stays.
    """
    txn = Transaction()
    for change in changes:
        columns = schema.tables[change.table].columns
        if change.kind is Kind.INSERT:
            row = {
                c: format_datum(columns[c].type, s.new)
                for c, s in change.columns.items()
                if s.new is not None
            }
            txn.insert(change.table, row, uuid=change.uuid)
    for change in changes:
        if change.kind is Kind.MODIFY and not change.implicit:
            _modify(txn, schema, change)
    deleted = [change for change in changes if change.kind is Kind.DELETE]
    explicit = frozenset(change.uuid for change in deleted if not change.implicit)
    for change in deleted:
        if change.implicit:
            _release(txn, schema, change, explicit)
    for change in deleted:
        if not change.implicit:
            txn.delete(change.table, by_uuid(change.uuid))
    return txn.operations


def _release(txn: Transaction, schema: Schema, change: Change, deleted: frozenset[str]) -> None:
    """Let go of rows that are deleted: a row still refers to them when it goes by itself, at the commit."""
    update: dict[str, Json] = {}
    for name, step in change.columns.items():
        type_ = schema.tables[change.table].columns[name].type
        if target_of(type_) is not None and step.old is not None and not type_.min:
            referred = step.old.values() if isinstance(step.old, Mapping) else step.old
            assert isinstance(referred, Iterable)
            if deleted.intersection(map(str, referred)):
                update[name] = format_datum(type_, default_value(type_))
    if update:
        txn.update(change.table, by_uuid(change.uuid), update)


def _modify(txn: Transaction, schema: Schema, change: Change) -> None:
    columns = schema.tables[change.table].columns
    update: dict[str, Json] = {}
    mutations: list[Json] = []
    for name, step in change.columns.items():
        type_ = columns[name].type
        assert step.new is not None
        if type_.max is not None or step.old is None:
            update[name] = format_datum(type_, step.new)
        else:
            mutations += mutations_between(columns[name], step.old, step.new)
    if update:
        txn.update(change.table, by_uuid(change.uuid), update)
    if mutations:
        txn.mutate(change.table, by_uuid(change.uuid), mutations)


def mutations_between(column: ColumnSchema, old: Value, new: Value) -> list[Json]:
    """Mutations (RFC 7047, 5.1) that lead from one set or map to another."""
    type_ = column.type
    delta = delta_between(type_, old, new)
    removed, added = delta.removed, delta.added
    keys = ColumnType(type_.key, None, 0, None)
    if type_.is_map:
        gone: list[Json] = (
            [[column.name, "delete", format_datum(keys, frozenset(removed))]] if removed else []
        )
        new_pairs = {key: value for key, value in added.items() if value is not None}
        return gone + ([[column.name, "insert", format_datum(type_, new_pairs)]] if new_pairs else [])
    # In this order, as a set that must not be empty is checked after each mutation.
    parts = (("insert", frozenset(added)), ("delete", frozenset(removed)))
    return [[column.name, mutator, format_datum(keys, atoms)] for mutator, atoms in parts if atoms]


# --- as a reader sees them

_SIGNS = {Kind.INSERT: "+", Kind.MODIFY: "~", Kind.DELETE: "-"}
_COLOURS = {"+": "32", "~": "33", "-": "31"}  # of SGR, ECMA-48 8.3.117


class Names:
    """What rows are called, for references to them; else the beginning of their UUIDs."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names  # UUID -> name

    def of(self, uuid: object) -> str:
        """One row."""
        return self.names.get(str(uuid)) or str(uuid)[:8]

    def value(self, type_: ColumnType, value: Value) -> str:
        """A value as users read it."""
        if target_of(type_) is None:
            return format_value_text(type_, value)
        if isinstance(value, Mapping):
            return "{" + ", ".join(f"{key}={self.of(value[key])}" for key in sorted(value)) + "}"
        names = sorted(map(self.of, value if isinstance(value, Set) else (value,)))
        return names[0] if type_.max == 1 and names else "[" + ", ".join(names) + "]"


def format_changes(schema: Schema, changes: Sequence[Change], names: Names, *, colour: bool = False) -> str:
    """Lines for people: a row each, its columns indented below it."""
    lines: list[str] = []
    for change in changes:
        sign = _SIGNS[change.kind]
        lines.append(_paint(sign, f"{sign} {change.table} {change.name or change.uuid[:8]}", colour))
        if change.kind is Kind.DELETE:
            continue
        columns = schema.tables[change.table].columns
        for name, step in sorted(change.columns.items()):
            if name != KEYS.get(change.table):
                lines += [
                    _paint(s, f"{s}   {t}", colour) for s, t in _column_lines(columns[name], step, names)
                ]
    return "".join(f"{line}\n" for line in lines)


def _column_lines(column: ColumnSchema, step: Step, names: Names) -> list[tuple[str, str]]:
    type_, new = column.type, step.new
    assert new is not None
    if step.old is None:
        shown = new != default_value(type_)
        return [("+", f"{column.name}: {names.value(type_, new)}")] if shown else []
    if type_.max == 1:
        return [("~", f"{column.name}: {names.value(type_, step.old)} -> {names.value(type_, new)}")]
    delta = delta_between(type_, step.old, new)
    out: list[tuple[str, str]] = []
    for sign, atoms in (("-", delta.removed), ("+", delta.added)):
        if atoms:
            part = ColumnType(type_.key, type_.value, 0, None)
            value: Value = atoms if type_.is_map else frozenset(atoms)  # type: ignore[assignment]
            out.append((sign, f"{column.name}: {names.value(part, value)}"))
    return out


def _paint(sign: str, text: str, colour: bool) -> str:
    return f"\x1b[{_COLOURS[sign]}m{text}\x1b[0m" if colour else text


def changes_to_json(schema: Schema, changes: Sequence[Change]) -> list[Json]:
    """[{"table", "row" (UUID), "name", "change", "columns": {column: {"old", "new"}}}], values as on the
    wire.
    """
    out: list[Json] = []
    for change in changes:
        columns = schema.tables[change.table].columns
        steps: dict[str, Json] = {}
        for name, step in sorted(change.columns.items()):
            sides = (("old", step.old), ("new", step.new))
            steps[name] = {s: format_datum(columns[name].type, v) for s, v in sides if v is not None}
        entry: dict[str, Json] = {
            "change": change.kind.value,
            "table": change.table,
            "row": change.uuid,
            "name": change.name,
            "columns": steps,
        }
        out.append(entry)
    return out
