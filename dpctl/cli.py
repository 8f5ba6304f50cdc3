"""ovs-dpctl: look into and edit the kernel's datapaths.

Rule: reads argv, prints, exits; what is done is in commands.py.
"""

from __future__ import annotations

import sys

from appctl.command_line import HELP_OPTION, VERSION_OPTION, CliError, Line, Tool, run, show_help
from appctl.getopt import VALUE, BadUsage, Option
from appctl.log_options import log_options
from dpctl.errors import DpctlError
from dpctl.options import TABLE, options_of

PROGRAM = "ovs-dpctl"


def _usage() -> str:
    from dpctl import commands

    listed = "\n".join(f"  {name} {command.usage}".rstrip() for name, command in commands.COMMANDS.items())
    return f"Open vSwitch datapath management utility\n\n\b\nCommands:\n{listed}"


def _set_timeout(_: Tool, text: str) -> None:
    if not text.isdigit() or int(text) == 0:
        raise BadUsage(f"value {text} on -t or --timeout is invalid")
    import signal

    signal.alarm(int(text))  # the default action ends the process with SIGALRM


def dpctl(line: Line) -> int:
    """Execute the command; the exit status."""
    words = line.words
    if not words:
        raise CliError("missing command name; use --help for help")
    if words[0] == "help":
        show_help(line.tool)
    from datapath.kernel import KernelProvider  # most of a start, which --version and --help do without
    from dpctl import commands
    from dpctl.targets import Targets

    try:
        targets = Targets({"system": KernelProvider()})
        print(commands.run_with(targets, options_of(line.values), words), end="")
    except DpctlError as error:
        sys.stdout.write(error.output)
        sys.stdout.flush()
        sys.stderr.write(error.text(PROGRAM))
        sys.stdout.write(error.hint)
        return 1
    return 0


TOOL = Tool(
    PROGRAM,
    dpctl,
    (
        VERSION_OPTION,
        Option("-t", "--timeout", takes=VALUE, metavar="SECS", text="give up after SECS", act=_set_timeout),
        *TABLE,
        *log_options(PROGRAM),
        HELP_OPTION,
    ),
    usage="[OPTIONS] COMMAND [ARG...]",
    text=_usage,
)


def main() -> None:
    """Run the program."""
    run(TOOL.main, PROGRAM)
