"""ovsdb-client: asks any database server, from the command line.

Rule: blocking sockets, and neither trio nor jsonschema imported, since a tool must start fast.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from appctl import command_line
from appctl.command_line import CliError, GetoptCommand, set_alarm, version_option
from appctl.directories import rundir
from appctl.log_options import log_options
from appctl.tls_options import tls_options
from appctl.vlog import Level
from ovsdb.cli.client_commands import COMMANDS, Command, CommandError, Session
from ovsdb.table import DATA_FORMATS, FORMATS, Style, format_json
from rpc.address import AddressError, parse
from rpc.blocking import Connection
from rpc.errors import ConnectError, ConnectionLost, RemoteError, RpcError
from rpc.message import Notification
from rpc.tls_settings import TlsSettings

PROGRAM = "ovsdb-client"
DEFAULT_DATABASE = "Open_vSwitch"
METHODS = ("unix:", "tcp:", "ssl:", "punix:", "ptcp:", "pssl:")


def split_arguments(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the server where the first word names one, and the other words."""
    rest = list(words)
    server = rest.pop(0) if rest and rest[0].startswith(METHODS) else None
    return server, rest


def choose_database(command: Command, databases: Sequence[str], words: list[str], name: str) -> str:
    """Take the database's name off `words` where they begin with one; else return the default one.

    CommandError where there is no default: several databases and none is Open_vSwitch.
    """
    if len(words) > command.least and words[0] in databases:
        return words.pop(0)
    own = [database for database in databases if not database.startswith("_")]
    if DEFAULT_DATABASE in own:
        return DEFAULT_DATABASE
    if len(own) == 1:
        return own[0]
    raise CommandError(f"no default database for '{name}' command, please specify a database name")


def run(name: str, words: Sequence[str], style: Style, tls: TlsSettings, *, timestamp: bool) -> None:
    """Carry a command out and print what it says. Raises CommandError, AddressError and RpcError."""
    command = COMMANDS.get(name)
    if command is None:
        raise CommandError(f"unknown command '{name}'; use --help for help")
    server, rest = split_arguments(words)
    server = server or f"unix:{rundir()}/db.sock"
    with Connection.open(parse(server), tls=tls) as connection:

        def receive() -> tuple[str, list[Any]]:
            while True:
                message = connection.receive()
                if isinstance(message, Notification):
                    return message.method, list(message.params)

        session = Session(server, connection.call, receive, style, timestamp)
        if command.needs_database:
            databases = connection.call("list_dbs", [])
            assert isinstance(databases, list)
            session.database = choose_database(command, [str(name) for name in databases], rest, name)
        if len(rest) < command.least or (command.most is not None and len(rest) > command.most):
            raise CommandError(f"invalid syntax for '{name}' (use --help for help)")
        for text in command.run(session, rest):
            sys.stdout.write(text)
            sys.stdout.flush()


def explain(error: Exception) -> str:
    """Say in one line what went wrong."""
    if isinstance(error, ConnectError):
        return f'failed to connect to "{error.address}" ({error.reason})'
    if isinstance(error, RemoteError):
        return f"transaction returned error: {format_json(error.error)}"
    if isinstance(error, ConnectionLost):
        return f"connection to the server ended: {error.reason}"
    return str(error)


@click.command(PROGRAM, cls=GetoptCommand, options_metavar="[OPTIONS]", context_settings=command_line.HELP)
@click.option("-f", "--format", "format_", default="table", metavar="FORMAT", help=" | ".join(FORMATS))
@click.option(
    "-d", "--data", default="string", metavar="FORMAT", help=f"Of cells: {' | '.join(DATA_FORMATS)}"
)
@click.option("--no-headings", is_flag=True, help="Print no row of headings.")
@click.option("--pretty", is_flag=True, help="Print JSON with a line for each member.")
@click.option("--bare", is_flag=True, help="The same as --format=list --data=bare --no-headings.")
@click.option("--max-column-width", type=click.IntRange(0), default=0, metavar="N", help="Cut wider cells.")
@click.option("--timestamp", is_flag=True, help="Print the time before each change that monitor shows.")
@click.option("-t", "--timeout", metavar="SECS", help="Give up after so long.")
@tls_options
@version_option(PROGRAM)
@log_options(PROGRAM, Level.WARN)
@click.argument("words", nargs=-1, metavar="COMMAND [SERVER] [DATABASE] [ARG]...")
def cli(
    *,
    words: tuple[str, ...],
    format_: str,
    data: str,
    no_headings: bool,
    pretty: bool,
    bare: bool,
    max_column_width: int,
    timestamp: bool,
    timeout: str | None,
    tls: TlsSettings,
) -> None:
    """Ask an OVSDB server.

    \b
    list-dbs                     name the databases
    get-schema                   print a database's schema
    get-schema-version           print its version
    get-schema-cksum             print its checksum
    list-tables                  list its tables
    list-columns [TABLE]         list the columns of a table, or of all
    transact TRANSACTION         run a transaction, print the results
    query TRANSACTION            the same, changing nothing
    dump [TABLE [COLUMN]...]     print contents
    monitor TABLE [COLUMN,...]...
                                 print contents, then every change
    monitor ALL                  the same of all tables

    SERVER is unix:FILE, tcp:HOST:PORT or ssl:HOST:PORT, by default the local
    db.sock; or punix:FILE, ptcp:PORT[:HOST] or pssl:PORT[:HOST], where a
    server connects. DATABASE is Open_vSwitch where there is one. TRANSACTION is the
    params of a "transact" request. A COLUMN of monitor may be !initial,
    !insert, !delete or !modify, to leave such changes out.
    """
    if not words:
        raise CliError("missing command name; use --help for help")
    if format_ not in FORMATS:
        raise CliError(f'unknown output format "{format_}"')
    if data not in DATA_FORMATS:
        raise CliError(f'unknown data format "{data}"')
    if timeout is not None:
        set_alarm(timeout)
    if bare:
        format_, data, no_headings = "list", "bare", True
    style = Style(format_, data, not no_headings, pretty, max_column_width)
    try:
        run(words[0], words[1:], style, tls, timestamp=timestamp)
    except (CommandError, AddressError, RpcError) as error:
        raise CliError(explain(error)) from None


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run ovsdb-client."""
    command_line.run(cli, PROGRAM, args)
