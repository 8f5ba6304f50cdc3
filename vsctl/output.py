"""What commands hand back to be printed, and how it becomes text.

Rule: commands print nothing themselves: their output appears only when the transaction has been committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Union

from rpc.jsonvalue import Json

if TYPE_CHECKING:
    from ovsdb.table import Printer, Table
    from vsctl.store import Row


class Report(NamedTuple):
    """Text for people, which is data with --format=json."""

    text: str
    data: Json
    painted: str = ""  # the text with colours, for a terminal; empty: it has none


class NewRow(NamedTuple):
    """The UUID of a row, known only after the commit."""

    row: Row


Output = Union[str, "Table", NewRow, Report, None]


def lines(texts: Sequence[str]) -> str:
    """Each text on a line of its own."""
    return "".join(f"{text}\n" for text in texts)


def format_output(output: Output, printer: Printer | None, oneline: bool) -> str:
    """The text of one command's output; `oneline` as the option says."""
    if isinstance(output, Report):
        output = output.text
    if not (output is None or isinstance(output, (str, NewRow))):
        assert printer is not None
        return printer.format(output)
    text = output.row.uuid + "\n" if isinstance(output, NewRow) else output or ""
    if not oneline:
        return text
    return text.removesuffix("\n").replace("\\", "\\\\").replace("\n", "\\n") + "\n"
