"""Reads a database file record by record, standalone or clustered (ovsdb(5)).

Rule: what is in the file is not believed: a length takes memory only as far as there are bytes, a record is
checked against its checksum before it is parsed. The texts of errors are those of the C programs.
"""

import stat
from collections.abc import Iterator
from os import fstat
from pathlib import Path
from typing import BinaryIO

import orjson

from ovsdb.storage import record
from ovsdb.storage.base import JsonObject, StorageError
from ovsdb.storage.disk import Identity, identity_of

CHUNK = 1 << 20  # bytes; a body that claims more is read piece by piece


class FileIOError(StorageError):
    """The operating system refused something; `code` is its errno, 0 if it was the end of the file."""

    def __init__(self, path: Path, what: str, cause: OSError | str) -> None:
        reason = cause if isinstance(cause, str) else cause.strerror
        super().__init__(f"I/O error: {path}: {what} ({reason})")
        self.code = 0 if isinstance(cause, str) else cause.errno or 0


class NotADatabaseError(StorageError):
    """The file does not begin like a database of the kind that was asked for."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"ovsdb error: {path}: {reason}")


class ClusteredError(NotADatabaseError):
    """The file is a clustered database where a standalone one is needed."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "cannot apply this operation to clustered database file")


class CorruptRecordError(StorageError):
    """A record is not what its header says."""

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(f"syntax error: {path}: {detail}")


class Reader:
    """Reads records from the start; knows where the last good one ended."""

    def __init__(self, path: Path, magic: str | None = "JSON") -> None:
        """Open and look whether it is of this kind, None for any; FileIOError, NotADatabaseError."""
        self.path = path
        self.end = 0  # bytes of good records
        try:
            self._file: BinaryIO = open(path, "rb")  # noqa: SIM115
        except OSError as e:
            raise FileIOError(path, "open failed", e) from None
        try:
            self.magic = self._check_start(magic)
        except BaseException:
            self._file.close()
            raise

    @property
    def identity(self) -> Identity:
        """Which file this is."""
        return identity_of(fstat(self._file.fileno()))

    @property
    def size(self) -> int:
        """Bytes in the file, 0 if it is none (a pipe, for instance)."""
        status = fstat(self._file.fileno())
        return status.st_size if stat.S_ISREG(status.st_mode) else 0

    def _check_start(self, wanted: str | None) -> str:
        try:
            line = self._file.readline(record.HEADER_LIMIT)
            self._file.seek(0)
        except OSError as e:
            raise FileIOError(self.path, "read failed", e) from None
        header = record.parse_header(line)
        if not line:
            raise NotADatabaseError(self.path, "cannot identify file type")
        if header is None:
            raise NotADatabaseError(self.path, "unexpected file format")
        if wanted is not None and header.magic != wanted:
            if wanted == "JSON":
                raise ClusteredError(self.path)
            raise NotADatabaseError(self.path, "cannot identify file type")
        return header.magic

    def records(self) -> Iterator[tuple[JsonObject, str]]:
        """Yield (JSON object, digest) from the current position; StorageError at damage."""
        while line := self._read_line():
            yield self._read_record(line)

    @property
    def position(self) -> int:
        """How far it has read, in bytes from the start."""
        return self._file.tell()

    def seek(self, offset: int) -> None:
        """Go on reading from here, where a record may begin."""
        self._file.seek(offset)
        self.end = offset

    def find_header(self, offset: int) -> int | None:
        """The next place behind `offset` where a line begins like a record's header."""
        mark = b"\nOVSDB " + self.magic.encode() + b" "
        self._file.seek(offset)
        kept = b""  # the end of the piece before: the mark may lie across
        while piece := self._file.read(CHUNK):
            found = (kept + piece).find(mark)
            if found >= 0:
                return offset - len(kept) + found + 1
            offset += len(piece)
            kept = (kept + piece)[-len(mark) :]
        return None

    def _read_line(self) -> bytes:
        try:
            return self._file.readline(record.HEADER_LIMIT)
        except OSError as e:
            raise FileIOError(self.path, f"error reading header at offset {self.end}", e) from None

    def _read_record(self, line: bytes) -> tuple[JsonObject, str]:
        path, offset = self.path, self.end + len(line)
        length, claimed = record.claims(line) if self.magic == "JSON" else (0, "")
        if not length:
            length, claimed = self._look_closely(line)
        try:
            body = self._read_body(length, offset)
        except StorageError:
            self._look_closely(line)
            raise
        digest = record.digest_of(body)
        if digest != claimed:
            self._look_closely(line)
            wrong = f"have SHA-1 hash {digest} but should have hash {claimed}"
            raise CorruptRecordError(path, f"{_where(body, offset)} {wrong}")
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as e:
            raise CorruptRecordError(path, f"{_where(body, offset)} are not valid JSON ({e})") from None
        if not isinstance(value, dict):
            raise CorruptRecordError(path, f"{_where(body, offset)} are not a JSON object")
        self.end = offset + length
        return value, digest

    def _look_closely(self, line: bytes) -> tuple[int, str]:
        """The length and the digest in a header; CorruptRecordError if it is none."""
        header = record.parse_header(line)
        if header is None or header.magic != self.magic:
            shown = line.decode("latin-1").strip()
            raise CorruptRecordError(self.path, f'parse error at offset {self.end} in header line "{shown}"')
        return header.length, header.digest

    def _read_body(self, length: int, offset: int) -> bytes | bytearray:
        try:
            if length <= CHUNK:
                body: bytes | bytearray = self._file.read(length)
            else:
                body = bytearray()
                while len(body) < length and (piece := self._file.read(min(CHUNK, length - len(body)))):
                    body += piece
        except OSError as e:
            raise FileIOError(
                self.path, f"error reading {length} bytes starting at offset {offset}", e
            ) from None
        if len(body) != length:
            what = f"error reading {length} bytes starting at offset {offset}"
            raise FileIOError(self.path, what, "End of file")
        return body

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _where(body: bytes | bytearray, offset: int) -> str:
    return f"{len(body)} bytes starting at offset {offset}"
