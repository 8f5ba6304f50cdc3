"""The server's sockets: remotes come and go with the configuration, each client gets a connection.

Rule: a thin shell under trio; what clients are told is decided by `session` and `hub`, which remotes there
are by `remotes`. A remote that cannot be had is logged and tried again; it never stops the server.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from dataclasses import replace

import trio

from appctl import vlog
from ovsdb.clients import Clients
from ovsdb.compaction import Compaction, Considerate
from ovsdb.errors import OvsdbError
from ovsdb.hosted import HostedDatabase
from ovsdb.hub import Hub
from ovsdb.past import HistoryRequest, PastReader
from ovsdb.refusals import NotSupported
from ovsdb.remote import Remote, UselessRemote
from ovsdb.remote_active import ActiveRemote
from ovsdb.remote_passive import PassiveRemote
from ovsdb.remote_status import STATUS_SECONDS, RemoteStatus, StatusRow, status_operations
from ovsdb.remotes import DatabaseView, RemoteError, RemoteOptions, find_wanted, parse_source
from ovsdb.session import Session
from ovsdb.storage.base import StorageError
from ovsdb.storage.file import FileStorage
from ovsdb.tls_config import ServerTls
from ovsdb.upstream import Link, keep_connected
from rpc.address import AddressError, TcpAddress, UnixAddress, parse
from rpc.jsonvalue import Json
from rpc.tls_settings import NO_SETTINGS, TlsSettings

HOUSEKEEPING_SECONDS = 30.0  # at least so often: whether a file wants to be compacted, a certificate expires
log = vlog.module("ovsdb_server")
log_remote = vlog.module("ovsdb_jsonrpc_server")


class Server:
    """Runs a hub on sockets."""

    def __init__(
        self,
        hub: Hub,
        configured: Iterable[str],
        tls: TlsSettings = NO_SETTINGS,
        *,
        authors: bool = True,
    ) -> None:
        """`configured` are the texts of --remote; `tls` may have "db:..." in place of files.

        `authors`: the log tells of each commit who made it.
        """
        self._authors = authors
        self.hub = hub
        self.configured: dict[str, None] = dict.fromkeys(configured)
        self.options: dict[str, RemoteOptions] = {}  # of those, where a configuration file has any
        self.remotes: dict[str, Remote] = {}
        self.stopping = trio.Event()
        self.tls = ServerTls(tls)
        self._clients: Clients | None = None
        self._warned: set[str] = set()
        self._watched: set[tuple[str, str]] = set()  # (database, table) that remotes are read from
        self._status_rows: dict[str, list[StatusRow]] = {}  # by database
        self._status_due = 0.0  # monotonic seconds
        self._wake = trio.Event()
        self._stale = False
        self._sleeping_until = 0.0  # monotonic seconds
        self._following: dict[Link, trio.CancelScope] = {}
        hub.on_change = self._database_changed
        hub.on_deadline = self._wake_for
        hub.on_databases = self._databases_changed
        hub.on_history = self._history_asked
        self._past = PastReader()

    async def run(self) -> None:
        """Serve until `stopping` is set. The remotes are there when the first task switch happens."""
        try:
            async with trio.open_nursery() as nursery:
                self._clients = Clients(self.hub, nursery, authors=self._authors)
                self.reconfigure()
                nursery.start_soon(self._keep_time)
                await self.stopping.wait()
                nursery.cancel_scope.cancel()
        finally:
            for remote in self.remotes.values():
                remote.close()
            if self._clients is not None:
                self._clients.close()

    # --- remotes

    def views(self) -> dict[str, DatabaseView]:
        """The databases as `remotes` looks at them."""
        return {name: view(hosted) for name, hosted in self.hub.databases.items()}

    def check_remote(self, text: str) -> None:
        """Raise RemoteError if a db: remote cannot be used."""
        if text.startswith("db:"):
            parse_source(text, self.views())

    def check_tls(self) -> None:
        """Raise RemoteError if a db: setting of TLS cannot be used."""
        self.tls.check(self.views())

    def reconfigure(self) -> None:
        """Make the remotes those that are wanted now, and follow the servers that are to be followed."""
        if self._clients is None:  # not running yet
            return
        self._stale = False
        self._follow_links()
        views = self.views()
        self.tls.configure(views)
        self.tls.watch_expiry()
        wanted = find_wanted(self.configured, views, self.options)
        for warning in wanted.warnings:
            if warning not in self._warned:
                log.warn("%s", warning)
        self._warned = set(wanted.warnings)
        self._watch(views)
        self._status_rows = wanted.rows
        for target, remote in list(self.remotes.items()):
            if target not in wanted.remotes:
                log_remote.info("%s: remote deconfigured", target)
                del self.remotes[target]
                remote.drop()
            else:
                remote.update(wanted.remotes[target])
        for target, options in wanted.remotes.items():
            if target not in self.remotes:
                self.remotes[target] = self._make_remote(target, options, self._clients)
                self.remotes[target].start()

    def _make_remote(self, target: str, options: RemoteOptions, clients: Clients) -> Remote:
        try:
            address = parse(target)
        except AddressError as e:
            return UselessRemote(target, options, clients, self.tls, e.why)
        if isinstance(address, TcpAddress) or (isinstance(address, UnixAddress) and not address.passive):
            return ActiveRemote(target, options, clients, self.tls, address)
        return PassiveRemote(target, options, clients, self.tls, address)

    def _follow_links(self) -> None:
        wanted: set[Link] = set(self.hub.links.values())
        for link in self._following.keys() - wanted:
            self._following.pop(link).cancel()
        for link in wanted - self._following.keys():
            assert self._clients is not None
            scope = self._following[link] = trio.CancelScope()
            self._clients.nursery.start_soon(self._follow, link, scope)

    async def _follow(self, link: Link, scope: trio.CancelScope) -> None:
        with scope:
            await keep_connected(link, self.settle, lambda: self.tls.tls)
            log.err("%s: it is this server that it would follow", link.sources)
            self.hub.set_role(replace(self.hub.role, is_backup=False))
            self.settle()

    def _watch(self, views: dict[str, DatabaseView]) -> None:
        self._watched = self.tls.sources()
        for text in self.configured:
            if text.startswith("db:"):
                with contextlib.suppress(RemoteError):
                    source, column = parse_source(text, views)
                    self._watched.add((source.database, source.table))
                    if column.type.key.ref_table is not None:
                        self._watched.add((source.database, column.type.key.ref_table))

    def _database_changed(self, database: str, tables: Iterable[str]) -> None:
        if self._watched and any((database, table) in self._watched for table in tables):
            self._stale = True
            self._wake.set()

    def _databases_changed(self) -> None:
        self._stale = True
        self._wake.set()

    def _write_status(self) -> None:
        """Tell in the rows that configure remotes how these are doing."""
        now = trio.current_time()

        def status_of(target: str) -> RemoteStatus:
            if not target:
                return RemoteStatus.useless('missing or invalid "target" column')
            remote = self.remotes.get(target)
            return RemoteStatus() if remote is None else remote.status(now)

        stale = self._stale
        for name, rows in self._status_rows.items():
            hosted = self.hub.databases.get(name)
            if hosted is not None and hosted.source is None and not hosted.read_only:
                hosted.write_internally(status_operations(rows, dict(hosted.schema.tables), status_of))
        self._stale = stale  # what was written here configures nothing

    # --- clients

    def backlogs(self) -> list[tuple[str, int]]:
        """The clients by name, with the bytes that wait for them."""
        return [] if self._clients is None else self._clients.backlogs()

    def refusals(self) -> tuple[int, int]:
        """How many clients were beyond the limit, and how many failed in their TLS handshake."""
        return (0, 0) if self._clients is None else (self._clients.refused, self._clients.untrusted)

    def settle(self) -> None:
        """Send what sessions have to say, and close those that are to be disconnected."""
        if self._clients is not None:
            self._clients.settle()

    def disconnect_all(self, reason: str) -> None:
        """Make every client connect again."""
        if self._clients is not None:
            self._clients.disconnect_all(reason)

    # --- time

    def _wake_for(self, deadline: float) -> None:
        if deadline < self._sleeping_until:
            self._wake.set()

    async def _keep_time(self) -> None:
        """End waits in time, read remotes anew after a change, compact files that have grown."""
        while True:
            now = time.monotonic()
            deadline = self.hub.deadline()
            due = [now + HOUSEKEEPING_SECONDS]
            if deadline is not None:
                due.append(deadline)
            if self._status_rows:
                due.append(self._status_due)
            self._sleeping_until = min(due)
            with trio.move_on_after(max(0.0, self._sleeping_until - now)):
                await self._wake.wait()
            self._wake = trio.Event()
            if self._stale:
                self.reconfigure()
            now = time.monotonic()
            if now >= self._status_due:
                self._status_due = now + STATUS_SECONDS
                self._write_status()
                self.tls.watch_expiry()
            self.hub.run(now)
            for hosted in self.hub.served():
                if hosted.storage.should_compact(now):
                    assert self._clients is not None
                    self._clients.nursery.start_soon(self.compact, hosted, "automatically")
            self.settle()

    # --- the past

    def _history_asked(
        self, session: Session, hosted: HostedDatabase, json: object, request_id: Json
    ) -> None:
        request = HistoryRequest.parse(json)
        if not isinstance(hosted.storage, FileStorage):
            raise NotSupported(f"get_history: there is no log of {hosted.name}")
        assert self._clients is not None
        path = hosted.storage.name
        self._clients.nursery.start_soon(self._tell_history, session, path, request, request_id)

    async def _tell_history(
        self, session: Session, path: str, request: HistoryRequest, request_id: Json
    ) -> None:
        try:
            commits = await self._past.read(path, request)
        except OvsdbError as e:
            session.reply_error(e.to_wire(), request_id, asked=False)
        else:
            session.reply(commits, request_id, asked=False)
        if session in self.hub.sessions:
            self.hub.mark(session)
            self.settle()

    async def compact(self, hosted: HostedDatabase, why: str) -> str:
        """Compact a database while it is served; what went wrong, or nothing."""
        storage = hosted.storage
        if not isinstance(storage, FileStorage):
            return ""  # there is no file to make smaller
        assert self._clients is not None
        served = self._clients.served
        log.info("compacting %s database %s", hosted.name, why)
        try:
            with Compaction(hosted, storage) as compaction:
                rest = Considerate(served, trio.from_thread.check_cancelled)
                await trio.to_thread.run_sync(compaction.write, rest)
                compaction.finish()
        except StorageError as e:
            log.warn("%s", e)
            return str(e)
        except Exception as e:  # a bug, which must not end the server
            log.exception("%s: compaction failed", hosted.name)
            return f"internal error: {e!r}"
        return ""


def view(hosted: HostedDatabase) -> DatabaseView:
    """Rows as mappings from column names to values, for the few tables that configure remotes."""

    def rows(table: str) -> dict[str, dict[str, object]]:
        columns = hosted.tables[table].columns
        return {
            uuid: {column.name: column.get(row) for column in columns}
            for uuid, row in hosted.tables[table].rows.items()
        }

    return DatabaseView(hosted.schema, rows)
