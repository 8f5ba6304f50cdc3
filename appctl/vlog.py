"""Logs as Open vSwitch writes them: modules with a level for each of console, syslog and file.

Rule: a message is formatted only if some destination wants it; a line is in the file when the call returns.
Nothing here raises for what the system does with a line. The state is the process's: levels, patterns and
the open file. What only a written line needs (patterns, syslog) is loaded with the first one: most runs of a
command-line tool write none.

    log = vlog.module("reconciler")
    log.info("%s: created", name)     # or an f-string where the level is normally on
"""

from __future__ import annotations

import contextlib
import enum
import os
import sys
import time
from collections.abc import Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    T = TypeVar("T")


class Level(enum.IntEnum):
    """From the most severe to the least."""

    OFF = 0
    EMER = 1
    ERR = 2
    WARN = 3
    INFO = 4
    DBG = 5


SEVERITY = {Level.EMER: 1, Level.ERR: 3, Level.WARN: 4, Level.INFO: 5, Level.DBG: 7}  # INFO: notice


class Destination(enum.IntEnum):
    """Where lines go."""

    SYSLOG = 0
    CONSOLE = 1
    FILE = 2


COLUMNS = (Destination.CONSOLE, Destination.SYSLOG, Destination.FILE)  # of vlog/list
DEFAULT_PATTERNS = {
    Destination.SYSLOG: "ovs|%05N|%c%T|%p|%m",
    Destination.CONSOLE: "%D{%Y-%m-%dT%H:%M:%SZ}|%05N|%c%T|%p|%m",
    Destination.FILE: "%D{%Y-%m-%dT%H:%M:%S.###Z}|%05N|%c%T|%p|%m",
}
SYSLOG_PREFIX = "<%B> %D{%h %e %T} %E %A: "


class VlogError(Exception):
    """A specification that cannot be followed; the text says why."""


class RateLimit:
    """A token bucket for messages that a peer can cause: `rate` per minute, `burst` at once."""

    def __init__(self, rate: int = 10, burst: int = 60) -> None:
        self.rate = rate / 60
        self.burst = burst
        self.dropped = 0  # since the last message that passed
        self._tokens = float(burst)
        self._filled = 0.0  # monotonic seconds
        self._first_drop = 0.0

    def admit(self, now: float) -> bool:
        """Whether a message may pass at `now`, monotonic seconds."""
        self._tokens = min(self.burst, self._tokens + (now - self._filled) * self.rate)
        self._filled = now
        if self._tokens >= 1:
            self._tokens -= 1
            return True
        if not self.dropped:
            self._first_drop = now
        self.dropped += 1
        return False

    def take_dropped(self, now: float) -> tuple[int, int]:
        """How many messages were dropped in how many seconds before `now`; forgets them."""
        count, self.dropped = self.dropped, 0
        return count, int(now - self._first_drop)


class Module:
    """What logs under one name. Made by module()."""

    __slots__ = ("levels", "limited", "name", "threshold")

    def __init__(self, name: str) -> None:
        self.name = name
        self.levels = dict.fromkeys(Destination, Level.INFO)
        self.threshold = Level.INFO  # the most talkative level that any destination wants
        self.limited = True  # whether rate limits are kept

    def set_level(self, destination: Destination, level: Level) -> None:
        """For one destination; a file counts only while one is open."""
        self.levels[destination] = level
        self.threshold = max(self.levels.values())

    def err(self, text: str, *args: object) -> None:
        """An operation failed; somebody should look."""
        self.log(Level.ERR, text, *args)

    def warn(self, text: str, *args: object, limit: RateLimit | None = None) -> None:
        """Something failed that may mend itself."""
        if limit is not None and self.limited and not self._admit(Level.WARN, limit):
            return
        self.log(Level.WARN, text, *args)

    def info(self, text: str, *args: object, limit: RateLimit | None = None) -> None:
        """Worth knowing when a problem is looked into."""
        if limit is not None and self.limited and not self._admit(Level.INFO, limit):
            return
        self.log(Level.INFO, text, *args)

    def dbg(self, text: str, *args: object) -> None:
        """For those who know the program."""
        if self.threshold >= Level.DBG:  # 40 ns when off
            self.log(Level.DBG, text, *args)

    def exception(self, text: str, *args: object) -> None:
        """As err(), followed by the trace of the exception that is being handled, which the console is
        spared."""
        self.log(Level.ERR, text, *args)
        if self.threshold >= Level.ERR:
            import traceback

            for line in traceback.format_exc().splitlines():
                _write(self, Level.ERR, line, console=False)

    def log(self, level: Level, text: str, *args: object) -> None:
        """`text` % `args`, at `level`."""
        if self.threshold >= level:
            _write(self, level, text % args if args else text)

    def _admit(self, level: Level, limit: RateLimit) -> bool:
        if self.threshold < level:
            return False
        now = time.monotonic()
        if not limit.admit(now):
            return False
        if limit.dropped:
            count, seconds = limit.take_dropped(now)
            self.log(
                level, "Dropped %d log messages in last %d seconds due to excessive rate", count, seconds
            )
        return True


