"""The options of ovs-vsctl: the program's, and those of the first command, which may stand among them.

Rule: a table, for reading a command line, the help, --options and completion alike.
"""

from __future__ import annotations

from collections.abc import Sequence

from appctl.command_line import HELP_OPTION, Finished
from appctl.getopt import FLAG, VALUE, Given, Option
from appctl.log_options import log_options
from appctl.tls_options import TLS_OPTIONS
from appctl.version import format_version
from ovsdb.table_options import table_options
from vsctl import grammar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from appctl.command_line import Tool

PROGRAM = "ovs-vsctl"
SCHEMA_VERSION = "8.3.1"  # of the Open_vSwitch schema that the commands are made for


def _show_version(_: Tool, __: str) -> NoReturn:
    print(f"{format_version(PROGRAM)}\nDB Schema {SCHEMA_VERSION}")
    raise Finished


def _show_commands(_: Tool, __: str) -> NoReturn:
    from vsctl.usage import list_commands

    print(list_commands(), end="")
    raise Finished


def _show_options(tool: Tool, _: str) -> NoReturn:
    from vsctl.usage import list_options

    print(list_options(tool.options), end="")
    raise Finished


GLOBAL = (
    Option(
        "--db",
        takes=VALUE,
        metavar="SERVER[,SERVER]...",
        text="Connect there (default: OVS_DB, or unix:RUNDIR/db.sock).",
    ),
    Option("--no-wait", text="Do not wait for ovs-vswitchd to reconfigure itself."),
    Option("-t", "--timeout", takes=VALUE, metavar="SECS", text="End with SIGALRM after SECS seconds."),
    Option("--deadline", takes=VALUE, metavar="SECS", text="Exit with 124 after SECS seconds; 0: never."),
    Option("--retry", text="Keep trying to connect."),
    Option("--dry-run", text="Do not change the database."),
    Option("--oneline", text="Print the output of each command on one line."),
    Option("--no-syslog", text="Do not log what is done to the system log."),
    Option("--leader-only", negative="--no-leader-only", text="Accepted, of no effect."),
    Option("--shuffle-remotes", negative="--no-shuffle-remotes", text="Accepted, of no effect."),
    *table_options("list"),
    Option("--plain-json", text="Print JSON with plain lists and objects."),
    *TLS_OPTIONS,
    *log_options(PROGRAM),
    Option("--commands", text="List the commands.", act=_show_commands),
    Option("--options", text="List the options.", act=_show_options),
    Option("-V", "--version", text="Show the version.", act=_show_version),
    HELP_OPTION,
)
_NAMES = {form for option in GLOBAL for form in option.names}
LOCAL = tuple(
    Option(form, takes=VALUE if takes_argument else FLAG, name=f"command {form}", hidden=True)
    for form, takes_argument in grammar.OPTIONS.items()
    if form not in _NAMES
)


def local_options(given: Sequence[Given]) -> list[tuple[str, str | None]]:
    """Those of the first command that stood among the global ones; the first of several holds."""
    found: dict[str, str | None] = {}
    for option, _, value in given:
        if option.hidden:
            found.setdefault(option.names[0], value if option.takes == VALUE else None)
    return list(found.items())
