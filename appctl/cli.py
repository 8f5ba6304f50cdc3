"""ovs-appctl: commands a running daemon.

Rule: exit status 0 when the daemon answered, 2 when it refused, 1 when it could not be asked.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from appctl import command_line
from appctl.client import DEFAULT_TARGET, CommandRefused, TargetError, call, call_json
from appctl.command_line import CliError, GetoptCommand, set_alarm, version_option
from appctl.log_options import log_options
from appctl.vlog import Level
from rpc.jsonvalue import Json

PROGRAM = "ovs-appctl"


@click.command(
    PROGRAM,
    cls=GetoptCommand,
    context_settings={**command_line.HELP, "allow_interspersed_args": False},
    options_metavar="[TARGET]",
)
@click.option("-t", "--target", default=DEFAULT_TARGET, help="Pidfile or socket to contact.")
@click.option("-T", "--timeout", metavar="SECS", help="Wait at most so long for an answer.")
@click.option("-f", "--format", "format_", metavar="FORMAT", help="Show answers as text or json.")
@click.option("--pretty", is_flag=True, help="With --format=json: a line for each member.")
@version_option(PROGRAM)
@log_options(PROGRAM, Level.WARN)
@click.argument("words", nargs=-1, metavar="COMMAND [ARG]...")
def cli(
    *, target: str, timeout: str | None, format_: str | None, pretty: bool, words: tuple[str, ...]
) -> None:
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


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Runs ovs-appctl."""
    command_line.run(cli, PROGRAM, args)
