"""Open_vSwitch.statistics: processors, memory, daemons and file systems of this machine.

Rule: what cannot be found out is left out. Texts are parsed by pure functions; gather() alone reads files.
Source: ovs-vswitchd.conf.db(5), Open_vSwitch table, "Statistics".
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from appctl.directories import rundir

_PROC: Final = Path("/proc")
_BUFFERS = ("Buffers", "Cached")


class Process(NamedTuple):
    """What /proc/PID/stat says of a process."""

    parent: int
    cpu: int  # ticks of the clock, user and system
    started: int  # ticks after the boot
    virtual: int  # bytes
    resident: int  # pages


def gather() -> dict[str, str]:
    """Return the column."""
    found: dict[str, str] = {}
    sources: tuple[tuple[str, Callable[[], str]], ...] = (
        ("cpu", lambda: str(os.cpu_count() or "")),
        ("load_average", lambda: ",".join(f"{load:.2f}" for load in os.getloadavg())),
        ("memory", lambda: format_memory((_PROC / "meminfo").read_text())),
        ("file_systems", _file_systems),
    )
    for name, source in sources:
        try:
            text = source()
        except OSError:
            continue
        if text:
            found[name] = text
    with suppress(OSError):
        found |= _processes()
    return found


def format_memory(meminfo: str) -> str:
    """Return total, used, discardable, swap and used swap, in kB, from the text of /proc/meminfo."""
    kilobytes = {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+) kB$", meminfo, re.M)}

    def of(name: str) -> int:
        return kilobytes.get(name, 0)

    used, swap = of("MemTotal") - of("MemFree"), of("SwapTotal") - of("SwapFree")
    buffers = sum(map(of, _BUFFERS))
    return ",".join(map(str, (of("MemTotal"), used, buffers, of("SwapTotal"), swap)))


def mount_points(mounts: str) -> list[str]:
    """Return where local file systems are mounted that can be written to, from the text of /proc/mounts."""
    points: dict[str, None] = {}
    for line in mounts.splitlines():
        device, point, _type, options = (*line.split(" "), "", "", "", "")[:4]
        if device.startswith("/") and "ro" not in options.split(","):
            points[re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), point)] = None
    return list(points)


def _file_systems() -> str:
    described = map(_file_system, mount_points((_PROC / "mounts").read_text()))
    return " ".join(text for text in described if text)


def _file_system(point: str) -> str:
    try:
        found = os.statvfs(point)
    except OSError:
        return ""
    if not found.f_blocks:
        return ""
    total, used = found.f_blocks, found.f_blocks - found.f_bfree
    sizes = (str(blocks * found.f_frsize // 1024) for blocks in (total, used))
    return ",".join((re.sub("[ ,]", "_", point), *sizes))


def parse_process(stat: str) -> Process:
    """Read the text of /proc/PID/stat; ValueError where it is none."""
    fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
    if len(fields) < 22:
        raise ValueError(f"no process: {stat!r}")
    numbers = [int(field) for field in fields[1:22]]
    return Process(numbers[0], numbers[10] + numbers[11], numbers[18], numbers[19], numbers[20])


def count_crashes(command_line: str) -> int | None:
    """Return how often a monitor has started its daemon again; None: the command line is no monitor's."""
    match = re.search(r": monitoring pid \d+ \((?:(\d+) crashes)?", command_line)
    return int(match[1] or 0) if match else None


def locks(text: str) -> dict[tuple[int, int, int], int]:
    """Return who locks a file, by device (major, minor) and inode, from the text of /proc/locks."""
    found = re.findall(r"^\d+: POSIX +\S+ +WRITE (\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) ", text, re.M)
    return {(int(major, 16), int(minor, 16), int(inode)): int(pid) for pid, major, minor, inode in found}


def _processes() -> dict[str, str]:
    """Describe the daemons that hold the locks of pidfiles.

    No pidfile is opened: closing one of this process would give its lock up (fcntl_locking(2)).
    """
    holders = locks((_PROC / "locks").read_text())
    described: dict[str, str] = {}
    for pidfile in sorted(Path(rundir()).glob("*.pid")):
        try:
            file = pidfile.stat()
            pid = holders[os.major(file.st_dev), os.minor(file.st_dev), file.st_ino]
            described[f"process_{pidfile.stem}"] = _describe_process(pid)
        except (OSError, ValueError, KeyError):
            continue  # nobody holds it, or not any more
    return described


def _describe_process(pid: int) -> str:
    process = _read_process(pid)
    parent = (_PROC / str(process.parent) / "cmdline").read_bytes().decode(errors="replace")
    crashes = count_crashes(parent)
    first = _read_process(process.parent) if crashes is not None else process
    ticks = os.sysconf("SC_CLK_TCK")
    ran, lives = (_age(p.started, ticks) for p in (process, first))
    page = os.sysconf("SC_PAGESIZE")
    figures = (
        *(process.virtual // 1024, process.resident * page // 1024, process.cpu * 1000 // ticks),
        *(crashes or 0, lives, ran),
    )
    return ",".join(map(str, figures))


def _read_process(pid: int) -> Process:
    return parse_process((_PROC / str(pid) / "stat").read_text())


def _age(started: int, ticks: int) -> int:
    return max(0, int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1000) - started * 1000 // ticks)
