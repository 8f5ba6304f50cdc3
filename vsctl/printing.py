"""Output as text or JSON, as the options say.

Rule: --format and its company look at tables only, as in Open vSwitch; but with json every other output
becomes JSON too, unless --oneline keeps it text.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from ovsdb.table_options import is_json, style_of
from vsctl.output import NewRow, Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

    from ovsdb.cells import Datum
    from ovsdb.table import Printer, Table
    from vsctl.output import Output


class Writer:
    """Writes the output of one command after another."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """`options` are those of the command line, by name."""
        self._options = options
        self._plain = options["plain_json"]
        # Whether every output is JSON, also text.
        self.as_json = is_json(options) or (self._plain and not options["bare"])
        self._printer: Printer | None = None

    def text(self, output: Output, stream: TextIO) -> str:
        """What is to be printed there."""
        if output is None or isinstance(output, (Report, str, NewRow)):
            if self.as_json and not self._options["oneline"]:
                return "" if output is None else self._json(self.value(output))
            return self._line(_text_of(output, stream))
        if self._plain:
            return self._json(self.value(output))
        return self._table_printer().format(output)

    def value(self, output: Output) -> Any:
        """The same as JSON: plain, or with values as on the wire."""
        if output is None:
            return None
        if isinstance(output, Report):
            return self._resolve(output.data)
        if isinstance(output, NewRow):
            return output.row.uuid
        if isinstance(output, str):
            return output.splitlines()
        return self._resolve(_records(output))

    def _json(self, value: Any) -> str:
        from ovsdb.table import format_json

        return format_json(value, pretty=self._options["pretty"]) + "\n"

    def _line(self, text: str) -> str:
        if not self._options["oneline"]:
            return text
        return text.removesuffix("\n").replace("\\", "\\\\").replace("\n", "\\n") + "\n"

    def _table_printer(self) -> Printer:
        if self._printer is None:
            from ovsdb.table import Printer  # not needed by most commands

            self._printer = Printer(style_of(self._options))
        return self._printer

    def _resolve(self, value: Any) -> Any:
        """Put JSON in place of Datum."""
        if isinstance(value, dict):
            # A document has maps with numbers as keys (queues), which JSON has not.
            return {str(name): self._resolve(member) for name, member in value.items()}
        if isinstance(value, list):
            return [self._resolve(member) for member in value]
        if isinstance(value, tuple):  # a Datum, the only one there is
            from ovsdb.cells import in_order

            return plain(value) if self._plain else in_order(value[0])
        return value


def _text_of(output: Report | str | NewRow | None, stream: TextIO) -> str:
    if isinstance(output, NewRow):
        return output.row.uuid + "\n"
    if isinstance(output, Report):
        coloured = output.painted and stream.isatty() and not os.environ.get("NO_COLOR")
        return output.painted if coloured else output.text
    return output or ""


def _records(table: Table) -> list[dict[str, Any]]:
    return [dict(zip(table.headings, row, strict=True)) for row in table.rows]


def plain(datum: Datum | tuple[Any, ...]) -> Any:
    """A column's value without the wire's marks: sets are lists, maps are objects, UUIDs are strings.

    A column of at most one value is that value, or null.
    """
    from ovsdb.cells import format_atom, in_order

    wire, many = datum
    if isinstance(wire, list) and wire[0] == "map":
        return {format_atom(key, bare=True): _plain_atom(value) for key, value in in_order(wire)[1]}
    atoms = in_order(wire)[1] if isinstance(wire, list) and wire[0] == "set" else [wire]
    if many:
        return [_plain_atom(atom) for atom in atoms]
    return _plain_atom(atoms[0]) if atoms else None


def _plain_atom(atom: Any) -> Any:
    return atom[1] if isinstance(atom, list) else atom
