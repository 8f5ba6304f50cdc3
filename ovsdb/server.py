"""The server's sockets: remotes come and go with the configuration, each client gets a connection.

Rule: a thin shell under trio; what clients are told is decided by `session` and `hub`, which remotes there
are by `remotes`. A remote that cannot be had is logged and tried again; it never stops the server.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import trio

from appctl import vlog
from ovsdb.connection import Connection
from ovsdb.hosted import HostedDatabase
from ovsdb.hub import Hub
from ovsdb.remotes import DatabaseView, RemoteError, RemoteOptions, find_wanted, parse_source
from ovsdb.session import Session
from ovsdb.storage.base import StorageError
from rpc.address import AddressError, PassiveAddress, TcpListenAddress, UnixAddress, parse
from rpc.errors import ConnectError, ListenError
from rpc.trio_io import Listening, connect, listen

RETRY_SECONDS = 1.0  # until a remote that cannot be listened on is tried again
HOUSEKEEPING_SECONDS = 30.0  # at least so often: whether a file wants to be compacted
log = vlog.module("ovsdb_server")
log_remote = vlog.module("ovsdb_jsonrpc_server")
log_socket = vlog.module("socket_util")
log_reconnect = vlog.module("reconnect")


@dataclass
class Remote:
    """A connection method that is in use."""

    target: str
    options: RemoteOptions
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    listening: Listening | None = None
    connections: dict[Connection, None] = field(default_factory=dict)
    complaint: str = ""  # why it could not be listened on, as the log has it


class Server:
    """Runs a hub on sockets."""

    def __init__(self, hub: Hub, configured: Iterable[str]) -> None:
        """`configured` are the texts of --remote."""
        self.hub = hub
        self.configured: dict[str, None] = dict.fromkeys(configured)
        self.remotes: dict[str, Remote] = {}
        self.stopping = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._connections: dict[Session, Connection] = {}
        self._numbers = itertools.count(1)
        self._warned: set[str] = set()
        self._watched: set[tuple[str, str]] = set()  # (database, table) that remotes are read from
        self._wake = trio.Event()
        self._stale = False
        self._sleeping_until = 0.0  # monotonic seconds
        hub.on_change = self._database_changed
        hub.on_deadline = self._wake_for
        hub.on_databases = self._databases_changed

    async def run(self) -> None:
        """Serve until `stopping` is set. The remotes are there when the first task switch happens."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                self.reconfigure()
                nursery.start_soon(self._keep_time)
                await self.stopping.wait()
                nursery.cancel_scope.cancel()
        finally:
            self._close()

    def _close(self) -> None:
        """Let go of every socket, file of a socket and client."""
        for remote in self.remotes.values():
            if remote.listening is not None:
                remote.listening.close()
        for connection in list(self._connections.values()):
            connection.close()

    # --- remotes

    def views(self) -> dict[str, DatabaseView]:
        """The databases as `remotes` looks at them."""
        return {name: _view(hosted) for name, hosted in self.hub.databases.items()}

    def check_remote(self, text: str) -> None:
        """Raise RemoteError if a db: remote cannot be used."""
        if text.startswith("db:"):
            parse_source(text, self.views())

    def reconfigure(self) -> None:
        """Make the remotes those that are wanted now."""
        self._stale = False
        views = self.views()
        wanted = find_wanted(self.configured, views)
        for warning in wanted.warnings:
            if warning not in self._warned:
                log.warn("%s", warning)
        self._warned = set(wanted.warnings)
        self._watch(views)
        for target, remote in list(self.remotes.items()):
            if target not in wanted.remotes:
                log_remote.info("%s: remote deconfigured", target)
                self._drop(remote)
            elif remote.options != wanted.remotes[target]:
                self._drop(remote)
        for target, options in wanted.remotes.items():
            if target not in self.remotes:
                self._start(Remote(target, options))

    def _watch(self, views: dict[str, DatabaseView]) -> None:
        self._watched = set()
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

    def _drop(self, remote: Remote) -> None:
        del self.remotes[remote.target]
        remote.scope.cancel()
        if remote.listening is not None:
            remote.listening.close()
        for connection in list(remote.connections):
            connection.close()

    def _start(self, remote: Remote) -> None:
        assert self._nursery is not None
        self.remotes[remote.target] = remote
        try:
            address = parse(remote.target)
        except AddressError as e:
            log_remote.err("%s", e)
            return
        if not isinstance(address, UnixAddress) and address.tls:
            log_remote.warn("%s: TLS connections are not supported yet", remote.target)
            return
        if isinstance(address, TcpListenAddress) or (isinstance(address, UnixAddress) and address.passive):
            self._listen(remote, address)
            self._nursery.start_soon(self._serve_listener, remote, address)
        else:
            self._nursery.start_soon(self._serve_active, remote)

    def _listen(self, remote: Remote, address: PassiveAddress) -> bool:
        try:
            remote.listening = listen(address)
        except ListenError as e:
            if e.reason != remote.complaint:  # not once more with each attempt
                log_remote.err("%s: listen failed: %s", remote.target, e.reason)
            remote.complaint = e.reason
            return False
        bound = remote.listening.bound
        if isinstance(bound, TcpListenAddress):
            _, _, shown = remote.target.partition(":")
            log_socket.info("%s: listening on port %d", shown, bound.port)
        return True

    async def _serve_listener(self, remote: Remote, address: PassiveAddress) -> None:
        with remote.scope:
            while remote.listening is None:
                await trio.sleep(RETRY_SECONDS)
                self._listen(remote, address)
            while True:
                try:
                    stream = await remote.listening.listener.accept()
                except trio.ClosedResourceError:
                    return
                except OSError as e:  # no descriptor left, for instance
                    log_remote.err("%s: accept failed: %s", remote.target, e.strerror)
                    await trio.sleep(RETRY_SECONDS)
                    continue
                assert self._nursery is not None
                connection = self._admit(stream, remote, self._name_of(stream))
                self._nursery.start_soon(self._serve_client, remote, connection)

    async def _serve_active(self, remote: Remote) -> None:
        """Connect to a manager, again and again."""
        backoff = RETRY_SECONDS
        with remote.scope:
            while True:
                log_reconnect.info("%s: connecting...", remote.target)
                try:
                    address = parse(remote.target)
                    assert not isinstance(address, TcpListenAddress)
                    stream = await connect(address)
                    assert isinstance(stream, trio.SocketStream)
                except ConnectError as e:
                    log_reconnect.info("%s: connection attempt failed (%s)", remote.target, e.reason)
                else:
                    log_reconnect.info("%s: connected", remote.target)
                    connection = self._admit(stream, remote, remote.target)
                    await self._serve_client(remote, connection)
                    if connection.lived:
                        backoff = RETRY_SECONDS
                log_reconnect.info("%s: waiting %g seconds before reconnect", remote.target, backoff)
                await trio.sleep(backoff)
                backoff = min(backoff * 2, remote.options.max_backoff)

    # --- clients

    def _name_of(self, stream: trio.SocketStream) -> str:
        if stream.socket.family == socket.AF_UNIX:
            return f"unix#{next(self._numbers)}"
        host, port, *_ = stream.socket.getpeername()
        return f"tcp:[{host}]:{port}" if ":" in host else f"tcp:{host}:{port}"

    def _admit(self, stream: trio.SocketStream, remote: Remote, name: str) -> Connection:
        assert self._nursery is not None
        sock = socket.socket(fileno=stream.socket.detach())
        sock.setblocking(False)
        session = self.hub.open_session(name, read_only=remote.options.read_only)
        connection = Connection(
            sock,
            session,
            self._nursery,
            settle=self.settle,
            probe_interval=remote.options.probe_interval_for(remote.target),
        )
        self._connections[session] = connection
        remote.connections[connection] = None
        return connection

    async def _serve_client(self, remote: Remote, connection: Connection) -> None:
        try:
            await connection.serve()
        finally:
            connection.close()
            self._connections.pop(connection.session, None)
            remote.connections.pop(connection, None)

    def settle(self) -> None:
        """Send what sessions have to say, and close those that are to be disconnected."""
        for session in self.hub.take_marked():
            connection = self._connections.get(session)
            if connection is None:
                continue
            connection.flush()
            if session.doomed:
                log_remote.info("%s: disconnecting (%s)", session.name, session.doomed)
                connection.close()

    def disconnect_all(self, reason: str) -> None:
        """Make every client connect again."""
        for session in list(self._connections):
            session.disconnect(reason)
        self.settle()

    # --- time

    def _wake_for(self, deadline: float) -> None:
        if deadline < self._sleeping_until:
            self._wake.set()

    async def _keep_time(self) -> None:
        """End waits in time, read remotes anew after a change, compact files that have grown."""
        while True:
            now = time.monotonic()
            deadline = self.hub.deadline()
            self._sleeping_until = min(
                now + HOUSEKEEPING_SECONDS, now + 1e9 if deadline is None else deadline
            )
            with trio.move_on_after(max(0.0, self._sleeping_until - now)):
                await self._wake.wait()
            self._wake = trio.Event()
            if self._stale:
                self.reconfigure()
            now = time.monotonic()
            self.hub.run(now)
            for hosted in self.hub.served():
                if hosted.storage.should_compact(now):
                    self.compact(hosted, "automatically")
            self.settle()

    def compact(self, hosted: HostedDatabase, why: str) -> str:
        """Compact a database; what went wrong, or nothing."""
        log.info("compacting %s database %s", hosted.name, why)
        try:
            hosted.compact()
        except StorageError as e:
            log.warn("%s", e)
            return str(e)
        return ""


def _view(hosted: HostedDatabase) -> DatabaseView:
    """Rows as mappings from column names to values, for the few tables that configure remotes."""

    def rows(table: str) -> dict[str, dict[str, object]]:
        columns = hosted.tables[table].columns
        return {
            uuid: {column.name: column.get(row) for column in columns}
            for uuid, row in hosted.tables[table].rows.items()
        }

    return DatabaseView(hosted.schema, rows)
