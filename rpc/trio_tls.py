"""TLS under trio: the handshake with its time limit, and a stream over what came of it.

Rule: a handshake takes at most HANDSHAKE_SECONDS and blocks nobody else; closing tells the peer if that can
be done at once, and waits for nothing.
"""

from __future__ import annotations

import socket

import trio

from rpc.errors import MustWait
from rpc.tls import HANDSHAKE_SECONDS, Tls, TlsError, TlsSocket

CHUNK = 1 << 16


async def start_tls(stream: trio.SocketStream, tls: Tls, host: str | None) -> TlsStream:
    """TLS over a connected stream, which is the result's; TlsError. `host` is what we connected to, if we
    did.
    """
    return TlsStream(await handshake(socket.socket(fileno=stream.socket.detach()), tls, host))


async def handshake(sock: socket.socket, tls: Tls, host: str | None) -> TlsSocket:
    """The same for a socket of the kernel."""
    wrapped = tls.wrap(sock, host=host)
    try:
        with trio.move_on_after(HANDSHAKE_SECONDS):
            while True:
                try:
                    wrapped.handshake()
                    return wrapped
                except MustWait as error:
                    await wait_for(wrapped, error)
        raise TlsError("the peer does not answer the TLS handshake")
    except BaseException:
        trio.lowlevel.notify_closing(wrapped)
        wrapped.close()
        raise


async def wait_for(sock: TlsSocket, error: MustWait) -> None:
    """Wait until the socket can do what it could not."""
    if error.to_write:
        await trio.lowlevel.wait_writable(sock)
    else:
        await trio.lowlevel.wait_readable(sock)


class TlsStream(trio.abc.Stream):
    """A stream that trio's users know how to use."""

    def __init__(self, sock: TlsSocket) -> None:
        self.tls = sock
        self._closed = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send; trio.BrokenResourceError, trio.ClosedResourceError."""
        await trio.lowlevel.checkpoint()
        rest = memoryview(data)
        while rest:
            self._check()
            try:
                rest = rest[self.tls.send(rest) :]
            except MustWait as error:
                await wait_for(self.tls, error)
            except OSError as error:
                raise trio.BrokenResourceError from error

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room to send."""
        await trio.lowlevel.wait_writable(self.tls)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Some bytes, none of them at the end; errors as of send_all()."""
        await trio.lowlevel.checkpoint()
        while True:
            self._check()
            try:
                return self.tls.recv(max_bytes or CHUNK)
            except MustWait as error:
                await wait_for(self.tls, error)
            except OSError as error:
                raise trio.BrokenResourceError from error

    def _check(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError

    def close(self) -> None:
        """Close; may be called twice."""
        if not self._closed:
            self._closed = True
            trio.lowlevel.notify_closing(self.tls)
            self.tls.close()

    async def aclose(self) -> None:
        """The same, as trio wants it."""
        self.close()
        await trio.lowlevel.checkpoint()
