"""Waiting that is never mute: whom the program waits for, what is known of it, and what to do.

Rule: what to say is decided by vsctl.waiting, from the phase and the facts; Alarms alone deals with signals.
Waiting itself goes on as before, wherever the program is: in connecting, in an answer that does not come, in
a monitor.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator

from appctl import vlog
from rpc.structs import Struct
from vsctl.errors import DeadlinePassed

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from types import FrameType
else:
    import _signal as signal  # as in programs

NOTICE_AFTER = 3.0  # seconds of waiting
NOTICE_AGAIN = 60.0  # seconds between later notices
DEFAULT_DEADLINE = 300  # seconds, where nobody looks on: stderr is no terminal


class Phase(Struct):
    """What the program is at, since when."""

    what: str  # "connect", "answer", "record" or "switch"; "input": of the user, which is not told
    since: float  # time.monotonic()
    detail: str = ""  # "record": what is waited for
    next_cfg: int = 0  # "switch": the number that cur_cfg must reach
    cur_cfg: int = -1  # "switch": as the database last had it; -1: not known


class Alarms:
    """Things to do after a time, whatever the program waits in; all on the one timer of the process."""

    def __init__(self) -> None:
        self._due: list[tuple[float, Callable[[], None]]] = []

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Call `action`, which may raise, from within whatever is done then."""
        self._due.append((time.monotonic() + seconds, action))
        self._set_timer()

    def _set_timer(self) -> None:
        if self._due:
            first = min(when for when, _ in self._due)
            signal.setitimer(signal.ITIMER_REAL, max(0.001, first - time.monotonic()))

    def _ring(self, _: int, __: FrameType | None) -> None:
        now = time.monotonic()
        due = [action for when, action in self._due if when <= now]
        self._due = [each for each in self._due if each[0] > now]
        self._set_timer()
        for action in due:
            action()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """They ring within this context only."""
        before = signal.signal(signal.SIGALRM, self._ring)
        try:
            yield
        finally:
            self._due.clear()
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def die_of_alarm() -> None:
    """What -t does: the process ends by SIGALRM."""
    number = signal.SIGALRM
    vlog.module("fatal_signal").warn("terminating with signal %d (%s)", number, signal.strsignal(number))
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


class Patience:
    """What one run of the program waits for, and how long."""

    def __init__(self, remote: str, write: Callable[[str], None]) -> None:
        self.remote = remote
        self.write = write  # a line for stderr
        self.alarms = Alarms()
        self.phase = Phase("connect", time.monotonic())

    def enter(self, what: str, **more: str | int) -> None:
        """Something else is waited for from now on."""
        self.phase = Phase(what, time.monotonic(), **more)  # type: ignore[arg-type]  # names of its fields

    def advance(self, cur_cfg: int) -> None:
        """The switch has come as far as that."""
        self.phase = self.phase._replace(cur_cfg=cur_cfg)

    @contextlib.contextmanager
    def watching(self, timeout: int, deadline: int) -> Iterator[None]:
        """Tell what is waited for after a while; end by SIGALRM after `timeout` seconds, with DeadlinePassed
        after `deadline` seconds (0: never).
        """
        self.enter("connect")
        with self.alarms.running():
            self.alarms.after(NOTICE_AFTER, self._tell)
            if timeout:
                self.alarms.after(timeout, die_of_alarm)
            elif deadline:
                self.alarms.after(deadline, lambda: self._give_up(deadline))
            yield

    def _tell(self) -> None:
        early = self.phase.since + NOTICE_AFTER - time.monotonic()
        if self.phase.what == "input":  # nobody is waited for
            early = NOTICE_AFTER
        if early > 0:  # this has not taken long yet
            self.alarms.after(early, self._tell)
            return
        for n, line in enumerate(self._lines()):
            self.write(f"    {line}" if n else line)
        self.alarms.after(NOTICE_AGAIN, self._tell)

    def _give_up(self, seconds: int) -> None:
        raise DeadlinePassed(seconds, self._lines())

    def _lines(self) -> list[str]:
        from vsctl.waiting import explain, look  # most runs do not wait

        return explain(self.phase, look(self.remote), time.monotonic())
