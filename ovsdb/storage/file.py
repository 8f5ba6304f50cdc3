"""A standalone database file: read, append, sync, compact (ovsdb(5)).

Rule: the file on disk is a schema and a prefix of the proposals, whatever happens: an append that fails is
cut off, a compaction is a new file that takes the old one's name. Damage ends the log; it is cut off before
the next append, as the C server does. The texts of errors are those of the C programs.
"""

import contextlib
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

from ovsdb.storage import record
from ovsdb.storage.base import (
    Accepted,
    Conflict,
    Failed,
    JsonObject,
    StorageError,
    StoredRecord,
    Ticket,
)
from ovsdb.storage.lockfile import Lockfile
from ovsdb.storage.reader import FileIOError, Reader

GROWN_SIZE = (
    10 << 20
)  # bytes; a smaller file is not compacted for its size (ovsdb-server(1), ovsdb-server/compact)
COMPACT_MIN_COMMITS = 100
COMPACT_MIN_SECONDS = 600.0
COMPACT_MAX_SECONDS = 24 * 3600.0


def create(path: Path, schema: JsonObject, records: Iterable[bytes] = ()) -> None:
    """Create a database file, which must not exist, with these transactions."""
    lock = Lockfile(path)
    try:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        except OSError as e:
            raise FileIOError(path, "create failed", e) from None
        try:
            for body in (orjson.dumps(schema), *records):
                _write_all(fd, record.format_record(body)[0])
            os.fsync(fd)
            _sync_directory(path)
        except BaseException as e:
            os.unlink(path)
            if isinstance(e, OSError):
                raise FileIOError(path, "write failed", e) from None
            raise
        finally:
            os.close(fd)
    finally:
        lock.release()


def copy_start(source: Path, target: Path, size: int) -> None:
    """Write the first `size` bytes of a file into a new one; FileIOError, and then there is no new one."""
    try:
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    except OSError as e:
        raise FileIOError(target, "create failed", e) from None
    try:
        with source.open("rb") as f:
            while size and (piece := f.read(min(size, 1 << 20))):
                _write_all(fd, piece)
                size -= len(piece)
        os.fsync(fd)
        _sync_directory(target)
    except OSError as e:
        os.unlink(target)
        raise FileIOError(target, "write failed", e) from None
    finally:
        os.close(fd)


