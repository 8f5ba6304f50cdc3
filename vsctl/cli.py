"""ovs-vsctl: the command line and what is printed.

Rule: options before the first command are read here, as getopt_long() would (those of the first command may
stand among them); everything behind is the grammar's. A user's mistake is one line on stderr and exit
status 1.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any, NoReturn

import click

from appctl import directories, vlog
from appctl.command_line import HELP, CliError, GetoptCommand, run
from appctl.log_options import log_options
from appctl.tls_options import tls_options
from appctl.version import format_version
from ovsdb.client.blocking import Client, connect
from rpc.address import AddressError, parse
from rpc.errors import ConnectError, ConnectionLost, RemoteError
from rpc.tls_settings import TlsSettings
from vsctl.errors import CommandError, CommandExit, UsageError
from vsctl.grammar import OPTIONS, Command, all_commands, parse_commands
from vsctl.output import NewRow, format_output
from vsctl.run import Outcome, Settings, execute, wait_for_switch
from vsctl.text import format_words, leading_integer

PROGRAM = "ovs-vsctl"
DATABASE = "Open_vSwitch"
SCHEMA_VERSION = "8.3.1"  # of the Open_vSwitch schema that the commands are made for
PEER_FAILED = 65  # exit status: the switch could not set up what was asked for
FORMATS = ("table", "list", "html", "csv", "json")
DATA_FORMATS = ("string", "bare", "json")
WORDS = "vsctl.words"  # where the context keeps the words of the command line
LOCAL = "command_"  # before the names of the first command's options among the parsed parameters

log = vlog.module("vsctl")


class VsctlCommand(GetoptCommand):
    """Knows the commands' options, and lists the commands in the help."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        # The options of the commands too, since the first command's may stand among the global ones.
        self.params += [_local_option(name, takes_argument) for name, takes_argument in OPTIONS.items()]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Remember what was typed, for the log."""
        ctx.meta[WORDS] = list(args)
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (" ".join([name, *_words(c.usage)]), (c.function.__doc__ or "").partition("\n")[0])
                    for name, c in all_commands().items()
                ]
            )


def _local_option(name: str, takes_argument: bool) -> click.Option:
    decls = [name, LOCAL + name[2:].replace("-", "_")]
    return click.Option(decls, is_flag=not takes_argument, multiple=takes_argument, default=None, hidden=True)


def _words(usage: str) -> list[str]:
    forms = {"!": "{}", "?": "[{}]", "+": "{}...", "*": "[{}]..."}
    return [forms[word[0]].format(word[1:]) for word in usage.split()]


def _print_and_exit(text: str) -> NoReturn:
    click.echo(text, nl=False)
    click.get_current_context().exit()


def _show_commands(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        _print_and_exit("".join(f"{_syntax(command)}\n" for command in all_commands().values()))


def _syntax(command: Command) -> str:
    options = "".join(f"[{option}{'=' * takes}] " for option, takes in command.options.items())
    return f"{options},{command.name},{command.usage}"


def _show_options(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        names = []
        for option in ctx.command.get_params(ctx):
            if isinstance(option, click.Option) and not option.hidden:
                for form in (*option.opts, *option.secondary_opts):
                    argument = "" if option.is_flag else "=ARG" if form.startswith("--") else " ARG"
                    names.append(f"{form}{argument}\n")
        _print_and_exit("".join(names))


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        _print_and_exit(f"{format_version(PROGRAM)}\nDB Schema {SCHEMA_VERSION}\n")


def _flag(*names: str, **more: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(*names, is_flag=True, **more)


@click.command(PROGRAM, cls=VsctlCommand, context_settings={**HELP, "allow_interspersed_args": False})
@click.option("--db", metavar="SERVER[,SERVER]...", help="Connect there (default: unix:RUNDIR/db.sock).")
@_flag("--no-wait", help="Do not wait for ovs-vswitchd to reconfigure itself.")
@click.option("-t", "--timeout", metavar="SECS", help="End with SIGALRM after SECS seconds.")
@_flag("--retry", help="Keep trying to connect.")
@_flag("--dry-run", help="Do not change the database.")
@_flag("--oneline", help="Print the output of each command on one line.")
@_flag("--no-syslog", help="Do not log what is done to the system log.")
@_flag("--leader-only/--no-leader-only", "leader_only", help="Accepted, of no effect.")
@_flag("--shuffle-remotes/--no-shuffle-remotes", "shuffle", help="Accepted, of no effect.")
@click.option("-f", "--format", metavar="FORMAT", default="list", help=f"One of {', '.join(FORMATS)}.")
@click.option("-d", "--data", metavar="FORMAT", default="string", help=f"One of {', '.join(DATA_FORMATS)}.")
@_flag("--no-headings", help="Leave out the headings of tables.")
@_flag("--pretty", help="Print JSON with indentation.")
@_flag("--bare", help="The same as --format=list --data=bare --no-headings.")
@click.option("--max-column-width", metavar="N", default="0", help="Cut cells of tables to N characters.")
@tls_options
@log_options(PROGRAM, console=vlog.Level.WARN)
@_flag("--commands", is_eager=True, expose_value=False, callback=_show_commands, help="List the commands.")
@_flag("--options", is_eager=True, expose_value=False, callback=_show_options, help="List the options.")
@_flag("-V", "--version", is_eager=True, expose_value=False, callback=_show_version, help="Show the version.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="COMMAND [ARG]... [-- COMMAND...]...")
def cli(words: tuple[str, ...], tls: TlsSettings, **options: Any) -> int:
    """Query and configure the switch by way of its database."""
    _check(options)
    if options["no_syslog"]:
        vlog.set_levels("vsctl", vlog.Destination.SYSLOG, vlog.Level.WARN)
    try:
        calls = parse_commands(words, _local_options(options))
    except UsageError as error:
        raise CliError(str(error)) from None
    line = format_words([PROGRAM, *click.get_current_context().meta[WORDS]])
    writes = any(call.command.writes for call in calls)
    log.log(vlog.Level.INFO if writes else vlog.Level.DBG, "Called as %s", line)
    comment = f"{PROGRAM} (invoked by {_parent()}): {line}"
    settings = Settings(not options["no_wait"], options["dry_run"], comment)
    remote = options["db"] if options["db"] is not None else f"unix:{directories.rundir()}/db.sock"
    try:
        with _alarm(_timeout(options["timeout"])), _connect(remote, options["retry"], tls) as client:
            outcome = execute(client, calls, settings)
            _print(outcome, options)
            return _finish(wait_for_switch(client, outcome))
    except CommandExit as ended:
        return ended.status
    except CommandError as error:
        raise CliError(str(error)) from None
    except ConnectionLost as error:
        raise CliError(f"{remote}: database connection failed ({error.reason})") from None
    except RemoteError as error:
        raise CliError(f"{remote}: {error.method} failed: {error.error}") from None


def _check(options: Mapping[str, Any]) -> None:
    for name, kind, known in (("format", "output", FORMATS), ("data", "data", DATA_FORMATS)):
        if options[name] not in known:
            raise CliError(f'unknown {kind} format "{options[name]}"')
    _timeout(options["timeout"])


def _local_options(options: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """Those of the first command that stood among the global ones."""
    given = []
    for name, value in options.items():
        if name.startswith(LOCAL) and value:
            option = "--" + name.removeprefix(LOCAL).replace("_", "-")
            given.append((option, None if value is True else value[0]))  # the first one of several holds
    return given


def _timeout(text: str | None) -> int:
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**32):
        raise CliError(f"value {text} on -t or --timeout is invalid")
    return int(text)


@contextlib.contextmanager
def _alarm(seconds: int) -> Iterator[None]:
    """End the process with SIGALRM after that time."""

    def expire(number: int, _: FrameType | None) -> None:
        vlog.module("fatal_signal").warn("terminating with signal %d (%s)", number, signal.strsignal(number))
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    if not seconds:
        yield
        return
    before = signal.signal(signal.SIGALRM, expire)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _connect(remote: str, retry: bool, tls: TlsSettings) -> Client:
    try:
        addresses = [parse(text) for text in remote.split(",")]
        return connect(addresses, DATABASE, retry=retry, tls=tls)
    except AddressError as error:
        raise CliError(f"{remote}: database connection failed ({error.why})") from None
    except ConnectError as error:
        raise CliError(f"{remote}: database connection failed ({error.reason})") from None


def _print(outcome: Outcome, options: Mapping[str, Any]) -> None:
    for text in outcome.warnings:
        log.warn("%s", text)
    printer = None
    if any(not (output is None or isinstance(output, (str, NewRow))) for output in outcome.outputs):
        from ovsdb.table import Printer, Style  # not needed by most commands

        bare = options["bare"]
        style = Style(
            "list" if bare else options["format"],
            "bare" if bare else options["data"],
            not (bare or options["no_headings"]),
            options["pretty"],
            leading_integer(options["max_column_width"]),
        )
        printer = Printer(style)
    for output in outcome.outputs:
        sys.stdout.write(format_output(output, printer, options["oneline"]))
    sys.stdout.flush()


def _finish(complaints: Sequence[str]) -> int:
    if not complaints:
        return 0
    for text in (*complaints, f'The default log directory is "{directories.logdir()}".'):
        print(f"{PROGRAM}: {text}", file=sys.stderr)
    return PEER_FAILED


def _parent() -> str:
    """The name of the program that has started this one."""
    try:
        with open(f"/proc/{os.getppid()}/cmdline", "rb") as file:
            name = os.path.basename(file.read().partition(b"\0")[0])
    except OSError:
        name = b""
    return os.fsdecode(name) or f"pid {os.getppid()}"


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the program, whose words are `args` or those of the process, and end the process."""
    run(cli, PROGRAM, args)


if __name__ == "__main__":
    main()
