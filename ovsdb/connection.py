"""One client's socket: bytes in to its session, the session's bytes out.

Rule: whoever reads handles what it received and sends the answers itself, and those of every session that
has news since; a task of its own waits for a socket only while that socket is full. A client that does not
read is not read from: what it misses is a position in the history, not a queue. A lock-step echo costs one
wait (of the dispatcher, for all clients), one recv and one send.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import trio

from appctl import vlog
from ovsdb.dispatcher import Dispatcher
from ovsdb.session import ProtocolError, Session
from rpc.errors import MustWait

if TYPE_CHECKING:
    from rpc.tls import TlsSocket

CHUNK = 1 << 18
RARE_SECONDS = 0.05  # when TLS must write before it can read, which no peer makes it do often
CLOSED = "closed"  # by us
END_OF_FILE = "End of file"
log = vlog.module("jsonrpc")
log_reconnect = vlog.module("reconnect")


class Connection:
    """Runs one session on a connected non-blocking socket."""

    def __init__(
        self,
        sock: socket.socket | TlsSocket,
        session: Session,
        nursery: trio.Nursery,
        dispatcher: Dispatcher,
        *,
        settle: Callable[[], None],
        probe_interval: float = 0.0,
    ) -> None:
        """`settle` sends what other sessions have to hear; `probe_interval` in seconds, 0 for never."""
        self.session = session
        self.sock = sock
        self._nursery = nursery
        self._dispatcher = dispatcher
        self._settle = settle
        self._unsent: memoryview | None = None
        self._ended = trio.Event()
        self._served = False
        self.closed = False
        self.lived = 0  # chunks received
        self.reason = ""  # why it ended
        self._sent = 0  # chunks sent to a socket that was full
        self._probed_at = -1  # the sum of both when a probe was sent last
        self._probe_interval = 0.0
        self._probe_scope: trio.CancelScope | None = None
        self.set_probe_interval(probe_interval)

    async def serve(self) -> None:
        """Serve until either side closes the connection; never raises for what a client does."""
        self._served = True
        self._resume()
        await self._ended.wait()
        self._settle()

    def _resume(self) -> None:
        """Read from the socket again, or for the first time.

        At once: what the session, or TLS, has read already the socket does not show.
        """
        if self._served and self._unsent is None and not self.closed:
            self._dispatcher.watch(self.sock, self._read)
            self._dispatcher.call_again(self.sock)

    def _read(self) -> None:
        session = self.session
        try:
            if session.has_more:
                self._handle(session.proceed)
                return
            data = self.sock.recv(CHUNK)
            if not data:
                self.close(END_OF_FILE)
                return
            self.lived += 1
            if len(data) == CHUNK:  # TLS may hold more, of which the socket shows nothing
                self._dispatcher.call_again(self.sock)
            self._handle(partial(session.receive, data))
        except BlockingIOError as wait:
            if isinstance(wait, MustWait) and wait.to_write:
                self._dispatcher.ignore(self.sock)
                self._nursery.start_soon(self._rest)
        except OSError as e:
            reason = os.strerror(e.errno) if e.errno else str(e)
            log.warn(f"{session.name}: receive error: {reason}")
            self.close(reason)
        except ProtocolError as fault:
            log.warn(f"{session.name}: {fault}")
            self.close("Protocol error")
        except Exception:
            self._fail()

    async def _rest(self) -> None:
        await trio.sleep(RARE_SECONDS)
        self._resume()

    def _handle(self, work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            self.flush()
            self._settle()
        if self.session.has_more and not self.closed:
            self._dispatcher.call_again(self.sock)

    @property
    def backlog(self) -> int:
        """Bytes that wait for the client to take them."""
        return len(self._unsent or b"") + self.session.queued

    def set_probe_interval(self, seconds: float) -> None:
        """How long the client may be silent before it is asked for a sign of life; 0: for ever."""
        if seconds == self._probe_interval:
            return
        self._probe_interval = seconds
        if self._probe_scope is not None:
            self._probe_scope.cancel()
            self._probe_scope = None
        if seconds:
            self._probe_scope = trio.CancelScope()
            self._nursery.start_soon(self._probe, self._probe_scope, seconds)

    def is_idle(self) -> bool:
        """Whether a probe was sent and nothing has been heard since."""
        return self._probed_at == self.lived + self._sent

    async def _probe(self, scope: trio.CancelScope, seconds: float) -> None:
        """Look from time to time whether there was life, ask for it where there was none, then give up."""
        with scope:
            while not self.closed:
                seen = self.lived + self._sent
                await trio.sleep(seconds)
                if self.lived + self._sent != seen:
                    continue
                if self.is_idle():
                    self.reason = f"no response to inactivity probe after {seconds:g} seconds"
                    self.close()
                else:
                    self._probed_at = seen
                    self.session.probe()
                    self.flush()

    def flush(self) -> None:
        """Send what the session has to say, as far as the socket takes it without waiting."""
        if self._unsent is not None or self.closed:
            return
        while self._send_output():
            pass

    def _send_output(self) -> bool:
        """Send once; whether there may be more to send at once."""
        try:
            data = self.session.take_output()
        except Exception:  # it may be another client's request that brought us here
            self._fail()
            return False
        if not data:
            return False
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return False
        if sent < len(data):
            self._unsent = memoryview(data)[sent:]
            self._dispatcher.ignore(self.sock)
            self._nursery.start_soon(self._drain)
            return False
        return self.session.has_updates

    async def _drain(self) -> None:
        """Send the rest, and what has come up in the meantime, as fast as the client reads it."""
        try:
            while self._unsent:
                await trio.lowlevel.wait_writable(self.sock)
                try:
                    sent = self.sock.send(self._unsent)
                except BlockingIOError:
                    continue
                self._unsent = self._unsent[sent:]
                self._sent += 1
                if not self._unsent:
                    self._unsent = memoryview(self.session.take_output())
        except (OSError, trio.ClosedResourceError):
            self.close()
        except Exception:
            self._fail()
        self._unsent = None
        self._resume()

    def _fail(self) -> None:
        log.exception(f"{self.session.name}: internal error, closing the session")
        self.close("internal error")

    def close(self, reason: str = CLOSED) -> None:
        """Close the socket and the session; whoever waits for the socket wakes up."""
        if self.closed:
            return
        self.closed = True
        self.reason = self.reason or reason
        if self.reason not in (CLOSED, END_OF_FILE):
            log_reconnect.warn(f"{self.session.name}: connection dropped ({self.reason})")
        self._ended.set()
        self.set_probe_interval(0.0)
        self._dispatcher.ignore(self.sock)
        trio.lowlevel.notify_closing(self.sock)
        self.sock.close()
        self.session.close()
