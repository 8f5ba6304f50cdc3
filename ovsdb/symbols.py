"""What the names of new rows are looked up in.

Rule: a type and nothing else, which only type checkers load.
"""

from __future__ import annotations

from typing import Protocol


class Symbols(Protocol):
    """Where the names of new rows (["named-uuid", name]) are looked up."""

    def resolve(self, name: str) -> str:
        """The UUID of the row called `name`, which may not have been inserted yet."""
