"""How far a long task is, on a terminal.

Rule: on standard error, only where that is a terminal, never in the first half second, at most ten times a
second, and gone without a trace at the end.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import TextIO, TypeVar

    T = TypeVar("T")

SILENT_SECONDS = 0.5
INTERVAL_SECONDS = 0.1
WIDTH = 30


def format_line(label: str, done: int, total: int) -> str:
    """One line of progress; without a total, only how much is done."""
    if total <= 0:
        return f"{label}: {done:,}"
    share = min(1.0, max(0.0, done / total))
    bar = ("#" * int(share * WIDTH)).ljust(WIDTH, ".")
    return f"{label}: [{bar}] {share:4.0%}"


class Progress:
    """A context that shows progress while it lasts.

    with Progress("reading conf.db", size) as progress:
        progress(bytes_done)
    """

    def __init__(
        self,
        label: str,
        total: int = 0,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`total` in the unit of what is reported, 0 where it is not known; `clock` gives seconds."""
        self._label = label
        self._total = total
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._next = clock() + SILENT_SECONDS
        self._shown = 0  # letters of the line that is on the screen
        self._wanted = self._stream.isatty()

    def __enter__(self) -> Progress:
        """Begin."""
        return self

    def __call__(self, done: int) -> None:
        """So much is done."""
        if not self._wanted:
            return
        now = self._clock()
        if now < self._next:
            return
        self._next = now + INTERVAL_SECONDS
        line = format_line(self._label, done, self._total)
        self._stream.write("\r" + line.ljust(self._shown))
        self._stream.flush()
        self._shown = len(line)

    def count(self, items: Iterable[T]) -> Iterator[T]:
        """Pass the items on and report how many there were."""
        for number, item in enumerate(items, 1):
            yield item
            self(number)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wipe the line."""
        if self._shown:
            self._stream.write("\r" + " " * self._shown + "\r")
            self._stream.flush()
            self._shown = 0
