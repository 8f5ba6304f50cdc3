"""One connection method in use: what remotes that listen and remotes that connect have in common.

Rule: what is wrong with a remote is logged once and shown in its status; it never concerns another remote,
and never ends the server. Options that change are applied to what stands; nothing is dropped for them.
"""

from __future__ import annotations

import contextlib
import socket

import trio

from appctl import vlog
from ovsdb.clients import Clients
from ovsdb.connection import Connection
from ovsdb.remote_status import RemoteStatus
from ovsdb.remotes import RemoteOptions
from ovsdb.tls_config import ServerTls

LOCAL = ("unix:", "punix:")
log = vlog.module("ovsdb_jsonrpc_server")


class Remote:
    """A connection method; start() puts it to use, drop() ends that."""

    def __init__(self, target: str, options: RemoteOptions, clients: Clients, tls: ServerTls) -> None:
        self.target = target
        self.options = options
        self.complaint = ""  # why it is of no use at present, as the log has it
        self._clients = clients
        self._tls = tls
        self._scope = trio.CancelScope()
        self._connections: dict[Connection, None] = {}

    def start(self) -> None:
        """Put it to use."""
        raise NotImplementedError

    def drop(self) -> None:
        """End all of it."""
        self._scope.cancel()
        self.close()
        for connection in list(self._connections):
            connection.close()

    def close(self) -> None:
        """Accept nobody any more."""

    def update(self, options: RemoteOptions) -> None:
        """Other options from now on."""
        if options == self.options:
            return
        self.options = options
        for connection in self._connections:
            connection.set_probe_interval(self._probe_interval())
            connection.session.read_only = options.read_only
            connection.session.role = options.role
            self._mark_packets(connection.sock)
        self._options_changed()

    def _options_changed(self) -> None:
        """What else `options` are for."""

    def _probe_interval(self) -> float:
        return self.options.probe_interval_for(self.target)

    def _mark_packets(self, sock: object) -> None:
        """The DSCP of what is sent; where the system refuses, it is not."""
        set_option = getattr(sock, "setsockopt", None)
        if set_option is None or self.target.startswith(LOCAL):
            return
        value = self.options.dscp << 2
        with contextlib.suppress(OSError):
            set_option(socket.IPPROTO_IP, socket.IP_TOS, value)
        with contextlib.suppress(OSError):
            set_option(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, value)

    # --- clients

    def _begin(self, connection: Connection) -> None:
        self._connections[connection] = None
        self._mark_packets(connection.sock)

    async def _serve(self, connection: Connection) -> None:
        try:
            await self._clients.serve(connection)
        finally:
            self._connections.pop(connection, None)

    def status(self, now: float) -> RemoteStatus:
        """How it is doing; `now` as trio.current_time()."""
        raise NotImplementedError


class UselessRemote(Remote):
    """A text that is no connection method."""

    def __init__(
        self, target: str, options: RemoteOptions, clients: Clients, tls: ServerTls, why: str
    ) -> None:
        super().__init__(target, options, clients, tls)
        self.complaint = why

    def start(self) -> None:
        """Say so."""
        log.err("%s: %s", self.target, self.complaint)

    def status(self, now: float) -> RemoteStatus:
        """That it is of no use."""
        return RemoteStatus.useless(self.complaint)
