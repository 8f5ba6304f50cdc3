"""Text of users: written as they would type it."""

from __future__ import annotations

from collections.abc import Sequence

_QUOTES = frozenset("\"'\\")


def format_words(words: Sequence[str]) -> str:
    """A command line, with the words in quotes that need them."""
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    if not word or (_QUOTES.isdisjoint(word) and min(word) >= " " and word.split() == [word]):
        return word
    import json

    return json.dumps(word, ensure_ascii=False)
