"""ovsdb-tool: work on database files and schema files, without a server.

Rule: starts fast (neither trio nor jsonschema at the start); every mistake of the user is one line on
stderr and exit status 1, in the words of the C program.
"""

from __future__ import annotations

import operator
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from appctl import vlog
from appctl.command_line import HELP, CliError, GetoptCommand, run, version_option
from appctl.directories import dbdir, pkgdatadir
from appctl.log_options import log_options
from appctl.version import OVS_COMPAT_VERSION
from ovsdb.errors import OvsdbError
from ovsdb.storage.base import StorageError
from ovsdb.storage.lockfile import LockError

if TYPE_CHECKING:  # loaded by the commands that need them
    from ovsdb.schema import Schema
    from ovsdb.storage.file import Reader

PROGRAM = "ovsdb-tool"
log_lock = vlog.module("lockfile")
VERSION = re.compile(r"([0-9]+)\.([0-9]+)\.([0-9]+)")
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
    "!=": operator.ne,
}
FALSE = 2  # exit status of a test that does not hold


@dataclass(frozen=True)
class Options:
    """What the command line says beside the command."""

    more: int = 0


@dataclass(frozen=True)
class Command:
    """A command: its function gets the options and the words; its result is the exit status."""

    run: Callable[[Options, list[str]], int | None]
    least: int
    most: int


def default_database() -> Path:
    """Where the database of ovs-vswitchd is."""
    return Path(dbdir()) / "conf.db"


def default_schema() -> Path:
    """Where the schema of ovs-vswitchd is."""
    return Path(pkgdatadir()) / "vswitch.ovsschema"


def _database(words: Sequence[str], at: int = 0) -> Path:
    return Path(words[at]) if len(words) > at else default_database()


def read_json(path: Path) -> Any:
    """Read a file as JSON; CliError."""
    try:
        return orjson.loads(path.read_bytes())
    except OSError as e:
        why = f'error opening "{path}": {e.strerror}'
    except orjson.JSONDecodeError as e:
        why = f"line {e.lineno - 1}, column {e.colno - 1}, byte {e.pos}: {e.msg}"
    raise CliError(f'failed to read schema: "{path}" could not be read as JSON ({why})')


def read_schema(path: Path) -> Schema:
    """Read an .ovsschema file; CliError names the file and the path of what is wrong in it."""
    from ovsdb.schema import Schema

    json = read_json(path)
    try:
        return Schema.parse(json)
    except OvsdbError as e:
        where = "" if e.syntax is None else f'syntax "{e.syntax}": '
        raise CliError(f'{where}{e.tag}: failed to parse "{path}" as ovsdb schema: {e.details}') from None


def open_schema(path: Path) -> tuple[Schema, Reader]:
    """Open a database file for reading: its schema, and a reader that stands behind it."""
    from ovsdb.schema import Schema
    from ovsdb.storage.file import Reader

    reader = Reader(path)
    try:
        value, _ = next(reader.records())
        return Schema.parse(value), reader
    except BaseException:
        reader.close()
        raise


def _schema_of(path: Path) -> Schema:
    schema, reader = open_schema(path)
    reader.close()
    return schema


def create(options: Options, words: list[str]) -> None:
    """create [DB [SCHEMA]]."""
    from ovsdb.storage import file

    schema_path = Path(words[1]) if len(words) > 1 else default_schema()
    schema = read_schema(schema_path)
    file.create(_database(words), schema.to_json())


def _print_of(read: Callable[[list[str]], Schema], what: str) -> Callable[[Options, list[str]], None]:
    def show_one(options: Options, words: list[str]) -> None:
        print(getattr(read(words), what))

    return show_one


def _database_schema(words: list[str]) -> Schema:
    return _schema_of(_database(words))


def _file_schema(words: list[str]) -> Schema:
    return read_schema(Path(words[0]) if words else default_schema())


def needs_conversion(options: Options, words: list[str]) -> None:
    """needs-conversion [DB [SCHEMA]]."""
    schema = read_schema(Path(words[1]) if len(words) > 1 else default_schema())
    print("no" if schema == _schema_of(_database(words)) else "yes")


def compare_versions(options: Options, words: list[str]) -> int:
    """compare-versions A OP B."""
    left, sign, right = words
    if sign not in OPERATORS:
        raise CliError(f"{sign}: not a relational operator")
    return 0 if OPERATORS[sign](_parse_version(left), _parse_version(right)) else FALSE


def _parse_version(text: str) -> tuple[int, ...]:
    found = VERSION.fullmatch(text)
    if found is None:
        raise CliError(f"{text}: not an OVSDB version number in format x.y.z")
    return tuple(map(int, found.groups()))


