"""One client's socket: bytes in to its session, the session's bytes out.

Rule: the reading task handles what it received and sends the answers itself, and those of every session
that has news since; a task of its own waits for a socket only while that socket is full. A client that does
not read is not read from: what it misses is a position in the history, not a queue. A lock-step echo costs
one wait, one recv and one send.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

import trio

from appctl import vlog
from ovsdb.session import ProtocolError, Session

CHUNK = 1 << 18
log = vlog.module("jsonrpc")
log_reconnect = vlog.module("reconnect")


class Connection:
    """Runs one session on a connected non-blocking socket."""

    def __init__(
        self,
        sock: socket.socket,
        session: Session,
        nursery: trio.Nursery,
        *,
        settle: Callable[[], None],
        probe_interval: float = 0.0,
    ) -> None:
        """`settle` sends what other sessions have to hear; `probe_interval` in seconds, 0 for never."""
        self.session = session
        self._sock = sock
        self._nursery = nursery
        self._settle = settle
        self._probe_interval = probe_interval
        self._unsent: memoryview | None = None
        self._drained = trio.Event()
        self.closed = False
        self.lived = 0  # chunks received

    async def serve(self) -> None:
        """Serve until either side closes the connection; never raises for what a client does."""
        try:
            reason = await self._read_all()
        except trio.ClosedResourceError:
            reason = "closed"
        except OSError as e:
            reason = os.strerror(e.errno) if e.errno else str(e)
            log.warn(f"{self.session.name}: receive error: {reason}")
        except ProtocolError as e:
            log.warn(f"{self.session.name}: {e}")
            reason = "Protocol error"
        except trio.Cancelled:
            raise
        except Exception:
            log.exception(f"{self.session.name}: internal error, closing the session")
            reason = "internal error"
        finally:
            self.close()
        if reason not in ("closed", "End of file"):
            log_reconnect.warn(f"{self.session.name}: connection dropped ({reason})")
        self._settle()

    async def _read_all(self) -> str:
        session, sock = self.session, self._sock
        while not self.closed:
            if self._unsent is not None:
                await self._drained.wait()
                continue
            if self._probe_interval:
                if not await self._wait_or_probe():
                    return f"no response to inactivity probe after {self._probe_interval:g} seconds"
            else:
                await trio.lowlevel.wait_readable(sock)
            try:
                data = sock.recv(CHUNK)
            except BlockingIOError:
                continue
            if not data:
                return "End of file"
            self.lived += 1
            try:
                session.receive(data)
            finally:
                self.flush()
                self._settle()
        return "closed"

    async def _wait_or_probe(self) -> bool:
        """Wait for bytes, with an echo request when there are none for too long.

        False if that is not answered.
        """
        for attempt in range(2):
            with trio.move_on_after(self._probe_interval):
                await trio.lowlevel.wait_readable(self._sock)
                return True
            if attempt == 0:
                self.session.probe()
                self.flush()
        return False

    def flush(self) -> None:
        """Send what the session has to say, as far as the socket takes it without waiting."""
        if self._unsent is not None or self.closed:
            return
        try:
            data = self.session.take_output()
        except Exception:  # it may be another client's request that brought us here
            log.exception(f"{self.session.name}: internal error, closing the session")
            self.close()
            return
        if not data:
            return
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        if sent < len(data):
            self._unsent = memoryview(data)[sent:]
            self._nursery.start_soon(self._drain)

    async def _drain(self) -> None:
        """Send the rest, and what has come up in the meantime, as fast as the client reads it."""
        try:
            while self._unsent:
                await trio.lowlevel.wait_writable(self._sock)
                try:
                    self._unsent = self._unsent[self._sock.send(self._unsent) :]
                except BlockingIOError:
                    continue
                if not self._unsent:
                    self._unsent = memoryview(self.session.take_output())
        except (OSError, trio.ClosedResourceError):
            self.close()
        except Exception:
            log.exception(f"{self.session.name}: internal error, closing the session")
            self.close()
        self._unsent = None
        self._drained.set()
        self._drained = trio.Event()

    def close(self) -> None:
        """Close the socket and the session; whoever waits for the socket wakes up."""
        if self.closed:
            return
        self.closed = True
        trio.lowlevel.notify_closing(self._sock)
        self._sock.close()
        self.session.close()
