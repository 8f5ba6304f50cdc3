"""A document, read by the schema: the rows that are wanted, and what of them the document names.

Rule: what gets past read() has the right types and keeps every constraint on single values; DocumentError
names the place of what does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from declare.columns import (
    DOCUMENT_NAME,
    KEYS,
    LOOSE,
    MERGED,
    ROOT,
    SHARED,
    UNIQUE,
    configuration,
    is_internal_key,
    names_rows,
    target_of,
)
from declare.errors import DocumentError, Path
from declare.short import lengthen
from ovsdb.datum import Value, check_atom, default_value
from ovsdb.errors import OvsdbError
from ovsdb.schema import INTEGER_MAX, INTEGER_MIN, Atom, BaseType, ColumnSchema, ColumnType, Schema
from ovsdb.uuids import is_uuid

_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)\Z")
_REAL = re.compile(r"-?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?\Z")


class Name(NamedTuple):
    """A row that stands elsewhere: in the document's `shared`, or one of a table with unique names."""

    table: str
    name: str
    path: Path


Members = dict[Atom | None, "Wanted | Name"]  # by key of a map; else by name, or by number in a list


@dataclass(eq=False)
class Wanted:
    """A row as a document wants it; what it does not name stays as it is."""

    table: str
    path: Path
    key: str = ""  # what it is called among its siblings
    values: dict[str, Value] = field(default_factory=dict)
    merged: dict[str, dict[str, str | None]] = field(default_factory=dict)  # None: no such key
    rows: dict[str, Members] = field(default_factory=dict)  # column -> those that it is to refer to


@dataclass(frozen=True)
class Document:
    """A whole document."""

    root: Wanted
    loose: tuple[Wanted, ...]  # of tables that nothing refers to
    shared: Mapping[tuple[str, str], Wanted]  # (table, name)
    name: str = ""
    names: frozenset[tuple[str, str]] = frozenset()  # (table, name) that are referred to by name


def read(schema: Schema, raw: Mapping[str, Any]) -> Document:
    """Read what parse_document() made of a text. DocumentError."""
    return _Reader(schema).document(raw)


