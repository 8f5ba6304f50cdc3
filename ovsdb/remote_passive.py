"""A remote that listens (ptcp: pssl: punix:).

Rule: whoever connects is served, or, with TLS, served once it has shown a certificate that we trust. Nobody
waits for another's handshake, and a client that is refused is one line in the log.
"""

from __future__ import annotations

import contextlib
import socket

import trio

from appctl import vlog
from ovsdb.clients import Clients
from ovsdb.remote import Remote
from ovsdb.remote_status import RemoteStatus
from ovsdb.remotes import RemoteOptions
from ovsdb.tls_config import ServerTls
from rpc.address import PassiveAddress, TcpListenAddress
from rpc.errors import ListenError
from rpc.tls import TlsError, TlsSocket
from rpc.trio_io import Listening, listen
from rpc.trio_tls import handshake

RETRY_SECONDS = 1.0  # until it is tried again to listen, or to accept where no descriptor was left
MAX_HANDSHAKES = 256  # under way at one remote; the oldest gives way
log = vlog.module("ovsdb_jsonrpc_server")
log_socket = vlog.module("socket_util")
log_tls = vlog.module("stream_ssl")


class PassiveRemote(Remote):
    """Listens, and tries to again and again."""

    def __init__(
        self,
        target: str,
        options: RemoteOptions,
        clients: Clients,
        tls: ServerTls,
        address: PassiveAddress,
    ) -> None:
        super().__init__(target, options, clients, tls)
        self._address = address
        self._listening: Listening | None = None
        self._handshakes: dict[trio.CancelScope, None] = {}
        self._tls_complaint = ""

    def start(self) -> None:
        """Listen; it does when this returns, if it can."""
        self._listen()
        if self._uses_tls():
            with contextlib.suppress(TlsError):
                self._context()
        self._clients.nursery.start_soon(self._accept_all)

    def close(self) -> None:
        """Stop to listen, at once."""
        if self._listening is not None:
            self._listening.close()

    def status(self, now: float) -> RemoteStatus:
        """As the C server has it: no state, and times that are always 0."""
        return RemoteStatus(
            is_connected=bool(self._connections),
            last_error=self.complaint or self._tls_complaint,
            connections=len(self._connections),
            bound_port=self._bound_port(),
        )

    def _bound_port(self) -> int:
        bound = self._listening.bound if self._listening is not None else None
        return bound.port if isinstance(bound, TcpListenAddress) else 0

    def _options_changed(self) -> None:
        if self._listening is not None:
            self._mark_packets(self._listening.listener.socket)

    def _listen(self) -> None:
        try:
            self._listening = listen(self._address)
        except ListenError as e:
            if e.reason != self.complaint:  # not once more with each attempt
                log.err("%s: listen failed: %s", self.target, e.reason)
            self.complaint = e.reason
            return
        self.complaint = ""
        self._options_changed()
        if port := self._bound_port():
            _, _, shown = self.target.partition(":")
            log_socket.info("%s: listening on port %d", shown, port)

    async def _accept_all(self) -> None:
        tls = self._uses_tls()
        with self._scope:
            while self._listening is None:
                await trio.sleep(RETRY_SECONDS)
                self._listen()
            async with trio.open_nursery() as handshakes:
                while (stream := await self._accept(self._listening)) is not None:
                    name = self._clients.name(stream.socket, tls=tls)
                    sock = socket.socket(fileno=stream.socket.detach())
                    sock.setblocking(False)
                    if self._clients.refuses(name):
                        sock.close()
                    elif tls:
                        handshakes.start_soon(self._admit_tls, sock, name)
                    else:
                        self._admit(sock, name)

    async def _accept(self, listening: Listening) -> trio.SocketStream | None:
        """The next client; None at the end."""
        while True:
            try:
                stream = await listening.listener.accept()
            except trio.ClosedResourceError:
                return None
            except OSError as e:  # no descriptor left, for instance
                reason = e.strerror or str(e)
                if reason != self.complaint:
                    log.err("%s: accept failed: %s", self.target, reason)
                self.complaint = reason
                await trio.sleep(RETRY_SECONDS)
            else:
                self.complaint = ""
                return stream

    def _admit(self, sock: socket.socket | TlsSocket, name: str, client_id: str | None = None) -> None:
        connection = self._clients.admit(sock, name, self.options, self._probe_interval(), client_id)
        self._begin(connection)
        self._clients.nursery.start_soon(self._serve, connection)

    async def _admit_tls(self, sock: socket.socket, name: str) -> None:
        if len(self._handshakes) >= MAX_HANDSHAKES:
            oldest = next(iter(self._handshakes))
            del self._handshakes[oldest]
            oldest.cancel()
        scope = trio.CancelScope()
        self._handshakes[scope] = None
        try:
            with scope:
                wrapped = await handshake(sock, self._tls.tls, None)
                self._admit(wrapped, name, wrapped.peer_name())
        except TlsError as e:
            self._refuse(name, e)
        finally:
            self._handshakes.pop(scope, None)
        if scope.cancelled_caught:
            log_tls.warn("%s: TLS handshake given up: too many are under way", name)

    def _uses_tls(self) -> bool:
        return isinstance(self._address, TcpListenAddress) and self._address.tls

    def _context(self) -> None:
        """Look whether handshakes can be made at all; TlsError, of which one line tells."""
        try:
            self._tls.tls.context(server=True)
            self._tls_complaint = ""
        except TlsError as e:
            if str(e) != self._tls_complaint:
                log_tls.err("%s: %s", self.target, e)
            self._tls_complaint = str(e)
            raise

    def _refuse(self, name: str, error: TlsError) -> None:
        self._clients.untrusted += 1
        with contextlib.suppress(TlsError):
            self._context()
            log_tls.warn("%s: TLS handshake failed: %s", name, error)
