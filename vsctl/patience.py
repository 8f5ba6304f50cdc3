"""Waiting that is never mute: whom the program waits for, what is known of it, and what to do.

Rule: what to say is decided by explain(), from the phase and the facts; Alarms alone deals with signals.
Waiting itself goes on as before, wherever the program is: in connecting, in an answer that does not come, in
a monitor.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import NamedTuple

from appctl import directories, vlog
from vsctl.errors import DeadlinePassed

NOTICE_AFTER = 3.0  # seconds of waiting
NOTICE_AGAIN = 60.0  # seconds between later notices
DEFAULT_DEADLINE = 300  # seconds, where nobody looks on: stderr is no terminal


class Phase(NamedTuple):
    """What the program is at, since when."""

    what: str  # "connect", "answer", "record" or "switch"; "input": of the user, which is not told
    since: float  # time.monotonic()
    detail: str = ""  # "record": what is waited for
    next_cfg: int = 0  # "switch": the number that cur_cfg must reach
    cur_cfg: int = -1  # "switch": as the database last had it; -1: not known


class Process(NamedTuple):
    """What the pidfile of a daemon says."""

    path: str
    pid: int | None = None  # None: there is no such file
    is_alive: bool = False


class Facts(NamedTuple):
    """What can be seen from outside."""

    remote: str
    socket: str = ""  # "", "missing", "refused", "denied" or "listening"; "" where it is no Unix socket
    server: Process = Process("")
    switch: Process = Process("")


def explain(phase: Phase, facts: Facts, now: float) -> list[str]:
    """Lines: whom the program waits for and since when, what is known, what to do."""
    seconds = f"{max(0, now - phase.since):.0f} s"
    if phase.what == "connect":
        return [f"waiting for ovsdb-server at {facts.remote} since {seconds}", *_about_server(facts)]
    if phase.what == "answer":
        return [
            f"waiting for an answer of ovsdb-server at {facts.remote} since {seconds}",
            f"it has accepted the connection; {_about_process('ovsdb-server', facts.server)}",
            'to do: see whether "ovs-appctl -t ovsdb-server version" answers, else restart it',
        ]
    if phase.what == "record":
        return [
            f"waiting until {phase.detail} since {seconds}",
            "the server answers; somebody else must make this change",
            "to do: wait, or limit the waiting with -t SECS",
        ]
    behind = ""
    if phase.cur_cfg >= 0:
        behind = (
            f"cur_cfg is {phase.cur_cfg}, {phase.next_cfg - phase.cur_cfg} behind next_cfg {phase.next_cfg}; "
        )
    return [
        f"waiting for ovs-vswitchd to do what was committed, since {seconds}",
        behind + _about_process("ovs-vswitchd", facts.switch),
        _to_do_about_switch(facts.switch),
    ]


def _about_server(facts: Facts) -> list[str]:
    known = {
        "missing": "its socket does not exist",
        "refused": "its socket exists, and nobody listens on it",
        "denied": "its socket may not be opened by this user",
        "listening": "its socket accepts connections",
    }.get(facts.socket, "it does not accept the connection")
    process = _about_process("ovsdb-server", facts.server)
    if facts.socket == "denied":
        return [known, "to do: run this command as root, or as the user that runs ovsdb-server"]
    where = "--db or OVS_DB names another server" if facts.socket else "look at address and port after --db"
    return [f"{known}; {process}", f"to do: start ovsdb-server ({where})"]


def _about_process(name: str, process: Process) -> str:
    if process.pid is None:
        return f"there is no {process.path}, so {name} was not started, or elsewhere"
    if not process.is_alive:
        return f"{process.path} names pid {process.pid}, which is dead: {name} has ended unexpectedly"
    return f"{name} runs as pid {process.pid}"


def _to_do_about_switch(process: Process) -> str:
    if process.is_alive:
        return 'to do: see whether "ovs-appctl -t ovs-vswitchd version" answers, and its log'
    return "to do: start ovs-vswitchd; with --no-wait the next command will not wait for it"


def look(remote: str) -> Facts:
    """The facts, as they are now."""
    return Facts(
        remote, _look_at_socket(remote), _look_at_process("ovsdb-server"), _look_at_process("ovs-vswitchd")
    )


def _look_at_socket(remote: str) -> str:
    import socket

    kind, _, path = remote.partition(":")
    if kind != "unix" or "," in remote:
        return ""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except FileNotFoundError:
            return "missing"
        except PermissionError:
            return "denied"
        except ConnectionRefusedError:
            return "refused"
        except OSError:
            return ""
    return "listening"


def _look_at_process(name: str) -> Process:
    path = f"{directories.rundir()}/{name}.pid"
    try:
        with open(path, encoding="ascii") as file:
            pid = int(file.read())
        os.kill(pid, 0)
    except (FileNotFoundError, NotADirectoryError):
        return Process(path)
    except (ProcessLookupError, OverflowError):
        return Process(path, pid)
    except (OSError, ValueError):  # alive, but not ours; or a file that is being written
        pass
    else:
        return Process(path, pid, True)
    return Process(path, 0, True)


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


@dataclass
class Patience:
    """What one run of the program waits for, and how long."""

    remote: str
    write: Callable[[str], None]  # a line for stderr
    alarms: Alarms = field(default_factory=Alarms)
    phase: Phase = field(default_factory=lambda: Phase("connect", time.monotonic()))

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
        for n, line in enumerate(explain(self.phase, look(self.remote), time.monotonic())):
            self.write(f"    {line}" if n else line)
        self.alarms.after(NOTICE_AGAIN, self._tell)

    def _give_up(self, seconds: int) -> None:
        raise DeadlinePassed(seconds, explain(self.phase, look(self.remote), time.monotonic()))
