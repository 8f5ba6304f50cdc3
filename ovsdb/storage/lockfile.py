"""The lock beside a database file: `.conf.db.~lock~`, locked for writing as the C programs do it.

Rule: one process writes a database. POSIX record locks belong to a process and go when any descriptor of
the file is closed, so a process must not lock a path twice: `_held` sees to that.
"""

import errno
import fcntl
import os
import struct
from pathlib import Path

from ovsdb.storage.base import StorageError

_FLOCK = struct.Struct("hhqqi4x")  # struct flock: type, whence, start, length, pid (64-bit Linux)
_held: set[tuple[int, int, int]] = set()  # (process, device, inode): a forked child holds nothing


class LockError(StorageError):
    """The lock file cannot be locked; `reason` is for the log, the text for the user."""

    def __init__(self, path: Path, code: int | None, reason: str) -> None:
        super().__init__(f"I/O error: {path}: failed to lock lockfile ({os.strerror(code or errno.EIO)})")
        self.reason = reason


def lock_path(path: Path) -> Path:
    """Where the lock of a file is; a symbolic link is locked where it leads."""
    real = path.resolve()
    return real.with_name(f".{real.name}.~lock~")


class Lockfile:
    """A lock that is held from construction to `release`."""

    def __init__(self, path: Path) -> None:
        """Lock the file beside `path`; LockError if another process or this one has it."""
        where = lock_path(path)
        shown = where if path.is_absolute() else Path(os.path.relpath(where))
        try:
            fd = os.open(where, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as e:
            raise LockError(path, e.errno, f"{shown}: failed to open lock file: {e.strerror}") from None
        status = os.fstat(fd)
        key = (os.getpid(), status.st_dev, status.st_ino)
        if key in _held:
            # Closing fd would drop the lock we hold, so it stays open: only a mistake in argv comes here.
            text = "cannot lock file because this process has already locked it"
            raise LockError(path, errno.EDEADLK, f"{shown}: {text}")
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            owner = _owner(fd)
            os.close(fd)
            text = f"cannot lock file because it is already locked by pid {owner}"
            raise LockError(path, e.errno, f"{shown}: {text}") from None
        _held.add(key)
        self._fd = fd
        self._key = key

    def release(self) -> None:
        """Let another process lock the file; a second time does nothing."""
        if self._fd >= 0:
            _held.discard(self._key)
            os.close(self._fd)
            self._fd = -1


def _owner(fd: int) -> int:
    query = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    pid: int = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_GETLK, query))[4]
    return pid
