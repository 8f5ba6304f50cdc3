"""A remote that connects to a manager (tcp: ssl: unix:), again and again.

Rule: when to connect is rpc.reconnect's decision; here it is done and told to the log. A manager that does
not come back is told of until the waits are as long as they get, and then no more.
"""

from __future__ import annotations

import socket

import trio

from appctl import vlog
from ovsdb.clients import Clients
from ovsdb.connection import CLOSED, END_OF_FILE, Connection
from ovsdb.remote import Remote
from ovsdb.remote_status import RemoteStatus
from ovsdb.remotes import RemoteOptions
from ovsdb.tls_config import ServerTls
from rpc.address import ActiveAddress, TcpAddress
from rpc.errors import ConnectError
from rpc.reconnect import Event, Reconnect, State, Timing
from rpc.trio_io import connect
from rpc.trio_tls import TlsStream

log = vlog.module("reconnect")


class ActiveRemote(Remote):
    """Keeps a connection to a manager."""

    def __init__(
        self,
        target: str,
        options: RemoteOptions,
        clients: Clients,
        tls: ServerTls,
        address: ActiveAddress,
    ) -> None:
        super().__init__(target, options, clients, tls)
        self._address = address
        self._machine = Reconnect(trio.current_time(), Timing(max_backoff=options.max_backoff))
        self._changed = trio.Event()  # the timing
        self._connected_at: float | None = None
        self._disconnected_at: float | None = None

    def start(self) -> None:
        """Begin to connect."""
        self._machine.handle(Event.ENABLE, trio.current_time())
        self._clients.nursery.start_soon(self._keep_connected)

    def status(self, now: float) -> RemoteStatus:
        """State, times and locks."""
        connection = next(iter(self._connections), None)
        held, waiting, lost = connection.session.lock_states() if connection else ((), (), ())
        state = State.IDLE if connection is not None and connection.is_idle() else self._machine.state
        return RemoteStatus(
            is_connected=connection is not None,
            state=state.value,
            since_connect=_since(self._connected_at, now),
            since_disconnect=_since(self._disconnected_at, now),
            last_error=self.complaint,
            locks_held=held,
            locks_waiting=waiting,
            locks_lost=lost,
        )

    def _options_changed(self) -> None:
        machine, longest = self._machine, self.options.max_backoff
        machine.timing = Timing(max_backoff=longest)
        machine.backoff = min(machine.backoff, longest)
        self._changed.set()

    async def _keep_connected(self) -> None:
        machine = self._machine
        with self._scope:
            while True:
                await self._wait()
                before = machine.backoff
                level = vlog.Level.INFO if before < machine.timing.max_backoff else vlog.Level.DBG
                log.log(level, "%s: connecting...", self.target)
                machine.handle(Event.CONNECT, trio.current_time())
                connection = await self._connect(level)
                if connection is not None:
                    self._connected_at = trio.current_time()
                    machine.handle(Event.CONNECTED, self._connected_at)
                    await self._serve(connection)
                    self._disconnected_at = trio.current_time()
                    self._tell_end(connection)
                    if connection.lived:
                        machine.handle(Event.ACTIVITY, trio.current_time())
                machine.handle(Event.DISCONNECTED, trio.current_time())
                self._tell_wait(before)

    async def _wait(self) -> None:
        """Wait until it is time to connect, which other options may change."""
        while (deadline := self._machine.deadline()) is not None and trio.current_time() < deadline:
            self._changed = trio.Event()
            with trio.move_on_at(deadline):
                await self._changed.wait()

    async def _connect(self, level: vlog.Level) -> Connection | None:
        """One attempt, for as long as the machine gives it."""
        address = self._address
        with trio.move_on_at(self._machine.deadline() or trio.current_time()):
            try:
                tls = self._tls.tls if isinstance(address, TcpAddress) and address.tls else None
                stream = await connect(address, tls)
            except ConnectError as e:
                log.log(level, "%s: connection attempt failed (%s)", self.target, e.reason)
                self.complaint = e.reason
                return None
            return self._admit(stream)
        log.log(level, "%s: connection attempt timed out", self.target)
        self.complaint = "Connection timed out"
        return None

    def _admit(self, stream: trio.SocketStream | TlsStream) -> Connection:
        log.info("%s: connected", self.target)
        self.complaint = ""
        options, probe_interval = self.options, self._probe_interval()
        if isinstance(stream, TlsStream):
            name = stream.tls.peer_name()
            connection = self._clients.admit(stream.tls, self.target, options, probe_interval, name)
        else:
            sock = socket.socket(fileno=stream.socket.detach())
            sock.setblocking(False)
            connection = self._clients.admit(sock, self.target, options, probe_interval)
        self._begin(connection)
        return connection

    def _tell_end(self, connection: Connection) -> None:
        self.complaint = "" if connection.reason == CLOSED else connection.reason
        if connection.reason == END_OF_FILE:
            log.info("%s: connection closed by peer", self.target)

    def _tell_wait(self, before: float) -> None:
        backoff, longest = self._machine.backoff, self._machine.timing.max_backoff
        if backoff < longest:
            log.info("%s: waiting %.3g seconds before reconnect", self.target, backoff)
        elif before < longest:
            text = "continuing to reconnect in the background but suppressing further logging"
            log.info("%s: %s", self.target, text)


def _since(moment: float | None, now: float) -> float | None:
    return None if moment is None else now - moment
