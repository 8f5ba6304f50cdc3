"""Commands about records of any table: list, find, get, set, add, remove, clear, create, destroy, wait-
until, comment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import cache

from ovsdb.datum import Value, default_value, format_atom_text, format_datum, format_value_text
from ovsdb.schema import Atom, ColumnSchema, ColumnType
from ovsdb.uuids import is_uuid
from vsctl.errors import CommandError, TryAgain
from vsctl.grammar import command
from vsctl.model import Model
from vsctl.output import NewRow, Report, lines
from vsctl.store import Row
from vsctl.tables import (
    UUID_COLUMN,
    Table,
    all_records,
    check_columns,
    check_conditions,
    check_keys,
    check_table,
    datum,
    record,
    value_of,
)
from vsctl.values import parse_atom, parse_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ovsdb.cells import Datum
    from ovsdb.table import Table as Printed
    from vsctl.conditions import Condition

Items = dict[Atom, Atom | None]  # the pairs of a map, or the values of a set, each with None


@command("list", "!TABLE *RECORD", check=check_table)
def list_records(
    model: Model, table: str, *records: str, if_exists: bool = False, columns: str | None = None
) -> Printed:
    """Print records, all of the table if none is named."""
    found = Table.named(model.schema, table)
    shown = found.columns(columns)
    if records:
        rows = [record(model, found, name, must_exist=not if_exists) for name in records]
    else:
        rows = [*all_records(model, found, _stored(shown), verify=False)]
    return _printed(model, shown, [row for row in rows if row is not None])


@command("find", "!TABLE *COLUMN?:KEY=VALUE", check=check_conditions(1))
def find(model: Model, table: str, *conditions: str, columns: str | None = None) -> Printed:
    """Print the records that satisfy all conditions."""
    from vsctl.conditions import parse_condition

    found = Table.named(model.schema, table)
    shown = found.columns(columns)
    needed = [*(found.parse_column(text)[0] for text in conditions), *shown]
    rows = all_records(model, found, _stored(needed), verify=False)

    @cache  # as the C tool, reads what to compare with only when there is a row to be compared
    def condition(text: str) -> Condition:
        return parse_condition(found, text, model.symbols)

    rows = [row for row in rows if all(condition(text).holds(row) for text in conditions)]
    return _printed(model, shown, rows)


def _stored(columns: Sequence[ColumnSchema]) -> list[str]:
    return [column.name for column in columns if column is not UUID_COLUMN]


def _printed(model: Model, columns: Sequence[ColumnSchema], rows: Sequence[Row]) -> Printed:
    from ovsdb.table import Table as Printed

    model.store.load(rows, _stored(columns))
    table = Printed([column.name for column in columns])
    table.rows += [[_datum(column, row) for column in columns] for row in rows]
    return table


def _datum(column: ColumnSchema, row: Row) -> Datum:
    return datum(column, value_of(row, column))


@command("get", "!TABLE !RECORD *COLUMN?:KEY", check=check_keys(2))
def get(
    model: Model, table: str, name: str, *columns: str, if_exists: bool = False, id: str | None = None
) -> Report:
    """Print columns of a record, or the value of a key in one; give the record an @name."""
    if if_exists and id is not None:
        raise CommandError("--if-exists and --id may not be specified together")
    found = Table.named(model.schema, table)
    stored = _stored([found.parse_column(text)[0] for text in columns])
    row = record(model, found, name, stored, must_exist=not if_exists)
    if row is None:
        return Report("", None)
    if id is not None:
        model.symbols.define_existing(id, row.uuid)
    model.store.load([row], stored)
    texts: list[str] = []
    values: list[Datum | None] = []
    for text in columns:
        column, key_text, rest = found.parse_column_key(text)
        if rest:
            raise CommandError(f'{text}: trailing garbage "{rest}" in argument')
        value = value_of(row, column)
        if key_text is None:
            texts.append(format_value_text(column.type, value))
            values.append(_datum(column, row))
            continue
        if column.type.value is None:
            raise CommandError(f"cannot specify key to get for non-map column {column.name}")
        assert isinstance(value, Mapping)
        key = parse_atom(column.type.key, key_text, model.symbols)
        if key in value:
            texts.append(format_atom_text(column.type.value.type, value[key]))
            values.append(datum(ColumnSchema(column.name, ColumnType(column.type.value)), value[key]))
        elif if_exists:
            texts.append("")
            values.append(None)
        else:
            raise CommandError(f'no key "{key_text}" in {found.name} record "{name}" column {column.name}')
    return lines(texts, values)


@command("set", "!TABLE !RECORD +COLUMN?:KEY=VALUE", writes=True, check=check_conditions(2))
def set_columns(
    model: Model, table: str, name: str, setting: str, *settings: str, if_exists: bool = False
) -> None:
    """Set columns of a record, or keys in them."""
    found = Table.named(model.schema, table)
    texts = (setting, *settings)
    stored = _stored([found.parse_column(text)[0] for text in texts])
    row = record(model, found, name, stored, must_exist=not if_exists)
    if row is not None:
        for text in texts:
            set_column(model, found, row, text)


def set_column(model: Model, table: Table, row: Row, text: str) -> None:
    """COLUMN[:KEY]=VALUE."""
    column, key_text, rest = table.parse_column_key(text)
    if not rest.startswith("=") or rest == "=":
        raise CommandError(f'{text}: argument does not end in "=" followed by a value.')
    table.own_column(column.name)
    table.require_writable(row, column)
    if key_text is None:
        value = parse_value(column.type, rest[1:], model.symbols)
    else:
        if column.type.value is None:
            raise CommandError(f"cannot specify key to set for non-map column {column.name}")
        key = parse_atom(column.type.key, key_text, model.symbols)
        other = parse_atom(column.type.value, rest[1:], model.symbols)
        old = value_of(row, column)
        assert isinstance(old, Mapping)
        value = {**old, key: other}
    _write(row, column, value)


def _write(row: Row, column: ColumnSchema, value: Value) -> None:
    if row.is_new or value != value_of(row, column):
        row[column.name] = format_datum(column.type, value)


@command("add", "!TABLE !RECORD !COLUMN +?KEY=VALUE", writes=True, check=check_columns(2, 3))
def add(
    model: Model, table: str, name: str, column: str, value: str, *values: str, if_exists: bool = False
) -> None:
    """Add values or pairs to a column; a key that is there keeps its value."""
    _change_items(model, (table, name, column), (value, *values), if_exists, "add", _added)


@command("remove", "!TABLE !RECORD !COLUMN +KEY|VALUE|KEY=VALUE", writes=True, check=check_columns(2, 3))
def remove(
    model: Model, table: str, name: str, column: str, value: str, *values: str, if_exists: bool = False
) -> None:
    """Remove values, keys or pairs from a column."""
    _change_items(model, (table, name, column), (value, *values), if_exists, "remove", _without)


def _change_items(
    model: Model,
    place: tuple[str, str, str],  # table, record, column
    texts: Iterable[str],
    if_exists: bool,
    operation: str,
    change: Callable[[Model, ColumnType, Items, str], Items],
) -> None:
    """Write what `change` makes of the items in a column with one text after the other."""
    found = Table.named(model.schema, place[0])
    column = found.column(place[2])
    row = record(model, found, place[1], must_exist=not if_exists)
    if row is None:
        return
    found.require_writable(row, column)
    items = _items(value_of(row, column))
    for text in texts:
        items = change(model, column.type, items, text)
    _write_items(row, column, items, operation)


def _added(model: Model, type_: ColumnType, items: Items, text: str) -> Items:
    return _items(parse_value(_one_or_more(type_), text, model.symbols)) | items


def _without(model: Model, type_: ColumnType, items: Items, text: str) -> Items:
    gone = _parse_removed(model, type_, text)
    if isinstance(gone, Mapping):
        return {k: v for k, v in items.items() if not (k in gone and gone[k] == v)}
    return {k: v for k, v in items.items() if k not in gone}


def _parse_removed(model: Model, type_: ColumnType, text: str) -> Mapping[Atom, Atom] | Set[Atom]:
    """Pairs or keys of a map; values of a set."""
    value: Value
    try:
        value = parse_value(_one_or_more(type_), text, model.symbols)
    except CommandError:
        if not type_.is_map:
            raise
        value = parse_value(ColumnType(type_.key, None, 1, None), text, model.symbols)
    assert isinstance(value, (Mapping, Set))
    return value


def _one_or_more(type_: ColumnType) -> ColumnType:
    return ColumnType(type_.key, type_.value, 1, None)


def _items(value: Value) -> Items:
    if isinstance(value, Mapping):
        return dict(value)
    return dict.fromkeys(value) if isinstance(value, Set) else {value: None}


def _write_items(row: Row, column: ColumnSchema, items: Items, operation: str) -> None:
    type_, what = column.type, "pairs" if column.type.is_map else "values"
    count = len(items)
    would = f'"{operation}" operation would put {count} {what} in column {column.name} of table {row.table}'
    if count < type_.min:
        raise CommandError(f"{would} but the minimum number is {type_.min}")
    if type_.max is not None and count > type_.max:
        raise CommandError(f"{would} but the maximum number is {type_.max}")
    if type_.is_map:
        _write(row, column, items)  # type: ignore[arg-type]  # every element of a map has a value
    else:
        _write(row, column, next(iter(items)) if type_.is_scalar else frozenset(items))


@command("clear", "!TABLE !RECORD +COLUMN", writes=True, check=check_columns(2))
def clear(model: Model, table: str, name: str, column: str, *columns: str, if_exists: bool = False) -> None:
    """Empty columns of a record."""
    found = Table.named(model.schema, table)
    wanted = [found.column(text) for text in (column, *columns)]
    row = record(model, found, name, must_exist=not if_exists)
    if row is None:
        return
    for cleared in wanted:
        found.require_writable(row, cleared)
        if cleared.type.min > 0:
            raise CommandError(
                f'"clear" operation cannot be applied to column {cleared.name} of table {found.name}, '
                "which is not allowed to be empty"
            )
        _write(row, cleared, default_value(cleared.type))


@command("create", "!TABLE +COLUMN?:KEY=VALUE", writes=True, check=check_table)
def create(model: Model, table: str, setting: str, *settings: str, id: str | None = None) -> NewRow:
    """Make a record; give it an @name, or the UUID that it is to have."""
    found = Table.named(model.schema, table)
    uuid = None
    if id is not None:
        uuid = id.lower() if is_uuid(id) else model.symbols.define(id)
    row = model.store.insert(found.name, {}, uuid, keep_uuid=id is not None and is_uuid(id))
    for text in (setting, *settings):
        set_column(model, found, row, text)
    if id is None and not found.schema.is_root:
        model.warn(f'applying "create" command to table {found.name} without --id option will have no effect')
    return NewRow(row)


@command("destroy", "!TABLE *RECORD", writes=True, check=check_table)
def destroy(model: Model, table: str, *records: str, if_exists: bool = False, all: bool = False) -> None:
    """Delete records; of tables that are not root, the server decides."""
    if all and records:
        raise CommandError("--all and records argument should not be specified together")
    if all and if_exists:
        raise CommandError("--all and --if-exists should not be specified together")
    found = Table.named(model.schema, table)
    if all:
        rows: list[Row | None] = [*model.store.all(found.name)]
    else:
        rows = [record(model, found, name, must_exist=not if_exists) for name in records]
    for row in filter(None, rows):
        if found.schema.is_root:
            model.store.delete(row)
        elif row.is_new:
            model.store.hide(row)


@command("wait-until", "!TABLE !RECORD *COLUMN?:KEY=VALUE", check=check_conditions(2))
def wait_until(model: Model, table: str, name: str, *conditions: str) -> None:
    """Wait until a record exists and satisfies all conditions."""
    from vsctl.conditions import parse_condition

    found = Table.named(model.schema, table)
    row = record(model, found, name, must_exist=False)
    if row is None or not all(parse_condition(found, text, model.symbols).holds(row) for text in conditions):
        what = f'record "{name}" of table {found.name} {"satisfies " if conditions else "exists"}'
        raise TryAgain(frozenset([found.name, "Bridge", "Port"]), what + " ".join(conditions))


@command("comment", "*ARG")
def comment(model: Model, *words: str) -> None:
    """Do nothing; what was said stands in the database's log with the command line."""
