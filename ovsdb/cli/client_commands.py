"""What ovsdb-client asks and how it shows the answers; one function for each command.

Rule: a command takes a Session and its arguments and yields text to print. It knows no options, no sockets.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from ovsdb.table import Cell, Datum, Printer, Raw, Style, Table, format_json

Schema = dict[str, Any]  # as get_schema answers it


class CommandError(Exception):
    """What the user asked for cannot be done; the text says why."""


@dataclass
class Session:
    """A server, the database chosen on it, and how to print."""

    server: str  # as the user named it
    call: Callable[[str, list[Any]], Any]
    receive: Callable[[], tuple[str, list[Any]]]  # the next notification: method and params
    style: Style
    timestamp: bool
    database: str = ""

    @functools.cached_property
    def schema(self) -> Schema:
        """The database's schema, asked for once."""
        return dict(self.call("get_schema", [self.database]))

    def columns(self, table: str) -> dict[str, Any]:
        """Return {column: type} of a table, with the columns that every table has."""
        named = {name: column["type"] for name, column in self.schema["tables"][table]["columns"].items()}
        return {**named, "_uuid": "uuid", "_version": "uuid"}


def is_many(kind: Any) -> bool:
    """Tell whether a column of this type (RFC 7047 section 3.2) may hold more than one atom."""
    return isinstance(kind, dict) and kind.get("max", 1) != 1


def list_dbs(session: Session, arguments: Sequence[str]) -> Iterator[str]:
    """Name the databases."""
    yield from (f"{name}\n" for name in sorted(session.call("list_dbs", [])))


def get_schema(session: Session, arguments: Sequence[str]) -> Iterator[str]:
    """Print the schema."""
    yield format_json(session.schema, pretty=session.style.pretty) + "\n"


def get_schema_version(session: Session, arguments: Sequence[str]) -> Iterator[str]:
    """Print the schema's version, an empty line where it has none."""
    yield f"{session.schema.get('version', '')}\n"


def get_schema_cksum(session: Session, arguments: Sequence[str]) -> Iterator[str]:
    """Print the schema's checksum, an empty line where it has none."""
    yield f"{session.schema.get('cksum', '')}\n"


def list_tables(session: Session, arguments: Sequence[str]) -> Iterator[str]:
    """List the tables."""
    names = sorted(session.schema["tables"])
    yield Printer(session.style).format(Table(["Table"], [[name] for name in names]))


def list_columns(session: Session, arguments: Sequence[str]) -> Iterator[str]:
    """List the columns of one table, or of all with the table's name before each."""
    wanted = arguments[0] if arguments else None
    table = Table(["Column", "Type"] if wanted else ["Table", "Column", "Type"])
    for name in sorted(session.schema["tables"]):
        if wanted in (None, name):
            head = [] if wanted else [name]
            columns = sorted(session.columns(name).items())
            table.rows.extend([*head, column, Raw(kind)] for column, kind in columns)
    yield Printer(session.style).format(table)


def transact(session: Session, arguments: Sequence[str]) -> Iterator[str]:
    """Run a transaction, given as the params of a transact request."""
    yield (
        format_json(session.call("transact", _transaction(arguments[0])), pretty=session.style.pretty) + "\n"
    )


def query(session: Session, arguments: Sequence[str]) -> Iterator[str]:
    """Run a transaction without changing anything: it is aborted at its end."""
    answers = session.call("transact", [*_transaction(arguments[0]), {"op": "abort"}])
    if answers and isinstance(answers[-1], dict) and answers[-1].get("error") == "aborted":
        answers = answers[:-1]
    yield format_json(answers, pretty=session.style.pretty) + "\n"


def _transaction(text: str) -> list[Any]:
    try:
        params = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise CommandError(f'"{text}": {error}') from error
    if not isinstance(params, list):
        raise CommandError(f'"{text}": a transaction is a JSON array: ["DATABASE", OPERATION, ...]')
    return params


def dump(session: Session, arguments: Sequence[str]) -> Iterator[str]:
    """Print whole tables, or the named columns of one table."""
    tables = session.schema["tables"]
    if arguments and arguments[0] not in tables:
        raise CommandError(f'No table "{arguments[0]}" found.')
    chosen = arguments[:1] or sorted(tables)
    columns = {}
    for name in chosen:
        known = session.columns(name)
        for column in arguments[1:]:
            if column not in known:
                raise CommandError(f'Table "{name}" has no column {column}.')
        columns[name] = sorted(arguments[1:]) or ["_uuid", *sorted(tables[name]["columns"])]
    operations = [{"op": "select", "table": name, "where": [], "columns": columns[name]} for name in chosen]
    answers = session.call("transact", [session.database, *operations])
    printer = Printer(session.style)
    for name, answer in zip(chosen, answers, strict=False):
        if answer is None or "rows" not in answer:
            raise CommandError(f"the server did not answer with rows: {format_json(answers)}")
        yield printer.format(_rows_as_table(session, name, columns[name], answer["rows"]))


