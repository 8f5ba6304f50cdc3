"""Connected sockets for programs that do one thing at a time: names looked up, connections made or awaited,
TLS.

Rule: nothing here lasts beyond its deadline (time.monotonic(); None waits for ever), and a signal's handler
runs meanwhile, also while a name is looked up. ssl is loaded where an address asks for TLS and nowhere else.
"""

from __future__ import annotations

import _socket  # socket itself makes enums of its constants, which takes an eighth of a call of a tool
import errno
import os
import select
import time

from rpc.address import ActiveAddress, PassiveAddress, TcpAddress, UnixAddress
from rpc.errors import ConnectError, ListenError, MustWait, Timeout
from rpc.tls_settings import NO_SETTINGS, TlsSettings
from rpc.unixsocket import absolute, short_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

    from rpc.tls import Tls, TlsSocket

    Socket = _socket.socket | TlsSocket
Deadline = float | None


def connect(address: ActiveAddress, deadline: Deadline, settings: TlsSettings = NO_SETTINGS) -> Socket:
    """A connected socket; ConnectError, also when the deadline passes before the connection stands."""
    if isinstance(address, UnixAddress):
        return _connect_unix(address, deadline)
    if not address.tls:
        return _connect_tcp(address, deadline)
    from rpc.tls import Tls, TlsError

    tls = Tls(settings)
    try:
        tls.context(server=False)  # before anybody is bothered
        while True:
            sock = _start_tls(_connect_tcp(address, deadline), tls, address.host, deadline)
            if not tls.wants_bootstrap(sock):
                return sock
            try:
                tls.bootstrap(sock)
            finally:
                sock.close()
    except TlsError as error:
        raise ConnectError(address.text(), str(error)) from error


def accept(address: PassiveAddress, deadline: Deadline, settings: TlsSettings = NO_SETTINGS) -> Socket:
    """Listens until one client has connected; ConnectError, ListenError."""
    if isinstance(address, UnixAddress) or not address.tls:
        return _accept_plain(address, deadline)
    from rpc.tls import Tls, TlsError

    tls = Tls(settings)
    try:
        tls.context(server=True)
        return _start_tls(_accept_plain(address, deadline), tls, None, deadline)
    except TlsError as error:
        raise ConnectError(address.text(), str(error)) from error


def wait(sock: Socket, event: int, deadline: Deadline) -> None:
    """Wait for select.POLLIN or select.POLLOUT; Timeout."""
    poll = select.poll()
    poll.register(sock, event)
    if not poll.poll(None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000):
        raise Timeout


def event_of(error: BlockingIOError, usual: int) -> int:
    """What to wait for after a call that could not be done at once."""
    if isinstance(error, MustWait):
        return select.POLLOUT if error.to_write else select.POLLIN
    return usual


def _start_tls(sock: _socket.socket, tls: Tls, host: str | None, deadline: Deadline) -> TlsSocket:
    """The handshake; TlsError."""
    import socket

    from rpc.tls import HANDSHAKE_SECONDS, TlsError

    limit = time.monotonic() + HANDSHAKE_SECONDS
    limit = limit if deadline is None else min(limit, deadline)
    wrapped = tls.wrap(socket.socket(fileno=sock.detach()), host=host)
    try:
        while True:
            try:
                wrapped.handshake()
                return wrapped
            except MustWait as error:
                wait(wrapped, event_of(error, select.POLLIN), limit)
    except Timeout:
        wrapped.close()
        raise TlsError("the peer does not answer the TLS handshake") from None
    except BaseException:
        wrapped.close()
        raise


def _connect_unix(address: UnixAddress, deadline: Deadline) -> _socket.socket:
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        with short_name(address.path) as name:
            _complete_connect(sock, name, deadline)
    except OSError as error:
        sock.close()
        raise _failure(ConnectError, address, error) from error
    return sock


def _connect_tcp(address: TcpAddress, deadline: Deadline) -> _socket.socket:
    """Tries the addresses behind the name one after the other."""
    failure: OSError = OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    for family, kind, protocol, _, target in _look_up(address, deadline):
        sock = _socket.socket(family, kind, protocol)
        try:
            _complete_connect(sock, target, deadline)
        except OSError as error:
            sock.close()
            failure = error
            continue
        sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        return sock
    raise _failure(ConnectError, address, failure) from failure


def _look_up(address: TcpAddress, deadline: Deadline) -> list[Any]:
    """What getaddrinfo() says.

    Names are looked up in a thread: the resolver knows no deadline, and lets no signal's handler run.
    """
    try:
        return _getaddrinfo(address, _socket.AI_NUMERICHOST)
    except (OSError, ValueError):
        pass
    import queue
    import threading

    answers: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()

    def look() -> None:
        try:
            answers.put(_getaddrinfo(address, 0))
        except (OSError, ValueError) as error:
            answers.put(error)

    threading.Thread(target=look, daemon=True).start()
    try:
        answer = answers.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
    except queue.Empty:
        answer = TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
    if isinstance(answer, OSError):
        raise ConnectError(address.text(), answer.strerror or str(answer)) from answer
    if isinstance(answer, Exception):  # a name that IDNA does not allow
        raise ConnectError(address.text(), f"bad host name: {answer}") from answer
    return answer


def _getaddrinfo(address: TcpAddress, flags: int) -> list[Any]:
    return _socket.getaddrinfo(address.host, address.port, type=_socket.SOCK_STREAM, flags=flags)


def _complete_connect(sock: _socket.socket, target: str | tuple[object, ...], deadline: Deadline) -> None:
    """OSError; TimeoutError, which is one, when the deadline passes."""
    sock.settimeout(None if deadline is None else max(0.001, deadline - time.monotonic()))
    sock.connect(target)


def _accept_plain(address: PassiveAddress, deadline: Deadline) -> socket.socket:
    import socket

    path = absolute(address.path) if isinstance(address, UnixAddress) else ""
    try:
        with _listen(address, path) as listener:
            listener.settimeout(None if deadline is None else max(0.001, deadline - time.monotonic()))
            sock, _ = listener.accept()
    except OSError as error:
        raise _failure(ListenError, address, error) from error
    finally:
        if path:
            _unlink(path)
    if not path:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _listen(address: PassiveAddress, path: str) -> socket.socket:
    import socket

    if isinstance(address, UnixAddress):
        _unlink(path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    else:
        sock = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        if isinstance(address, UnixAddress):
            with short_name(path) as name:
                sock.bind(name)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            [(_, _, _, _, target), *_] = socket.getaddrinfo(
                address.host or "0.0.0.0", address.port, flags=socket.AI_NUMERICHOST
            )
            sock.bind(target)
        sock.listen(1)
    except BaseException:
        sock.close()
        raise
    return sock


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError:
        return  # what is in the way shows when we listen


def _failure(
    kind: type[ConnectError], address: ActiveAddress | PassiveAddress, error: OSError
) -> ConnectError:
    number = error.errno or (errno.ETIMEDOUT if isinstance(error, TimeoutError) else errno.EIO)
    return kind(address.text(), os.strerror(number), number)
