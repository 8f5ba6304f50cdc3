"""Runs a command that goes on until it is stopped, in the foreground or as a daemon of its own.

Rule: the answer is printed before a daemon detaches, so that whoever started it has it. A daemon keeps its
standard output, which is what it is for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial

from appctl.command_line import CliError
from ovsdb.cli.client_session import CommandError, Following, Session, explain
from rpc.errors import ConnectionLost, RpcError, Timeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from trio import Nursery

    from appctl.daemon import Process
    from appctl.daemon_options import Options
    from appctl.unixctl import Commands


def show(texts: Iterable[str]) -> None:
    """Print as it comes."""
    for text in texts:
        sys.stdout.write(text)
        sys.stdout.flush()


def follow(session: Session, following: Following, daemon: Options) -> None:
    """Print the answer, and then what there is to print, until something ends it. CommandError, RpcError."""
    if not (daemon.detach or daemon.monitor or daemon.pidfile):
        show(following.answer)
        while True:
            _show_next(session, following, None)
    from appctl.daemon import started

    with started(daemon) as process:
        import trio  # only now: a program that forks has not started it

        trio.run(_serve, session, following, process)


def _show_next(session: Session, following: Following, deadline: float | None) -> None:
    try:
        message = session.connection.receive(deadline)
    except ConnectionLost as error:
        raise CommandError(f"{session.server}: receive failed ({error.reason})") from None
    show(following.react(message))


async def _serve(session: Session, following: Following, process: Process) -> None:
    import trio

    from appctl.unixctl import Commands, ControlServer

    commands = Commands(process.options.program)
    path = process.options.unixctl if process.options.detach else "none"
    try:
        show(following.answer)
        with ControlServer(commands, path) as control:
            async with trio.open_nursery() as nursery:
                _register(commands, following, nursery)
                nursery.start_soon(control.serve)
                nursery.start_soon(_end_on_signal, process, nursery)
                process.ready()
                await _follow_connection(session, following)
    except* (CommandError, RpcError) as errors:
        raise CliError(explain(errors.exceptions[0])) from None


async def _follow_connection(session: Session, following: Following) -> None:
    import trio

    while True:
        try:
            while True:
                _show_next(session, following, 0)
        except Timeout:
            await trio.lowlevel.wait_readable(session.connection.fileno())


async def _end_on_signal(process: Process, nursery: Nursery) -> None:
    await process.wait_fatal_signal()
    nursery.cancel_scope.cancel()


def _register(commands: Commands, following: Following, nursery: Nursery) -> None:
    async def leave() -> None:
        import trio

        await trio.sleep(0.01)  # for the answer to "exit"
        nursery.cancel_scope.cancel()

    def stop(_: list[str]) -> str:
        nursery.start_soon(leave)
        return ""

    commands.register("exit", "", 0, 0, stop)
    for name, act in following.controls.items():
        commands.register(name, "LOCK", 1, 1, partial(_run, act))


def _run(act: Callable[[str], None], arguments: list[str]) -> str:
    act(arguments[0])
    return ""
