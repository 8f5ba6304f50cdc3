"""Which connections a server should have: from --remote, and from the database (ovsdb-server(1), --remote).

Rule: pure; from the configured texts and the databases to the set of connection methods that should be
there now. What cannot be used becomes a warning, never an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from ovsdb.remote_status import StatusRow
from ovsdb.schema import ColumnSchema, Schema
from rpc.reconnect import DEFAULT_MAX_BACKOFF, DEFAULT_PROBE_INTERVAL

DEFAULT_DSCP = 48  # of the packets: network control
LONGEST_MS = 365 * 86400 * 1000  # of an interval; what is longer is no different


@dataclass(frozen=True)
class RemoteOptions:
    """How to treat the sessions of one connection method."""

    probe_interval: float | None = None  # seconds; None: 5 over a network, never on this machine
    max_backoff: float = DEFAULT_MAX_BACKOFF  # seconds between attempts to connect
    read_only: bool = False
    role: str = ""  # of its clients, for role-based access control; "" permits everything
    dscp: int = DEFAULT_DSCP

    def probe_interval_for(self, target: str) -> float:
        """The interval to use with a target; 0 means never."""
        if self.probe_interval is not None:
            return self.probe_interval
        return 0.0 if target.startswith(("punix:", "unix:")) else DEFAULT_PROBE_INTERVAL


class DatabaseSource(NamedTuple):
    """db:DB,TABLE,COLUMN."""

    database: str
    table: str
    column: str


class DatabaseView(NamedTuple):
    """What is needed of a hosted database."""

    schema: Schema
    rows: Callable[[str], Mapping[str, Any]]  # by table: UUID → row, a mapping from column to native value


class RemoteError(Exception):
    """A db: remote that cannot be used; the text says why."""


@dataclass
class Wanted:
    """The connection methods that should be there, and what is wrong with the configuration."""

    remotes: dict[str, RemoteOptions] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    rows: dict[str, list[StatusRow]] = field(default_factory=dict)  # by database: those that name remotes


def split_source(text: str) -> DatabaseSource | None:
    """Read "db:...", or None; as in the C server empty words are skipped and a fourth is not looked at."""
    words = [word for word in text.removeprefix("db:").split(",") if word]
    return DatabaseSource(*words[:3]) if len(words) > 2 else None


def parse_source(text: str, databases: Mapping[str, DatabaseView]) -> tuple[DatabaseSource, ColumnSchema]:
    """Read "db:..." and find what it names; RemoteError in the words of the C server."""
    source = split_source(text)
    if source is None:
        raise RemoteError(f'"{text}": invalid syntax')
    database = databases.get(source.database)
    if database is None:
        raise RemoteError(f'"{text}": no database named {source.database}')
    table = database.schema.tables.get(source.table)
    if table is None:
        raise RemoteError(f'"{text}": no table named "{source.table}"')
    column = table.columns.get(source.column)
    if column is None:
        raise RemoteError(f'"{text}": table "{source.table}" has no column "{source.column}"')
    return source, column


def find_wanted(
    configured: Iterable[str],
    databases: Mapping[str, DatabaseView],
    options: Mapping[str, RemoteOptions] = MappingProxyType({}),
) -> Wanted:
    """Look db: remotes up; take the others as they are, with `options` where there are any."""
    wanted = Wanted()
    for text in configured:
        if not text.startswith("db:"):
            wanted.remotes.setdefault(text, options.get(text, RemoteOptions()))
            continue
        try:
            source, column = parse_source(text, databases)
            _add_from(text, source, column, databases[source.database], wanted)
        except RemoteError as e:
            wanted.warnings.append(str(e))
    return wanted


def _add_from(
    text: str, source: DatabaseSource, column: ColumnSchema, database: DatabaseView, wanted: Wanted
) -> None:
    base = column.type.key
    if column.type.value is not None or base.type not in ("string", "uuid"):
        raise RemoteError(f'"{text}": type mismatch for column "{source.column}" in table "{source.table}"')
    if base.type == "uuid" and base.ref_table is None:
        raise RemoteError(f'"{text}": column "{source.column}" in table "{source.table}" references no table')
    for row in database.rows(source.table).values():
        for atom in members(row[source.column]):
            if base.ref_table is None:
                if atom:
                    wanted.remotes.setdefault(str(atom), RemoteOptions())
            elif (target_row := database.rows(base.ref_table).get(str(atom))) is not None:
                target = _add_row(target_row, base.ref_table, wanted)
                row_of_target = StatusRow(base.ref_table, str(atom), target)
                wanted.rows.setdefault(source.database, []).append(row_of_target)


def _add_row(row: Mapping[str, Any], table: str, wanted: Wanted) -> str:
    """Take a remote from the row of a Manager or Connection; its target, "" where it has none."""
    target = one_of(row, "target", str)
    if not target:
        wanted.warnings.append(f'"{table}" table row has missing or invalid "target" column')
        return ""
    probe, backoff = one_of(row, "inactivity_probe", int), one_of(row, "max_backoff", int)
    wanted.remotes[target] = RemoteOptions(
        probe_interval=_seconds(probe) if probe is not None else None,
        max_backoff=_seconds(backoff) if backoff else DEFAULT_MAX_BACKOFF,
        read_only=one_of(row, "read_only", bool) is True,
        role=one_of(row, "role", str) or "",
        dscp=_dscp(row.get("other_config")),
    )
    return str(target)


def _seconds(ms: int) -> float:
    """An interval of a row: 0 is none, others are at least a second."""
    return min(max(ms, 1000), LONGEST_MS) / 1000 if ms else 0.0


def _dscp(other_config: object) -> int:
    text = other_config.get("dscp") if isinstance(other_config, Mapping) else None
    if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 4 and int(text) < 64:
        return int(text)
    return DEFAULT_DSCP


def one_of(row: Mapping[str, Any], name: str, kind: type) -> Any:
    """The column's only value, or None where there is none, several, another type or no such column."""
    try:
        values = members(row[name])
    except KeyError:
        return None
    return values[0] if len(values) == 1 and type(values[0]) is kind else None


def members(value: Any) -> list[Any]:
    """The atoms of a native value."""
    return list(value) if not isinstance(value, (str, int, float)) else [value]
