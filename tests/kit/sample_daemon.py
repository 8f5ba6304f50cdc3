"""The smallest daemon: for tests of what every daemon does. Run as `python -m tests.kit.sample_daemon OPTIONS`."""

import os

import click
import trio
import trio.lowlevel

from appctl import command_line
from appctl.command_line import CliError, GetoptCommand, version_option
from appctl.daemon import Process, started
from appctl.daemon_options import Options, daemon_options
from appctl.unixctl import CommandError, Commands, ControlServer

PROGRAM = "sample-daemon"


@click.command(PROGRAM, cls=GetoptCommand, context_settings=command_line.HELP)
@daemon_options(PROGRAM)
@version_option(PROGRAM)
@click.option("--fail", default="", help="error, bug or exit: do not come up.")
@click.argument("words", nargs=-1)
def cli(*, daemon: Options, fail: str, words: tuple[str, ...]) -> None:
    """Do nothing, as a daemon."""
    with started(daemon) as process:
        trio.run(serve, process, fail, words)


async def serve(process: Process, fail: str, words: tuple[str, ...]) -> None:
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


def _register(commands: Commands, nursery: trio.Nursery, crash: trio.Event, words: tuple[str, ...]) -> None:
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
    command_line.run(cli, PROGRAM)
