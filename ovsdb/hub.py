"""The server without its sockets: databases, sessions, locks, and the _Server database that describes them.

Rule: the `Database` table of _Server says at every moment which databases there are (ovsdb-server(5)).
Whoever has something to hear is marked here, and the shell takes the marked sessions and sends what they
have to say.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import orjson

from appctl import coverage
from ovsdb.engine.database import Database
from ovsdb.hosted import HostedDatabase
from ovsdb.limits import Limits
from ovsdb.lock import LockTable
from ovsdb.relay import TIMING, Relay
from ovsdb.replication import PROBE_INTERVAL, Backup
from ovsdb.schema import Schema
from ovsdb.session import Session
from ovsdb.storage.base import Storage
from ovsdb.storage.memory import MemoryStorage
from ovsdb.storage.unbacked import UnbackedStorage
from ovsdb.uuids import new_uuid
from rpc.jsonvalue import Json
from rpc.reconnect import Timing

SERVER_DATABASE = "_Server"
SESSIONS = coverage.counter("ovsdb_session")


class HubError(Exception):
    """A control command cannot be carried out; the text is for the user."""


@dataclass(frozen=True)
class Role:
    """What --sync-from and the control commands say of all standalone databases."""

    server: str = ""  # the active server, empty for none
    excluded: Mapping[str, frozenset[str]] = field(default_factory=dict)  # database → tables
    is_backup: bool = False
    probe_interval: float = PROBE_INTERVAL  # seconds


@dataclass
class Hub:
    """Everything that clients share."""

    server_schema: Schema  # of _Server
    databases: dict[str, HostedDatabase] = field(default_factory=dict)
    locks: LockTable[Session] = field(default_factory=LockTable)
    sessions: dict[Session, None] = field(default_factory=dict)
    now: Callable[[], float] = time.monotonic  # seconds
    server_id: str = field(default_factory=new_uuid)
    role: Role = Role()
    limits: Limits = field(default_factory=Limits)
    make_session: Callable[..., Session] = Session
    relay_timing: Timing = TIMING
    knows_monitor_cond: bool = True
    links: dict[str, Relay | Backup] = field(default_factory=dict)  # what follows another server, by database
    on_change: Callable[[str, Iterable[str]], None] = lambda database, tables: None  # after each commit
    on_history: Callable[[Session, HostedDatabase, object, Json], None] | None = None  # get_history is asked
    on_databases: Callable[[], None] = lambda: None  # other databases, or other schemas, are served
    on_deadline: Callable[[float], None] = lambda deadline: (
        None
    )  # when `run` wants to be called, monotonic seconds

    def __post_init__(self) -> None:
        """Start with _Server alone."""
        self._marked: dict[Session, None] = {}
        storage = MemoryStorage(self.server_schema.to_json(), SERVER_DATABASE)
        self._server = HostedDatabase(
            Database(self.server_schema), storage, self.changed, self._waits, reserved=True
        )
        self.admit(self._server)

    # --- sessions

    def open_session(
        self, name: str, *, read_only: bool = False, role: str = "", client_id: str | None = None
    ) -> Session:
        """A client has connected; `name` is for the log."""
        session = self.make_session(
            self, name, self.now, read_only=read_only, role=role, client_id=client_id, limits=self.limits
        )
        SESSIONS.count()
        self.sessions[session] = None
        return session

    def disable_monitor_cond(self) -> None:
        """Be as a server that does not know conditional monitors: for tests of clients."""
        self.knows_monitor_cond = False

    def forget(self, session: Session) -> None:
        """A session has closed."""
        self.sessions.pop(session, None)
        self._marked.pop(session, None)

    def mark(self, session: Session) -> None:
        """The session has something to say, or is to be disconnected."""
        self._marked[session] = None

    def take_marked(self) -> list[Session]:
        """Those who have something to say since the last time."""
        if not self._marked:
            return []
        marked, self._marked = list(self._marked), {}
        return marked

    def changed(self, database: HostedDatabase, tables: Iterable[str]) -> None:
        """A database has changed: its monitors want to be looked at."""
        head = database.history.head
        for monitor in database.monitors:
            if monitor.position != head:
                self._marked[monitor.session] = None
        self.on_change(database.name, tables)

    def _waits(self, deadline: float) -> None:
        self.on_deadline(deadline)

    # --- databases

    def add_database(self, storage: Storage) -> HostedDatabase:
        """Load and serve a database; StorageError, SchemaError; HubError if one of that name is there."""
        name = storage.schema.get("name")
        if isinstance(name, str):
            self._check_new(name)
        hosted = self.load_database(storage)
        self.admit(hosted)
        self._follow_role(hosted)
        return hosted

    def load_database(self, storage: Storage) -> HostedDatabase:
        """Load a database, without serving it yet; OvsdbError."""
        return HostedDatabase.load(storage, self.changed, self._waits, self._converted, self._describe_anew)

    def add_relay(self, name: str, sources: str, timing: Timing | None = None) -> HostedDatabase:
        """Serve what another server has under this name; HubError if one of that name is there.

        `sources` are connection methods, with commas between them. The schema comes with the connection.
        """
        self._check_new(name)
        hosted = self.make_relay(name, sources, timing or self.relay_timing)
        self.admit(hosted)
        return hosted

    def make_relay(self, name: str, sources: str, timing: Timing) -> HostedDatabase:
        """A relay that is not served yet."""
        schema = Schema(name, {})
        storage = UnbackedStorage(f"relay:{name}:{sources}", schema.to_json())
        hosted = HostedDatabase(
            Database(schema),
            storage,
            self.changed,
            self._waits,
            on_convert=self._converted,
            on_state=self._describe_anew,
        )
        hosted.model, hosted.connected, hosted.available = "relay", False, False
        hosted.source = Relay(hosted, sources, self.server_id, timing)
        return hosted

    def set_relay_probe_interval(self, seconds: float) -> None:
        """How long the sources of relays may be silent; they are connected to anew."""
        self.relay_timing = replace(self.relay_timing, probe_interval=seconds)
        for name, link in list(self.links.items()):
            if isinstance(link, Relay):
                self.move_relay(self.databases[name], link.sources, self.relay_timing)

    def move_relay(self, hosted: HostedDatabase, sources: str, timing: Timing) -> None:
        """Let a relay follow another source; what waits for the old one waits for the new one."""
        old = self.links[hosted.name]
        assert isinstance(old, Relay)
        relay = Relay(hosted, sources, self.server_id, timing)
        hosted.source = relay
        old.hand_over(relay)
        self.follow(hosted, relay)

    def _check_new(self, name: str) -> None:
        if name.startswith("_"):
            raise HubError(f'ovsdb error: {name}: names beginning with "_" are reserved')
        if name in self.databases:
            raise HubError(f"ovsdb error: {name}: duplicate database name")

    def admit(self, hosted: HostedDatabase) -> None:
        """Serve a database that has been loaded."""
        hosted.history.keep_rows = self.limits.history_rows
        hosted.history.keep_bytes = self.limits.history_bytes
        self.databases[hosted.name] = hosted
        self._server.apply_internally([{"op": "insert", "table": "Database", "row": _describe(hosted)}])
        if isinstance(hosted.source, Relay):
            self.follow(hosted, hosted.source)
        self.on_databases()

    def _describe_anew(self, hosted: HostedDatabase) -> None:
        if self.databases.get(hosted.name) is not hosted:
            return  # it was removed, and its link is about to end: the name may be another's
        where = [["name", "==", hosted.name]]
        update = {"op": "update", "table": "Database", "where": where, "row": _describe(hosted)}
        self._server.apply_internally([update])

    def _converted(self, hosted: HostedDatabase) -> None:
        """A database has another schema: _Server first, then the clients, then who serves them."""
        self._describe_anew(hosted)
        for session in list(self.sessions):
            session.database_converted(hosted)
        self.on_databases()

    def remove_database(self, name: str, reason: str = "") -> None:
        """Stop serving a database; HubError. `reason` is for the log: why clients are disconnected."""
        hosted = self.databases.get(name)
        if hosted is None:
            raise HubError("Failed to find the database.")
        if hosted is self._server:
            raise HubError("Cannot remove reserved database.")
        del self.databases[name]
        self.links.pop(name, None)
        for session in list(self.sessions):
            session.database_removed(hosted, reason or f"removing {name} database by user request")
        hosted.close()
        self.on_databases()
        self._server.apply_internally(
            [{"op": "delete", "table": "Database", "where": [["name", "==", name]]}]
        )

    # --- following other servers

    @property
    def is_backup(self) -> bool:
        """Whether this server only repeats what another one says."""
        return self.role.is_backup

    def set_role(self, role: Role) -> None:
        """Follow another active server, or none; clients that do not know of such changes connect anew."""
        changed = role.is_backup != self.role.is_backup
        self.role = role
        for hosted in self.served():
            self._follow_role(hosted)
        if changed:
            reason = f"making server {'read-only' if role.is_backup else 'read/write'}"
            for session in list(self.sessions):
                if not session.aware:
                    session.disconnect(reason)

    def _follow_role(self, hosted: HostedDatabase) -> None:
        """Make a standalone database follow the active server, if there is one."""
        if hosted.source is not None:
            return
        role, backup = self.role, None
        if role.is_backup:
            excluded = role.excluded.get(hosted.name, frozenset())
            timing = Timing(probe_interval=role.probe_interval)
            backup = self.make_backup(hosted, role.server, excluded, timing)
        self.follow(hosted, backup)

    def make_backup(
        self, hosted: HostedDatabase, server: str, excluded: frozenset[str], timing: Timing
    ) -> Backup:
        """What lets a database follow an active server, for follow()."""
        return Backup(hosted, server, excluded, self.server_id, timing)

    def follow(self, hosted: HostedDatabase, link: Relay | Backup | None) -> None:
        """Let a database follow, or stand on its own; whoever runs the links is told."""
        hosted.read_only = isinstance(link, Backup)
        if link is not None:
            self.links[hosted.name] = link
        else:
            self.links.pop(hosted.name, None)
        self.on_databases()

    def backups(self) -> dict[str, Backup]:
        """The databases that follow an active server, by name."""
        return {name: link for name, link in self.links.items() if isinstance(link, Backup)}

    def served(self) -> list[HostedDatabase]:
        """The databases but for _Server."""
        return [hosted for hosted in self.databases.values() if hosted is not self._server]

    def find_served(self, name: str) -> HostedDatabase:
        """A database that can be compacted; HubError in the words of the C server."""
        hosted = self.databases.get(name)
        if hosted is None:
            raise HubError("no database by that name")
        if hosted is self._server:
            raise HubError("cannot compact built-in databases")
        return hosted

    # --- time

    def deadline(self) -> float | None:
        """When `run` has something to do, if nothing happens before."""
        deadlines = [d for hosted in self.databases.values() if (d := hosted.triggers.deadline()) is not None]
        return min(deadlines, default=None)

    def run(self, now: float) -> None:
        """Do what time has come for: end waits."""
        for hosted in self.databases.values():
            hosted.run_expired(now)

    def close(self) -> None:
        """Close every session and database."""
        for session in list(self.sessions):
            session.close()
        for hosted in self.databases.values():
            hosted.close()


def _describe(hosted: HostedDatabase) -> dict[str, object]:
    """The row of _Server's table Database."""
    schema = orjson.dumps(hosted.schema.to_json(), option=orjson.OPT_SORT_KEYS).decode()
    return {
        "name": hosted.name,
        "model": hosted.model,
        "schema": schema if hosted.available else ["set", []],
        "connected": hosted.connected,
        "leader": hosted.model != "relay",
    }
