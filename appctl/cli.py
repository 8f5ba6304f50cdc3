"""ovs-appctl: commands a running daemon.

Rule: exit status 0 when the daemon answered, 2 when it refused, 1 when it could not be asked.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from appctl.client import DEFAULT_TARGET, CommandRefused, TargetError, call, call_json
from appctl.command_line import HELP_OPTION, VERSION_OPTION, CliError, Line, Tool, run, set_alarm
from appctl.getopt import VALUE, Option
from appctl.log_options import log_options
from appctl.vlog import Level
from rpc.jsonvalue import Json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

PROGRAM = "ovs-appctl"


def appctl(line: Line) -> None:
    """Command a running Open vSwitch daemon, and show what it answers.

    \b
    list-commands        the commands that the target knows
    version              the target's version
    vlog/list            its log levels
    vlog/set [SPEC]      change them: module, syslog, console or file,
                         and off, emer, err, warn, info or dbg
    vlog/list-pattern    the patterns of its log lines
    vlog/reopen          open the log file again, after it was rotated
    """
    given, words = line.values, line.words
    target: str = given["target"]
    timeout, format_, pretty = given["timeout"], given["format"], given["pretty"]
    if timeout is not None:
        set_alarm(timeout, "-T")
    if not words:
        raise CliError("at least one non-option argument is required (use --help for help)")
    as_json = _wants_json(format_, pretty)
    try:
        if as_json:
            sys.stdout.write(_format(call_json(target, words[0], words[1:]), pretty))
        else:
            sys.stdout.write(call(target, words[0], words[1:]))
    except TargetError as error:
        raise CliError(str(error)) from None
    except CommandRefused as error:
        sys.stdout.flush()
        text = str(error)
        sys.stderr.write(text if text.endswith("\n") else f"{text}\n")
        raise CliError(f"{target}: server returned an error", 2) from None


def _wants_json(format_: str | None, pretty: bool) -> bool:
    if (format_ or "text").lower() not in ("text", "json"):
        raise CliError(f"value {format_} on -f or --format is invalid (use --help for help)")
    as_json = (format_ or "").lower() == "json"
    if pretty and not as_json:
        raise CliError("--pretty is supported with --format json only")
    return as_json


def _format(answer: Json, pretty: bool) -> str:
    import orjson

    from rpc.pretty import format_pretty

    if pretty:
        return format_pretty(answer) + "\n"
    return orjson.dumps(answer, option=orjson.OPT_SORT_KEYS).decode() + "\n"


TOOL = Tool(
    PROGRAM,
    appctl,
    (
        Option(
            "-t",
            "--target",
            takes=VALUE,
            metavar="TEXT",
            default=DEFAULT_TARGET,
            text="Pidfile or socket to contact.",
        ),
        Option("-T", "--timeout", takes=VALUE, metavar="SECS", text="Wait at most so long for an answer."),
        Option("-f", "--format", takes=VALUE, metavar="FORMAT", text="Show answers as text or json."),
        Option("--pretty", text="With --format=json: a line for each member."),
        VERSION_OPTION,
        *log_options(PROGRAM),
        HELP_OPTION,
    ),
    usage="[TARGET] COMMAND [ARG]...",
    text=appctl.__doc__ or "",
    console=Level.WARN,
    permute=False,
)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Runs ovs-appctl."""
    run(TOOL.main, PROGRAM, args)
