"""What a process shows of itself, and how a process's end is put into words.

Rule: all of it is cosmetic: a kernel that refuses is ignored.
"""

from __future__ import annotations

import contextlib
import os
import signal

PR_SET_NAME = 15  # linux/prctl.h
ARG_START, ARG_END = 48, 49  # fields of /proc/self/stat, the first being 1, proc(5)
AFTER_NAME = 3  # the first field after the program's name


def set_name(name: str) -> None:
    """What /proc/PID/comm and ps show, cut at 15 bytes."""
    import ctypes  # 5 ms that tools which could detach, but do not, are spared

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def set_title(title: str) -> None:
    """What ps shows as the command line, cut to the room that the original one took."""
    import ctypes

    with contextlib.suppress(OSError, ValueError, IndexError):
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        start, end = int(fields[ARG_START - AFTER_NAME]), int(fields[ARG_END - AFTER_NAME])
        if not 0 < start < end:
            return
        data = title.encode()[: end - start - 1]
        ctypes.memmove(start, data.ljust(end - start, b"\0"), end - start)


def describe_status(status: int) -> str:
    """A wait status as the C programs' logs say it."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        core = ", core dumped" if os.WCOREDUMP(status) else ""
        return f"killed ({signal.strsignal(number) or number}){core}"
    return f"exit status {os.WEXITSTATUS(status)}"
