"""Cuts a byte stream into JSON documents, which follow each other with or without white space.

Rule: work is linear in the bytes that arrive, however they are split; limits are checked before a document
is parsed. In: bytes as they come from a socket. Out: parsed documents (objects or arrays). What is not JSON
is a FramingError, after which the stream is lost: there is no place to take it up again. It comes with the
chunk in which a bracket closes another one than was opened last, since no more bytes can mend that.

Each chunk is reduced to its brackets with a few vectorised passes over the bytes (translate, replace, split,
count), which gives those that are open at its end and tells whether two documents meet inside it. Only then
is it scanned by token.
"""

from __future__ import annotations

import re
from functools import cache

from rpc.jsonvalue import DecodeError, Json, decode
from rpc.structs import Struct

DEFAULT_MAX_BYTES = 256 << 20
MAX_DEPTH = 1024  # orjson's own limit; the C programs stop at 1000

STRUCTURE = b'"{}[],'  # the comma tells "},{" inside an array from "}{" between documents
NOT_STRUCTURE = bytes(c for c in range(256) if c not in STRUCTURE)
SEAMS = (b"}{", b"}[", b"]{", b"][")
OPENER = {0x7D: 0x7B, 0x5D: 0x5B}  # closing bracket -> the one it closes
PAIR_PASSES = 8  # values of OVSDB nest no deeper; what does is matched bracket by bracket


class Patterns(Struct):
    """What documents are cut by, where they do not come one by one."""

    string_end: re.Pattern[bytes]
    token: re.Pattern[bytes]
    not_whitespace: re.Pattern[bytes]
    nul_escape: re.Pattern[bytes]


@cache
def _patterns() -> Patterns:
    """Compiled once, by a program that receives such documents; most calls of a tool do not."""
    return Patterns(
        re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL),
        re.compile(rb'[{}\[\]]|"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)', re.DOTALL),
        re.compile(rb"[^ \t\r\n]"),
        re.compile(rb"(?<!\\)(?:\\\\)*+\\u0000"),
    )


class FramingError(Exception):
    """The stream holds something else than JSON documents within the limits.

    `what` says what is wrong, `position` is the byte of the stream it was found at (the first byte is 0),
    `documents` are those that the same chunk completed before.
    """

    def __init__(self, what: str, position: int) -> None:
        super().__init__(what, position)
        self.what = what
        self.position = position
        self.documents: list[Json] = []

    def __str__(self) -> str:
        return f"{self.what} at byte {self.position}"