class _State:
    """Of this process."""

    def __init__(self) -> None:
        self.program = os.path.basename(sys.argv[0] or "python")
        self.subprogram = ""
        self.started = time.time()
        self.number = 0
        self.file_name = ""  # "": no file was asked for
        self.file = -1  # descriptor
        self.patterns = dict(DEFAULT_PATTERNS)
        self.facility: int | None = None  # None: each sender's own


_modules: dict[str, Module] = {}
_levels = dict.fromkeys(Destination, Level.INFO)  # of modules that are made later
_state = _State()


def module(name: str) -> Module:
    """The module of this name, the same one each time."""
    if name not in _modules:
        made = _modules[name] = Module(name)
        for destination, level in _levels.items():
            made.set_level(destination, level)
    return _modules[name]


log = module("vlog")


def set_program(name: str, subprogram: str = "") -> None:
    """Name the program, and the process in it ("" for the main one), for %A and %T."""
    _state.program = name
    _state.subprogram = subprogram


def program() -> str:
    """The name that set_program() gave."""
    return _state.program


def set_levels(name: str | None, destination: Destination | None, level: Level) -> None:
    """Of one module or all, for one destination or all."""
    destinations = list(Destination) if destination is None else [destination]
    if name is None:
        _levels.update(dict.fromkeys(destinations, level))
    for target in list(_modules.values()) if name is None else [module(name)]:
        for each in destinations:
            target.set_level(each, level)


def set_from_text(spec: str) -> None:
    """Follow a specification as of -v and vlog/set; VlogError."""
    first, _, rest = spec.partition(":")
    if first.upper() == "PATTERN":
        name, _, pattern = rest.partition(":")
        _set_pattern(name, pattern)
        return
    if first.upper() == "FACILITY":
        from appctl import syslog

        if rest not in syslog.FACILITIES:
            raise VlogError("invalid facility")
        _state.facility = syslog.FACILITIES[rest]
        return
    name_found: str | None = None
    destination: Destination | None = None
    level: Level | None = None
    for word in spec.replace(",", " ").replace(":", " ").split():
        upper = word.upper()
        if upper in Destination.__members__:
            destination = _only(destination, Destination[upper], "destinations")
        elif upper in Level.__members__:
            level = _only(level, Level[upper], "levels")
        elif word.lower() in _modules or _is_module_of_c(word.lower()):
            name_found = _only(name_found, word.lower(), "modules")
        elif upper != "ANY":
            raise VlogError(f'no destination, level, or module "{word}"')
    set_levels(name_found, destination, Level.DBG if level is None else level)


def _is_module_of_c(name: str) -> bool:
    """Whether the C programs have a module of that name, which scripts may set levels of."""
    from appctl.log_modules import C_MODULES

    return name in C_MODULES


def _only(before: T | None, now: T, what: str) -> T:
    if before is not None:
        raise VlogError(f"cannot specify multiple {what}")
    return now


