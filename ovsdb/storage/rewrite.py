"""A new file that is to take a log's place, while the log goes on: how a database is compacted.

Rule: the old file stays what counts until the new one has its name. What is committed meanwhile goes to the
old file as ever, and from there to the end of the new one; then the new one, synced, is renamed. Giving up
is possible at every moment before and leaves nothing behind.

The slow parts, `write` and `catch_up`, may run in another thread. They hold the interpreter for one piece at
a time and rest in between, so that a client is not kept waiting.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from ovsdb.storage import record
from ovsdb.storage.base import StorageError
from ovsdb.storage.disk import Identity, identity_of, sync_directory, write_all
from ovsdb.storage.reader import FileIOError

COPY_BYTES = 1 << 16
CALM_BYTES = 1 << 16  # the rest that is copied at once, in the thread that commits


class GivenUpError(StorageError):
    """The rewrite was given up, for instance because the database was converted meanwhile."""


class Rewrite:
    """The new file, from the first byte until it has the old one's name or is gone."""

    def __init__(
        self,
        path: Path,
        identity: Identity,
        end: int,
        failed: str,
        *,
        suffix: str = ".tmp",
    ) -> None:
        """Begin to replace the file, which has `end` good bytes; StorageError.

        `failed` is what errors say, `suffix` follows the file's name in that of the new one.
        """
        self._path = path
        self._failed = failed
        self._target = path.resolve()
        self._temporary = self._target.with_name(self._target.name + suffix)
        self._copied = end  # bytes of the old file that the new one has, as a snapshot or as they were
        self._source = self._fd = -1
        self.head = 0  # id of the last position, if one opened the new file now
        self.given_up = False
        try:
            self._source = os.open(self._target, os.O_RDONLY | os.O_CLOEXEC)
            status = os.fstat(self._source)
            if identity_of(status) != identity:
                raise FileIOError(path, failed, "the file has been replaced")
            self._temporary.unlink(missing_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._fd = os.open(self._temporary, flags, 0o600)
            if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                with contextlib.suppress(PermissionError):
                    os.fchown(self._fd, status.st_uid, status.st_gid)
            os.fchmod(self._fd, status.st_mode & 0o7777)
        except BaseException as e:
            self.give_up()
            if isinstance(e, OSError):
                raise FileIOError(path, failed, e) from None
            raise

    def write(self, pieces: Iterable[bytes], checkpoint: Callable[[], None] = lambda: None) -> None:
        """Append a record whose JSON comes in pieces; StorageError.

        `checkpoint` is called after each piece; it may rest, and may raise to give up.
        """
        kept = []
        length, digest = 1, hashlib.sha1(usedforsecurity=False)
        for piece in pieces:
            kept.append(piece)
            length += len(piece)
            digest.update(piece)
            self._pause(checkpoint)
        digest.update(b"\n")
        kept.append(b"\n")
        self.head = record.next_id(self.head, digest.hexdigest())
        self._append(record.format_header(length, digest.hexdigest()))
        for piece in kept:
            self._append(piece)
            self._pause(checkpoint)

    def catch_up(self, end_of: Callable[[], int], checkpoint: Callable[[], None] = lambda: None) -> None:
        """Copy what was committed to the old file until little is left, and sync; StorageError.

        `end_of` says where the old file's good bytes end now.
        """
        while (end := end_of()) - self._copied > CALM_BYTES:
            self._copy(end, checkpoint)
        self._sync()

    def finish(self, end: int) -> int:
        """Copy the rest, up to `end` in the old file, and take its name: the descriptor of the new file.

        On a StorageError the old file is what it was.
        """
        if self.given_up:
            raise GivenUpError(f"{self._path}: {self._failed}: given up")
        if end > self._copied:
            self._copy(end, lambda: None)
            self._sync()
        try:
            os.rename(self._temporary, self._target)
        except OSError as e:
            raise FileIOError(self._path, self._failed, e) from None
        with contextlib.suppress(OSError):  # the new file has the name: there is no way back
            sync_directory(self._target)
        fd, self._fd = self._fd, -1
        self._close()
        return fd

    def abandon(self) -> None:
        """Let the thread that writes stop soon with GivenUpError; whoever started it then gives up."""
        self.given_up = True

    def give_up(self) -> None:
        """Remove the new file, which nobody writes any more; after `finish`, or again, it does nothing."""
        self.given_up = True
        if self._fd >= 0 and self._has_name():
            self._temporary.unlink(missing_ok=True)
        self._close()

    def _has_name(self) -> bool:
        """Whether the new file is there, and not that of a later rewrite."""
        try:
            return os.path.samestat(os.fstat(self._fd), os.lstat(self._temporary))
        except FileNotFoundError:
            return False

    def _close(self) -> None:
        for fd in (self._fd, self._source):
            if fd >= 0:
                os.close(fd)
        self._fd = self._source = -1

    def _pause(self, checkpoint: Callable[[], None]) -> None:
        if self.given_up:
            raise GivenUpError(f"{self._path}: {self._failed}: given up")
        checkpoint()

    def _append(self, data: bytes) -> None:
        try:
            write_all(self._fd, data)
        except OSError as e:
            raise FileIOError(self._path, self._failed, e) from None

    def _sync(self) -> None:
        try:
            os.fsync(self._fd)
        except OSError as e:
            raise FileIOError(self._path, self._failed, e) from None

    def _copy(self, end: int, checkpoint: Callable[[], None]) -> None:
        while self._copied < end:
            try:
                data = os.pread(self._source, min(COPY_BYTES, end - self._copied), self._copied)
            except OSError as e:
                raise FileIOError(self._path, self._failed, e) from None
            if not data:
                raise FileIOError(self._path, self._failed, "the file has been cut")
            self._append(data)
            self._copied += len(data)
            self._pause(checkpoint)
