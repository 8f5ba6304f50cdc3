"""How a log line is made from a message: the %-patterns of ovs-appctl(8), "vlog/set PATTERN".

Rule: a pattern is taken apart once and applied to each record; what is no known escape stands for itself.
"""

from __future__ import annotations

import functools
import os
import re
import time
from collections.abc import Callable

from rpc.structs import Struct

DEFAULT_DATE = "%Y-%m-%d %H:%M:%S.###"
ESCAPE = re.compile(r"%(?P<left>-?)(?P<zero>0?)(?P<width>\d*)(?P<letter>[A-Za-z%])(?:\{(?P<braces>[^}]*)\})?")
TAKES_BRACES = "dDcm"


class Record(Struct):
    """One message with everything that a pattern may ask for."""

    program: str
    pid: int
    priority: int  # of syslog: facility * 8 + severity
    module: str
    level: str  # in capitals
    number: int  # of messages since the program started
    when: float  # seconds since the epoch
    started: float  # when the program did
    subprogram: str  # "" in the main process
    text: str


class Piece(Struct):
    """A literal (letter "") or an escape of a pattern."""

    letter: str
    text: str  # of a literal, or between the braces
    width: int = 0
    fill: str = " "
    left: bool = False


@functools.lru_cache(maxsize=16)  # three are in use at a time
def parse_pattern(pattern: str) -> tuple[Piece, ...]:
    """The pieces of `pattern`."""
    pieces: list[Piece] = []
    end = 0
    for found in ESCAPE.finditer(pattern):
        pieces.append(Piece("", pattern[end : found.start()]))
        letter, braces = found["letter"], found["braces"]
        after = "" if letter in TAKES_BRACES or braces is None else f"{{{braces}}}"
        fill = "0" if found["zero"] else " "
        pieces.append(Piece(letter, braces or "", int(found["width"] or 0), fill, bool(found["left"])))
        pieces.append(Piece("", after))
        end = found.end()
    pieces.append(Piece("", pattern[end:]))
    return tuple(piece for piece in pieces if piece.letter or piece.text)


def format_record(pieces: tuple[Piece, ...], record: Record) -> str:
    """The line, without a new-line at its end."""
    return "".join([piece.text if not piece.letter else _expand(piece, record) for piece in pieces])


def _expand(piece: Piece, record: Record) -> str:
    expansion = EXPANSIONS.get(piece.letter)
    text = expansion(piece, record) if expansion else piece.letter
    if len(text) >= piece.width:
        return text
    return text.ljust(piece.width) if piece.left else text.rjust(piece.width, piece.fill)


def _format_date(template: str, when: float, parts: time.struct_time) -> str:
    """strftime() with fractions of a second for every # in a row."""
    fraction = f"{int(when * 1000) % 1000:03d}"
    template = template or DEFAULT_DATE
    template = re.sub("#+", lambda found: fraction.ljust(len(found[0]), "0")[: len(found[0])], template)
    return time.strftime(template, parts)


EXPANSIONS: dict[str, Callable[[Piece, Record], str]] = {
    "A": lambda _, record: record.program,
    "B": lambda _, record: str(record.priority),
    "c": lambda _, record: record.module,
    "d": lambda piece, record: _format_date(piece.text, record.when, time.localtime(record.when)),
    "D": lambda piece, record: _format_date(piece.text, record.when, time.gmtime(record.when)),
    "E": lambda _, record: os.uname().nodename,
    "m": lambda _, record: record.text,
    "N": lambda _, record: str(record.number),
    "n": lambda _, record: "\n",
    "p": lambda _, record: record.level,
    "P": lambda _, record: str(record.pid),
    "r": lambda _, record: str(int((record.when - record.started) * 1000)),
    "t": lambda _, record: record.subprogram or "main",
    "T": lambda _, record: f"({record.subprogram})" if record.subprogram else "",
    "%": lambda _, record: "%",
}
