"""JSON-RPC connections under trio: to connect, to listen, to exchange messages.

Rule: the kernel's sockets meet trio here and nowhere else. Who may connect, back-off, probes and what
messages mean are decided elsewhere (rpc.reconnect, sessions and clients).
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from rpc import jsonvalue
from rpc.address import ActiveAddress, PassiveAddress, TcpAddress, TcpListenAddress, UnixAddress
from rpc.errors import END_OF_FILE, ConnectError, ConnectionLost, ListenError
from rpc.framing import DEFAULT_MAX_BYTES
from rpc.incoming import Incoming
from rpc.message import Message
from rpc.tls_settings import NO_SETTINGS
from rpc.unixsocket import absolute, short_name

if TYPE_CHECKING:
    from rpc.tls import Tls
    from rpc.trio_tls import TlsStream

jsonvalue.hurry()
CHUNK = 1 << 16
BACKLOG = 64
SOCKET_MODE = 0o770  # group may connect; the umask takes away more


async def connect(address: ActiveAddress, tls: Tls | None = None) -> trio.SocketStream | TlsStream:
    """A connected stream; ConnectError. Where the address asks for TLS, `tls` says how."""
    if isinstance(address, UnixAddress):
        return await _connect_unix(address)
    if not address.tls:
        return await _connect_tcp(address)
    from rpc.tls import Tls, TlsError
    from rpc.trio_tls import start_tls

    tls = tls or Tls(NO_SETTINGS)
    try:
        tls.context(server=False)  # before anybody is bothered
        while True:
            stream = await start_tls(await _connect_tcp(address), tls, address.host)
            if not tls.wants_bootstrap(stream.tls):
                return stream
            with contextlib.closing(stream):
                tls.bootstrap(stream.tls)
    except TlsError as error:
        raise ConnectError(address.text(), str(error)) from error


async def _connect_unix(address: UnixAddress) -> trio.SocketStream:
    try:
        sock = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    except OSError as error:  # no descriptor left
        raise _error(ConnectError, address, error) from error
    try:
        with short_name(address.path) as name:
            await sock.connect(name)
    except OSError as error:
        sock.close()
        raise _error(ConnectError, address, error) from error
    except BaseException:
        sock.close()
        raise
    return trio.SocketStream(sock)


async def _connect_tcp(address: TcpAddress) -> trio.SocketStream:
    try:
        return await trio.open_tcp_stream(address.host, address.port)
    except OSError as error:
        raise _error(ConnectError, address, error) from error
    except ValueError as error:  # a name that IDNA does not allow
        raise ConnectError(address.text(), f"bad host name: {error}") from error


@dataclass(frozen=True)
class Listening:
    """A socket that accepts connections."""

    listener: trio.SocketListener
    bound: PassiveAddress  # with the port that the kernel chose, where 0 was asked for
    unlink: tuple[str, int, int] | None = None  # file, device and inode of a Unix domain socket

    def close(self) -> None:
        """Stops listening, and removes the socket's file if it is still ours."""
        if trio.lowlevel.in_trio_run():
            self.listener.socket.close()  # whoever waits for it is told
        elif (fd := self.listener.socket.detach()) >= 0:
            os.close(fd)
        if self.unlink is None:
            return
        path, device, inode = self.unlink
        with contextlib.suppress(OSError):
            found = os.lstat(path)
            if (found.st_dev, found.st_ino) == (device, inode):
                os.unlink(path)


def listen(address: PassiveAddress) -> Listening:
    """Starts to listen; ListenError. A file that is in the way of a Unix domain socket is replaced.

    TLS, where the address asks for it, is started by who accepts (rpc.trio_tls).
    """
    return _listen_unix(address) if isinstance(address, UnixAddress) else _listen_tcp(address)


def _listen_unix(address: UnixAddress) -> Listening:
    path = absolute(address.path)
    sock = _open(address, socket.AF_UNIX)
    umask = os.umask(0o777)
    os.umask(umask | (0o777 & ~SOCKET_MODE))
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        with short_name(path) as name:
            sock.bind(name)
        made = os.lstat(path)
        return Listening(_start(sock), address, (path, made.st_dev, made.st_ino))
    except OSError as error:
        sock.close()
        raise _error(ListenError, address, error) from error
    finally:
        os.umask(umask)


def _listen_tcp(address: TcpListenAddress) -> Listening:
    sock = _open(address, socket.AF_INET6 if ":" in address.host else socket.AF_INET)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        host = address.host or "0.0.0.0"
        [(_, _, _, _, target), *_] = socket.getaddrinfo(host, address.port, flags=socket.AI_NUMERICHOST)
        sock.bind(target)
        return Listening(_start(sock), address._replace(port=sock.getsockname()[1]))
    except OSError as error:
        sock.close()
        raise _error(ListenError, address, error) from error


def _open(address: PassiveAddress, family: int) -> socket.socket:
    try:
        return socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:  # no descriptor left, or no IPv6 here
        raise _error(ListenError, address, error) from error


def _start(sock: socket.socket) -> trio.SocketListener:
    sock.setblocking(False)
    sock.listen(BACKLOG)
    return trio.SocketListener(trio.socket.from_stdlib_socket(sock))


class MessageStream:
    """Messages over one stream. Any number of tasks may send; one may receive."""

    def __init__(self, stream: trio.abc.Stream, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._stream = stream
        self._incoming = Incoming(max_bytes)
        self._received: deque[Message] = deque()
        self._sending = trio.StrictFIFOLock()

    async def send(self, data: bytes) -> None:
        """Sends one or more encoded messages; returns when the kernel has all of them. ConnectionLost.

        A cancelled send may leave half a message behind: then the stream must be closed.
        """
        async with self._sending:
            try:
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise ConnectionLost(_reason(error)) from error

    async def receive(self) -> Message:
        """The next message. ConnectionLost, with `reason` "End of file" where the other side closed it.

        Nothing is lost when it is cancelled.
        """
        while not self._received:
            self._incoming.check()
            try:
                data = await self._stream.receive_some(CHUNK)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise ConnectionLost(_reason(error)) from error
            if not data:
                raise ConnectionLost(END_OF_FILE)
            self._received.extend(self._incoming.feed(bytes(data)))
        return self._received.popleft()

    async def aclose(self) -> None:
        """Closes the stream."""
        await self._stream.aclose()


def _reason(error: BaseException) -> str:
    cause = error.__cause__
    if not isinstance(cause, OSError):
        return "connection closed"
    return os.strerror(cause.errno) if cause.errno else str(cause) or "connection closed"


def _error(kind: type[ConnectError], address: ActiveAddress | PassiveAddress, error: OSError) -> ConnectError:
    cause: BaseException | None = error
    while isinstance(cause, OSError) and cause.errno is None and cause.__cause__ is not None:
        cause = cause.__cause__  # trio gathers the failures of several addresses
    if isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[-1]
    if isinstance(cause, socket.gaierror):
        return kind(address.text(), cause.strerror or "unknown host")
    number = cause.errno if isinstance(cause, OSError) and cause.errno else errno.EIO
    return kind(address.text(), os.strerror(number), number)