class FileStorage:
    """Implements `Storage` on a file that is locked while it is open."""

    def __init__(self, path: Path, now: float, *, lock: bool = True) -> None:
        """Open; StorageError. `now` is monotonic seconds: the age of the file counts from here.

        Without `lock`, for those who only read: nobody may propose.
        """
        self._path = path
        self._lock = Lockfile(path) if lock else None
        self._fd = -1
        try:
            self._reader = Reader(path)
            self._records = self._reader.records()
            self.schema, digest = self._first()
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            raise
        self.head = record.next_id(0, digest)
        self.damage: StorageError | None = None
        self._previous = (self._reader.end, self.head)  # before the record that was read last
        self._end = self._reader.end
        self._base_size = 0  # bytes after the last compaction, or when it was opened
        self._commits = 0  # since then
        self._compacted_at = now

    def _first(self) -> tuple[JsonObject, str]:
        try:
            return next(self._records)
        except BaseException:
            self._reader.close()
            raise

    @property
    def name(self) -> str:
        """The path."""
        return str(self._path)

    @property
    def size(self) -> int:
        """Bytes of the log."""
        return self._end

    def load(self) -> Iterator[StoredRecord]:
        """Read the transactions; see `Storage`."""
        reader = self._reader
        try:
            for value, digest in self._records:
                self._previous = (self._end, self.head)
                self._end = reader.end
                self.head = record.next_id(self.head, digest)
                self._commits += 1
                yield StoredRecord(self.head, value)
                if self._end != reader.end:  # rejected
                    break
        except StorageError as e:
            self.damage = e
        reader.close()
        self._base_size = self._end

    def reject_last(self, why: StorageError) -> None:
        """Cut the log off before the record that `load` has just given."""
        self.damage = why
        self._end, self.head = self._previous
        self._commits -= 1

    def propose(self, body: bytes, prerequisite: int, *, durable: bool) -> Ticket:
        """Append and, if durable, sync; see `Storage`. A file answers at once."""
        if prerequisite != self.head:
            return Ticket(Conflict(self.head))
        data, digest = record.format_record(body)
        try:
            if self._fd < 0:
                self._open_for_append()
            _write_all(self._fd, data)
            if durable:
                os.fsync(self._fd)
        except OSError as e:
            return Ticket(Failed(self._undo_append(e)))
        self._end += len(data)
        self._commits += 1
        self.head = record.next_id(self.head, digest)
        return Ticket(Accepted(self.head))

    def _open_for_append(self) -> None:
        fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            if os.fstat(fd).st_size != self._end:
                os.ftruncate(fd, self._end)
            os.lseek(fd, self._end, os.SEEK_SET)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd

    def _undo_append(self, cause: OSError) -> StorageError:
        """Forget the descriptor: the next proposal opens the file anew and cuts off what is half written."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._end)
            os.close(self._fd)
            self._fd = -1
        return FileIOError(self._path, "write failed", cause)

    def should_compact(self, now: float) -> bool:
        """By ovsdb-server(1): doubled and not small, or a day old; not before 100 commits and 10 minutes."""
        age = now - self._compacted_at
        if age < COMPACT_MIN_SECONDS or self._commits < COMPACT_MIN_COMMITS:
            return False
        return age >= COMPACT_MAX_SECONDS or (self._end >= GROWN_SIZE and self._end >= 2 * self._base_size)

    def note_compacted(self, now: float) -> None:
        """Start counting commits and age anew (also after an attempt that failed)."""
        self._commits = 0
        self._compacted_at = now

    def compact(self, bodies: Iterable[bytes]) -> None:
        """Write a new file and give it the old one's name; on a StorageError the old file is unharmed."""
        self._rewrite("compaction failed", self.schema, bodies)

    def replace(self, schema: JsonObject, bodies: Iterable[bytes]) -> None:
        """As `compact`, with another schema; the ids begin anew, as they would after reopening."""
        self.head = self._rewrite("conversion failed", schema, bodies)
        self.schema = schema

    def _rewrite(self, failed: str, schema: JsonObject, bodies: Iterable[bytes]) -> int:
        """Make the log these records; the id of its last position."""
        target = self._path.resolve()
        temporary = target.with_name(target.name + ".tmp")
        try:
            fd, head = self._write_copy(target, temporary, schema, bodies)
        except OSError as e:
            temporary.unlink(missing_ok=True)
            raise FileIOError(self._path, failed, e) from None
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd
        self._base_size = self._end = os.lseek(fd, 0, os.SEEK_CUR)
        return head

    def _write_copy(
        self, target: Path, temporary: Path, schema: JsonObject, bodies: Iterable[bytes]
    ) -> tuple[int, int]:
        """The descriptor of the new file, after it has replaced the old one, and the id of its end."""
        status = os.stat(target)
        temporary.unlink(missing_ok=True)
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        head = 0
        try:
            if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                with contextlib.suppress(PermissionError):
                    os.fchown(fd, status.st_uid, status.st_gid)
            os.fchmod(fd, status.st_mode & 0o7777)
            for body in itertools.chain((orjson.dumps(schema),), bodies):
                data, digest = record.format_record(body)
                head = record.next_id(head, digest)
                _write_all(fd, data)
            os.fsync(fd)
            os.rename(temporary, target)
            with contextlib.suppress(OSError):  # the new file has the name: there is no way back
                _sync_directory(target)
        except BaseException:
            os.close(fd)
            raise
        return fd, head

    def close(self) -> None:
        """Close the file and release its lock."""
        self._reader.close()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._lock is not None:
            self._lock.release()


def _write_all(fd: int, data: bytes) -> None:
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, memoryview(data)[written:])


def _sync_directory(path: Path) -> None:
    fd = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
