"""The switch as a document: export, apply, diff. What they decide, the package `declare` decides."""

from __future__ import annotations

import functools
import os
import sys
import tempfile
from collections.abc import Sequence, Set

from declare.change import Change, Kind, Names, changes_to_json, format_changes
from declare.columns import KEYS, configuration, tables_in_order
from declare.errors import DocumentError
from declare.export import export as make_document
from declare.picture import Picture
from declare.plan import plan
from declare.text import format_document, parse_document
from declare.wanted import read
from ovsdb.datum import format_atom, format_datum
from ovsdb.delta import delta_between
from ovsdb.schema import ColumnSchema
from vsctl.errors import CommandError
from vsctl.grammar import command
from vsctl.model import Model
from vsctl.output import Report
from vsctl.store import Row
from vsctl.tables import value_of
from vsctl.unconfirmed import guard, parse_seconds

DIFFERS = 3  # exit status of diff
FORMS = ("yaml", "json")
STANDARD = "-"  # the name of standard input and output


@command("export", "?FILE", options_anywhere=True)
def export(model: Model, file: str = STANDARD, *, format: str = "") -> Report | None:
    """Print the configuration as a document in YAML or JSON, or write it to a file."""
    form = format or ("json" if file.endswith(".json") else "yaml")
    if form not in FORMS:
        raise CommandError(f'a document has one of the formats {", ".join(FORMS)}, not "{form}"')
    document = make_document(picture_of(model, verify=False))
    text = format_document(document, form)
    if file == STANDARD:
        return Report(text, document)
    _write_file(file, text)
    return None


@command("apply", "!FILE", writes=True, options_anywhere=True)
def apply(
    model: Model, file: str, *, prune: bool = False, dry_run: bool = False, confirm: str = ""
) -> str | None:
    """Make the configuration what a document says, as far as it says something."""
    model.dry_run = model.dry_run or dry_run
    seconds = parse_seconds(confirm) if confirm else 0
    changes = _plan(picture_of(model), file, prune)
    for change in changes:
        _make(model, change, keep_uuid=seconds > 0)
    return guard(model, changes, seconds) if changes and seconds and not model.dry_run else None


@command("diff", "!FILE", options_anywhere=True)
def diff(model: Model, file: str, *, prune: bool = False) -> Report:
    """Print what apply would change; exit with 3 if that is something."""
    picture = picture_of(model, verify=False)
    changes = _plan(picture, file, prune)
    if changes:
        model.status = DIFFERS
    return report(picture, changes)


def report(picture: Picture, changes: Sequence[Change]) -> Report:
    """Changes as they are printed."""
    uuids = {picture.key(t, uuid): uuid for t in KEYS for uuid in picture.rows.get(t, {})}
    names = Names({uuid: name for name, uuid in uuids.items()} | {c.uuid: c.name for c in changes if c.name})
    schema = picture.schema
    texts = [format_changes(schema, changes, names, colour=colour) for colour in (False, True)]
    return Report(texts[0], changes_to_json(schema, changes), texts[1])


def picture_of(model: Model, *, verify: bool = True) -> Picture:
    """All rows of configuration as the commands before in this run have left them."""
    root = model.switch  # makes it, if it is not there
    rows = {}
    for table in tables_in_order(model.schema):
        columns = configuration(model.schema.tables[table])
        found = model.store.all(table, [column.name for column in columns], verify=verify)
        found = found or [root] * (table == root.table)
        rows[table] = {row.uuid: {column.name: value_of(row, column) for column in columns} for row in found}
    return Picture(model.schema, rows)


def _plan(picture: Picture, file: str, prune: bool) -> list[Change]:
    try:
        raw = parse_document(_read_file(file), file)
        return plan(picture, read(picture.schema, raw), prune=prune)
    except DocumentError as error:
        raise CommandError(str(error)) from None


def _make(model: Model, change: Change, *, keep_uuid: bool) -> None:
    """Put a change into the store, for the transaction."""
    columns = model.schema.tables[change.table].columns
    if change.kind is Kind.INSERT:
        values = {
            c: format_datum(columns[c].type, s.new) for c, s in change.columns.items() if s.new is not None
        }
        row = model.store.insert(change.table, values, change.uuid, keep_uuid=keep_uuid)
        if change.table == "Interface":
            model.new_interfaces.append(row)
        return
    row = model.store.row(change.table, change.uuid)
    if change.kind is Kind.DELETE:
        model.store.delete(row)  # explicitly, as a row that stays until the commit still counts as referring
    elif not change.implicit:
        for name in change.columns:
            _set(row, columns[name], change)


def _set(row: Row, column: ColumnSchema, change: Change) -> None:
    """What differs in a set that others may change too; else the whole value."""
    type_, (old, new) = column.type, change.columns[column.name]
    assert new is not None
    if not isinstance(new, Set) or not isinstance(old, Set) or type_.max is not None:
        row[column.name] = format_datum(type_, new)
        return
    delta = delta_between(type_, old, new)
    for atom in delta.added:
        row.add(column.name, format_atom(type_.key.type, atom))
    for atom in delta.removed:
        row.discard(column.name, format_atom(type_.key.type, atom))


# --- files


def _read_file(file: str) -> str:
    try:
        if file == STANDARD:
            return _standard_input().decode("utf-8-sig")
        with open(file, "rb") as opened:
            return opened.read().decode("utf-8-sig")
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise CommandError(f"{file}:{line}: this is not UTF-8") from None


@functools.cache
def _standard_input() -> bytes:
    """It can be read once, while commands may be executed again."""
    return sys.stdin.buffer.read()


def _write_file(file: str, text: str) -> None:
    """The whole file or none of it."""
    directory = os.path.dirname(file) or "."
    try:
        handle, temporary = tempfile.mkstemp(dir=directory, prefix=f".{os.path.basename(file)}.")
        try:
            with open(handle, "w", encoding="utf-8") as opened:
                opened.write(text)
            os.replace(temporary, file)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None
