"""The options of tables, which several programs have, and what they ask for (ovs-vsctl(8), "Table Formatting
Options").

Rule: cheap to load; ovsdb.table is, with the first table that is printed.
"""

from __future__ import annotations

from collections.abc import Mapping

from appctl.command_line import CliError
from appctl.getopt import VALUE, Option, leading_integer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ovsdb.table import Style

FORMATS = ("table", "list", "html", "csv", "json")
DATA_FORMATS = ("string", "bare", "json")


def table_options(default: str) -> tuple[Option, ...]:
    """-f -d --no-headings --pretty --bare --max-column-width; `default` is the format where none is given."""
    return (
        Option("-f", "--format", takes=VALUE, default=default, metavar="FORMAT", text=" | ".join(FORMATS)),
        Option(
            *("-d", "--data"),
            takes=VALUE,
            default="string",
            metavar="FORMAT",
            text=f"Of cells: {' | '.join(DATA_FORMATS)}",
        ),
        Option("--no-headings", text="Print no row of headings."),
        Option("--pretty", text="Print JSON with a line for each member."),
        Option("--bare", text="The same as --format=list --data=bare --no-headings."),
        Option(
            "--max-column-width",
            takes=VALUE,
            convert=leading_integer,
            default=0,
            metavar="N",
            text="Cut wider cells.",
        ),
    )


def check_formats(values: Mapping[str, Any]) -> None:
    """CliError, where a format is unknown; `values` are those of the options, by name."""
    for name, kind, known in (("format", "output", FORMATS), ("data", "data", DATA_FORMATS)):
        if values[name] not in known:
            raise CliError(f'unknown {kind} format "{values[name]}"')


def is_json(values: Mapping[str, Any]) -> bool:
    """Whether tables are printed as JSON."""
    return values["format"] == "json" and not values["bare"]


def style_of(values: Mapping[str, Any]) -> Style:
    """How to print tables."""
    from ovsdb.table import Style

    bare = values["bare"]
    return Style(
        "list" if bare else values["format"],
        "bare" if bare else values["data"],
        not (bare or values["no_headings"]),
        values["pretty"],
        max(0, values["max_column_width"]),
    )