def _set_pattern(name: str, pattern: str) -> None:
    destination = Destination.__members__.get(name.upper())
    if destination is None:
        raise VlogError(f'unknown destination "{name}"')
    _state.patterns[destination] = pattern


def set_rate_limits(names: Sequence[str], *, kept: bool) -> None:
    """Whether some modules (all, if none is named) keep their rate limits; VlogError."""
    unknown = [name for name in names if name not in _modules and not _is_module_of_c(name)]
    if unknown:
        raise VlogError("unknown module")
    for target in [module(name) for name in names] or list(_modules.values()):
        target.limited = kept


def format_levels() -> str:
    """The answer to vlog/list."""
    lines = ["                 console    syslog    file", "                 -------    ------    ------"]
    for name, each in sorted(_modules.items()):
        console, log_, file = (each.levels[destination].name for destination in COLUMNS)
        lines.append(f"{name:<16}  {console:>4}       {log_:>4}       {file:>4}")
    return "".join(f"{line}\n" for line in lines)


def format_patterns() -> str:
    """The answer to vlog/list-pattern."""
    head = [
        "         prefix                            format",
        "         ------                            ------",
    ]
    prefixes = {Destination.SYSLOG: SYSLOG_PREFIX}
    rows = [
        f"{each.name:<7}  {prefixes.get(each, 'none'):<32}  {_state.patterns[each]}" for each in Destination
    ]
    return "".join(f"{line}\n" for line in head + rows)


def open_file(name: str) -> str:
    """Log to the file `name` from now on, appending; the system's reason if that fails, else "".

    The name stays for reopen() either way.
    """
    close_file()
    _state.file_name = os.path.abspath(name)  # the working directory may change before reopen()
    try:
        _state.file = os.open(_state.file_name, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o660)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        log.warn("failed to open %s for logging: %s", _state.file_name, reason)
        return reason
    log.info("opened log file %s", _state.file_name)
    return ""


def reopen_file() -> str:
    """After the file was rotated away: as open_file() with the same name. One still in place stays open."""
    if _state.file >= 0 and _is_in_place():
        return ""
    return open_file(_state.file_name) if _state.file_name else "Logging to file not configured"


def _is_in_place() -> bool:
    with contextlib.suppress(OSError):
        return os.path.samestat(os.fstat(_state.file), os.stat(_state.file_name))
    return False


def give_file_to(uid: int, gid: int) -> None:
    """Let another user, who this process is about to become, own the open file and so reopen it. OSError."""
    if _state.file >= 0:
        os.fchown(_state.file, uid, gid)


def close_file() -> None:
    """Log to no file until reopen_file()."""
    if _state.file >= 0:
        log.info("closing log file")
        os.close(_state.file)
        _state.file = -1


def _write(source: Module, level: Level, text: str, *, console: bool = True) -> None:
    from appctl import syslog
    from appctl.log_pattern import Record, format_record, parse_pattern

    _state.number += 1
    facility = _state.facility
    record = Record(
        program=_state.program,
        pid=os.getpid(),
        priority=(syslog.FACILITIES["daemon"] if facility is None else facility) * 8 + SEVERITY[level],
        module=source.name,
        level=level.name,
        number=_state.number,
        when=time.time(),
        started=_state.started,
        subprogram=_state.subprogram,
        text=text,
    )
    levels = source.levels
    if console and levels[Destination.CONSOLE] >= level:
        _write_all(2, format_record(parse_pattern(_state.patterns[Destination.CONSOLE]), record))
    if levels[Destination.FILE] >= level and _state.file >= 0:
        _write_all(_state.file, format_record(parse_pattern(_state.patterns[Destination.FILE]), record))
    if levels[Destination.SYSLOG] >= level:
        line = format_record(parse_pattern(_state.patterns[Destination.SYSLOG]), record)
        syslog.send(record, line, facility)


def _write_all(descriptor: int, line: str) -> None:
    """Unbuffered, so that no line is lost with the process and none is written twice after fork()."""
    data = f"{line}\n".encode(errors="backslashreplace")
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(descriptor, data) :]
