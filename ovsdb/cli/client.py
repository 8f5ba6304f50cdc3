"""ovsdb-client: asks any database server, from the command line.

Rule: blocking sockets, and neither trio nor jsonschema imported, since a tool must start fast.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from appctl import command_line
from appctl.command_line import HELP_OPTION, VERSION_OPTION, CliError, Line, Tool, set_alarm, show_help
from appctl.daemon_options import Options, daemon_options, daemon_settings
from appctl.directories import rundir
from appctl.getopt import VALUE, Option, integer
from appctl.tls_options import TLS_OPTIONS, tls_settings
from appctl.vlog import Level
from ovsdb.cli.client_commands import COMMANDS
from ovsdb.cli.client_follow import follow, show
from ovsdb.cli.client_servers import connect, opener, take_server
from ovsdb.cli.client_session import CommandError, Following, Need, Session, explain
from ovsdb.table_options import check_formats, style_of, table_options
from rpc.errors import RpcError
from rpc.tls_settings import TlsSettings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from ovsdb.table import Style

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


def client(line: Line) -> None:
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
    given, words = line.values, line.words
    daemon = daemon_settings(line, keep_output=True)
    if not words:
        raise CliError("missing command name; use --help for help")
    if words[0] == "help":
        show_help(line.tool)
    check_formats(given)
    if given["timeout"] is not None:
        set_alarm(given["timeout"], "-t")
    try:
        if daemon.user is not None:
            _become(daemon.user)
            daemon = daemon._replace(user=None)  # once and for all
        run(
            words,
            style_of(given),
            tls_settings(line.given),
            daemon,
            timestamp=given["timestamp"],
            force=given["force"],
            leader_only=given["leader_only"],
            db_change_aware=given["db_change_aware"],
            history={name: given[name] for name in ("last", "since") if given[name]},
        )
    except (CommandError, RpcError) as error:
        raise CliError(explain(error)) from None


def _become(name: str) -> None:
    from appctl.user import UserError, become

    try:
        become(name)
    except UserError as error:
        raise CliError(str(error)) from None


OPTIONS = (
    *table_options("table"),
    Option("--timestamp", text="Print the time before each change that monitor shows."),
    Option("-t", "--timeout", takes=VALUE, metavar="SECS", text="Give up after so long."),
    Option("--force", text="Restore even where the schemas differ."),
    Option(
        "--leader-only",
        negative="--no-leader-only",
        default=True,
        text="Of a cluster's servers, use the leader, or any.",
    ),
    Option(
        "--db-change-aware",
        negative="--no-db-change-aware",
        default=True,
        text="Let monitor be told when its database goes, or be disconnected.",
    ),
    Option(
        *("-n", "--last"),
        takes=VALUE,
        convert=integer(1),
        metavar="N",
        text="With history: the last N commits.",
    ),
    Option(
        "--since",
        takes=VALUE,
        default="",
        metavar="TIME|ID",
        text="With history: commits from this time, or behind ID.",
    ),
    *TLS_OPTIONS,
    VERSION_OPTION,
    *daemon_options(PROGRAM),
    HELP_OPTION,
)
TOOL = Tool(
    PROGRAM,
    client,
    OPTIONS,
    usage="[OPTIONS] COMMAND [SERVER] [DATABASE] [ARG]...",
    text=client.__doc__ or "",
    console=Level.WARN,
)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run ovsdb-client."""
    command_line.run(TOOL.main, PROGRAM, args)
