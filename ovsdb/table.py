"""Tables as the command-line tools print them: table, list, html, csv and json, as in ovs-vsctl(8).

Rule: a cell is what RFC 7047 has on the wire; how it looks is decided here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ovsdb.cells import Cell, Datum, Raw, format_datum, in_order
from rpc.jsonvalue import hurry
from rpc.structs import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_LIST_NAME_WIDTH = 20
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


class Style(Struct):
    """How to print: the options -f, -d, --no-headings, --pretty, --max-column-width."""

    format: str = "table"
    data: str = "string"
    headings: bool = True
    pretty: bool = False
    max_column_width: int = 0  # 0: unlimited


class Table:
    """Rows of cells under headings."""

    def __init__(
        self,
        headings: Sequence[str],
        rows: list[Sequence[Cell]] | None = None,
        caption: str = "",
        timestamp: str = "",
    ) -> None:
        self.headings = headings
        self.rows = [] if rows is None else rows
        self.caption = caption
        self.timestamp = timestamp


def format_json(value: Any, *, pretty: bool = False) -> str:
    """Write JSON as the C programs do: keys in order, reals without a fraction as integers.

    `pretty` puts each member on a line, closing brackets behind the last one.
    """
    plain = _plain(value)
    if not pretty:
        fast = hurry()
        text: bytes = fast.dumps(plain, option=fast.OPT_SORT_KEYS)
        return text.decode()
    from rpc.pretty import format_pretty

    return format_pretty(plain)


class Printer:
    """Writes tables one after another: separate from the second on where the format calls for it."""

    def __init__(self, style: Style) -> None:
        """`style` holds for all tables."""
        self.style = style
        self._printed = False

    def format(self, table: Table) -> str:
        """Return the table's text with its last newline."""
        text = _FORMATTERS[self.style.format](table, self.style)
        separate = self._printed and self.style.format not in ("html", "json")
        self._printed = True
        return "\n" + text if separate else text

    def forget(self) -> None:
        """Let the next table be the first one: what stands before it is something else."""
        self._printed = False


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    if isinstance(value, list):
        return [_plain(member) for member in value]
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    return value


def _text(cell: Cell, data: str) -> str:
    if isinstance(cell, str) or cell is None:
        return cell or ""
    if isinstance(cell, Raw):
        return format_json(cell.wire)
    if data == "json":
        return format_json(_exact(in_order(cell.wire)))
    return format_datum(cell, bare=data == "bare")


def _texts(table: Table, style: Style) -> list[list[str]]:
    return [[_text(cell, style.data) for cell in row] for row in table.rows]


def _head(table: Table) -> str:
    """Return the time and the caption, each on a line of its own."""
    return "".join(f"{line}\n" for line in (table.timestamp, table.caption) if line)


def _format_table(table: Table, style: Style) -> str:
    rows = _texts(table, style)
    shown = [list(table.headings), *rows] if style.headings else rows
    widths = [max((_width(row[n]) for row in shown), default=0) for n in range(len(table.headings))]
    if style.max_column_width:
        # A heading is never cut: its column is as wide as it.
        least = [len(name) if style.headings else 0 for name in table.headings]
        widths = [min(w, max(style.max_column_width, m)) for w, m in zip(widths, least, strict=True)]
    if style.headings:
        shown.insert(1, ["-" * width for width in widths])
    out = [_head(table)]
    for row in shown:
        cells = [_cut(text, width) for text, width in zip(row, widths, strict=True)]
        while cells and not cells[-1]:
            cells.pop()  # nothing follows, so nothing is padded
        padded = [
            text + " " * (width - _width(text)) for text, width in zip(cells[:-1], widths, strict=False)
        ]
        out.append(" ".join([*padded, *cells[-1:]]) + "\n")
    return "".join(out)


def _width(text: str) -> int:
    """In bytes, as the C programs count: columns of a table are where scripts look for them."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def _cut(text: str, width: int) -> str:
    """What fits into so many bytes, in whole characters."""
    if _width(text) <= width:
        return text
    return text.encode(errors="surrogatepass")[:width].decode(errors="ignore")


def _format_list(table: Table, style: Style) -> str:
    records = []
    for row in _texts(table, style):
        if style.headings:
            lines = (
                f"{name:{_LIST_NAME_WIDTH}}: {text}\n" for name, text in zip(table.headings, row, strict=True)
            )
        else:
            lines = (f"{text}\n" for text in row)
        records.append("".join(lines))
    return _head(table) + "\n".join(records)


def _format_csv(table: Table, style: Style) -> str:
    import csv
    import io

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    rows = _texts(table, style)
    writer.writerows([list(table.headings), *rows] if style.headings else rows)
    return _head(table) + out.getvalue()


def _format_html(table: Table, style: Style) -> str:
    out = ["<table border=1>\n"]
    if table.caption:
        out.append(f"    <caption>{_escape(table.caption)}</caption>\n")
    if style.headings:
        out.append(_html_row("th", [_escape(name) for name in table.headings]))
    for row in _texts(table, style):
        named = zip(table.headings, row, strict=True)
        out.append(_html_row("td", [_html_cell(text, name == "_uuid") for name, text in named]))
    return "".join([*out, "</table>\n"])


def _html_row(tag: str, cells: list[str]) -> str:
    return "  <tr>\n" + "".join(f"    <{tag}>{cell}</{tag}>\n" for cell in cells) + "  </tr>\n"


def _escape(text: str) -> str:
    return text.translate(_ENTITIES)


def _html_cell(text: str, is_target: bool) -> str:
    """Make each UUID a link to the row that it names, or the place where such links lead."""
    if is_target:
        return f'<a name="{_escape(text)}">{_escape(text[:8])}</a>'
    return re.sub(_UUID, lambda found: f'<a href="#{found[0]}">{found[0][:8]}</a>', _escape(text))


def _json_cell(cell: Cell) -> Any:
    if isinstance(cell, Datum):
        return _exact(in_order(cell.wire))
    return cell.wire if isinstance(cell, Raw) else cell


def _exact(wire: Any) -> Any:
    """Reals with 15 digits, or 17 where those are not enough, as the C programs write them."""
    if isinstance(wire, float):
        text = f"{wire:.15g}"
        return hurry().Fragment(text if float(text) == wire else f"{wire:.17g}")
    return [_exact(member) for member in wire] if isinstance(wire, list) else wire


def _format_json(table: Table, style: Style) -> str:
    rows = []
    for row in table.rows:
        rows.append([_json_cell(cell) for cell in row])
    value: dict[str, Any] = {"headings": list(table.headings), "data": rows}
    if table.caption:
        value["caption"] = table.caption
    if table.timestamp:
        value["time"] = table.timestamp
    return format_json(value, pretty=style.pretty) + "\n"


_FORMATTERS: dict[str, Callable[[Table, Style], str]] = {
    "table": _format_table,
    "list": _format_list,
    "html": _format_html,
    "csv": _format_csv,
    "json": _format_json,
}
