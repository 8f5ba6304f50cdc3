"""Tables, columns and records as users name them (ovs-vsctl(8), "Identifying Tables, Records, and Columns").

Rule: a name given on the command line becomes a table, a column or a row here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from ovsdb.datum import Value, default_value, format_datum, parse_datum
from ovsdb.schema import BaseType, ColumnSchema, ColumnType, Schema, TableSchema
from ovsdb.uuids import is_uuid
from rpc.jsonvalue import Json
from rpc.structs import Struct
from vsctl.errors import CommandError
from vsctl.model import Model
from vsctl.store import Row
from vsctl.values import read_token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ovsdb.cells import Datum
    from vsctl.grammar import Call

UUID_COLUMN = ColumnSchema("_uuid", ColumnType(BaseType("uuid")), mutable=False)
MIN_UUID_DIGITS = 4  # of an abbreviated UUID


class RecordName(Struct):
    """A way to name the rows of a table: by a column of a row that they are, or that refers to them.

    Whatever the table, "." names its only row.
    """

    table: str  # where the name is
    column: str
    reference: str = ""  # the column of `table` that refers to the row; empty: the row is of `table` itself


RECORD_NAMES: dict[str, tuple[RecordName, ...]] = {
    "AutoAttach": (RecordName("Bridge", "name", "auto_attach"),),
    "Bridge": (RecordName("Bridge", "name"),),
    "Controller": (RecordName("Bridge", "name", "controller"),),
    "Flow_Sample_Collector_Set": (RecordName("Flow_Sample_Collector_Set", "id"),),
    "Flow_Table": (RecordName("Flow_Table", "name"),),
    "IPFIX": (RecordName("Bridge", "name", "ipfix"),),
    "Interface": (RecordName("Interface", "name"),),
    "Manager": (RecordName("Manager", "target"),),
    "Mirror": (RecordName("Mirror", "name"),),
    "NetFlow": (RecordName("Bridge", "name", "netflow"),),
    "Port": (RecordName("Port", "name"),),
    "QoS": (RecordName("Port", "name", "qos"),),
    "sFlow": (RecordName("Bridge", "name", "sflow"),),
}


class ColumnKey(Struct):
    """COLUMN[:KEY], and what follows it."""

    column: ColumnSchema
    key: str | None  # still in its quotes
    rest: str


class Table(Struct):
    """A table that the server has."""

    schema: TableSchema

    @classmethod
    def named(cls, schema: Schema, name: str) -> Table:
        """The table whose name `name` is or abbreviates."""
        matching = _best_matches(schema.tables, name)
        if len(matching) == 1:
            return cls(schema.tables[matching[0]])
        if matching:
            raise CommandError(f'"{name}" matches multiple table names: {", ".join(sorted(matching))}')
        from vsctl.remedies import did_you_mean

        raise CommandError(f'unknown table "{name}"', did_you_mean(name, list(schema.tables)))

    @property
    def name(self) -> str:
        """As the schema spells it."""
        return self.schema.name

    def column(self, name: str) -> ColumnSchema:
        """The column whose name `name` is or abbreviates."""
        if name == "_uuid":
            return UUID_COLUMN
        matching = _best_matches(self.schema.columns, name)
        if len(matching) == 1:
            return self.schema.columns[matching[0]]
        if matching:
            raise CommandError(
                f'{self.name} contains more than one column whose name matches "{name}": '
                + ", ".join(sorted(matching))
            )
        from vsctl.remedies import did_you_mean

        raise CommandError(
            f'{self.name} does not contain a column whose name matches "{name}"',
            did_you_mean(name, list(self.schema.columns)),
        )

    def own_column(self, name: str) -> ColumnSchema:
        """The same, but not _uuid, which cannot be written."""
        if name == "_uuid":
            raise CommandError(f'{self.name} does not contain a column whose name matches "{name}"')
        return self.column(name)

    def columns(self, names: str | None) -> list[ColumnSchema]:
        """The columns of an option --columns=NAME,...; without it all, _uuid first, the others in order."""
        if names is None:
            return [UUID_COLUMN, *(self.schema.columns[name] for name in sorted(self.schema.columns))]
        columns = [self.column(name) for name in names.replace(",", " ").split()]
        if not columns:
            raise CommandError("must specify at least one column name")
        return columns

    def require_writable(self, row: Row, column: ColumnSchema) -> None:
        """CommandError if the column cannot be changed; in a row of this run, every one can."""
        if not column.mutable and not row.is_new:
            raise CommandError(f"cannot modify read-only column {column.name} in table {self.name}")

    def parse_column(self, text: str) -> tuple[ColumnSchema, int]:
        """COLUMN at the beginning of `text`, and where it ends."""
        name, end = read_token(text, 0)
        if not name:
            raise CommandError(f"{text}: missing column name")
        return self.column(name), end

    def parse_column_key(self, text: str) -> ColumnKey:
        """COLUMN, or COLUMN:KEY, at the beginning of `text`."""
        column, end = self.parse_column(text)
        if not text.startswith(":", end):
            return ColumnKey(column, None, text[end:])
        key, end = read_token(text, end + 1)
        return ColumnKey(column, key, text[end:])


def _best_matches(names: Collection[str], wanted: str) -> list[str]:
    """The names that `wanted` is, whatever the case and the kind of dash; else those that begin with it."""
    if wanted in names:
        return [wanted]
    wanted_plain = wanted.lower().replace("-", "_")
    matching = []
    for name in names:
        if name.lower().startswith(wanted_plain):
            matching.append(name)
    exact = [name for name in matching if name.lower() == wanted_plain]
    return exact[:1] if exact else matching if wanted else []


# --- looked at before any command is executed


def check_table(schema: Schema, call: Call) -> None:
    """The first argument names a table, the option --columns some of its columns."""
    _checked_table(schema, call)


def check_columns(first: int, last: int | None = None) -> Callable[[Schema, Call], None]:
    """The check of a command whose arguments from `first` on are columns that it changes."""

    def check(schema: Schema, call: Call) -> None:
        table = _checked_table(schema, call)
        for text in call.args[first:last]:
            table.own_column(text)

    return check


def check_keys(first: int) -> Callable[[Schema, Call], None]:
    """The check of a command whose arguments from `first` on are COLUMN[:KEY]."""

    def check(schema: Schema, call: Call) -> None:
        table = _checked_table(schema, call)
        for text in call.args[first:]:
            if text != UUID_COLUMN.name:
                table.own_column(table.parse_column(text)[0].name)

    return check


def check_conditions(first: int) -> Callable[[Schema, Call], None]:
    """The check of a command whose arguments from `first` on are COLUMN[:KEY]=VALUE."""

    def check(schema: Schema, call: Call) -> None:
        table = _checked_table(schema, call)
        for text in call.args[first:]:
            table.own_column(table.parse_column(text)[0].name)

    return check


def _checked_table(schema: Schema, call: Call) -> Table:
    table = Table.named(schema, call.args[0])
    columns = call.options.get("columns")
    if isinstance(columns, str):
        table.columns(columns)
    return table


def value_of(row: Row, column: ColumnSchema) -> Value:
    """The value of a column, as the commands before in this run have left it."""
    if column is UUID_COLUMN:
        return row.uuid
    wire = row[column.name]
    return default_value(column.type) if wire is None else parse_datum(column.type, wire)


def datum(column: ColumnSchema, value: Value) -> Datum:
    """The value for printing."""
    from ovsdb.cells import Datum  # not to be loaded by commands that print nothing

    many = not column.type.is_scalar and column.type.max != 1
    return Datum(format_datum(column.type, value), many)


# --- records


def find_record(model: Model, table: Table, name: str, columns: Sequence[str] = ()) -> Row | None:
    """The row that a UUID, @name, record name or the beginning of a UUID stands for; `columns` will be needed
    of it.
    """
    if name.startswith("@"):
        uuid = model.symbols.find(name)
        return None if uuid is None else model.store.row(table.name, uuid)
    if is_uuid(name):
        return _first(model.store.find(table.name, "_uuid", ["uuid", name.lower()], columns))
    for record_name in RECORD_NAMES.get(table.name, ()):
        row = _find_named(model, table, record_name, name, columns)
        if row is not None:
            return row
    if name == ".":
        rows = all_records(model, table)
        return rows[0] if len(rows) == 1 else None
    return _find_abbreviated(model, table, name)


def all_records(model: Model, table: Table, columns: Sequence[str] = (), *, verify: bool = True) -> list[Row]:
    """The rows of a table; the row of the switch is made before anybody looks for it."""
    if table.name == "Open_vSwitch" and model.switch.is_new:
        return [model.switch]
    return model.store.all(table.name, columns, verify=verify)


def record(
    model: Model, table: Table, name: str, columns: Sequence[str] = (), *, must_exist: bool = True
) -> Row | None:
    """The same, with a CommandError if the row must exist and does not."""
    row = find_record(model, table, name, columns)
    if row is None and must_exist:
        raise CommandError(f'no row "{name}" in table {table.name}')
    return row


def _first(rows: Sequence[Row]) -> Row | None:
    return rows[0] if rows else None


def _find_named(
    model: Model, table: Table, record_name: RecordName, name: str, columns: Sequence[str]
) -> Row | None:
    where = record_name.table
    value: Json = name
    if model.schema.tables[where].columns[record_name.column].type.key.type == "integer":
        if not (name.isascii() and name.isdigit()):
            return None
        value = int(name)
    needed = [record_name.reference] if record_name.reference else columns
    rows = model.store.find(where, record_name.column, value, needed)
    if len(rows) > 1:
        raise CommandError(f'multiple rows in {where} match "{name}"')
    if not rows or not record_name.reference:
        return _first(rows)
    refs = rows[0].refs(record_name.reference)
    return model.store.row(table.name, refs[0]) if len(refs) == 1 else None


def _find_abbreviated(model: Model, table: Table, name: str) -> Row | None:
    """By the first digits of its UUID."""
    digits = name.lower()
    if len(digits) < MIN_UUID_DIGITS or not set(digits) <= set("0123456789abcdef-"):
        return None
    rows = [row for row in model.store.all(table.name, verify=False) if row.uuid.startswith(digits)]
    if len(rows) > 1:
        raise CommandError(f"{table.name} contains 2 or more rows whose UUIDs begin with {name}")
    return _first(rows)
