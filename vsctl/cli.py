"""ovs-vsctl: the command line and what is printed.

Rule: options before the first command are read here, as getopt_long() would (those of the first command may
stand among them); everything behind is the grammar's. A user's mistake is one line on stderr and exit
status 1.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial

from appctl import directories, vlog
from appctl.command_line import CliError, Finished, Line, Tool, run
from appctl.getopt import BadUsage
from appctl.tls_options import tls_settings
from ovsdb.client.blocking import Client, connect
from ovsdb.errors import OvsdbError
from ovsdb.table_options import check_formats
from rpc.address import AddressError, parse
from rpc.errors import ConnectError, ConnectionLost, RemoteError
from rpc.tls_settings import TlsSettings
from vsctl.errors import BadAnswer, CommandError, CommandExit, DeadlinePassed, UsageError
from vsctl.grammar import parse_commands
from vsctl.options import GLOBAL, LOCAL, PROGRAM, local_options
from vsctl.patience import DEFAULT_DEADLINE, Patience
from vsctl.printing import Writer
from vsctl.run import Outcome, Settings, execute, wait_for_switch
from vsctl.text import format_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

DATABASE = "Open_vSwitch"
DEADLINE_PASSED = 124  # exit status: the time of --deadline is over, as timeout(1) has it
PEER_FAILED = 65  # exit status: the switch could not set up what was asked for

log = vlog.module("vsctl")


def vsctl(command_line: Line) -> int:
    """Execute the commands; the exit status."""
    options = command_line.values
    check_formats(options)
    _timeout(options["timeout"])
    _deadline(options["deadline"])
    if options["no_syslog"]:
        vlog.set_levels("vsctl", vlog.Destination.SYSLOG, vlog.Level.WARN)
    try:
        calls = parse_commands(command_line.words, local_options(command_line.given))
    except UsageError as error:
        raise CliError(str(error), hint=error.hint) from None
    line = format_words([PROGRAM, *command_line.args])
    writes = any(call.command.writes for call in calls)
    log.log(vlog.Level.INFO if writes else vlog.Level.DBG, "Called as %s", line)
    comment = f"{PROGRAM} (invoked by {_parent()}): {line}"
    tls = tls_settings(command_line.given)
    remote = options["db"]
    if remote is None:
        remote = os.environ.get("OVS_DB") or f"unix:{directories.rundir()}/db.sock"
    settings = Settings(not options["no_wait"], options["dry_run"], comment, remote, tls)
    patience = Patience(remote, _tell)
    connection = partial(_connect, remote, options["retry"], tls)
    writer, first = Writer(options), calls[0]
    limits = (
        _timeout(options["timeout"]),
        _deadline(options["deadline"], 0 if first.command.alone else DEFAULT_DEADLINE),
    )
    with _complaints(remote), patience.watching(*limits):
        if first.command.alone:
            from vsctl.session import Session

            session = Session(connection, settings, patience, writer, options)
            status: int = first.command.function(session, *first.args, **first.options)
            return status
        with connection(None) as client:
            outcome = execute(client, calls, settings, patience)
            _print(outcome, writer)
            return _finish(wait_for_switch(client, outcome, patience)) or outcome.status


@contextlib.contextmanager
def _complaints(remote: str) -> Iterator[None]:
    """Whatever can go wrong becomes one line, and a second one with what to do."""
    try:
        yield
    except CommandExit as ended:
        raise Finished(ended.status) from None
    except CommandError as error:
        raise _complaint(str(error), error.hint) from None
    except ConnectError as error:
        raise _complaint(f"{remote}: database connection failed ({error.reason})") from None
    except AddressError as error:
        raise _complaint(f"{remote}: database connection failed ({error.why})") from None
    except ConnectionLost as error:
        raise _complaint(f"{remote}: database connection failed ({error.reason})") from None
    except RemoteError as error:
        raise _complaint(f"{remote}: {error.method} failed: {error.error}") from None
    except (BadAnswer, OvsdbError) as error:
        raise _complaint(f"{remote}: the answer of the server makes no sense: {error}") from None
    except DeadlinePassed as error:
        first, *rest = error.lines
        text = f"gave up after {error.seconds} s (--deadline): {first}"
        raise CliError(text, DEADLINE_PASSED, hint="\n".join(rest)) from None


def _complaint(text: str, hint: str = "") -> CliError:
    if not hint:
        from vsctl.remedies import remedy

        hint = remedy(text)
    return CliError(text, hint=hint)


def _tell(line: str) -> None:
    print(line if line.startswith(" ") else f"{PROGRAM}: {line}", file=sys.stderr, flush=True)


def _timeout(text: str | None) -> int:
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**32):
        raise CliError(f"value {text} on -t or --timeout is invalid")
    return int(text)


def _deadline(text: str | None, default: int = DEFAULT_DEADLINE) -> int:
    """Seconds, 0 for none: of --deadline, the environment, or `default` where nobody looks on."""
    if text is None:
        text = os.environ.get("OVS_VSCTL_DEADLINE")
    if text is None:
        return 0 if sys.stderr.isatty() else default
    if not (text.isascii() and text.isdigit() and int(text) < 2**31):
        raise CliError(f"value {text} on --deadline or in OVS_VSCTL_DEADLINE is invalid")
    return int(text)


def _connect(
    remote: str, retry: bool, tls: TlsSettings, deadline: float | None, database: str | None = None
) -> Client:
    addresses = [parse(text) for text in (database or remote).split(",")]
    return connect(addresses, DATABASE, retry=retry, deadline=deadline, tls=tls)


def _print(outcome: Outcome, writer: Writer) -> None:
    for text in outcome.warnings:
        log.warn("%s", text)
    for output in outcome.outputs:
        sys.stdout.write(writer.text(output, sys.stdout))
    sys.stdout.flush()
    if outcome.would_change is not None:  # not among the output of commands, which scripts read
        sys.stderr.write(writer.text(outcome.would_change, sys.stderr))


def _finish(complaints: Sequence[str]) -> int:
    if not complaints:
        return 0
    from vsctl.remedies import remedy

    for text in complaints:
        print(f"{PROGRAM}: {text}", file=sys.stderr)
    print(f'{PROGRAM}: The default log directory is "{directories.logdir()}".', file=sys.stderr)
    for hint in dict.fromkeys(filter(None, map(remedy, complaints))):
        print(f"    {hint}", file=sys.stderr)
    return PEER_FAILED


def _parent() -> str:
    """The name of the program that has started this one."""
    try:
        with open(f"/proc/{os.getppid()}/cmdline", "rb") as file:
            name = os.path.basename(file.read().partition(b"\0")[0])
    except OSError:
        name = b""
    return os.fsdecode(name) or f"pid {os.getppid()}"


def _explain(tool: Tool, error: BadUsage) -> str:
    from vsctl.usage import spelt_nearly

    return spelt_nearly(tool, error)


def _help_rows() -> list[tuple[str, str]]:
    from vsctl.usage import help_rows

    return help_rows()


TOOL = Tool(
    PROGRAM,
    vsctl,
    (*GLOBAL, *LOCAL),
    usage="[OPTIONS] COMMAND [ARG]... [-- COMMAND...]...",
    text="Query and configure the switch by way of its database.",
    console=vlog.Level.WARN,
    permute=False,
    epilog=_help_rows,
    explain=_explain,
)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the program, whose words are `args` or those of the process, and end the process."""
    run(TOOL.main, PROGRAM, args)


if __name__ == "__main__":
    main()