def _rows_as_table(session: Session, name: str, columns: list[str], rows: list[dict[str, Any]]) -> Table:
    types = session.columns(name)
    cells = [[Datum(row[column], is_many(types[column])) for column in columns] for row in rows]
    # By contents, so that dumps of equal databases compare; random UUIDs only decide between equal rows.
    by = sorted(range(len(columns)), key=lambda n: columns[n] == "_uuid")
    cells.sort(key=lambda row: [_order(row[n].wire) for n in by])
    return Table(columns, list(cells), caption=f"{name} table")


def _order(wire: Any) -> tuple[int, Any]:
    """Return a key that sorts the values of one column: fewer members first, then member by member."""
    members = sorted(wire[1]) if isinstance(wire, list) and wire[0] in ("set", "map") else [wire]
    return len(members), members


@dataclass(frozen=True)
class Watch:
    """One table that is monitored: which columns, in which order, and the requests that say so."""

    table: str
    columns: list[str]
    requests: list[dict[str, Any]]


SELECT = ("initial", "insert", "delete", "modify")


def monitor(session: Session, arguments: Sequence[str]) -> Iterator[str]:
    """Print a table's rows, then every change to them, until the connection ends."""
    yield from _monitor(session, _watches(session, arguments), captions=list(arguments) == ["ALL"])


def _watches(session: Session, arguments: Sequence[str]) -> list[Watch]:
    tables = session.schema["tables"]
    if list(arguments) == ["ALL"] and "ALL" not in tables:
        return [_watch(session, name, [""]) for name in sorted(tables)]
    if arguments[0] not in tables:
        raise CommandError(
            f'{session.server}: {session.database} does not have a table named "{arguments[0]}"'
        )
    return [_watch(session, arguments[0], arguments[1:] or [""])]


def _watch(session: Session, table: str, groups: Sequence[str]) -> Watch:
    known = session.columns(table)
    every = [*sorted(session.schema["tables"][table]["columns"]), "_version"]
    columns: list[str] = []
    requests = []
    for group in groups:
        words = [word for word in group.split(",") if word]
        off = [word[1:] for word in words if word[0] == "!" and word[1:] in SELECT]
        named = [word for word in words if word[0] != "!" or word[1:] not in SELECT]
        for column in named:
            if column not in known:
                raise CommandError(
                    f'{session.server}: table "{table}" in {session.database} '
                    f'does not have a column named "{column}"'
                )
            if column in columns:
                raise CommandError(f'{session.server}: column "{column}" is named more than once')
        chosen = named or every
        columns += chosen
        requests.append({"columns": chosen, "select": {kind: kind not in off for kind in SELECT}})
    return Watch(table, columns, requests)


def _monitor(session: Session, watches: list[Watch], *, captions: bool) -> Iterator[str]:
    printer = Printer(session.style)
    params = {watch.table: watch.requests for watch in watches}
    updates = session.call("monitor", [session.database, None, params])
    yield from _show_updates(session, printer, watches, updates, captions=captions, initial=True)
    while True:
        method, notified = session.receive()
        if method == "update" and len(notified) == 2 and notified[0] is None:
            yield from _show_updates(session, printer, watches, notified[1], captions=captions, initial=False)


def _show_updates(
    session: Session, printer: Printer, watches: list[Watch], updates: Any, *, captions: bool, initial: bool
) -> Iterator[str]:
    """Print one table of changes for each table that changed."""
    for watch in watches:
        changes = updates.get(watch.table)
        if not changes:
            continue
        table = Table(["row", "action", *watch.columns], caption=watch.table if captions else "")
        if session.timestamp:
            now = datetime.now(UTC)
            table.timestamp = f"{now:%Y-%m-%d %H:%M:%S}.{now.microsecond // 1000:03}"
        types = session.columns(watch.table)
        for uuid, change in changes.items():
            table.rows.extend(_change_rows(watch.columns, types, uuid, change, initial=initial))
        yield printer.format(table)


def _change_rows(
    columns: list[str], types: dict[str, Any], uuid: str, change: dict[str, Any], *, initial: bool
) -> Iterator[list[Cell]]:
    old, new = change.get("old"), change.get("new")

    def cells(values: dict[str, Any]) -> list[Cell]:
        return [Datum(values[c], is_many(types[c])) if c in values else None for c in columns]

    if old is not None and new is not None:
        yield [uuid, "old", *cells(old)]
        yield ["", "new", *cells(new)]
    elif new is not None:
        yield [uuid, "initial" if initial else "insert", *cells(new)]
    elif old is not None:
        yield [uuid, "delete", *cells(old)]


@dataclass(frozen=True)
class Command:
    """A command: its function, whether it works on one database, and how many arguments follow that."""

    run: Callable[[Session, Sequence[str]], Iterator[str]]
    needs_database: bool
    least: int
    most: int | None  # None: any number


COMMANDS = {
    "list-dbs": Command(list_dbs, False, 0, 0),
    "get-schema": Command(get_schema, True, 0, 0),
    "get-schema-version": Command(get_schema_version, True, 0, 0),
    "get-schema-cksum": Command(get_schema_cksum, True, 0, 0),
    "list-tables": Command(list_tables, True, 0, 0),
    "list-columns": Command(list_columns, True, 0, 1),
    "transact": Command(transact, False, 1, 1),
    "query": Command(query, False, 1, 1),
    "dump": Command(dump, True, 0, None),
    "monitor": Command(monitor, True, 1, None),
}
