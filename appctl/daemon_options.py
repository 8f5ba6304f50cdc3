"""The options that every daemon has; what they do is in `daemon`.

Rule: cheap to import, since tools that could detach mostly do not.
"""

from __future__ import annotations

import os

from appctl.command_line import Line
from appctl.directories import rundir
from appctl.getopt import OPTIONAL, VALUE, Option
from appctl.log_options import log_options
from rpc.structs import Struct


class Options(Struct):
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


def daemon_options(program: str) -> tuple[Option, ...]:
    """The daemon and logging options."""
    return (
        Option("--unixctl", takes=VALUE, metavar="SOCKET", text="Name the control socket."),
        Option("--overwrite-pidfile", text="Even if another daemon holds it."),
        Option("--pidfile", takes=OPTIONAL, metavar="[=FILE]", text=f"Default: {rundir()}/{program}.pid."),
        Option("--no-self-confinement", text="Accepted; there is no confinement."),
        Option("--no-chdir", text="Do not change to the root directory."),
        Option("--user", takes=VALUE, metavar="USER[:GROUP]", text="Run as another user."),
        Option("--monitor", text="Start it again after a crash."),
        Option("--detach", text="Run in the background."),
        *log_options(program),
    )


def daemon_settings(line: Line, *, keep_output: bool = False, datapath: bool = False) -> Options:
    """What the daemon options on a command line say."""
    given, program = line.values, line.tool.program
    pidfile, unixctl = given["pidfile"], given["unixctl"]
    return Options(
        program,
        None if pidfile is None else os.path.join(rundir(), pidfile or f"{program}.pid"),
        given["overwrite_pidfile"],
        given["detach"],
        not given["no_chdir"],
        given["monitor"],
        unixctl if unixctl in (None, "none") else os.path.join(rundir(), unixctl),
        given["user"],
        datapath,
        keep_output,
    )
