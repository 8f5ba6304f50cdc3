"""monitor, monitor-cond and monitor-cond-since: contents of tables, then every change to them.

Rule: as in `client_commands`. The three ways differ in how changes come over the wire (RFC 7047, 4.1.6, and
ovsdb-server(7): whole old values, or differences), not in how they are asked for or printed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ovsdb.cells import Cell, read_datum
from ovsdb.cli.client_session import CommandError, Following, Session, parse_json
from ovsdb.table import Printer, Table
from rpc.message import Message, Notification

SELECT = ("initial", "insert", "delete", "modify")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
NO_TRANSACTION = "00000000-0000-0000-0000-000000000000"

Cells = Callable[[Mapping[str, Any]], list[Cell]]  # of the columns that are shown
Rows = Iterator[list[Cell]]


@dataclass(frozen=True)
class Watch:
    """One table that is monitored: which columns, in which order, and the requests that say so."""

    table: str
    columns: list[str]
    requests: list[dict[str, Any]]


def monitor(session: Session, arguments: Sequence[str]) -> Following:
    """Print a table's rows, or those of ALL, then every change to them."""
    if list(arguments) == ["ALL"] and "ALL" not in session.schema["tables"]:
        watches = [_watch(session, name, [""], {}) for name in sorted(session.schema["tables"])]
    else:
        watches = [_watch(session, arguments[0], arguments[1:], {})]
    show = _Show(session, watches, _v1_rows, captions=list(arguments) == ["ALL"])
    return _follow(session, "monitor", show, "update")


def monitor_cond(session: Session, arguments: Sequence[str]) -> Following:
    """Print the rows of a table that meet conditions, then every change to them."""
    where = {"where": parse_json(arguments[0])}
    show = _Show(session, [_watch(session, arguments[1], arguments[2:], where)], _v2_rows)
    return _follow(session, "monitor_cond", show, "update2")


def monitor_cond_since(session: Session, arguments: Sequence[str]) -> Following:
    """The same, beginning with what has changed since a transaction, where the server still knows."""
    words = list(arguments)
    last_id = words.pop(0) if _UUID.fullmatch(words[0]) else NO_TRANSACTION
    if len(words) < 2:
        raise CommandError("invalid syntax for 'monitor-cond-since' (use --help for help)")
    where = {"where": parse_json(words[0])}
    show = _Show(session, [_watch(session, words[1], words[2:], where)], _v2_rows)
    return _follow(session, "monitor_cond_since", show, "update3", last_id)


def _watch(session: Session, table: str, groups: Sequence[str], where: dict[str, Any]) -> Watch:
    tables = session.schema["tables"]
    if table not in tables:
        raise CommandError(f'{session.server}: {session.database} does not have a table named "{table}"')
    known = session.columns(table)
    every = [*sorted(tables[table]["columns"]), "_version"]
    columns: list[str] = []
    requests = []
    for group in groups or [""]:
        words = [word for word in group.split(",") if word]
        off = [word[1:] for word in words if word[0] == "!" and word[1:] in SELECT]
        named = [word for word in words if word[0] != "!" or word[1:] not in SELECT]
        for column in named:
            if column not in known:
                raise CommandError(
                    f'{session.server}: table "{table}" in {session.database} '
                    f'does not have a column named "{column}"'
                )
        chosen = named or every
        columns += chosen
        requests.append({**where, "columns": chosen, "select": {kind: kind not in off for kind in SELECT}})
    for column in columns:
        if columns.count(column) > 1:
            raise CommandError(f'{session.server}: column "{column}" mentioned multiple times')
    return Watch(table, columns, requests)


def _follow(session: Session, method: str, show: _Show, update: str, *last_id: str) -> Following:
    """`last_id` is there for the method that takes one, and says one with each update."""

    def answer() -> Iterator[str]:
        session.ask_to_be_told()
        requests = {watch.table: watch.requests for watch in show.watches}
        result = session.call(method, [session.database, None, requests, *last_id])
        if last_id:
            found, last, result = result
            yield f"found: {'true' if found else 'false'}, last_id: {last}\n"
        yield from show.updates(result, initial=True)

    def react(message: Message) -> Iterator[str]:
        if not isinstance(message, Notification):
            return
        params = message.params
        if message.method == update and len(params) == 2 + len(last_id) and params[0] is None:
            if last_id:
                yield f"\nlast_id: {params[1]}\n"
                show.printer.forget()  # the line is what separates
            yield from show.updates(params[-1], initial=False)
        elif message.method == "monitor_canceled" and list(params) == [None]:
            raise CommandError(f"{session.server}: {session.database} database was removed")

    return Following(answer(), react)


class _Show:
    """Turns updates into tables of changes."""

    def __init__(
        self,
        session: Session,
        watches: list[Watch],
        rows: Callable[[Cells, str, Mapping[str, Any], bool], Rows],
        *,
        captions: bool = False,
    ) -> None:
        self.watches = watches
        self.printer = Printer(session.style)
        self._session = session
        self._rows = rows
        self._captions = captions

    def updates(self, updates: Any, *, initial: bool) -> Iterator[str]:
        """Print one table of changes for each table that changed."""
        for watch in self.watches:
            changes = updates.get(watch.table)
            if not changes:
                continue
            table = Table(["row", "action", *watch.columns], caption=watch.table if self._captions else "")
            if self._session.timestamp:
                now = datetime.now(UTC)
                table.timestamp = f"{now:%Y-%m-%d %H:%M:%S}.{now.microsecond // 1000:03}"
            types = self._session.columns(watch.table)
            kinds = {name: types[name] for name in watch.columns}

            def cells(values: Mapping[str, Any], kinds: dict[str, Any] = kinds) -> list[Cell]:
                return [
                    read_datum(values[name], kind) if name in values else None for name, kind in kinds.items()
                ]

            for uuid, change in changes.items():
                table.rows.extend(self._rows(cells, uuid, change, initial))
            yield self.printer.format(table)


def _v1_rows(cells: Cells, uuid: str, change: Mapping[str, Any], initial: bool) -> Rows:
    """Of a <row-update>: "old" and "new", either of which may be missing."""
    old, new = change.get("old"), change.get("new")
    if old is not None and new is not None:
        yield [uuid, "old", *cells(old)]
        yield ["", "new", *cells(new)]
    elif new is not None:
        yield [uuid, "initial" if initial else "insert", *cells(new)]
    elif old is not None:
        yield [uuid, "delete", *cells(old)]


def _v2_rows(cells: Cells, uuid: str, change: Mapping[str, Any], initial: bool) -> Rows:
    """Of a <row-update2>: one of "initial", "insert", "modify" with a row, or "delete" with null."""
    for action, values in change.items():
        yield [uuid, action, *cells(values or {})]
