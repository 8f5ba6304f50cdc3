"""The commands of ovsdb-tool that work on standalone databases and schema files.

Rule: a new file comes into being whole or not at all, and never takes the place of one that is there.
"""

from __future__ import annotations

import operator
import os
import re
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from pathlib import Path

from appctl.command_line import CliError
from appctl.version import OVS_COMPAT_VERSION
from ovsdb.cli.progress import Progress
from ovsdb.cli.tool_command import Options
from ovsdb.cli.tool_common import (
    FALSE,
    database_path,
    default_database,
    open_schema,
    schema_of,
    schema_of_words,
)
from rpc.jsonvalue import DecodeError, hurry

TYPE_CHECKING = False
if TYPE_CHECKING:  # loaded by the commands that need them
    from collections.abc import Iterator
    from typing import Any

    from ovsdb.engine.database import Database
    from ovsdb.storage.base import JsonObject
    from ovsdb.storage.file import FileStorage

VERSION = re.compile(r"([0-9]+)\.([0-9]+)\.([0-9]+)")
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
    "!=": operator.ne,
}


def create(options: Options, words: list[str]) -> None:
    """create [DB [SCHEMA]]."""
    from ovsdb.storage import file

    schema = schema_of_words(words, 1)
    file.create(database_path(words), schema.to_json())


def show_database(what: str) -> Callable[[Options, list[str]], None]:
    """db-version and db-cksum [DB]."""
    return lambda options, words: print(getattr(schema_of(database_path(words)), what))


def show_schema(what: str) -> Callable[[Options, list[str]], None]:
    """schema-name, schema-version and schema-cksum [SCHEMA]."""
    return lambda options, words: print(getattr(schema_of_words(words), what))


def stubs(options: Options, words: list[str]) -> None:
    """stubs [SCHEMA]."""
    from ovsdb.client.stubs import generate

    sys.stdout.write(generate(schema_of_words(words)))


def needs_conversion(options: Options, words: list[str]) -> None:
    """needs-conversion [DB [SCHEMA]]."""
    schema = schema_of_words(words, 1)
    print("no" if schema == schema_of(database_path(words)) else "yes")


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


def show_log(words: list[str], more: int) -> None:
    """show-log [DB] of a standalone database."""
    from ovsdb.cli import show_log

    schema, reader = open_schema(database_path(words))
    sys.stdout.write(show_log.format_schema_record(schema))
    formatter = show_log.LogFormatter(schema, more)
    for value, _ in reader.records():
        sys.stdout.write(formatter.format(value))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[FileStorage, Database]]:
    """A database file locked and read to its end; StorageError at damage."""
    from ovsdb.engine.database import Database
    from ovsdb.hosted import replay
    from ovsdb.schema import Schema
    from ovsdb.storage.file import FileStorage

    storage = FileStorage(path, time.monotonic())
    try:
        database = Database(Schema.parse(storage.schema))
        with Progress(f"reading {path.name}", path.stat().st_size) as progress:
            for _ in replay(database, storage):
                progress(storage.size)
        if storage.damage:
            raise storage.damage
        yield storage, database
    finally:
        storage.close()


def compact(options: Options, words: list[str]) -> None:
    """compact [DB [DST]]."""
    with _opened(database_path(words)) as (storage, database):
        _rewrite(storage, words[1:], storage.schema, _contents(database, "compacted"))


def convert(options: Options, words: list[str]) -> None:
    """convert [DB [SCHEMA [DST]]]."""
    from ovsdb.engine.convert import convert

    schema = schema_of_words(words, 1)
    with _opened(database_path(words)) as (storage, database):
        converted = convert(database, schema)
        _rewrite(storage, words[2:], schema.to_json(), _contents(converted, "converted"))


def _contents(database: Database, what: str) -> Iterable[bytes]:
    from ovsdb.hosted import snapshot

    return snapshot(database, int(time.time() * 1000), f"{what} by ovsdb-tool {OVS_COMPAT_VERSION}")


def _rewrite(storage: FileStorage, target: list[str], schema: JsonObject, records: Iterable[bytes]) -> None:
    from ovsdb.storage import file

    if target:
        file.create(Path(target[0]), schema, records)
    else:
        storage.replace(schema, records)


def query(options: Options, words: list[str]) -> None:
    """query [DB] TRANSACTION."""
    _execute(options, words, writes=False)


def transact(options: Options, words: list[str]) -> None:
    """transact [DB] TRANSACTION."""
    _execute(options, words, writes=True)


def _execute(options: Options, words: list[str], *, writes: bool) -> None:
    from ovsdb.authorship import Author, format_author
    from ovsdb.hosted import execute_once

    path = Path(words[0]) if len(words) > 1 else default_database()
    fast = hurry()
    try:
        transaction = fast.loads(words[-1])
    except DecodeError as e:
        where = f"line {e.lineno - 1}, column {e.colno - 1}, byte {e.pos}"
        raise CliError(f'"{words[-1]}": {where}: {e.msg}') from None
    author = format_author(Author(os.geteuid(), os.getpid(), "ovsdb-tool"))
    result = execute_once(path, transaction, writes=writes, author=author, role=options.rbac_role)
    print(fast.dumps(result, option=fast.OPT_SORT_KEYS).decode())
