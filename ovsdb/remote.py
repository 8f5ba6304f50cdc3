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
from rpc.reconnect import State

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
        self._connected_at: float | None = None
        self._disconnected_at: float | None = None

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
        self._connected_at = trio.current_time()
        self._mark_packets(connection.sock)

    async def _serve(self, connection: Connection) -> None:
        try:
            await self._clients.serve(connection)
        finally:
            self._connections.pop(connection, None)
            self._disconnected_at = trio.current_time()

    # --- status

    def status(self, now: float) -> RemoteStatus:
        """How it is doing; `now` as trio.current_time()."""
        connection = next(iter(self._connections), None)
        held, waiting, lost = connection.session.lock_states() if connection else ((), (), ())
        state = self._state()
        if state is State.ACTIVE and connection is not None and connection.is_idle():
            state = State.IDLE
        return RemoteStatus(
            is_connected=connection is not None,
            state=state.value,
            since_connect=_since(self._connected_at, now),
            since_disconnect=_since(self._disconnected_at, now),
            last_error=self.complaint,
            locks_held=held,
            locks_waiting=waiting,
            locks_lost=lost,
            connections=len(self._connections),
            bound_port=self._bound_port(),
        )

    def _state(self) -> State:
        return State.BACKOFF

    def _bound_port(self) -> int:
        return 0


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


def _since(moment: float | None, now: float) -> float | None:
    return None if moment is None else now - moment
