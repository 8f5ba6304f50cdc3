"""ovsdb-tool: work on database files and schema files, without a server.

Rule: starts fast (neither trio nor jsonschema at the start); every mistake of the user is one line on
stderr and exit status 1, in the words of the C program.
"""

from __future__ import annotations

from typing import Any

import click

from appctl import vlog
from appctl.command_line import HELP, CliError, GetoptCommand, OptionalValue, run, version_option
from appctl.log_options import log_options
from ovsdb.cli import tool_cluster, tool_database, tool_fsck, tool_log
from ovsdb.cli.tool_common import Command, Options
from ovsdb.errors import OvsdbError
from ovsdb.storage.base import StorageError
from ovsdb.storage.lockfile import LockError

PROGRAM = "ovsdb-tool"
log_lock = vlog.module("lockfile")


def show_help(options: Options, words: list[str]) -> None:
    """help."""
    click.echo(click.get_current_context().get_help())


def list_commands(options: Options, words: list[str]) -> None:
    """list-commands."""
    print("The available commands are:")
    for name, command in COMMANDS.items():
        print(f"  {name:<23} {command.usage}")


COMMANDS = {
    "create": Command(tool_database.create, "[db [schema]]", 0, 2),
    "create-cluster": Command(tool_cluster.refuse, "db contents local", 3, 3),
    "join-cluster": Command(tool_cluster.refuse, "db name local remote...", 4),
    "compact": Command(tool_database.compact, "[db [dst]]", 0, 2),
    "convert": Command(tool_database.convert, "[db [schema [dst]]]", 0, 3),
    "needs-conversion": Command(tool_database.needs_conversion, "", 0, 2),
    "db-name": Command(tool_cluster.show_name, "[db]", 0, 1),
    "db-version": Command(tool_database.show_database("version"), "[db]", 0, 1),
    "db-cksum": Command(tool_database.show_database("cksum"), "[db]", 0, 1),
    "db-cid": Command(tool_cluster.show_cluster_id, "db", 1, 1),
    "db-sid": Command(tool_cluster.show_server_id, "db", 1, 1),
    "db-local-address": Command(tool_cluster.show_local_address, "db", 1, 1),
    "db-is-clustered": Command(tool_cluster.test_kind("CLUSTER"), "db", 1, 1),
    "db-is-standalone": Command(tool_cluster.test_kind("JSON"), "db", 1, 1),
    "schema-name": Command(tool_database.show_schema("name"), "[schema]", 0, 1),
    "schema-version": Command(tool_database.show_schema("version"), "[schema]", 0, 1),
    "schema-cksum": Command(tool_database.show_schema("cksum"), "[schema]", 0, 1),
    "stubs": Command(tool_database.stubs, "[schema]", 0, 1),
    "query": Command(tool_database.query, "[db] trns", 1, 2),
    "transact": Command(tool_database.transact, "[db] trns", 1, 2),
    "show-log": Command(tool_cluster.show_log, "[db]", 0, 1),
    "check-cluster": Command(tool_cluster.check, "db...", 1),
    "log": Command(tool_log.log, "[db]", 0, 1),
    "fsck": Command(tool_fsck.fsck, "[db]", 0, 1),
    "compare-versions": Command(tool_database.compare_versions, "a op b", 3, 3),
    "help": Command(show_help, "", 0),
    "list-commands": Command(list_commands, "", 0),
    "cluster-to-standalone": Command(tool_cluster.to_standalone, "db clusterdb", 2, 2),
}


def execute(options: Options, words: list[str]) -> int:
    """Carry a command out; the exit status. Raises CliError, StorageError and OvsdbError."""
    if not words:
        raise CliError("missing command name; use --help for help")
    name, rest = words[0], words[1:]
    command = COMMANDS.get(name)
    if command is None:
        raise CliError(f"unknown command '{name}'; use --help for help")
    if len(rest) < command.least:
        raise CliError(f"'{name}' command requires at least {command.least} arguments")
    if len(rest) > command.most:
        raise CliError(f"'{name}' command takes at most {command.most} arguments")
    return command.run(options, rest) or 0


@click.command(PROGRAM, cls=GetoptCommand, context_settings=HELP, options_metavar="[OPTION]...")
@click.argument("words", nargs=-1, metavar="COMMAND [ARG]...")
@click.option("-m", "--more", count=True, help="Make show-log say more; twice shows columns.")
@click.option("--rbac-role", default="", metavar="ROLE", help="Role for query and transact.")
@click.option(
    "-f", "--format", type=click.Choice(["text", "json", "table"]), default="text", help="Of log and fsck."
)
@click.option("--table", default="", metavar="TABLE", help="With log: changes of this table only.")
@click.option("--record", default="", metavar="ROW", help="With log: this row only, by UUID or name.")
@click.option(
    "--since", default="", metavar="TIME|ID", help="With log: commits from this time, or behind ID."
)
@click.option("-n", "--last", type=click.IntRange(0), metavar="N", help="With log: the last N commits.")
@click.option("--repair", cls=OptionalValue, metavar="[=DST]", help="With fsck: write what is good into DST.")
@click.option("--election-timer", metavar="MS", expose_value=False, help="Accepted; there are no clusters.")
@click.option("--cid", metavar="UUID", expose_value=False, help="Accepted; there are no clusters.")
@version_option(PROGRAM)
@log_options(PROGRAM)
def cli(*, words: tuple[str, ...], **options: Any) -> int:
    """Work on OVSDB database files.

    \b
    create [DB [SCHEMA]]          create a database with this schema
    compact [DB [DST]]            compact a database in place, or into DST
    convert [DB [SCHEMA [DST]]]   convert a database to SCHEMA in place, or into DST
    needs-conversion [DB [SCHEMA]]  print whether the schemas differ: yes or no
    db-name [DB]                  print the name of a database's schema
    db-version [DB]               print its version
    db-cksum [DB]                 print its checksum
    db-is-standalone DB           exit with 0 if it is a standalone database, else 2
    db-is-clustered DB            exit with 0 if it is a clustered database, else 2
    schema-name [SCHEMA]          print the name in a schema file
    schema-version [SCHEMA]       print its version
    schema-cksum [SCHEMA]         print its checksum
    stubs [SCHEMA]                print Python classes of its tables, for type checkers
    compare-versions A OP B       exit with 0 if it holds, else 2; OP is < <= == >= > !=
    query [DB] TRANSACTION        run a transaction, change nothing
    transact [DB] TRANSACTION     run a transaction
    show-log [DB]                 print the records
    db-cid DB                     print the cluster ID of a clustered database
    db-sid DB                     print the server ID of a clustered database
    db-local-address DB           print its server's address
    check-cluster DB...           check the files of a cluster's servers
    cluster-to-standalone DB CLUSTERDB  make a standalone database of a clustered one
    log [DB]                      print the commits with author, date, comment and changes
    fsck [DB]                     check a file; exit with 0 if it is fine, 2 if it is damaged
    list-commands                 print the names of the commands
    help                          print this
    """
    vlog.set_levels(None, None, vlog.Level.WARN)
    try:
        return execute(Options(**options), list(words))
    except LockError as e:
        log_lock.warn("%s", e.reason)
        raise CliError(str(e)) from None
    except (StorageError, OvsdbError) as e:
        raise CliError(str(e)) from None


def main() -> None:
    """Run the program."""
    run(cli, PROGRAM)


if __name__ == "__main__":
    main()
