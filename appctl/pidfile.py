"""Files that hold the number of a running daemon, and a lock for as long as it runs.

Rule: a pidfile appears complete and locked, by link or rename from a temporary one; it is the lock (fcntl,
as the C programs take it) that tells a running daemon from one that died.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct

from appctl import vlog

FLOCK = struct.Struct("hhqqi4x")  # struct flock on 64-bit Linux: type, whence, start, length, pid
log = vlog.module("daemon_unix")


class PidfileError(Exception):
    """The pidfile `path` cannot be made or read, because of `why`; `errno` is the system's, or 0."""

    def __init__(self, path: str, why: str, errno: int = 0) -> None:
        super().__init__(path, why)
        self.path = path
        self.why = why
        self.errno = errno

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


class Pidfile:
    """This process's own; the lock holds while the object is there and close() was not called."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor  # no other may ever be opened and closed: that would drop the lock

    def remove(self) -> None:
        """Removes the file, unless another daemon has overwritten it, and drops the lock."""
        own = os.fstat(self._descriptor)
        with contextlib.suppress(OSError):
            found = os.stat(self.path)
            if (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino):
                os.unlink(self.path)
        os.close(self._descriptor)


def create(path: str, *, overwrite: bool = False) -> Pidfile:
    """Claims `path` for this process; PidfileError, also where a running daemon has it (unless
    `overwrite`)."""
    temporary = f"{path}.tmp{os.getpid()}"
    try:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise PidfileError(temporary, f"create failed ({error.strerror})", error.errno or 0) from error
    try:
        os.write(descriptor, f"{os.getpid()}\n".encode())
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if overwrite:
            os.rename(temporary, path)
        else:
            _link(temporary, path)
            os.unlink(temporary)
    except BaseException as error:
        os.close(descriptor)
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise PidfileError(path, f"create failed ({error.strerror})", error.errno or 0) from error
        raise
    return Pidfile(path, descriptor)


def _link(temporary: str, path: str) -> None:
    """OSError; PidfileError where `path` belongs to a running process. A stale one is removed."""
    while True:
        try:
            os.link(temporary, path)
        except FileExistsError:
            pid = _owner(path, remove_stale=True)
            if pid is not None:
                raise PidfileError(path, f"already running as pid {pid}, aborting") from None
        else:
            return


def read(path: str) -> int:
    """The number of the running process that holds `path`; PidfileError."""
    pid = _owner(path)
    if pid is None:
        raise PidfileError(path, os.strerror(errno.ESRCH), errno.ESRCH)
    return pid


def _owner(path: str, *, remove_stale: bool = False) -> int | None:
    """Who locks `path`; None if nobody does. Opened for writing, since a lock is asked about."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError as error:
        if remove_stale:
            return None
        raise PidfileError(path, os.strerror(errno.ENOENT), errno.ENOENT) from error
    except OSError as error:
        raise PidfileError(path, error.strerror or "cannot be opened", error.errno or 0) from error
    try:
        asked = FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
        if kind != fcntl.F_UNLCK:
            return int(pid)
        if remove_stale and _is_same(descriptor, path):
            log.warn("%s: stale pidfile being deleted by pid %d", path, os.getpid())
            os.unlink(path)
        return None
    finally:
        os.close(descriptor)


def _is_same(descriptor: int, path: str) -> bool:
    """Whether `path` is still what was opened: another daemon may have claimed it since."""
    with contextlib.suppress(OSError):
        opened, found = os.fstat(descriptor), os.stat(path)
        return (opened.st_dev, opened.st_ino) == (found.st_dev, found.st_ino)
    return False
