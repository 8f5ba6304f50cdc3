"""ovs-dpctl: look into and edit the kernel's datapaths.

Rule: reads argv, prints, exits; what is done is in commands.py.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

import click

from appctl.command_line import HELP, CliError, GetoptCommand, run, version_option
from appctl.log_options import log_options
from dpctl import commands
from dpctl.errors import DpctlError

PROGRAM = "ovs-dpctl"

_FLAGS = (
    ("-s", "--statistics", "show, mod-flow, del-flow: print counters"),
    ("-m", "--more", "dump-flows, get-flow: print everything, wildcards too"),
    ("--names", "print names of ports"),
    ("--no-names", "print numbers of ports, also with --more"),
    ("--may-create", "mod-flow: add the flow where there is none"),
    ("--clear", "mod-flow: let its counters begin anew"),
    ("--read-only", "refuse commands that change something"),
)


def _usage() -> str:
    listed = "\n".join(f"  {name} {command.usage}".rstrip() for name, command in commands.COMMANDS.items())
    return f"Open vSwitch datapath management utility\n\n\b\nCommands:\n{listed}"


def _set_timeout(_: click.Context, __: click.Parameter, text: str | None) -> None:
    if text is None:
        return
    if not text.isdigit() or int(text) == 0:
        raise click.UsageError(f"value {text} on -t or --timeout is invalid")
    signal.alarm(int(text))  # the default action ends the process with SIGALRM


def _main(words: tuple[str, ...], **flags: bool) -> int:
    options = [f"--{name.replace('_', '-')}" for name, given in flags.items() if given]
    if not words:
        raise CliError("missing command name; use --help for help")
    if words[0] == "help":
        click.echo(click.get_current_context().get_help())
        return 0
    from datapath.kernel import KernelProvider  # most of a start, which --version and --help do without
    from dpctl.targets import Targets

    try:
        print(commands.run(Targets({"system": KernelProvider()}), [*options, "--", *words]), end="")
    except DpctlError as error:
        sys.stdout.write(error.output)
        sys.stdout.flush()
        sys.stderr.write(error.text(PROGRAM))
        return 1
    return 0


def _command() -> click.Command:
    function: Callable[..., object] = log_options(PROGRAM)(_main)
    for *names, text in _FLAGS:
        function = click.option(*names, is_flag=True, help=text)(function)
    timeout = click.option(
        "-t",
        "--timeout",
        metavar="SECS",
        expose_value=False,
        callback=_set_timeout,
        help="give up after SECS",
    )
    words = click.argument("words", nargs=-1, metavar="COMMAND [ARG...]")
    command = click.command(cls=GetoptCommand, context_settings=HELP, help=_usage())
    return command(version_option(PROGRAM)(timeout(words(function))))


def main() -> None:
    """Run the program."""
    run(_command(), PROGRAM)
