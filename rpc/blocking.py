"""A JSON-RPC connection for programs that do one thing at a time: command-line tools.

Rule: a call waits until its deadline (time.monotonic(); None waits for ever) and no longer. Echo requests
of the other side are answered from within every wait; notifications that arrive while a reply is awaited are
kept for receive().
"""

from __future__ import annotations

import _socket
import contextlib
import errno
import os
import select
from collections import deque
from collections.abc import Callable, Sequence

from rpc.address import ActiveAddress, PassiveAddress, TcpListenAddress, UnixAddress
from rpc.connecting import accept, connect, event_of, wait
from rpc.errors import END_OF_FILE, ConnectionLost, RemoteError
from rpc.framing import DEFAULT_MAX_BYTES
from rpc.incoming import Incoming
from rpc.jsonvalue import Json
from rpc.message import Message, Reply, Request, encode_notification, encode_request, encode_result
from rpc.tls_settings import NO_SETTINGS, TlsSettings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rpc.jsonvalue import Encodable
    from rpc.tls import TlsSocket

CHUNK = 1 << 16


class Connection:
    """One connection. Not to be shared between threads. A context manager that closes it."""

    def __init__(self, sock: _socket.socket | TlsSocket, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        if isinstance(sock, _socket.socket):
            sock.setblocking(False)
        self._socket = sock
        self._incoming = Incoming(max_bytes)
        self._echoes: list[Request] = []  # to be answered when no message is half sent
        # In order of arrival; echo requests and awaited replies are not here.
        self._received: deque[Message] = deque()
        self._next_id = 0

    @classmethod
    def open(
        cls,
        address: ActiveAddress | PassiveAddress,
        deadline: float | None = None,
        tls: TlsSettings = NO_SETTINGS,
    ) -> Self:
        """Connects, or waits for the other side to connect where the address is passive.

        ConnectError, also when the deadline passes before the connection stands.
        """
        if isinstance(address, TcpListenAddress) or (isinstance(address, UnixAddress) and address.passive):
            return cls(accept(address, deadline, tls))
        return cls(connect(address, deadline, tls))

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

    def call(
        self,
        method: str,
        params: Sequence[Encodable],
        deadline: float | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Json:
        """The result of a request; `meanwhile` is called when it is sent. RemoteError, ConnectionLost,
        Timeout.
        """
        id_ = self.send_request(method, params, deadline)
        if meanwhile:
            meanwhile()
        reply = self.wait_reply(id_, deadline)
        if reply.error is not None:
            raise RemoteError(method, reply.error)
        return reply.result

    def send_request(self, method: str, params: Sequence[Encodable], deadline: float | None = None) -> int:
        """Sends without waiting for the answer, which wait_reply() or receive() gets; the request's id."""
        id_ = self._next_id
        self._next_id += 1
        self.send(encode_request(method, params, id_), deadline)
        return id_

    def notify(self, method: str, params: Sequence[Encodable], deadline: float | None = None) -> None:
        """Sends a notification. ConnectionLost, Timeout."""
        self.send(encode_notification(method, params), deadline)

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

    def send(self, data: bytes, deadline: float | None = None) -> None:
        """Sends encoded messages. ConnectionLost, Timeout.

        What the other side sends is taken in meanwhile, since it may not read before it has been heard.
        """
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError as error:
                wait(self._socket, event_of(error, select.POLLOUT) | select.POLLIN, deadline)
                self._take_in()
            except OSError as error:
                raise ConnectionLost(_reason(error)) from error

    def _fill(self, deadline: float | None) -> None:
        """Waits for bytes and takes in the messages that they complete."""
        self._answer_echoes(deadline)  # that came during a send()
        self._incoming.check()
        while (event := self._take_in()) is not None:
            wait(self._socket, event, deadline)
        self._answer_echoes(deadline)

    def _answer_echoes(self, deadline: float | None) -> None:
        if not self._echoes:
            return
        echoes, self._echoes = self._echoes, []
        # Who has left needs no answer, but what it said before is to be heard.
        with contextlib.suppress(ConnectionLost):
            for echo in echoes:
                self.send(encode_result(echo.params, echo.id), deadline)

    def _take_in(self) -> int | None:
        """Takes in what is there; what to wait for if that is nothing. ConnectionLost."""
        try:
            data = self._socket.recv(CHUNK)
        except BlockingIOError as error:
            return event_of(error, select.POLLIN)
        except OSError as error:
            raise ConnectionLost(_reason(error)) from error
        if not data:
            raise ConnectionLost(END_OF_FILE)
        for message in self._incoming.feed(data):
            if isinstance(message, Request) and message.method == "echo":
                self._echoes.append(message)
            else:
                self._received.append(message)
        return None


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error) or os.strerror(errno.EIO)
