"""Text of users: read leniently where the C tool does, and written as they would type it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

_PLAIN = re.compile(r"""[^\s"'\\\x00-\x1f]*""")  # a word that needs no quotes


def leading_integer(text: str) -> int:
    """The integer that a text begins with, 0 if with none: "12x" is 12."""
    found = re.match(r"\s*[-+]?[0-9]+", text)
    return int(found[0]) if found else 0


def format_words(words: Sequence[str]) -> str:
    """A command line, with the words in quotes that need them."""
    return " ".join(
        word if _PLAIN.fullmatch(word) else json.dumps(word, ensure_ascii=False) for word in words
    )
