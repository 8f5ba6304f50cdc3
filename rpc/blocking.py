"""A JSON-RPC connection for programs that do one thing at a time: command-line tools.

Rule: a call waits until its deadline (time.monotonic(); None waits for ever) and no longer. Echo requests
of the other side are answered from within every wait; notifications that arrive while a reply is awaited are
kept for receive().
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rpc.address import ActiveAddress, TcpAddress, UnixAddress
from rpc.errors import END_OF_FILE, TLS_NEEDS_KEYS, ConnectError, ConnectionLost, RemoteError, Timeout
from rpc.framing import DEFAULT_MAX_BYTES
from rpc.incoming import Incoming
from rpc.jsonvalue import Encodable, Json
from rpc.message import Message, Reply, Request, encode_notification, encode_request, encode_result
from rpc.unixsocket import short_name

CHUNK = 1 << 16


class Connection:
    """One connection. Not to be shared between threads. A context manager that closes it."""

    def __init__(self, sock: socket.socket, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._incoming = Incoming(max_bytes)
        # In order of arrival; echo requests and awaited replies are not here.
        self._received: deque[Message] = deque()
        self._next_id = 0

    @classmethod
    def open(cls, address: ActiveAddress, deadline: float | None = None) -> Self:
        """Connects; ConnectError, also when the deadline passes before the connection stands."""
        return cls(_connect(address, deadline))

    def fileno(self) -> int:
        """For select(); what was received already does not show there."""
        return self._socket.fileno()

    def close(self) -> None:
        """Closes; may be called twice."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def call(self, method: str, params: Sequence[Encodable], deadline: float | None = None) -> Json:
        """The result of a request. RemoteError, ConnectionLost, Timeout."""
        id_ = self.send_request(method, params, deadline)
        reply = self.wait_reply(id_, deadline)
        if reply.error is not None:
            raise RemoteError(method, reply.error)
        return reply.result

    def send_request(self, method: str, params: Sequence[Encodable], deadline: float | None = None) -> int:
        """Sends without waiting for the answer, which wait_reply() or receive() gets; the request's id."""
        id_ = self._next_id
        self._next_id += 1
        self._send(encode_request(method, params, id_), deadline)
        return id_

    def notify(self, method: str, params: Sequence[Encodable], deadline: float | None = None) -> None:
        """Sends a notification. ConnectionLost, Timeout."""
        self._send(encode_notification(method, params), deadline)

    def wait_reply(self, id_: int, deadline: float | None = None) -> Reply:
        """The answer to a request sent before, error or not. ConnectionLost, Timeout."""
        seen = 0
        while True:
            while seen < len(self._received):
                message = self._received[seen]
                if isinstance(message, Reply) and message.id == id_:
                    del self._received[seen]
                    return message
                seen += 1
            self._fill(deadline)

    def receive(self, deadline: float | None = None) -> Message:
        """The next message that no call() was waiting for, in order of arrival. ConnectionLost, Timeout."""
        while not self._received:
            self._fill(deadline)
        return self._received.popleft()

    def _fill(self, deadline: float | None) -> None:
        """Waits for bytes and takes in the messages that they complete."""
        self._incoming.check()
        data = self._read_nowait()
        while data is None:
            _wait(self._socket, select.POLLIN, deadline)
            data = self._read_nowait()
        if not data:
            raise ConnectionLost(END_OF_FILE)
        echoes = []
        for message in self._incoming.feed(data):
            if isinstance(message, Request) and message.method == "echo":
                echoes.append(message)
            else:
                self._received.append(message)
        # Last, since it may fail; and who has left needs no answer, but what it said is to be heard.
        with contextlib.suppress(ConnectionLost):
            for echo in echoes:
                self._send(encode_result(echo.params, echo.id), deadline)

    def _read_nowait(self) -> bytes | None:
        try:
            return self._socket.recv(CHUNK)
        except BlockingIOError:
            return None
        except OSError as error:
            raise ConnectionLost(os.strerror(error.errno or errno.EIO)) from error

    def _send(self, data: bytes, deadline: float | None) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                _wait(self._socket, select.POLLOUT, deadline)
            except OSError as error:
                raise ConnectionLost(os.strerror(error.errno or errno.EIO)) from error


def _wait(sock: socket.socket, event: int, deadline: float | None) -> None:
    poll = select.poll()
    poll.register(sock, event)
    if not poll.poll(None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000):
        raise Timeout


def _connect(address: ActiveAddress, deadline: float | None) -> socket.socket:
    if isinstance(address, UnixAddress):
        return _connect_unix(address, deadline)
    if address.tls:
        raise ConnectError(address.text(), TLS_NEEDS_KEYS)
    return _connect_tcp(address, deadline)


def _connect_unix(address: UnixAddress, deadline: float | None) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with short_name(address.path) as name:
            _complete_connect(sock, name, deadline)
    except OSError as error:
        sock.close()
        raise _connect_error(address, error) from error
    return sock


def _connect_tcp(address: TcpAddress, deadline: float | None) -> socket.socket:
    """Tries the addresses behind the name one after the other."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:  # socket.gaierror is one
        raise ConnectError(address.text(), error.strerror or str(error)) from error
    failure: OSError = OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    for family, kind, protocol, _, target in found:
        sock = socket.socket(family, kind, protocol)
        try:
            _complete_connect(sock, target, deadline)
        except OSError as error:
            sock.close()
            failure = error
            continue
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    raise _connect_error(address, failure) from failure


def _complete_connect(sock: socket.socket, target: str | tuple[object, ...], deadline: float | None) -> None:
    """OSError; TimeoutError, which is one, when the deadline passes."""
    sock.settimeout(None if deadline is None else max(0.001, deadline - time.monotonic()))
    sock.connect(target)


def _connect_error(address: ActiveAddress, error: OSError) -> ConnectError:
    number = error.errno or (errno.ETIMEDOUT if isinstance(error, TimeoutError) else errno.EIO)
    return ConnectError(address.text(), os.strerror(number), number)
