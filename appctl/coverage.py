"""Counters of what a daemon does, with rates: coverage/show and coverage/read-counter (ovs-appctl(8)).

Rule: counting is cheap, and looking costs what is looked at. A counter is made once, where a module loads:

    commits = coverage.counter("ovsdb_commit")
    commits.count()
"""

from __future__ import annotations

import time
import zlib
from collections import deque
from typing import NoReturn

from appctl.unixctl import CommandError, Commands

SLOT = 5.0  # seconds
SLOTS = 720  # an hour of them


class Counter:
    """How often something has happened, and how often in each of the last slots."""

    __slots__ = ("_slots", "name", "total")

    def __init__(self, name: str) -> None:
        self.name = name
        self.total = 0
        self._slots: deque[list[int]] = deque(maxlen=SLOTS)  # [number of the slot, how often in it]

    def count(self, now: float | None = None) -> None:
        """It has happened."""
        self.total += 1
        slot = int((time.monotonic() if now is None else now) / SLOT)
        if self._slots and self._slots[-1][0] == slot:
            self._slots[-1][1] += 1
        else:
            self._slots.append([slot, 1])

    def rate(self, slots: int, now: float) -> float:
        """How often in a second, over the last whole slots."""
        present = int(now / SLOT)
        recent = sum(n for slot, n in self._slots if present - slots <= slot < present)
        return recent / (slots * SLOT)


_counters: dict[str, Counter] = {}


def counter(name: str) -> Counter:
    """The counter of this name."""
    return _counters.setdefault(name, Counter(name))


def format_counters(now: float) -> str:
    """What coverage/show tells."""
    seen = [each for each in _counters.values() if each.total]
    digest = zlib.crc32(" ".join(sorted(each.name for each in seen)).encode())
    lines = [f"Event coverage, avg rate over last: 5 seconds, last minute, last hour,  hash={digest:08x}:"]
    for each in sorted(seen, key=lambda each: each.total):
        second, minute, hour = (each.rate(slots, now) for slots in (1, 12, SLOTS))
        rates = f"{second:5.1f}/sec{minute:10.3f}/sec{hour:14.4f}/sec"
        lines.append(f"{each.name:<24} {rates}   total: {each.total}")
    lines.append(f"{len(_counters) - len(seen)} events never hit")
    return "\n".join(lines) + "\n"


def _fail(text: str) -> NoReturn:
    raise CommandError(text)


def register(commands: Commands) -> None:
    """Add the commands."""

    def read(args: list[str]) -> str:
        found = _counters.get(args[0])
        return f"{found.total}\n" if found else _fail("No such counter")

    commands.register("coverage/show", "", 0, 0, lambda _: format_counters(time.monotonic()))
    commands.register("coverage/read-counter", "COUNTER", 1, 1, read)
