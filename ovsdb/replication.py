"""A backup: a database whose file follows an active server's (ovsdb(7), "Active-Backup").

Rule: no I/O but the store's. The backup keeps its own schema: it follows a database whose tables and columns
it has all, but for the tables that are excluded. The texts are those of the C server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appctl import vlog
from ovsdb.engine.contents import Selection, record_of_difference
from ovsdb.follower import Follower, FollowError, SelfError
from ovsdb.hosted import HostedDatabase
from ovsdb.schema import Schema
from ovsdb.storage.base import StorageError
from rpc.reconnect import Timing

PROBE_INTERVAL = 60.0  # seconds
log = vlog.module("replication")


class Backup:
    """What makes a hosted database follow."""

    def __init__(
        self, hosted: HostedDatabase, server: str, exclude: frozenset[str], own_id: str, timing: Timing
    ) -> None:
        """`exclude` names tables."""
        self.sources = server
        self.timing = timing
        self.exclude = exclude
        self.follower = Follower(hosted.name, own_id, self)
        self.is_self = False  # the active server is this very one
        self.error = ""  # why it is not followed though there is a connection
        self._hosted = hosted

    def schema_received(self, schema: Schema) -> Selection | None:
        """Which tables to follow; None if the schemas do not go together."""
        own = self._hosted.schema
        self.error = "" if schema == own else find_mismatch(own, schema, self.exclude)
        if self.error:
            log.warn("%s cannot be replicated: %s", schema.name, self.error)
            return None
        return {
            name: tuple(table.columns) for name, table in schema.tables.items() if name not in self.exclude
        }

    def contents_received(self, contents: Any, id_: int, selection: Selection) -> None:
        """Make the tables those of the active server, by what differs."""
        self.changed(record_of_difference(self._hosted.database, contents, selection), id_)

    def changed(self, record: dict[str, Any], id_: int) -> None:
        """Take a change over, and write it down."""
        changes = self._hosted.database.changeset_from_record(record)
        try:
            self._hosted.replicate(changes)
        except StorageError as e:
            raise FollowError(str(e)) from None

    def following(self, now_following: bool) -> None:
        """Nothing to do: clients of a backup are not told."""

    def disconnected(self, error: Exception) -> None:
        """Start over with the next connection: the active server may be another, with its own history."""
        self.is_self = isinstance(error, SelfError)
        self.follower.disconnected()
        self.follower.last_id = 0


def find_mismatch(own: Schema, active: Schema, exclude: frozenset[str]) -> str:
    """Why `own` cannot hold what `active` describes; empty if it can."""
    for name, table in active.tables.items():
        if name in exclude:
            continue
        here = own.tables.get(name)
        if here is None:
            return f"no table {name} here"
        for column in table.columns.values():
            twin = here.columns.get(column.name)
            if twin is None:
                return f"no column {column.name} in table {name} here"
            if twin.type != column.type:
                return f"column {column.name} in table {name} has another type here"
    return ""


def parse_excluded(text: str) -> dict[str, frozenset[str]]:
    """Read "db:table[,db:table]...": database → tables. What is no pair is passed over."""
    found: dict[str, set[str]] = {}
    for pair in text.replace(",", " ").split():
        database, _, table = pair.partition(":")
        if table:
            found.setdefault(database, set()).add(table)
    return {database: frozenset(tables) for database, tables in found.items()}


def format_excluded(excluded: Mapping[str, frozenset[str]]) -> str:
    """As get-sync-exclude-tables shows it: sorted."""
    return ",".join(
        f"{database}:{table}" for database in sorted(excluded) for table in sorted(excluded[database])
    )


def format_status(server: str, backups: dict[str, Backup], excluded: Mapping[str, frozenset[str]]) -> str:
    """What sync-status tells of a server in the backup role."""
    following = sorted(name for name, backup in backups.items() if backup.follower.is_following)
    lines = ["state: backup"]
    if not following:
        lines.append(f"connecting: {server}")
    else:
        lines += [f"replicating: {server}", f"database: {', '.join(following)}"]
        if excluded:
            lines.append(f"exclude: {format_excluded(excluded)}")
    return "\n".join(lines) + "\n"


def format_database_status(name: str, backup: Backup | None) -> str:
    """What sync-status tells of one database, where each has its own source."""
    lines = [f"database: {name}", f"state: {'active' if backup is None else 'backup'}"]
    if backup is not None:
        following = backup.follower.is_following
        lines.append(f"{'replicating' if following else 'connecting'}: {backup.sources}")
        if following and backup.exclude:
            lines.append(f"exclude: {', '.join(sorted(backup.exclude))}")
    return "\n".join(lines) + "\n"
