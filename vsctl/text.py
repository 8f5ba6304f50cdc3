"""Text of users, read leniently where the C tool does."""

from __future__ import annotations

import re


def leading_integer(text: str) -> int:
    """The integer that a text begins with, 0 if with none: "12x" is 12."""
    found = re.match(r"\s*[-+]?[0-9]+", text)
    return int(found[0]) if found else 0
