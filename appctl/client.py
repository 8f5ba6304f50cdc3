"""Commands to a running daemon over its control socket, for command-line tools.

Rule: blocking; one connection for each command, as ovs-appctl makes it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from appctl import pidfile
from appctl.directories import rundir
from rpc.address import UnixAddress
from rpc.blocking import Connection
from rpc.errors import ConnectError, ConnectionLost, RemoteError, Timeout
from rpc.jsonvalue import Json

DEFAULT_TARGET = "ovs-vswitchd"


class TargetError(Exception):
    """No answer from the daemon; the text says why."""


class CommandRefused(Exception):  # the daemon's answer, not a failure of ours
    """The daemon answered with an error: the text that it gave."""


def find_socket(target: str) -> str:
    """The control socket of `target`: a path, or the name of a daemon with a pidfile. TargetError."""
    if target.startswith("/"):
        return target
    path = f"{rundir()}/{target}.pid"
    try:
        pid = pidfile.read(path)
    except pidfile.PidfileError as error:
        raise TargetError(f'cannot read pidfile "{path}" ({error.why})') from None
    return f"{rundir()}/{os.path.basename(target)}.{pid}.ctl"


def call(target: str, command: str, args: Sequence[str], deadline: float | None = None) -> str:
    """The daemon's answer to `command`. TargetError, CommandRefused; Timeout after `deadline` (monotonic)."""
    answer = _call(target, command, args, deadline, json=False)
    if answer is not None and not isinstance(answer, str):
        raise TargetError(f"{find_socket(target)}: answered with something else than text")
    return answer or ""


def call_json(target: str, command: str, args: Sequence[str], deadline: float | None = None) -> Json:
    """The same, asked for as JSON; what is text comes as {"reply-format": "plain", "reply": text}."""
    return _call(target, command, args, deadline, json=True)


def _call(target: str, command: str, args: Sequence[str], deadline: float | None, *, json: bool) -> Json:
    path = find_socket(target)
    try:
        with Connection.open(UnixAddress(path), deadline) as connection:
            if json:
                connection.call("set-options", ["--format", "json"], deadline)
            answer = connection.call(command, list(args), deadline)
    except ConnectError as error:
        raise TargetError(f'cannot connect to "{path}" ({error.reason})') from None
    except RemoteError as error:
        raise CommandRefused(str(error.error)) from None
    except (ConnectionLost, Timeout) as error:
        reason = "Connection timed out" if isinstance(error, Timeout) else error.reason
        raise TargetError(f"{path}: transaction error ({reason})") from None
    return answer
