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
from ovsdb.storage.disk import identity_of, sync_directory, write_all
from ovsdb.storage.lockfile import Lockfile
from ovsdb.storage.reader import FileIOError, Reader
from ovsdb.storage.rewrite import Rewrite

GROWN_SIZE = (
    10 << 20
)  # bytes; a smaller file is not compacted for its size (ovsdb-server(1), ovsdb-server/compact)
COMPACT_MIN_COMMITS = 100
COMPACT_MIN_SECONDS = 600.0
COMPACT_MAX_SECONDS = 24 * 3600.0


class LostFileError(StorageError):
    """Somebody else removed, replaced or changed the file that is open here."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"I/O error: {path}: the file was {what} while it was open: nothing is written to it"
        )


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
                write_all(fd, record.format_record(body)[0])
            os.fsync(fd)
            sync_directory(path)
        except BaseException as cause:
            os.unlink(path)
            if isinstance(cause, OSError):
                raise FileIOError(path, "write failed", cause) from None
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
                write_all(fd, piece)
                size -= len(piece)
        os.fsync(fd)
        sync_directory(target)
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
        self.name = str(path)
        self._lock = Lockfile(path) if lock else None
        self._fd = -1
        self._ready = False  # the descriptor is open and stands at the end of the log
        self._closed = False
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
        self._identity = self._reader.identity
        self._synced = self._end  # bytes that a sync has covered since the file was opened
        self._compaction: Rewrite | None = None
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
                yield StoredRecord(self.head, value, self._end - self._previous[0])
                if self._end != reader.end:  # rejected
                    break
        except StorageError as e:
            self.damage = e
        self._base_size = self._synced = self._end

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
            self._check_place()
            if not self._ready:
                self._prepare()
            write_all(self._fd, data)
            if durable:
                os.fsync(self._fd)
        except OSError as e:
            return Ticket(Failed(self._undo_append(e)))
        except StorageError as error:
            return Ticket(Failed(error))
        self._end += len(data)
        if durable:
            self._synced = self._end
        self._commits += 1
        self.head = record.next_id(self.head, digest)
        return Ticket(Accepted(self.head))

    def _check_place(self) -> None:
        """Whether the name still leads to this file, and nobody else wrote it; StorageError, OSError.

        What is written into a file that has lost its name is lost with the last process that has it open.
        """
        if self._closed:  # and the lock with it: by now the file may be another's
            raise StorageError(f"{self._path}: the database is closed")
        try:
            status = os.stat(self.name)  # a Path is made text anew each time
        except FileNotFoundError:
            raise LostFileError(self._path, "removed") from None
        if status.st_ino != self._identity.inode or status.st_dev != self._identity.device:
            raise LostFileError(self._path, "replaced")
        if status.st_size < self._end or (self._ready and status.st_size > self._end):
            raise LostFileError(self._path, "changed")

    def _prepare(self) -> None:
        """Open for writing if it is not, and cut off what does not belong to the log."""
        if self._fd < 0:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
            self._reader.close()  # not before: an open file's number is nobody else's
        if os.fstat(self._fd).st_size != self._end:
            os.ftruncate(self._fd, self._end)
        self._write_unsynced_again(self._fd)
        os.lseek(self._fd, self._end, os.SEEK_SET)
        self._ready = True

    def _write_unsynced_again(self, fd: int) -> None:
        """A sync that failed may have dropped what was not on disk yet, and the next would say nothing."""
        at = self._synced
        while at < self._end:
            at += os.pwrite(fd, os.pread(fd, min(1 << 20, self._end - at), at), at)

    def _undo_append(self, cause: OSError) -> StorageError:
        """Cut off what is half written, now or, if that fails too, with the next proposal."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._end)
        self._ready = False
        return FileIOError(self._path, "write failed", cause)

    @property
    def compacted_at(self) -> float:
        """When it was compacted last, or opened: monotonic seconds."""
        return self._compacted_at

    @property
    def appended(self) -> int:
        """Records added since then."""
        return self._commits

    def should_compact(self, now: float) -> bool:
        """By ovsdb-server(1): doubled and not small, or a day old; not before 100 commits and 10 minutes."""
        if self._compaction is not None:
            return False
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
        if self._compaction is not None:
            self._compaction.abandon()
            self._compaction = None

    def _rewrite(self, failed: str, schema: JsonObject, bodies: Iterable[bytes]) -> int:
        """Make the log these records; the id of its last position."""
        try:
            self._check_place()
            rewrite = Rewrite(self._path, self._identity, self._end, failed)
            try:
                for body in itertools.chain((orjson.dumps(schema),), bodies):
                    rewrite.write((body,))
                rewrite.catch_up(lambda: self._end)
                self._take_over(rewrite.finish(self._end))
            finally:
                rewrite.give_up()
        except OSError as e:  # of the bodies, or of the place
            raise FileIOError(self._path, failed, e) from None
        return rewrite.head

    def _take_over(self, fd: int) -> None:
        """Go on with the file that a rewrite has put in place."""
        if self._fd >= 0:
            os.close(self._fd)
        self._reader.close()
        self._fd = fd
        self._ready = True
        status = os.fstat(fd)
        self._identity = identity_of(status)
        self._base_size = self._end = self._synced = os.lseek(fd, 0, os.SEEK_END)

    def start_compaction(self) -> Rewrite:
        """Begin to compact while the log goes on; StorageError.

        The caller writes the contents, lets the rewrite catch up with `size`, and finishes or gives up:

            rewrite = storage.start_compaction()
            try:
                rewrite.write(pieces)  # in a thread; meanwhile there may be proposals
                rewrite.catch_up(lambda: storage.size)
                storage.finish_compaction(rewrite)
            finally:
                storage.give_up(rewrite)
        """
        if self._compaction is not None:
            raise StorageError(f"{self._path}: is being compacted already")
        try:
            self._check_place()
        except OSError as e:
            raise FileIOError(self._path, "compaction failed", e) from None
        rewrite = Rewrite(self._path, self._identity, self._end, "compaction failed", suffix=".compact")
        try:
            rewrite.write((orjson.dumps(self.schema),))
        except BaseException:
            rewrite.give_up()
            raise
        self._compaction = rewrite
        return rewrite

    def finish_compaction(self, rewrite: Rewrite) -> None:
        """Put the compacted file in place; on a StorageError the old one is what it was."""
        try:
            self._check_place()
        except OSError as e:
            raise FileIOError(self._path, "compaction failed", e) from None
        self._take_over(rewrite.finish(self._end))

    def give_up(self, rewrite: Rewrite) -> None:
        """The compaction is over, whether finished or not."""
        rewrite.give_up()
        if self._compaction is rewrite:
            self._compaction = None

    def close(self) -> None:
        """Close the file and release its lock."""
        self._closed = True
        self._reader.close()
        if self._compaction is not None:
            self._compaction.abandon()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._lock is not None:
            self._lock.release()
