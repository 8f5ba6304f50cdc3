"""The logging options that every program has.

Rule: they act when they are read, in the order of the command line; a mistake is the user's (exit status 1).
"""

from __future__ import annotations

from appctl import directories, vlog
from appctl.command_line import Finished, Tool
from appctl.getopt import OPTIONAL, VALUE, BadUsage, Option


def set_levels(_: Tool, spec: str) -> None:
    """What -v does; BadUsage."""
    try:
        vlog.set_from_text(spec)
    except vlog.VlogError as error:
        raise BadUsage(f'processing "{spec}": {error}') from None


def open_file(tool: Tool, name: str) -> None:
    """What --log-file does; Finished."""
    if vlog.open_file(name or f"{directories.logdir()}/{tool.program}.log"):
        raise Finished(1)  # the console has been told why


def set_syslog_method(_: Tool, text: str) -> None:
    """What --syslog-method does; BadUsage."""
    from appctl import syslog  # most runs need it not

    try:
        syslog.set_method(text)
    except syslog.SyslogError as error:
        raise BadUsage(str(error)) from None


def set_syslog_target(_: Tool, text: str) -> None:
    """What --syslog-target does; BadUsage."""
    from appctl import syslog

    try:
        syslog.set_target(text)
    except syslog.SyslogError as error:
        raise BadUsage(str(error)) from None


def log_options(program: str) -> tuple[Option, ...]:
    """-v[SPEC] --verbose[=SPEC] --log-file[=FILE] --syslog-target=HOST:PORT --syslog-method=METHOD."""
    return (
        Option(
            "--syslog-target",
            takes=VALUE,
            metavar="IP:PORT",
            text="Send syslog messages there too, over UDP.",
            act=set_syslog_target,
        ),
        Option(
            "--syslog-method",
            takes=VALUE,
            metavar="METHOD",
            text="How to reach syslog: libc, null, unix:FILE or udp:IP:PORT.",
            act=set_syslog_method,
        ),
        Option(
            "--log-file",
            takes=OPTIONAL,
            metavar="[=FILE]",
            text=f"Log to FILE (default: {directories.logdir()}/{program}.log).",
            act=open_file,
        ),
        Option("-v", "--verbose", takes=OPTIONAL, metavar="[SPEC]", text="Set log levels.", act=set_levels),
    )
