"""Waits for the sockets of all clients at once, and calls whoever's has something to read.

Rule: one task of trio for all sockets, not one wait of trio for each message: that wait alone cost 30 µs, the
rest of an echo 18. After something was read the dispatcher stays with the sockets, for LINGER at a time and
TURN in all; so long, and no longer, whatever else the server has to do has to wait. It waits awake, for AWAKE
at most, for clients that answer within that time, and asleep for others.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from typing import Protocol

import trio

LINGER = 0.001  # seconds; the least that epoll can wait
TURN = 0.004
AWAKE = 0.0001  # seconds
QUICK = 0.0002  # seconds; what a client that is waited for asleep takes


class HasFileno(Protocol):
    """A socket, with or without TLS."""

    def fileno(self) -> int:
        """The file descriptor."""
        ...


class Dispatcher:
    """The sockets that are read from, each with what is to be called; what is called must not raise."""

    def __init__(self) -> None:
        """Without sockets."""
        self._epoll = select.epoll()
        self._calls: dict[int, Callable[[], None]] = {}
        self._again: list[int] = []
        self._waiting = trio.CancelScope()  # of the wait, if it waits
        self._is_quick = False  # who spoke last did so at once
        self.calls = 0  # that were made; another thread may look

    def watch(self, sock: HasFileno, call: Callable[[], None]) -> None:
        """Call when there is something to read, or the end, until `ignore`; the socket must be new here."""
        fd = sock.fileno()
        self._epoll.register(fd, select.EPOLLIN)
        self._calls[fd] = call

    def ignore(self, sock: HasFileno) -> None:
        """Do not look at the socket any more; to be said before it is closed."""
        fd = sock.fileno()
        if self._calls.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def call_again(self, sock: HasFileno) -> None:
        """Call in the next round, after the others, whether or not there is something to read.

        Any task may say so: the wait for something to read ends.
        """
        self._again.append(sock.fileno())
        self._waiting.cancel()

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            if self._again:
                await trio.lowlevel.checkpoint()
            else:
                with trio.CancelScope() as self._waiting:
                    await trio.lowlevel.wait_readable(self._epoll)
            self._take_turn()

    def _take_turn(self) -> None:
        calls, poll, over = self._calls, self._epoll.poll, time.monotonic() + TURN
        ready = [fd for fd, _ in poll(0)]
        while ready or self._again:
            again, self._again = self._again, []
            for fd in dict.fromkeys(ready + again) if again else ready:
                call = calls.get(fd)  # none: the call before has closed it
                if call is not None:
                    self.calls += 1
                    call()
            if time.monotonic() > over:
                return
            ready = [fd for fd, _ in poll(0)] if self._again else self._wait()

    def _wait(self) -> list[int]:
        """Those who have said something at once, or within LINGER.

        Whoever asks in lock-step, and at once, is waited for awake, as to be woken takes longer than an echo
        (70 µs in all instead of 200). Others are not: after such a wait was in vain there is no other before
        somebody has been as quick again.
        """
        poll, began = self._epoll.poll, time.monotonic()
        while self._is_quick and time.monotonic() - began < AWAKE:
            ready = [fd for fd, _ in poll(0)]
            if ready:
                return ready
            os.sched_yield()
        ready = [fd for fd, _ in poll(LINGER)]
        self._is_quick = bool(ready) and time.monotonic() - began < QUICK
        return ready

    def close(self) -> None:
        """Let go of the sockets, which are not closed."""
        self._calls.clear()
        self._epoll.close()
