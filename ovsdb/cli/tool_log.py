"""ovsdb-tool log: the commits in a database file, with author, date, comment and changes; one row's life.

Rule: it reads as a server does, up to the first damage, which is told at the end.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from appctl.command_line import CliError
from ovsdb.cli.progress import Progress
from ovsdb.cli.tool_command import Options
from ovsdb.cli.tool_common import database_path

if TYPE_CHECKING:
    from ovsdb.commit_log import Commit, Filter, RowHistory


def log(options: Options, words: list[str]) -> None:
    """log [DB]."""
    from ovsdb.commit_log import Filter, SinceId, parse_since

    path = database_path(words)
    since: datetime | str | None = None
    if options.since:
        try:
            since = parse_since(options.since, datetime.now().astimezone())
        except (ValueError, OverflowError):
            raise CliError(f'--since: "{options.since}" is neither a time nor the id of a commit') from None
    moment = int(since.timestamp() * 1000) if isinstance(since, datetime) else None
    wanted = Filter(options.table, options.record, moment)
    commits = _read(path, wanted)
    if isinstance(since, str):
        start = SinceId(since)
        chosen = start.after(commits)
        _print(options, chosen)
        if not start.found:
            raise CliError(f"{path}: no commit has the id {since}")
        return
    _print(options, (commit for _, commit in commits if commit is not None))


def _read(path: Path, wanted: Filter) -> Iterator[tuple[str, Commit | None]]:
    """The id of each commit, and what is to be said of it, if anything; StorageError at damage."""
    import time

    from ovsdb.commit_log import describe_commit, format_id
    from ovsdb.engine.database import Database
    from ovsdb.hosted import replay
    from ovsdb.schema import Schema
    from ovsdb.storage.file import FileStorage

    storage = FileStorage(path, time.monotonic(), lock=False)
    try:
        database = Database(Schema.parse(storage.schema))
        if wanted.table and wanted.table not in database.tables:
            raise CliError(f"{path}: no table {wanted.table} in database {database.schema.name}")
        with Progress(f"reading {path.name}", path.stat().st_size) as progress:
            for stored, changes in replay(database, storage):
                progress(storage.size)
                commit = describe_commit(stored.id, stored.value, changes, database.tables, wanted)
                yield format_id(stored.id), commit
        if storage.damage is not None:
            raise storage.damage
    finally:
        storage.close()


def _print(options: Options, commits: Iterator[Commit]) -> None:
    if options.last is not None:
        commits = iter(_last(commits, options.last))
    _FORMATS[options.format](commits)


def _last(commits: Iterator[Commit], count: int) -> Iterable[Commit]:
    return deque(commits, count)


def _print_text(commits: Iterator[Commit]) -> None:
    for commit in commits:
        sys.stdout.write("\n".join(_text(commit)) + "\n\n")


def _text(commit: Commit) -> Iterator[str]:
    yield f"commit {commit.id}"
    if commit.author is not None:
        yield f"Author: {commit.author.describe()}"
    if commit.date is not None:
        yield f"Date:   {_date(commit.date)}"
    for line in commit.comment.splitlines():
        yield f"    {line}"
    for row in commit.rows:
        yield f"  {_SIGNS[row.kind]} {row.table} {_label(row)}"
        if row.kind != "delete":
            for column in row.columns:
                yield f"      {column.name}: {column.text}"


_SIGNS = {"insert": "+", "modify": "~", "delete": "-"}


def _label(row: RowHistory) -> str:
    return f"{row.name} ({row.uuid[:8]})" if row.name else row.uuid


def _date(milliseconds: int) -> str:
    from ovsdb.cli.show_log import format_date

    return format_date(milliseconds)


def _print_json(commits: Iterator[Commit]) -> None:
    shown = [commit.to_json() for commit in commits]
    print(orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode())


def _print_table(commits: Iterator[Commit]) -> None:
    from ovsdb.table import Printer, Style, Table

    table = Table(["id", "date", "author", "comment", "changes"])
    for commit in commits:
        changes = " ".join(f"{_SIGNS[row.kind]}{row.table}:{row.name or row.uuid[:8]}" for row in commit.rows)
        table.rows.append(
            [
                commit.id[:8],
                "" if commit.date is None else _date(commit.date),
                "" if commit.author is None else commit.author.describe(),
                " / ".join(commit.comment.splitlines()),
                changes,
            ]
        )
    sys.stdout.write(Printer(Style()).format(table))


_FORMATS: dict[str, Callable[[Iterator[Commit]], None]] = {
    "text": _print_text,
    "json": _print_json,
    "table": _print_table,
}
