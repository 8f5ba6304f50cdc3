"""The logging options that every program has, as a click decorator.

Rule: they act when they are read, in the order of the command line; a mistake is the user's (exit status 1).
"""

from __future__ import annotations

from collections.abc import Callable

import click

from appctl import directories, vlog
from appctl.command_line import OptionalValue

Command = Callable[..., object]


def log_options(program: str, console: vlog.Level = vlog.Level.INFO) -> Callable[[Command], Command]:
    """-v[SPEC] --verbose[=SPEC] --log-file[=FILE] --syslog-target=HOST:PORT --syslog-method=METHOD.

    `console` is the level of the console where the user does not choose another; tools take WARN.
    """

    def set_levels(_: click.Context, __: click.Parameter, specs: tuple[str, ...]) -> None:
        vlog.set_program(program)
        vlog.set_levels(None, vlog.Destination.CONSOLE, console)
        for spec in specs:
            try:
                vlog.set_from_text(spec)
            except vlog.VlogError as error:
                raise click.UsageError(f'processing "{spec}": {error}') from None

    def open_file(_: click.Context, __: click.Parameter, name: str | None) -> None:
        if name is not None and vlog.open_file(name or f"{directories.logdir()}/{program}.log"):
            raise click.exceptions.Exit(1)  # the console has been told why

    def set_syslog(_: click.Context, option: click.Parameter, text: str | None) -> None:
        if text is None:
            return
        from appctl import syslog  # most runs need it not

        try:
            (syslog.set_method if option.name == "syslog_method" else syslog.set_target)(text)
        except syslog.SyslogError as error:
            raise click.UsageError(str(error)) from None

    def decorate(command: Command) -> Command:
        for option in (
            click.option(
                "-v", "--verbose", cls=OptionalValue, multiple=True, metavar="[SPEC]", expose_value=False,
                callback=set_levels, is_eager=True, help="Set log levels.",
            ),
            click.option(
                "--log-file", cls=OptionalValue, metavar="[=FILE]", expose_value=False,
                callback=open_file, help=f"Log to FILE (default: {directories.logdir()}/{program}.log).",
            ),
            click.option(
                "--syslog-method", metavar="METHOD", expose_value=False,
                callback=set_syslog, help="How to reach syslog: libc, null, unix:FILE or udp:IP:PORT.",
            ),
            click.option(
                "--syslog-target", metavar="IP:PORT", expose_value=False,
                callback=set_syslog, help="Send syslog messages there too, over UDP.",
            ),
        ):  # fmt: skip
            command = option(command)
        return command

    return decorate
