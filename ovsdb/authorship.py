r"""Who made a commit, as the last line of its comment in the log.  No I/O.

    add the port of the printer
    [by uid=0 pid=123 (ovs-vsctl)]

The file format has no member for it, and the C programs may refuse members they do not know, but each of
them shows a comment. The line is

    "[by" *(SP ("uid=" DIGITS | "pid=" DIGITS | "cert=" WORD | "address=" WORD)) [SP "(" WORD ")"] "]"

where a WORD has letters, digits and `-._~:@/+`, and every other byte as %XX. A peer on a Unix socket has uid,
pid and program (the kernel's name for the process, 15 bytes); one that showed a certificate has `cert`, its
common name; one on the network has `address`, as the server's log calls it.

Rule: the server writes the line behind what the client said, so the last line is never the client's word;
only where writing it is turned off could a client's comment look like it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

SAFE = "-._~:@/+[]"  # beside letters and digits
_LINE = re.compile(r"\[by((?: (?:uid|pid|cert|address)=[^\s()]+)*)(?: \(([^\s()]+)\))?\]\Z")
_NUMBER = re.compile(r"[0-9]{1,10}\Z", re.ASCII)


@dataclass(frozen=True)
class Author:
    """What is known of who made a commit; what is not is None or empty."""

    uid: int | None = None
    pid: int | None = None
    program: str = ""
    certificate: str = ""  # its common name
    address: str = ""  # "tcp:10.0.0.1:5000"

    def describe(self) -> str:
        """For people, without the brackets: "uid=0 pid=123 (ovs-vsctl)"."""
        words = [
            f"{name}={value}"
            for name, value in (
                ("uid", self.uid),
                ("pid", self.pid),
                ("cert", _escape(self.certificate)),
                ("address", _escape(self.address)),
            )
            if value not in (None, "")
        ]
        if self.program:
            words.append(f"({_escape(self.program)})")
        return " ".join(words)

    def to_json(self) -> dict[str, object]:
        """What is known, for programs."""
        members = {
            "uid": self.uid,
            "pid": self.pid,
            "program": self.program,
            "certificate": self.certificate,
            "address": self.address,
        }
        return {name: value for name, value in members.items() if value not in (None, "")}


def _escape(text: str) -> str:
    return quote(text, safe=SAFE, errors="surrogateescape")


def format_author(author: Author) -> str:
    """The line; empty for an author of whom nothing is known."""
    known = author.describe()
    return f"[by {known}]" if known else ""


def append_author(comment: str, line: str) -> str:
    """A comment for the log: what the client said, then the line."""
    if not line:
        return comment
    return f"{comment}\n{line}" if comment else line


def split_author(comment: str) -> tuple[str, Author | None]:
    """What was said, and who said it; None where the last line does not tell."""
    said, _, last = comment.rpartition("\n")
    author = parse_author(last)
    return (comment, None) if author is None else (said, author)


def parse_author(line: str) -> Author | None:
    """Read what `format_author` has made; None if it is something else."""
    found = _LINE.match(line)
    if found is None or line == "[by]":
        return None
    values: dict[str, str] = {}
    for word in found[1].split():
        name, _, value = word.partition("=")
        if name in values:
            return None
        values[name] = value
    numbers = [values.get(name) for name in ("uid", "pid")]
    if not all(number is None or _NUMBER.match(number) for number in numbers):
        return None
    uid, pid = (None if number is None else int(number) for number in numbers)
    certificate, address, program = (
        unquote(text or "", errors="surrogateescape")
        for text in (values.get("cert"), values.get("address"), found[2])
    )
    return Author(uid, pid, program, certificate, address)