def _is_format(magic: bytes) -> Callable[[Options, list[str]], int]:
    def test(options: Options, words: list[str]) -> int:
        path = _database(words)
        try:
            with path.open("rb") as f:
                start = f.readline(100)
        except OSError as e:
            raise CliError(f"I/O error: {path}: open failed ({e.strerror})") from None
        if not start.startswith((b"OVSDB JSON ", b"OVSDB CLUSTER ")):
            raise CliError(f"ovsdb error: {path}: unexpected file format")
        return 0 if start.startswith(b"OVSDB " + magic + b" ") else FALSE

    return test


def show(options: Options, words: list[str]) -> None:
    """show-log [DB]."""
    from ovsdb.cli import show_log

    schema, reader = open_schema(_database(words))
    sys.stdout.write(show_log.format_schema_record(schema))
    formatter = show_log.LogFormatter(schema, options.more)
    for value, _ in reader.records():
        sys.stdout.write(formatter.format(value))


def compact(options: Options, words: list[str]) -> None:
    """compact [DB [DST]]."""
    from ovsdb.engine.database import Database
    from ovsdb.hosted import replay, snapshot
    from ovsdb.schema import Schema
    from ovsdb.storage import file

    source = _database(words)
    target = Path(words[1]) if len(words) > 1 else None
    storage = file.FileStorage(source, time.monotonic())
    try:
        database = Database(Schema.parse(storage.schema))
        for _ in replay(database, storage):
            pass
        if storage.damage:
            raise storage.damage
        records = snapshot(database, int(time.time() * 1000), f"compacted by ovsdb-tool {OVS_COMPAT_VERSION}")
        if target is None:
            storage.compact(records)
        else:
            file.create(target, storage.schema, records)
    finally:
        storage.close()


def query(options: Options, words: list[str]) -> None:
    """query [DB] TRANSACTION."""
    _execute(words, writes=False)


def transact(options: Options, words: list[str]) -> None:
    """transact [DB] TRANSACTION."""
    _execute(words, writes=True)


def _execute(words: list[str], *, writes: bool) -> None:
    from ovsdb.hosted import execute_once

    path = Path(words[0]) if len(words) > 1 else default_database()
    try:
        transaction = orjson.loads(words[-1])
    except orjson.JSONDecodeError as e:
        where = f"line {e.lineno - 1}, column {e.colno - 1}, byte {e.pos}"
        raise CliError(f'"{words[-1]}": {where}: {e.msg}') from None
    result = execute_once(path, transaction, writes=writes)
    print(orjson.dumps(result, option=orjson.OPT_SORT_KEYS).decode())


COMMANDS = {
    "create": Command(create, 0, 2),
    "compact": Command(compact, 0, 2),
    "db-name": Command(_print_of(_database_schema, "name"), 0, 1),
    "db-version": Command(_print_of(_database_schema, "version"), 0, 1),
    "db-cksum": Command(_print_of(_database_schema, "cksum"), 0, 1),
    "schema-name": Command(_print_of(_file_schema, "name"), 0, 1),
    "schema-version": Command(_print_of(_file_schema, "version"), 0, 1),
    "schema-cksum": Command(_print_of(_file_schema, "cksum"), 0, 1),
    "db-is-standalone": Command(_is_format(b"JSON"), 1, 1),
    "db-is-clustered": Command(_is_format(b"CLUSTER"), 1, 1),
    "needs-conversion": Command(needs_conversion, 0, 2),
    "compare-versions": Command(compare_versions, 3, 3),
    "query": Command(query, 1, 2),
    "transact": Command(transact, 1, 2),
    "show-log": Command(show, 0, 1),
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
@version_option(PROGRAM)
@log_options(PROGRAM)
def cli(*, words: tuple[str, ...], more: int) -> int:
    """Work on OVSDB database files.

    \b
    create [DB [SCHEMA]]          create a database with this schema
    compact [DB [DST]]            compact a database in place, or into DST
    db-name [DB]                  print the name of a database's schema
    db-version [DB]               print its version
    db-cksum [DB]                 print its checksum
    db-is-standalone DB           exit with 0 if it is a standalone database, else 2
    db-is-clustered DB            exit with 0 if it is a clustered database, else 2
    schema-name [SCHEMA]          print the name in a schema file
    schema-version [SCHEMA]       print its version
    schema-cksum [SCHEMA]         print its checksum
    needs-conversion [DB [SCHEMA]]  print whether the schemas differ: yes or no
    compare-versions A OP B       exit with 0 if it holds, else 2; OP is < <= == >= > !=
    query [DB] TRANSACTION        run a transaction, change nothing
    transact [DB] TRANSACTION     run a transaction
    show-log [DB]                 print the records
    """
    vlog.set_levels(None, None, vlog.Level.WARN)
    try:
        return execute(Options(more), list(words))
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
