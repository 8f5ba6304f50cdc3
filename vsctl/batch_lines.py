"""The lines of a batch: command lines as they come, and what each says.

Rule: a line is what would follow `ovs-vsctl [OPTION]...`, quoted as in a shell, or a JSON array of its words.
Empty lines and those that begin with # say nothing.
"""

from __future__ import annotations

import json
import shlex
from collections import deque
from collections.abc import Callable, Iterator

from rpc.structs import Struct
from vsctl.errors import UsageError
from vsctl.grammar import Call, parse_commands

QUOTING = frozenset("\"'\\")
PIECE = 1 << 16  # bytes that are read at once


class Line(Struct):
    """A line of the input."""

    number: int  # from 1
    calls: list[Call]
    error: str = ""  # why it cannot be read


class Lines:
    """The lines of an input, which is read in pieces as they come."""

    def __init__(self, read: Callable[[int], bytes], wait: Callable[[], None]) -> None:
        """`read` at most so many bytes, b"" at the end; `wait` is called before, as that may take long."""
        self._read = read
        self._wait = wait
        self._number = 0
        self._rest = b""  # what has come of a line that is not complete
        self._texts: deque[bytes] = deque()
        self._parsed: deque[Line] = deque()
        self._at_end = False

    def __iter__(self) -> Iterator[Line]:
        while True:
            if not self._parsed:
                self.look_ahead()
            if self._parsed:
                yield self._parsed.popleft()
            elif self._at_end:
                return
            else:
                self._take_in()

    def look_ahead(self) -> None:
        """Parse a line, if one is there, so that its turn takes less time."""
        while self._texts and not self._parsed:
            self._number += 1
            text = self._texts.popleft().decode(errors="surrogateescape").strip()
            if text and not text.startswith("#"):
                self._parsed.append(parse_line(self._number, text))

    def _take_in(self) -> None:
        self._wait()
        more = self._read(PIECE)
        self._at_end = not more
        *texts, self._rest = (self._rest + more).split(b"\n")
        self._texts.extend([*texts, self._rest] if self._at_end else texts)


def parse_line(number: int, text: str) -> Line:
    """What a line says, or why it says nothing."""
    try:
        words = json.loads(text) if text.startswith("[") else _split(text)
        if not all(isinstance(word, str) for word in words):
            raise ValueError("a word that is no string")
        calls = parse_commands(words, [])
    except (ValueError, RecursionError) as error:
        return Line(number, [], f"the line cannot be split into words: {error}")
    except UsageError as error:
        return Line(number, [], str(error))
    if any(call.command.alone for call in calls):
        return Line(number, [], f"'{calls[0].command.name}' cannot be used in a batch")
    return Line(number, calls)


def _split(text: str) -> list[str]:
    return shlex.split(text) if QUOTING & set(text) else text.split()  # 2 µs in place of 50
