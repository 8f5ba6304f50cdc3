"""Records of a database file, ovsdb(5): "OVSDB JSON <length> <sha1>\\n", then <length> bytes of JSON.

Rule: bytes to bytes; files are for `file`, the meaning of a transaction for the engine.
"""

import hashlib
import re
from typing import NamedTuple

_HEADER = re.compile(rb"OVSDB (JSON|CLUSTER) ([0-9]{1,18}) ([0-9a-f]{40})\n")
HEADER_LIMIT = 128  # bytes; the longest header has 80


class Header(NamedTuple):
    """The first line of a record."""

    magic: str  # "JSON" (standalone) or "CLUSTER"
    length: int  # bytes of the second line, with its line feed
    digest: str  # SHA-1 of the second line, 40 hexadecimal digits


def parse_header(line: bytes) -> Header | None:
    """Read a header line (with its line feed); None if it is none."""
    found = _HEADER.fullmatch(line)
    if found is None or int(found[2]) == 0:
        return None
    return Header(found[1].decode(), int(found[2]), found[3].decode())


def digest_of(second_line: bytes) -> str:
    """The checksum that the header of this second line carries."""
    return hashlib.sha1(second_line, usedforsecurity=False).hexdigest()


def format_record(body: bytes) -> tuple[bytes, str]:
    """Make a record of a JSON object without line feeds: its bytes, and its checksum."""
    line = body + b"\n"
    digest = digest_of(line)
    return b"OVSDB JSON %d %b\n%b" % (len(line), digest.encode(), line), digest


def next_id(previous: str, digest: str) -> str:
    """The id of the position after a record with this checksum: a hash of the whole log."""
    return hashlib.sha1((previous + digest).encode(), usedforsecurity=False).hexdigest()[:32]
