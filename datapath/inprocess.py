"""What the datapaths that run in this process share beside flows: port numbers and the queue of upcalls."""

from __future__ import annotations

import errno
import os
from collections import deque

from datapath.provider import LOCAL_PORT, VPORT_KINDS, DatapathError, Upcall, VportSpec

MAX_PORTS = 65535
MAX_RECIRCULATIONS = 5  # as deep as the kernel goes
_UPCALLS = 1024


class UpcallQueue:
    """Upcalls between the thread that forwards and the daemon's: bounded, with a descriptor to wait on.

    put() and take() may be called from different threads: a deque's ends are safe to use so.
    """

    def __init__(self) -> None:
        self._waiting: deque[Upcall] = deque()
        self._wakeup = -1  # an eventfd, once somebody listens

    def listen(self) -> int:
        """Accept upcalls from now on; return the descriptor that is readable while some wait."""
        if self._wakeup < 0:
            self._wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        return self._wakeup

    def put(self, upcall: Upcall) -> bool:
        """Add an upcall; false where it is lost because nobody listens or too many wait."""
        if self._wakeup < 0 or len(self._waiting) >= _UPCALLS:
            return False
        self._waiting.append(upcall)
        os.eventfd_write(self._wakeup, 1)
        return True

    def take(self, limit: int) -> list[Upcall]:
        """Take up to `limit` upcalls. The descriptor stays readable while more are there."""
        clear_eventfd(self._wakeup)
        taken = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
        if self._waiting:
            os.eventfd_write(self._wakeup, 1)
        return taken

    def close(self) -> None:
        """Stop listening and forget what waits."""
        if self._wakeup >= 0:
            os.close(self._wakeup)
        self._wakeup = -1
        self._waiting.clear()


def clear_eventfd(descriptor: int) -> None:
    """Make an eventfd unreadable until it is written to again."""
    try:
        os.eventfd_read(descriptor)
    except BlockingIOError:
        return


class PortNumbers:
    """The numbers and names that the ports of a datapath have; none of it costs more where there are many."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        self._first = 1  # no number below it is free, but for the local port's

    def choose(self, spec: VportSpec) -> int:
        """Return the number for a new port, or raise what the kernel would answer to such a request."""
        what = f"add port {spec.name}"
        if spec.kind not in VPORT_KINDS:
            raise DatapathError(errno.EAFNOSUPPORT, what, f'unknown kind of port "{spec.kind}"')
        if spec.name in self._numbers:
            raise DatapathError(errno.EEXIST, what)
        if spec.port_no is None:
            self._first = next(n for n in range(self._first, MAX_PORTS) if n not in self._names)
            return self._first
        if not 0 <= spec.port_no < MAX_PORTS:
            raise DatapathError(errno.EFBIG, what)
        if spec.port_no in self._names:
            raise DatapathError(errno.EBUSY, what)
        return spec.port_no

    def take(self, number: int, name: str) -> None:
        """Note that a port was made."""
        self._names[number] = name
        self._numbers[name] = number

    def number_of(self, name: str) -> int | None:
        """Return the number of the port of this name."""
        return self._numbers.get(name)

    def check_deletable(self, number: int) -> None:
        """Raise what the kernel would answer to a request to delete this port, if it would refuse."""
        if number == LOCAL_PORT:
            what = f"delete port {number}"
            raise DatapathError(errno.EINVAL, what, "the local port goes with its datapath")
        if number not in self._names:
            raise DatapathError(errno.ENODEV, f"delete port {number}")

    def release(self, number: int) -> None:
        """Note that a port is gone."""
        del self._numbers[self._names.pop(number)]
        if LOCAL_PORT < number < self._first:
            self._first = number
