"""What the commands of ovsdb-tool share: default files, schemas and databases that are opened.

Rule: imports at the top are those that every command needs; the rest is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from appctl.command_line import CliError
from appctl.directories import dbdir, pkgdatadir
from ovsdb.errors import OvsdbError
from rpc.jsonvalue import DecodeError, decode

TYPE_CHECKING = False
if TYPE_CHECKING:  # loaded by the commands that need them
    from typing import Any

    from ovsdb.schema import Schema
    from ovsdb.storage.reader import Reader

FALSE = 2  # exit status of a test that does not hold


def default_database() -> Path:
    """Where the database of ovs-vswitchd is."""
    return Path(dbdir()) / "conf.db"


def default_schema() -> Path:
    """Where the schema of ovs-vswitchd is."""
    return Path(pkgdatadir()) / "vswitch.ovsschema"


def database_path(words: Sequence[str], at: int = 0) -> Path:
    """The database that the words name, or the default one."""
    return Path(words[at]) if len(words) > at else default_database()


def read_json(path: Path) -> Any:
    """Read a file as JSON; CliError."""
    try:
        return decode(path.read_bytes())
    except OSError as e:
        why = f'error opening "{path}": {e.strerror}'
    except DecodeError as e:
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


def schema_of_words(words: Sequence[str], at: int = 0) -> Schema:
    """The schema file that the words name, or the default one, read."""
    return read_schema(Path(words[at]) if len(words) > at else default_schema())


def open_schema(path: Path) -> tuple[Schema, Reader]:
    """Open a database file for reading: its schema, and a reader that stands behind it."""
    from ovsdb.schema import Schema
    from ovsdb.storage.reader import Reader

    reader = Reader(path)
    try:
        value = next(reader.records(), None)
        assert value is not None  # a Reader begins at a header
        return Schema.parse(value[0]), reader
    except BaseException:
        reader.close()
        raise


def schema_of(path: Path) -> Schema:
    """The schema of a database file."""
    schema, reader = open_schema(path)
    reader.close()
    return schema
