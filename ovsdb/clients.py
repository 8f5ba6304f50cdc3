"""The clients of a server: a session and a connection for each connected socket.

Rule: who is let in is decided before (ovsdb.remote); here each gets its connection, hears what concerns it,
and is let go.
"""

from __future__ import annotations

import itertools
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from appctl import vlog
from ovsdb.authorship import Author, format_author
from ovsdb.connection import Connection
from ovsdb.dispatcher import Dispatcher
from ovsdb.hub import Hub
from ovsdb.remotes import RemoteOptions
from ovsdb.session import Session

if TYPE_CHECKING:
    from rpc.tls import TlsSocket

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid (unix(7))
log = vlog.module("ovsdb_jsonrpc_server")


class Clients:
    """All of them, of every remote."""

    def __init__(self, hub: Hub, nursery: trio.Nursery, *, authors: bool = True) -> None:
        """`authors`: the log tells of each commit who made it."""
        self.hub = hub
        self._authors = authors
        self.nursery = nursery
        self._dispatcher = Dispatcher()
        nursery.start_soon(self._dispatcher.run)
        self._connections: dict[Session, Connection] = {}
        self._numbers = itertools.count(1)
        self._refused = 0  # since the last that was let in
        self.refused = 0  # of all times
        self.untrusted = 0  # whose TLS handshake failed

    def refuses(self, name: str) -> bool:
        """Whether there are too many; the log has a line for the first that is refused, not for each."""
        limit = self.hub.limits.sessions
        if len(self.hub.sessions) < limit:
            if self._refused > 1:
                log.info("%d clients were refused", self._refused)
            self._refused = 0
            return False
        if not self._refused:
            log.warn("%s: refused: there are %d sessions, and --max-sessions=%d", name, limit, limit)
        self._refused += 1
        self.refused += 1
        return True

    def name(self, sock: socket.socket | trio.socket.SocketType, *, tls: bool) -> str:
        """What the log calls a client that has connected to us."""
        if sock.family == socket.AF_UNIX:
            return f"unix#{next(self._numbers)}"
        try:
            peer: Any = sock.getpeername()
        except OSError:  # it has gone already
            peer = ("?", 0)
        host, port = peer[:2]
        return f"{'ssl' if tls else 'tcp'}:{f'[{host}]' if ':' in host else host}:{port}"

    def admit(
        self,
        sock: socket.socket | TlsSocket,
        name: str,
        options: RemoteOptions,
        probe_interval: float,
        client_id: str | None = None,
    ) -> Connection:
        """Begin a session on a connected non-blocking socket; serve() is to follow."""
        session = self.hub.open_session(
            name, read_only=options.read_only, role=options.role, client_id=client_id
        )
        if self._authors and not options.read_only:
            session.author = format_author(_author_of(sock, name, client_id))
        connection = Connection(
            sock,
            session,
            self.nursery,
            self._dispatcher,
            settle=self.settle,
            probe_interval=probe_interval,
        )
        self._connections[session] = connection
        return connection

    async def serve(self, connection: Connection) -> None:
        """Serve a client until it is gone."""
        try:
            await connection.serve()
        finally:
            connection.close()
            self._connections.pop(connection.session, None)

    def served(self) -> int:
        """How often a client's socket had something to read."""
        return self._dispatcher.calls

    def backlogs(self) -> list[tuple[str, int]]:
        """The clients by name, with the bytes that wait for them."""
        return [(session.name, connection.backlog) for session, connection in self._connections.items()]

    def settle(self) -> None:
        """Send what sessions have to say, and close those that are to be disconnected."""
        for session in self.hub.take_marked():
            connection = self._connections.get(session)
            if connection is None:
                continue
            connection.flush()
            if session.doomed:
                log.info("%s: disconnecting (%s)", session.name, session.doomed)
                connection.close()

    def disconnect_all(self, reason: str) -> None:
        """Make every client connect again."""
        for session in list(self._connections):
            session.disconnect(reason)
        self.settle()

    def close(self) -> None:
        """Let go of every client."""
        for connection in list(self._connections.values()):
            connection.close()
        self._dispatcher.close()


def _author_of(sock: socket.socket | TlsSocket, name: str, client_id: str | None) -> Author:
    """Who is at the other end, as far as the kernel or its certificate tells."""
    if not isinstance(sock, socket.socket) or sock.family != socket.AF_UNIX:
        return Author(certificate=client_id or "", address=name)
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(raw)
    if pid <= 0:  # of another PID namespace
        return Author(uid)
    try:
        program = Path(f"/proc/{pid}/comm").read_text(errors="surrogateescape").removesuffix("\n")
    except OSError:  # it has gone already
        program = ""
    return Author(uid, pid, program)
