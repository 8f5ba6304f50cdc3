"""What can be wrong with a document."""

from __future__ import annotations

import re

Path = tuple[str, ...]  # the members on the way to a place in a document

_PLAIN = re.compile(r"[-\w:/@*+]+\Z")


class DocumentError(Exception):
    """A document says something that cannot be: `path` is where, `why` what."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(path, why)
        self.path = path
        self.why = why

    def __str__(self) -> str:
        return f"{format_path(self.path)}: {self.why}" if self.path else self.why


def format_path(path: Path) -> str:
    """As users read it: bridges.br0.ports.eth1.tag; members with dots in quotes."""
    return ".".join(part if _PLAIN.match(part) else '"' + part.replace('"', '\\"') + '"' for part in path)
