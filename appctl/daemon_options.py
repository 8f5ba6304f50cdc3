"""The options that every daemon has, as a click decorator; what they do is in `daemon`.

Rule: cheap to import, since tools that could detach mostly do not.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass

import click

from appctl import vlog
from appctl.command_line import OptionalValue
from appctl.directories import rundir
from appctl.log_options import Command, log_options


@dataclass(frozen=True)
class Options:
    """What the command line says about the daemon's life. File names are absolute."""

    program: str
    pidfile: str | None = None  # None: make none
    overwrite_pidfile: bool = False
    detach: bool = False
    chdir: bool = True
    monitor: bool = False
    unixctl: str | None = None  # control socket; None: the usual name, "none": no socket
    user: str | None = None  # USER[:GROUP]
    datapath: bool = False  # --user keeps the capabilities for working on network devices
    keep_output: bool = False  # standard output stays open: it is what the program is for


def daemon_options(
    program: str, console: vlog.Level = vlog.Level.INFO, *, keep_output: bool = False, datapath: bool = False
) -> Callable[[Command], Command]:
    """The daemon and logging options; they reach the function as its keyword argument `daemon: Options`.

    `console` as in log_options().
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def with_options(
            *,
            pidfile: str | None,
            overwrite_pidfile: bool,
            detach: bool,
            no_chdir: bool,
            monitor: bool,
            unixctl: str | None,
            user: str | None,
            no_self_confinement: bool,
            **others: object,
        ) -> object:
            path = None if pidfile is None else os.path.join(rundir(), pidfile or f"{program}.pid")
            control = unixctl if unixctl in (None, "none") else os.path.join(rundir(), unixctl)
            options = Options(
                program,
                path,
                overwrite_pidfile,
                detach,
                not no_chdir,
                monitor,
                control,
                user,
                datapath,
                keep_output,
            )
            return command(daemon=options, **others)

        wrapped: Command = log_options(program, console)(with_options)
        for option in (
            click.option("--detach", is_flag=True, help="Run in the background."),
            click.option("--monitor", is_flag=True, help="Start it again after a crash."),
            click.option("--user", metavar="USER[:GROUP]", help="Run as another user."),
            click.option("--no-chdir", is_flag=True, help="Do not change to the root directory."),
            click.option("--no-self-confinement", is_flag=True, help="Accepted; there is no confinement."),
            click.option(
                "--pidfile",
                cls=OptionalValue,
                metavar="[=FILE]",
                help=f"Default: {rundir()}/{program}.pid.",
            ),
            click.option("--overwrite-pidfile", is_flag=True, help="Even if another daemon holds it."),
            click.option("--unixctl", metavar="SOCKET", help="Name the control socket."),
        ):
            wrapped = option(wrapped)
        return wrapped

    return decorate
