"""The options of dpctl commands, which may stand anywhere among their arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from appctl.getopt import VALUE, BadUsage, Option, read, values_of
from dpctl.errors import DpctlError
from rpc.structs import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FORMATS = ("text", "json")
TABLE = (  # of the program, too
    Option("-s", "--statistics", text="show, mod-flow, del-flow: print counters"),
    Option("-m", "--more", text="dump-flows, get-flow: print everything, wildcards too"),
    Option("--names", text="print names of ports"),
    Option("--no-names", text="print numbers of ports, also with --more"),
    Option("--may-create", text="mod-flow: add the flow where there is none"),
    Option("--clear", text="mod-flow: let its counters begin anew"),
    Option("--read-only", text="refuse commands that change something"),
    Option("-f", "--format", takes=VALUE, metavar="FORMAT", default="text", text="answer with text or json"),
    Option("--pretty", text="with --format=json: a line for each member"),
)


class Options(Struct):
    """What the options ask for."""

    more: bool = False
    statistics: bool = False
    names: bool | None = None  # None: with `more`
    may_create: bool = False
    read_only: bool = False
    clear: bool = False
    json: bool = False
    pretty: bool = False  # lines and blanks in the JSON

    @property
    def port_names(self) -> bool:
        """Whether ports are named rather than numbered."""
        return self.more if self.names is None else self.names


def options_of(values: Mapping[str, Any]) -> Options:
    """Understand values by the names of TABLE; DpctlError where they do not go together."""
    format_ = values["format"].lower()
    if format_ not in _FORMATS:
        raise DpctlError(f"value {values['format']} on -f or --format is invalid (use --help for help)")
    if values["pretty"] and format_ != "json":
        raise DpctlError("--pretty is supported with --format json only")
    return Options(
        more=values["more"],
        statistics=values["statistics"],
        names=True if values["names"] else False if values["no_names"] else None,
        may_create=values["may_create"],
        read_only=values["read_only"],
        clear=values["clear"],
        json=format_ == "json",
        pretty=values["pretty"],
    )


def take_options(arguments: Sequence[str]) -> tuple[Options, list[str]]:
    """Split options off; long ones may be shortened to what is unique. DpctlError where one is wrong."""
    try:
        given, words = read(arguments, TABLE)
        return options_of(values_of(given, TABLE)), words
    except BadUsage as error:
        raise DpctlError(error.text) from None
