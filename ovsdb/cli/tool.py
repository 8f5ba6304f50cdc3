"""ovsdb-tool: work on database files and schema files, without a server.

Rule: starts fast (neither trio nor jsonschema at the start); every mistake of the user is one line on
stderr and exit status 1, in the words of the C program.
"""

from __future__ import annotations

from appctl import vlog
from appctl.command_line import HELP_OPTION, VERSION_OPTION, CliError, Line, Tool, run, show_help
from appctl.getopt import OPTIONAL, VALUE, Option, integer, one_of
from appctl.log_options import log_options
from ovsdb.cli.tool_command import Command, Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PROGRAM = "ovsdb-tool"
log_lock = vlog.module("lockfile")


def help_(options: Options, words: list[str]) -> None:
    """help."""
    show_help(TOOL)


def list_commands(options: Options, words: list[str]) -> None:
    """list-commands."""
    print("The available commands are:")
    for name, command in COMMANDS.items():
        print(f"  {name:<23} {command.usage}")


COMMANDS = {
    "create": Command("tool_database", "create", "[db [schema]]", 0, 2),
    "create-cluster": Command("tool_cluster", "refuse", "db contents local", 3, 3),
    "join-cluster": Command("tool_cluster", "refuse", "db name local remote...", 4),
    "compact": Command("tool_database", "compact", "[db [dst]]", 0, 2),
    "convert": Command("tool_database", "convert", "[db [schema [dst]]]", 0, 3),
    "needs-conversion": Command("tool_database", "needs_conversion", "", 0, 2),
    "db-name": Command("tool_cluster", "show_name", "[db]", 0, 1),
    "db-version": Command("tool_database", "show_database", "[db]", 0, 1, "version"),
    "db-cksum": Command("tool_database", "show_database", "[db]", 0, 1, "cksum"),
    "db-cid": Command("tool_cluster", "show_cluster_id", "db", 1, 1),
    "db-sid": Command("tool_cluster", "show_server_id", "db", 1, 1),
    "db-local-address": Command("tool_cluster", "show_local_address", "db", 1, 1),
    "db-is-clustered": Command("tool_cluster", "test_kind", "db", 1, 1, "CLUSTER"),
    "db-is-standalone": Command("tool_cluster", "test_kind", "db", 1, 1, "JSON"),
    "schema-name": Command("tool_database", "show_schema", "[schema]", 0, 1, "name"),
    "schema-version": Command("tool_database", "show_schema", "[schema]", 0, 1, "version"),
    "schema-cksum": Command("tool_database", "show_schema", "[schema]", 0, 1, "cksum"),
    "stubs": Command("tool_database", "stubs", "[schema]", 0, 1),
    "query": Command("tool_database", "query", "[db] trns", 1, 2),
    "transact": Command("tool_database", "transact", "[db] trns", 1, 2),
    "show-log": Command("tool_cluster", "show_log", "[db]", 0, 1),
    "check-cluster": Command("tool_cluster", "check", "db...", 1),
    "log": Command("tool_log", "log", "[db]", 0, 1),
    "fsck": Command("tool_fsck", "fsck", "[db]", 0, 1),
    "compare-versions": Command("tool_database", "compare_versions", "a op b", 3, 3),
    "help": Command("tool", "help_", "", 0),
    "list-commands": Command("tool", "list_commands", "", 0),
    "cluster-to-standalone": Command("tool_cluster", "to_standalone", "db clusterdb", 2, 2),
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


def tool(line: Line) -> int:
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
    from ovsdb.errors import OvsdbError  # here, as every command loads them, and --version none
    from ovsdb.storage.base import StorageError
    from ovsdb.storage.lockfile import LockError

    vlog.set_levels(None, None, vlog.Level.WARN)
    try:
        return execute(_settings(line.values), list(line.words))
    except LockError as e:
        log_lock.warn("%s", e.reason)
        raise CliError(str(e)) from None
    except (StorageError, OvsdbError) as e:
        raise CliError(str(e)) from None


def _settings(values: dict[str, Any]) -> Options:
    fields = {name: values[name] for name in Options._fields if name != "more"}
    return Options(len(values["more"]), **fields)


OPTIONS = (
    Option("-m", "--more", repeated=True, text="Make show-log say more; twice shows columns."),
    Option("--rbac-role", takes=VALUE, default="", metavar="ROLE", text="Role for query and transact."),
    Option(
        *("-f", "--format"),
        takes=VALUE,
        convert=one_of("text", "json", "table"),
        metavar="[text|json|table]",
        default="text",
        text="Of log and fsck.",
    ),
    Option("--table", takes=VALUE, default="", metavar="TABLE", text="With log: changes of this table only."),
    Option(
        "--record", takes=VALUE, default="", metavar="ROW", text="With log: this row only, by UUID or name."
    ),
    Option(
        "--since",
        takes=VALUE,
        default="",
        metavar="TIME|ID",
        text="With log: commits from this time, or behind ID.",
    ),
    Option(
        *("-n", "--last"), takes=VALUE, convert=integer(0), metavar="N", text="With log: the last N commits."
    ),
    Option("--repair", takes=OPTIONAL, metavar="[=DST]", text="With fsck: write what is good into DST."),
    Option("--election-timer", takes=VALUE, metavar="MS", text="Accepted; there are no clusters."),
    Option("--cid", takes=VALUE, metavar="UUID", text="Accepted; there are no clusters."),
    VERSION_OPTION,
    *log_options(PROGRAM),
    HELP_OPTION,
)
TOOL = Tool(PROGRAM, tool, OPTIONS, usage="[OPTION]... COMMAND [ARG]...", text=tool.__doc__ or "")


def main() -> None:
    """Run the program."""
    run(TOOL.main, PROGRAM)


if __name__ == "__main__":
    main()
