"""ovsdb-client: asks any database server, from the command line.

Rule: blocking sockets, and neither trio nor jsonschema imported, since a tool must start fast.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn

import click

from appctl import command_line
from appctl.command_line import CliError, GetoptCommand, set_alarm, version_option
from appctl.daemon_options import Options, daemon_options
from appctl.directories import rundir
from appctl.tls_options import tls_options
from appctl.vlog import Level
from ovsdb.cli.client_commands import COMMANDS
from ovsdb.cli.client_follow import follow, show
from ovsdb.cli.client_servers import connect, opener, take_server
from ovsdb.cli.client_session import CommandError, Following, Need, Session, explain
from ovsdb.table import DATA_FORMATS, FORMATS, Style
from rpc.errors import RpcError
from rpc.tls_settings import TlsSettings

PROGRAM = "ovsdb-client"


def run(
    words: Sequence[str],
    style: Style,
    tls: TlsSettings,
    daemon: Options,
    *,
    timestamp: bool,
    force: bool,
    leader_only: bool,
    db_change_aware: bool,
    history: dict[str, Any],
) -> None:
    """Carry a command out and print what it says. Raises CommandError and RpcError."""
    name, *rest = words
    command = COMMANDS.get(name)
    if command is None:
        raise CommandError(f"unknown command '{name}'; use --help for help")
    server = take_server(rest, command.least) or f"unix:{rundir()}/db.sock"
    open_ = opener(tls)

    def check_count() -> None:
        if len(rest) < command.least or (command.most is not None and len(rest) > command.most):
            raise CommandError(f"invalid syntax for '{name}' (use --help for help)")

    if command.need is Need.NOTHING:
        check_count()
        show(command.load()(lambda: open_(server), rest))
        return
    connection, database = connect(command, name, server, rest, open_, leader_only=leader_only)
    with connection:
        check_count()
        source = sys.stdin.buffer
        session = Session(
            connection, server, style, timestamp, force, db_change_aware, source, database, history
        )
        texts = command.load()(session, rest)
        if isinstance(texts, Following):
            follow(session, texts, daemon)
        else:
            show(texts)


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
@click.option("--force", is_flag=True, help="Restore even where the schemas differ.")
@click.option(
    "--leader-only/--no-leader-only", default=True, help="Of a cluster's servers, use the leader, or any."
)
@click.option(
    "--db-change-aware/--no-db-change-aware",
    default=True,
    help="Let monitor be told when its database goes, or be disconnected.",
)
@click.option("-n", "--last", type=click.IntRange(1), metavar="N", help="With history: the last N commits.")
@click.option(
    "--since", default="", metavar="TIME|ID", help="With history: commits from this time, or behind ID."
)
@tls_options
@version_option(PROGRAM)
@daemon_options(PROGRAM, Level.WARN, keep_output=True)
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
    force: bool,
    leader_only: bool,
    db_change_aware: bool,
    last: int | None,
    since: str,
    tls: TlsSettings,
    daemon: Options,
) -> None:
    """Ask an OVSDB server.

    \b
    list-dbs                     name the databases
    get-schema                   print a database's schema
    get-schema-version           print its version
    get-schema-cksum             print its checksum
    list-tables                  list its tables
    list-columns [TABLE]         list the columns of a table, or of all
    convert SCHEMA               give the database that the file SCHEMA names
                                 the schema in it
    needs-conversion SCHEMA      print whether that would change it: yes or no
    transact TRANSACTION         run a transaction, print the results
    query TRANSACTION            the same, changing nothing
    dump [TABLE [COLUMN]...]     print contents
    backup > FILE                print the database as a database file
    restore < FILE               replace the database by what is in the file
    monitor TABLE [COLUMN,...]...
                                 print contents, then every change
    monitor ALL                  the same of all tables
    monitor-cond CONDITIONS TABLE [COLUMN,...]...
                                 the same of the rows that meet conditions
    monitor-cond-since [ID] CONDITIONS TABLE [COLUMN,...]...
                                 the same since transaction ID
    history [TABLE [RECORD]]     print who changed what, and when
    wait DATABASE STATE          wait until it is added, connected or removed
    lock|steal|unlock LOCK       ask for a lock, print what becomes of it

    SERVER is unix:FILE, tcp:HOST:PORT or ssl:HOST:PORT, by default the local
    db.sock, or several of them with commas between; or punix:FILE,
    ptcp:PORT[:HOST] or pssl:PORT[:HOST], where a server connects. DATABASE is
    Open_vSwitch where there is one. TRANSACTION is the params of a "transact"
    request, CONDITIONS a "where". A COLUMN of monitor may be !initial,
    !insert, !delete or !modify, to leave such changes out.
    """
    if not words:
        raise CliError("missing command name; use --help for help")
    if words[0] == "help":
        click.echo(click.get_current_context().get_help())
        return
    if format_ not in FORMATS:
        raise CliError(f'unknown output format "{format_}"')
    if data not in DATA_FORMATS:
        raise CliError(f'unknown data format "{data}"')
    if timeout is not None:
        set_alarm(timeout, "-t")
    if bare:
        format_, data, no_headings = "list", "bare", True
    style = Style(format_, data, not no_headings, pretty, max_column_width)
    try:
        if daemon.user is not None:
            _become(daemon.user)
            daemon = replace(daemon, user=None)  # once and for all
        run(
            words,
            style,
            tls,
            daemon,
            timestamp=timestamp,
            force=force,
            leader_only=leader_only,
            db_change_aware=db_change_aware,
            history={name: value for name, value in (("last", last), ("since", since)) if value},
        )
    except (CommandError, RpcError) as error:
        raise CliError(explain(error)) from None


def _become(name: str) -> None:
    from appctl.user import UserError, become

    try:
        become(name)
    except UserError as error:
        raise CliError(str(error)) from None


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run ovsdb-client."""
    command_line.run(cli, PROGRAM, args)
