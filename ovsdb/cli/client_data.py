"""The commands of ovsdb-client that read and change data: transact, query, dump.

Rule: as in `client_commands`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ovsdb.cells import read_datum
from ovsdb.cli.client_session import CommandError, Session, parse_json
from ovsdb.table import Printer, Table, format_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def transact(session: Session, arguments: Sequence[str]) -> Iterator[str]:
    """Run a transaction, given as the params of a transact request."""
    answer = session.call("transact", _transaction(arguments[0]))
    yield format_json(answer, pretty=session.style.pretty) + "\n"


def query(session: Session, arguments: Sequence[str]) -> Iterator[str]:
    """Run a transaction without changing anything: it is aborted at its end."""
    answers = session.call("transact", [*_transaction(arguments[0]), {"op": "abort"}])
    if answers and isinstance(answers[-1], dict) and answers[-1].get("error") == "aborted":
        answers = answers[:-1]
    yield format_json(answers, pretty=session.style.pretty) + "\n"


def _transaction(text: str) -> list[Any]:
    params = parse_json(text)
    if not (isinstance(params, list) and params and isinstance(params[0], str)):
        raise CommandError('not a valid OVSDB query: it is a JSON array, ["DATABASE", OPERATION, ...]')
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
    answers = session.transact(operations)
    printer = Printer(session.style)
    for name, answer in zip(chosen, answers, strict=False):
        yield printer.format(_rows_as_table(session, name, columns[name], answer["rows"]))


def _rows_as_table(session: Session, name: str, columns: list[str], rows: list[dict[str, Any]]) -> Table:
    types = session.columns(name)
    cells = [[read_datum(row[column], types[column]) for column in columns] for row in rows]
    # By contents, so that dumps of equal databases compare; random UUIDs only decide between equal rows.
    by = sorted(range(len(columns)), key=lambda n: columns[n] == "_uuid")
    cells.sort(key=lambda row: [_order(row[n].wire) for n in by])
    return Table(columns, list(cells), caption=f"{name} table")


def _order(wire: Any) -> tuple[int, Any]:
    """Return a key that sorts the values of one column: fewer members first, then member by member."""
    members = sorted(wire[1]) if isinstance(wire, list) and wire[0] in ("set", "map") else [wire]
    return len(members), members
