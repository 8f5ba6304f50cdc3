"""Text of users: read leniently where the C tool does, and written as they would type it."""

from __future__ import annotations

from collections.abc import Sequence

_QUOTES = frozenset("\"'\\")


def leading_integer(text: str) -> int:
    """The integer that a text begins with, 0 if with none: "12x" is 12."""
    import re

    found = re.match(r"\s*[-+]?[0-9]+", text)
    return int(found[0]) if found else 0


def format_words(words: Sequence[str]) -> str:
    """A command line, with the words in quotes that need them."""
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    if not word or (_QUOTES.isdisjoint(word) and min(word) >= " " and word.split() == [word]):
        return word
    import json

    return json.dumps(word, ensure_ascii=False)