class Framer:
    """One direction of one stream.

    `max_bytes` limits a single document; `max_depth` how deep brackets may nest, at most MAX_DEPTH.
    """

    def __init__(self, max_bytes: int = DEFAULT_MAX_BYTES, max_depth: int = MAX_DEPTH) -> None:
        self.max_bytes = max_bytes
        self.max_depth = min(max_depth, MAX_DEPTH)
        self._start = 0  # position in the stream of the document that is being read
        self._buffer = bytearray()  # its bytes so far
        self._open = bytearray()  # the brackets that are open at the end of the buffer
        self._in_string = False
        self._backslash = b""  # the last byte fed, where what it escapes has not come yet

    @property
    def pending(self) -> int:
        """How many bytes of an incomplete document are held; at the end of the stream it should be 0."""
        return len(self._buffer) + len(self._backslash)

    def feed(self, data: bytes) -> list[Json]:
        """The documents that `data` completes.

        FramingError: what was read is not JSON, or exceeds a limit; the stream is of no use any more.
        """
        if not self._buffer and not self._backslash:
            whole = self._parse_whole(data)
            if whole is not None:
                return [whole]
        if self._backslash:
            data = self._backslash + data
            self._backslash = b""
        if (len(data) - len(data.rstrip(b"\\"))) & 1:
            data, self._backslash = data[:-1], b"\\"
        if not self._buffer:
            begin = self._next_document(data, 0)
            self._start += begin
            data = data[begin:]
        if not data:
            return []
        structure = self._structure(data)
        if any(seam in structure for seam in SEAMS):
            return self._feed_tokens(data)
        self._append(data)
        if self.max_depth < MAX_DEPTH:  # else the parser notices, without a look at each bracket
            self._check_depth(more_open=_deepest(structure))
        if len(self._open) + _depth(structure) <= 0 and not self._in_string:
            return [self._complete()]
        if not self._match(structure):
            return [self._complete()]  # says where it is wrong
        self._check_depth()
        return []

    def _parse_whole(self, data: bytes) -> dict[str, Json] | None:
        """The document that `data` is from its beginning to its end, or None: most messages come like this.

        2 µs for an echo; the exact way takes 18.
        """
        # find() takes half of the time of "in", which first tries whether what is sought is a number.
        if data[-1:] != b"}" or data.find(b"}{") >= 0 or data.find(b"\\u0000") >= 0:
            return None
        if len(data) > self.max_bytes or self.max_depth != MAX_DEPTH:
            return None
        try:
            document = decode(data)
        except DecodeError:
            return None
        assert isinstance(document, dict)  # by its last byte
        self._start += len(data)
        return document

    def _next_document(self, data: bytes, pos: int) -> int:
        """Where in `data`, which continues the stream at _start - pos, the next document begins; its end if
        there is none."""
        found = _patterns().not_whitespace.search(data, pos)
        begin = found.start() if found else len(data)
        if (found and data[begin] not in b"{[") or (not found and self._backslash):
            raise FramingError("syntax error at beginning of input", self._start + begin - pos)
        return begin

    def _structure(self, data: bytes) -> bytes:
        """The brackets and commas of `data` that are outside strings; moves the string state to the end of
        `data`.

        3.8 ms for a reply of 736 kB with 66,000 strings, of which parsing takes 18 ms; by token it takes 30
        ms.
        """
        if b"\\" in data:
            data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
        # Removing pairs of quotes never changes whether what follows is inside a string.
        pieces = data.translate(None, NOT_STRUCTURE).replace(b'""', b"").split(b'"')
        outside = b"".join(pieces[self._in_string :: 2])
        self._in_string ^= (len(pieces) - 1) & 1 == 1
        return outside

    def _match(self, structure: bytes) -> bool:
        """Bring the open brackets up to date; whether each bracket that closes fits the last one open."""
        structure = structure.replace(b",", b"")
        for _ in range(PAIR_PASSES):
            structure = structure.replace(b"{}", b"").replace(b"[]", b"")
        return all(map(self._match_bracket, structure))

    def _match_bracket(self, byte: int) -> bool:
        opener = OPENER.get(byte)
        if opener is None:
            self._open.append(byte)
            return True
        return bool(self._open) and self._open.pop() == opener

    def _feed_tokens(self, data: bytes) -> list[Json]:
        """The same for a chunk in which documents meet: bracket by bracket."""
        documents: list[Json] = []
        try:
            self._scan_tokens(data, documents)
        except FramingError as error:
            error.documents = documents
            raise
        return documents

    def _scan_tokens(self, data: bytes, documents: list[Json]) -> None:
        string_end = _patterns().string_end.match(data) if self._string_at_start(data) else None
        begin = 0
        for token in _patterns().token.finditer(data, string_end.end() if string_end else 0):
            byte = data[token.start()]
            if byte == 0x22:
                continue
            if self._match_bracket(byte) and self._open:
                self._check_depth(token.end() - begin)
                continue
            self._append(data[begin : token.end()])
            documents.append(self._complete())
            begin = self._next_document(data, token.end())
            self._start += begin - token.end()
        self._append(data[begin:])

    def _string_at_start(self, data: bytes) -> bool:
        """Whether the first byte of `data` is inside a string, from what _structure() found at its end."""
        if b"\\" in data:
            data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
        return self._in_string ^ (data.count(b'"') & 1 == 1)

    def _complete(self) -> Json:
        """Parses the buffer, which is one document by its brackets, and begins the next one."""
        raw = bytes(self._buffer)
        nul = _patterns().nul_escape.search(raw) if b"\\u0000" in raw else None
        if nul:
            raise FramingError("null bytes not supported in quoted strings", self._start + nul.end())
        try:
            document = decode(raw)
        except DecodeError as error:
            # orjson counts characters; a document that is not UTF-8 has position 0.
            position = len(error.doc[: error.pos].encode(errors="replace"))
            raise FramingError(error.msg.split(":")[0], self._start + position) from None
        self._start += len(raw)
        self._buffer = bytearray()
        self._open.clear()
        return document

    def _append(self, data: bytes) -> None:
        if len(self._buffer) + len(data) > self.max_bytes:
            raise FramingError(f"message is longer than {self.max_bytes} bytes", self._start + self.max_bytes)
        self._buffer += data

    def _check_depth(self, more: int = 0, more_open: int = 0) -> None:
        if len(self._open) + more_open > self.max_depth:
            what = f"input exceeds maximum nesting depth {self.max_depth}"
            raise FramingError(what, self._start + len(self._buffer) + more)


def _depth(structure: bytes) -> int:
    return structure.count(b"{") + structure.count(b"[") - structure.count(b"}") - structure.count(b"]")


def _deepest(structure: bytes) -> int:
    """How many more brackets than at its beginning are open at some place."""
    depth = deepest = 0
    for byte in structure:
        if byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte != 0x2C:
            depth -= 1
    return deepest
