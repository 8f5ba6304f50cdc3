"""history: the commits of a database that is served, with author, time and comment.

Rule: as in `client_commands`. The server is asked with the method of `ovsdb.past`, which only ours has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from ovsdb.authorship import Author
from ovsdb.cli.client_session import CommandError, Session
from ovsdb.table import Printer, Table, format_json
from rpc.errors import RemoteError

_SIGNS = {"insert": "+", "modify": "~", "delete": "-"}


def history(session: Session, arguments: Sequence[str]) -> Iterator[str]:
    """Print the last commits, or those of one table, or those of one record in it."""
    names = ("table", "record")
    options: dict[str, Any] = dict(zip(names, arguments, strict=False)) | session.history
    try:
        commits = session.call("get_history", [session.database, options])
    except RemoteError as error:
        if error.error == "unknown method":
            raise CommandError(f"{session.server}: the server does not tell the past") from None
        raise
    if session.style.format == "json":
        yield format_json(commits, pretty=session.style.pretty) + "\n"
        return
    table = Table(["id", "time", "author", "comment", "changes"])
    for commit in commits:
        author = Author(**commit["author"]).describe() if commit["author"] else ""
        changes = " ".join(_describe(change) for change in commit["changes"])
        comment = " / ".join(commit["comment"].splitlines())
        table.rows.append([commit["id"][:8], _format_time(commit["date"]), author, comment, changes])
    yield Printer(session.style).format(table)


def _describe(change: dict[str, Any]) -> str:
    return f"{_SIGNS[change['kind']]}{change['table']}:{change['name'] or change['uuid'][:8]}"


def _format_time(milliseconds: int | None) -> str:
    if milliseconds is None:
        return ""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{milliseconds % 1000:03}"
