"""The server without its sockets: databases, sessions, locks, and the _Server database that describes them.

Rule: the `Database` table of _Server says at every moment which databases there are (ovsdb-server(5)).
Whoever has something to hear is marked here, and the shell takes the marked sessions and sends what they
have to say.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import orjson

from ovsdb.engine.database import Database
from ovsdb.engine.row import new_uuid
from ovsdb.hosted import HostedDatabase
from ovsdb.lock import LockTable
from ovsdb.schema import Schema
from ovsdb.session import Session
from ovsdb.storage.base import Storage
from ovsdb.storage.memory import MemoryStorage

SERVER_DATABASE = "_Server"


class HubError(Exception):
    """A control command cannot be carried out; the text is for the user."""


@dataclass
class Hub:
    """Everything that clients share."""

    server_schema: Schema  # of _Server
    databases: dict[str, HostedDatabase] = field(default_factory=dict)
    locks: LockTable[Session] = field(default_factory=LockTable)
    sessions: dict[Session, None] = field(default_factory=dict)
    now: Callable[[], float] = time.monotonic  # seconds
    server_id: str = field(default_factory=new_uuid)
    on_change: Callable[[str, Iterable[str]], None] = lambda database, tables: None  # after each commit
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
        self._admit(self._server)

    # --- sessions

    def open_session(
        self, name: str, *, read_only: bool = False, role: str = "", client_id: str | None = None
    ) -> Session:
        """A client has connected; `name` is for the log."""
        session = Session(self, name, self.now, read_only=read_only, role=role, client_id=client_id)
        self.sessions[session] = None
        return session

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
        for monitor in database.monitors:
            self._marked[monitor.session] = None
        self.on_change(database.name, tables)

    def _waits(self, deadline: float) -> None:
        self.on_deadline(deadline)

    # --- databases

    def add_database(self, storage: Storage) -> HostedDatabase:
        """Load and serve a database; StorageError, SchemaError; HubError if one of that name is there."""
        name = storage.schema.get("name")
        if isinstance(name, str) and name in self.databases:
            raise HubError(f"ovsdb error: {storage.name}: duplicate database name {name}")
        hosted = HostedDatabase.load(storage, self.changed, self._waits, self._converted)
        self._admit(hosted)
        return hosted

    def _admit(self, hosted: HostedDatabase) -> None:
        self.databases[hosted.name] = hosted
        self._server.apply_internally([{"op": "insert", "table": "Database", "row": _describe(hosted)}])

    def _converted(self, hosted: HostedDatabase) -> None:
        """A database has another schema: _Server first, then the clients, then who serves them."""
        where = [["name", "==", hosted.name]]
        update = {"op": "update", "table": "Database", "where": where, "row": _describe(hosted)}
        self._server.apply_internally([update])
        for session in list(self.sessions):
            session.database_converted(hosted)
        self.on_databases()

    def remove_database(self, name: str) -> None:
        """Stop serving a database; HubError."""
        hosted = self.databases.get(name)
        if hosted is None:
            raise HubError("Failed to find the database.")
        if hosted is self._server:
            raise HubError("Cannot remove reserved database.")
        del self.databases[name]
        for session in list(self.sessions):
            session.database_removed(hosted)
        hosted.close()
        self._server.apply_internally(
            [{"op": "delete", "table": "Database", "where": [["name", "==", name]]}]
        )

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
    return {
        "name": hosted.name,
        "model": "standalone",
        "schema": orjson.dumps(hosted.schema.to_json(), option=orjson.OPT_SORT_KEYS).decode(),
        "connected": True,
        "leader": True,
    }