class _Reader:
    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.shared: dict[tuple[str, str], Wanted] = {}
        self.used: list[Name] = []
        self.unique: dict[tuple[str, str], Path] = {}  # (table, name) -> where it is

    def document(self, raw: Mapping[str, Any]) -> Document:
        name = raw.get(DOCUMENT_NAME, "")
        if not isinstance(name, str):
            raise DocumentError((DOCUMENT_NAME,), "expected the document's name")
        own = (DOCUMENT_NAME, SHARED, *LOOSE)
        for table, group in _mapping(raw.get(SHARED), (SHARED,)).items():
            if table not in self.schema.tables or table in (ROOT, *UNIQUE):
                raise DocumentError((SHARED, table), "rows of no such table can be shared")
            for id_, body in _mapping(group, (SHARED, table)).items():
                self.shared[table, id_] = self.row(table, body, (SHARED, table, id_))
        root = self.row(ROOT, {k: v for k, v in raw.items() if k not in own}, ())
        loose = [
            self.loose(table, columns, body, (member, str(index)))
            for member, (table, columns) in LOOSE.items()
            for index, body in enumerate(_list(raw.get(member), (member,)))
        ]
        for use in self.used:
            if use.table not in UNIQUE and (use.table, use.name) not in self.shared:
                raise DocumentError(use.path, f'"{use.name}" is not in shared.{use.table}')
        named = {(use.table, use.name) for use in self.used}
        for table, id_ in self.shared:
            if (table, id_) not in named:
                raise DocumentError((SHARED, table, id_), "nothing refers to it")
        return Document(root, tuple(loose), self.shared, str(name), frozenset(named))

    def loose(self, table: str, columns: tuple[str, ...], body: Any, path: Path) -> Wanted:
        found = self.row(table, body, path)
        for column in columns:
            type_ = self.schema.tables[table].columns[column].type
            if target_of(type_) is None:
                found.values.setdefault(column, default_value(type_))
            elif column not in found.rows:
                raise DocumentError(path, f"{column} is missing")
        return found

    def row(self, table: str, body: Any, path: Path, key: str | None = None) -> Wanted:
        """`key` is the row's name where that stands before the row, else it stands in it."""
        found = Wanted(table, path, key or "")
        if table in UNIQUE and key is not None:
            before = self.unique.setdefault((table, key), path)
            if before != path:
                raise DocumentError(path, f"this {table} stands in the document twice")
        members = _mapping(body, path)
        if table == "Port" and key is not None:
            members = dict(lengthen(self.schema, key, members))
        key_column = KEYS.get(table)
        known = {column.name: column for column in configuration(self.schema.tables[table])}
        for member, value in members.items():
            column = known.get(member)
            if column is None or (member == key_column and key is not None):
                raise DocumentError((*path, member), self.why_unknown(table, member))
            self.column(found, column, value, (*path, member))
        if key_column is not None:
            if key is None:
                if key_column not in found.values:
                    raise DocumentError(path, f"{key_column} is missing")
                found.key = str(found.values[key_column])
            found.values[key_column] = self.atom(known[key_column].type.key, found.key, path)
        return found

    def why_unknown(self, table: str, member: str) -> str:
        if member == KEYS.get(table):
            return "the name before the row says that already"
        if member in self.schema.tables[table].columns:
            return "the switch reports this, it cannot be set"
        return f"{table} has no column of that name"

    def column(self, row: Wanted, column: ColumnSchema, value: Any, path: Path) -> None:
        name, type_ = column.name, column.type
        if target_of(type_) is None:
            if name in MERGED and type_.is_map:
                row.merged[name] = self.merged(row.table, column, value, path)
            else:
                row.values[name] = self.value(type_, value, path)
        elif names_rows(row.table, column):
            names = [self.name(type_, text, at) for text, at in _elements(value, path)]
            row.rows[name] = dict(enumerate(names))
            _check_count(type_, len(row.rows[name]), path)
        else:
            row.rows[name] = self.members(type_, value, path)
            _check_count(type_, len(row.rows[name]), path)

    # --- references

    def name(self, type_: ColumnType, value: Any, path: Path) -> Name:
        target = target_of(type_)
        assert target is not None
        if not isinstance(value, str):
            raise DocumentError(path, f"expected the name of a {target}")
        found = Name(target, str(value), path)
        self.used.append(found)
        return found

    def members(self, type_: ColumnType, value: Any, path: Path) -> Members:
        target = target_of(type_)
        assert target is not None
        if type_.value is not None:
            return {
                self.atom(type_.key, key, (*path, key)): self.member(type_, target, body, (*path, key))
                for key, body in _mapping(value, path).items()
            }
        if type_.max == 1:
            return {} if value is None else {None: self.member(type_, target, value, path)}
        if isinstance(value, list) or target not in KEYS:
            bodies = enumerate(_list(value, path))
            return {i: self.member(type_, target, body, (*path, str(i))) for i, body in bodies}
        return {
            key: self.member(type_, target, body, (*path, key), key)
            for key, body in _mapping(value, path).items()
        }

    def member(
        self, type_: ColumnType, target: str, body: Any, path: Path, key: str | None = None
    ) -> Wanted | Name:
        return self.name(type_, body, path) if isinstance(body, str) else self.row(target, body, path, key)

    # --- values

    def merged(self, table: str, column: ColumnSchema, value: Any, path: Path) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        assert column.type.value is not None
        for key, text in _mapping(value, path).items():
            if is_internal_key(table, column.name, key):
                raise DocumentError((*path, key), "this key is not the configuration's")
            at = (*path, key)
            found[key] = None if text is None else str(self.atom(column.type.value, text, at))
        return found

    def value(self, type_: ColumnType, value: Any, path: Path) -> Value:
        if value is None or value == []:
            return default_value(type_)
        if type_.value is not None:
            pairs = {
                self.atom(type_.key, key, (*path, key)): self.atom(type_.value, text, (*path, key))
                for key, text in _mapping(value, path).items()
            }
            _check_count(type_, len(pairs), path)
            return pairs
        if type_.is_scalar:
            return self.atom(type_.key, value, path)
        atoms = [self.atom(type_.key, text, at) for text, at in _elements(value, path)]
        if len(set(atoms)) < len(atoms):
            raise DocumentError(path, "a value stands twice")
        _check_count(type_, len(atoms), path)
        return frozenset(atoms)

    def atom(self, base: BaseType, value: Any, path: Path) -> Atom:
        if not isinstance(value, str):
            what = "nothing" if value is None else "a list" if isinstance(value, list) else "a mapping"
            raise DocumentError(path, f"expected {_article(base.type)}, found {what}")
        atom = _READERS[base.type](str(value), path)
        try:
            check_atom(base, atom)
        except OvsdbError as error:
            raise DocumentError(path, error.details) from None
        return atom


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _check_count(type_: ColumnType, count: int, path: Path) -> None:
    if count < type_.min:
        raise DocumentError(path, f"at least {type_.min} is needed")
    if type_.max is not None and count > type_.max:
        raise DocumentError(path, f"{count} values, but at most {type_.max} may be here")


def _mapping(value: Any, path: Path) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise DocumentError(path, "expected a mapping")
    return value


def _list(value: Any, path: Path) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise DocumentError(path, "expected a list")
    return value


def _elements(value: Any, path: Path) -> list[tuple[Any, Path]]:
    """The elements of a list, or a value that stands for a list of one; each with its place."""
    if isinstance(value, list):
        return [(element, (*path, str(index))) for index, element in enumerate(value)]
    return [] if value is None else [(value, path)]


def _read_integer(text: str, path: Path) -> Atom:
    if not _INTEGER.match(text):
        raise DocumentError(path, f'"{text}" is not a decimal integer')
    if not INTEGER_MIN <= int(text) <= INTEGER_MAX:
        raise DocumentError(path, f"{text} is not within 64 bits")
    return int(text)


def _read_boolean(text: str, path: Path) -> Atom:
    if text not in ("true", "false"):
        raise DocumentError(path, f'"{text}" is not a boolean: write true or false')
    return text == "true"


def _read_real(text: str, path: Path) -> Atom:
    if not _REAL.match(text):
        raise DocumentError(path, f'"{text}" is not a number')
    return float(text)


def _read_string(text: str, path: Path) -> Atom:
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise DocumentError(path, "U+0000 and halves of surrogate pairs are not allowed")
    return text


def _read_uuid(text: str, path: Path) -> Atom:
    if not is_uuid(text):
        raise DocumentError(path, f'"{text}" is not a UUID')
    return text.lower()


_READERS = {
    "integer": _read_integer,
    "boolean": _read_boolean,
    "real": _read_real,
    "string": _read_string,
    "uuid": _read_uuid,
}
