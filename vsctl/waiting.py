"""What is told of a wait that takes long: whom the program waits for, what is known of it, and what to do.

Rule: explain() is pure; look() gathers the facts, and waits for nothing.
"""

from __future__ import annotations

import os
import socket
from typing import NamedTuple

from appctl import directories
from vsctl.patience import Phase


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
