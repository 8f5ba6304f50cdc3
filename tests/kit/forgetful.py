"""A disk that forgets what was not synced: records what a store asks of the system, and makes crash images.

The store works on real files; `RecordingOs` stands in for the `os` module of its modules and writes down
writes, cuts, names and syncs. `images` then gives directories as a crash may leave them: what was synced is
there; of what came later any part may be: the first ones only, or any of them, the last one torn.

Rule: it assumes no more of a file system than POSIX promises: a file's sync says nothing of its name, names
last with a sync of their directory, in the order in which they were given.
"""

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple


class Write(NamedTuple):
    """Bytes at a place of a file."""

    file: int
    offset: int
    data: bytes


class Cut(NamedTuple):
    """A file gets this size."""

    file: int
    size: int


class Name(NamedTuple):
    """A name now leads to a file; None: to nothing."""

    name: str
    file: int | None


class Sync(NamedTuple):
    """A file's bytes, or (None) the names, are on disk."""

    file: int | None


class Mark(NamedTuple):
    """The test's own: what had been promised by then."""

    promise: Any


Event = Write | Cut | Name | Sync | Mark


@dataclass
class RecordingOs:
    """The os module for a store whose files are all in one directory."""

    directory: Path
    events: list[Event] = field(default_factory=list)
    _names: dict[str, int] = field(default_factory=dict)  # as they are now
    _open: dict[int, int | None] = field(default_factory=dict)  # descriptor → file; None: the directory
    _count: int = 0

    def __post_init__(self) -> None:
        """What is there already is on disk."""
        for path in self.directory.iterdir():
            self._name(path.name, self._new_file())
            self.events.append(Write(self._count, 0, path.read_bytes()))
            self.events.append(Sync(self._count))
        self.events.append(Sync(None))

    def _new_file(self) -> int:
        self._count += 1
        return self._count

    def _name(self, name: str, file: int) -> None:
        self._names[name] = file
        self.events.append(Name(name, file))

    def __getattr__(self, name: str) -> Any:
        """What needs no recording."""
        return getattr(os, name)

    def open(self, path: Path, flags: int, mode: int = 0o777) -> int:
        """Open; a file that is created gets its name."""
        fd = os.open(path, flags, mode)
        if flags & os.O_DIRECTORY:
            self._open[fd] = None
            return fd
        name = Path(path).resolve().name
        if flags & os.O_EXCL:
            self._name(name, self._new_file())
        self._open[fd] = self._names[name]
        return fd

    def close(self, fd: int) -> None:
        """Close."""
        os.close(fd)
        self._open.pop(fd, None)

    def write(self, fd: int, data: bytes) -> int:
        """Write where the descriptor stands."""
        at = os.lseek(fd, 0, os.SEEK_CUR)
        done = os.write(fd, data)
        self._record_write(fd, at, bytes(data)[:done])
        return done

    def pwrite(self, fd: int, data: bytes, at: int) -> int:
        """Write at a place."""
        done = os.pwrite(fd, data, at)
        self._record_write(fd, at, data[:done])
        return done

    def _record_write(self, fd: int, at: int, data: bytes) -> None:
        file = self._open[fd]
        assert file is not None
        self.events.append(Write(file, at, data))

    def ftruncate(self, fd: int, size: int) -> None:
        """Cut."""
        os.ftruncate(fd, size)
        file = self._open[fd]
        assert file is not None
        self.events.append(Cut(file, size))

    def fsync(self, fd: int) -> None:
        """Sync; the real disk need not."""
        self.events.append(Sync(self._open[fd]))

    def rename(self, source: Path, target: Path) -> None:
        """Give another name."""
        os.rename(source, target)
        file = self._names.pop(source.name)
        self._name(target.name, file)
        self.events.append(Name(source.name, None))

    def promise(self, what: Any) -> None:
        """Write down that the store has promised something."""
        self.events.append(Mark(what))


def crash(events: list[Event], dice: random.Random, *, in_order: bool) -> dict[str, bytes]:
    """The files by name as a crash after these events may leave them."""
    names: dict[str, int] = {}
    lasting = max((n for n, event in enumerate(events) if event == Sync(None)), default=-1)
    name_events = [(n, event) for n, event in enumerate(events) if isinstance(event, Name)]
    sure = sum(n < lasting for n, _ in name_events)
    for _, event in name_events[: dice.randint(sure, len(name_events))]:
        if event.file is None:
            names.pop(event.name, None)
        else:
            names[event.name] = event.file
    return {name: _contents(events, file, dice, in_order) for name, file in names.items()}


def _contents(events: list[Event], file: int, dice: random.Random, in_order: bool) -> bytes:
    synced = max((n for n, event in enumerate(events) if event == Sync(file)), default=-1)
    changes = [
        (n, event) for n, event in enumerate(events) if isinstance(event, (Write, Cut)) and event.file == file
    ]
    sure = [event for n, event in changes if n < synced]
    open_ = [event for n, event in changes if n >= synced]
    if in_order:
        open_ = open_[: dice.randint(0, len(open_))]
    else:
        open_ = [event for event in open_ if dice.random() < 0.5]
    if open_ and isinstance(open_[-1], Write) and dice.random() < 0.5:
        torn = open_[-1]
        open_[-1] = torn._replace(data=torn.data[: dice.randint(0, len(torn.data))])
    data = bytearray()
    for event in (*sure, *open_):
        if isinstance(event, Cut):
            del data[event.size :]
            data += bytes(event.size - len(data))
        else:
            data += bytes(max(0, event.offset - len(data)))
            data[event.offset : event.offset + len(event.data)] = event.data
    return bytes(data)


def images(
    events: list[Event], dice: random.Random, count: int
) -> Iterator[tuple[list[Event], dict[str, bytes]]]:
    """So many crashes: the events before each, and the files it left."""
    start = events.index(Sync(None)) + 1
    for number in range(count):
        before = events[: dice.randint(start, len(events))]
        yield before, crash(before, dice, in_order=number % 2 == 0)
