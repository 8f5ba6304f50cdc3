"""What commands hand back to be printed.

Rule: commands print nothing themselves: their output appears only when the transaction has been committed.
"""

from __future__ import annotations

from collections.abc import Sequence

from rpc.structs import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ovsdb.table import Table
    from vsctl.store import Row


class Report(Struct):
    """Text for people, and the same as data for --format=json.

    What came from a column stands in the data as ovsdb.table.Datum.
    """

    text: str
    data: Any  # lists, dicts with str keys, atoms
    painted: str = ""  # the text with colours, for a terminal; empty: it has none


class NewRow(Struct):
    """The UUID of a row, known only after the commit."""

    row: Row


if TYPE_CHECKING:
    Output = Report | str | Table | NewRow | None


def lines(texts: Sequence[str], value: Any = ...) -> Report:
    """Each text on a line of its own; as JSON `value`, or else the list of texts."""
    return Report("".join(f"{text}\n" for text in texts), list(texts) if value is ... else value)


def word(text: str) -> Report:
    """One line, which is a string in JSON."""
    return lines([text], text)
