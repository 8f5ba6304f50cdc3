"""The smallest daemon: for tests of what every daemon does. Run as `python -m tests.kit.sample_daemon OPTIONS`."""

import os
from collections.abc import Sequence

import trio
import trio.lowlevel

from appctl import command_line
from appctl.command_line import HELP_OPTION, VERSION_OPTION, CliError, Line, Tool
from appctl.daemon import Process, started
from appctl.daemon_options import daemon_options, daemon_settings
from appctl.getopt import VALUE, Option
from appctl.unixctl import CommandError, Commands, ControlServer

PROGRAM = "sample-daemon"


def sample(line: Line) -> None:
    """Do nothing, as a daemon."""
    with started(daemon_settings(line)) as process:
        trio.run(serve, process, line.values["fail"], line.words)


TOOL = Tool(
    PROGRAM,
    sample,
    (
        *daemon_options(PROGRAM),
        VERSION_OPTION,
        Option("--fail", takes=VALUE, default="", text="error, bug or exit: do not come up."),
        HELP_OPTION,
    ),
    usage="[WORD]...",
    text="Do nothing, as a daemon.",
)


async def serve(process: Process, fail: str, words: Sequence[str]) -> None:
    if fail == "error":
        raise CliError("cannot come up")
    if fail == "bug":
        raise RuntimeError("nobody foresaw this")
    if fail == "exit":
        os._exit(3)
    commands = Commands(PROGRAM)
    crash = trio.Event()
    with ControlServer(commands, process.options.unixctl) as control:
        async with trio.open_nursery() as nursery:
            _register(commands, nursery, crash, words)
            nursery.start_soon(control.serve)
            nursery.start_soon(_end, process, nursery)
            process.ready()
            await crash.wait()
            raise ValueError("crash")


async def _end(process: Process, nursery: trio.Nursery) -> None:
    await process.wait_fatal_signal()
    nursery.cancel_scope.cancel()


def _register(commands: Commands, nursery: trio.Nursery, crash: trio.Event, words: Sequence[str]) -> None:
    def leave(_: list[str]) -> str:
        nursery.cancel_scope.cancel()
        return ""

    def break_down(_: list[str]) -> str:
        crash.set()
        return ""

    def refuse(args: list[str]) -> str:
        raise CommandError(f"no {args[0]}")

    async def late(_: list[str]) -> str:
        await trio.lowlevel.checkpoint()
        return "late"

    commands.register("exit", "", 0, 0, leave)
    commands.register("crash", "", 0, 0, break_down)
    commands.register("refuse", "WHAT", 1, 2, refuse)
    commands.register("bug", "", 0, 0, lambda _: str(1 // 0))
    commands.register("late", "", 0, 0, late)
    commands.register("words", "", 0, 0, lambda _: f"{' '.join(words)} {os.getcwd()}")


if __name__ == "__main__":
    command_line.run(TOOL.main, PROGRAM)
