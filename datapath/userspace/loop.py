"""The thread that forwards: waits for frames and for commands, serves both in turn.

Rule: ports and flows are touched by this thread alone. Who wants something of them sends a function, which
runs between two batches; call() waits for its result, post() does not.
"""

from __future__ import annotations

import logging
import os
import select
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

from datapath.inprocess import clear_eventfd
from datapath.userspace.forwarder import Forwarder
from datapath.userspace.ports import Port

T = TypeVar("T")
_log = logging.getLogger(__name__)
_ERRORS_IN_A_ROW = 16  # then a port is no longer listened to: its device is gone


class Loop:
    """Runs a Forwarder in a thread of its own, from start() to stop()."""

    def __init__(self, forwarder: Forwarder, name: str) -> None:
        self._forwarder = forwarder
        self._commands: deque[Callable[[], None]] = deque()
        self._epoll = select.epoll()
        self._wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wakeup, select.EPOLLIN)
        self._ports: dict[int, Port] = {}  # by descriptor
        self._functions: dict[int, Callable[[], None]] = {}  # likewise
        self._errors: dict[int, int] = {}  # in a row, by descriptor
        self._sent = self._done = 0  # commands
        self._running = True
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Carry out what was sent so far, end the thread and wait for it."""
        self.post(self._finish)
        self._thread.join()
        self._epoll.close()
        os.close(self._wakeup)

    def call(self, function: Callable[[], T]) -> T:
        """Run a function in the thread and return its result, or raise its exception."""
        future: Future[T] = Future()

        def command() -> None:
            try:
                future.set_result(function())
            except Exception as error:
                future.set_exception(error)

        self.post(command)
        return future.result()

    def post(self, command: Callable[[], None]) -> None:
        """Run a function, which raises nothing, in the thread some time soon."""
        self._sent += 1
        self._commands.append(command)
        os.eventfd_write(self._wakeup, 1)

    def settle(self) -> None:
        """Wait until all that was sent is done; nothing where it is (a round trip takes 0.1 to 0.4 ms)."""
        if self._done != self._sent:
            self.call(lambda: None)

    def watch(self, port: Port, attach: Callable[[], None]) -> None:
        """Run a function, which raises nothing, in the thread, and serve a port from then on. Raises OSError.

        It waits for nothing: a thousand ports would wait for a thousand round trips.
        """
        self._epoll.register(port.descriptor, select.EPOLLIN)

        def begin() -> None:
            attach()
            self._ports[port.descriptor] = port

        self.post(begin)

    def listen(self, descriptor: int, function: Callable[[], None]) -> None:
        """Call a function whenever a descriptor is readable. To be called in the thread."""
        self._functions[descriptor] = function
        self._epoll.register(descriptor, select.EPOLLIN)

    def unwatch(self, port: Port) -> None:
        """Serve a port no longer. To be called in the thread."""
        if self._ports.pop(port.descriptor, None):
            with suppress(OSError):
                self._epoll.unregister(port.descriptor)
        self._errors.pop(port.descriptor, None)

    def _finish(self) -> None:
        self._running = False

    def _run(self) -> None:
        while self._running:
            for descriptor, _ in self._epoll.poll():
                if port := self._ports.get(descriptor):
                    self._serve(port)
                elif descriptor == self._wakeup:
                    self._obey()
                elif function := self._functions.get(descriptor):
                    function()

    def _obey(self) -> None:
        clear_eventfd(self._wakeup)
        while self._commands:
            self._commands.popleft()()
            self._done += 1

    def _serve(self, port: Port) -> None:
        """Forward one batch. A device that goes down gives one error, one that is gone does not stop."""
        try:
            self._forwarder.serve(port)
        except OSError:
            port.rx_errors += 1
            row = self._errors[port.descriptor] = self._errors.get(port.descriptor, 0) + 1
            if row >= _ERRORS_IN_A_ROW:
                self.unwatch(port)
        except Exception:  # one frame must not end the forwarding of all others
            port.rx_errors += 1
            _log.exception("cannot forward a batch from port %s", port.vport.name)
        else:
            self._errors.pop(port.descriptor, None)
