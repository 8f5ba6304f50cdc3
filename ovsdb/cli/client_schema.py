"""The commands of ovsdb-client about servers and schemas.

Rule: as in `client_commands`. Whether two schemas are the same is decided by what they mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ovsdb.cells import Raw
from ovsdb.cli.client_session import CommandError, Session
from ovsdb.errors import OvsdbError
from ovsdb.table import Printer, Table, format_json
from rpc.jsonvalue import DecodeError, decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ovsdb.schema import Schema


def list_dbs(session: Session, arguments: Sequence[str]) -> Iterator[str]:
    """Name the databases."""
    yield from (f"{name}\n" for name in sorted(session.call("list_dbs", [])))


def get_schema(session: Session, arguments: Sequence[str]) -> Iterator[str]:
    """Print the schema."""
    yield format_json(session.schema, pretty=session.style.pretty) + "\n"


def get_schema_version(session: Session, arguments: Sequence[str]) -> Iterator[str]:
    """Print the schema's version, an empty line where it has none."""
    yield f"{session.schema.get('version', '')}\n"


def get_schema_cksum(session: Session, arguments: Sequence[str]) -> Iterator[str]:
    """Print the schema's checksum, an empty line where it has none."""
    yield f"{session.schema.get('cksum', '')}\n"


def list_tables(session: Session, arguments: Sequence[str]) -> Iterator[str]:
    """List the tables."""
    names = sorted(session.schema["tables"])
    yield Printer(session.style).format(Table(["Table"], [[name] for name in names]))


def list_columns(session: Session, arguments: Sequence[str]) -> Iterator[str]:
    """List the columns of one table, or of all with the table's name before each."""
    wanted = arguments[0] if arguments else None
    table = Table(["Column", "Type"] if wanted else ["Table", "Column", "Type"])
    for name in sorted(session.schema["tables"]):
        if wanted in (None, name):
            head = [] if wanted else [name]
            columns = sorted(session.columns(name).items())
            table.rows.extend([*head, column, Raw(kind)] for column, kind in columns)
    yield Printer(session.style).format(table)


def convert(session: Session, arguments: Sequence[str]) -> Iterator[str]:
    """Give a database, the one that the schema file names, that schema."""
    json, schema = _read_schema(arguments[0])
    # Told of it, as every other client is, this one would be disconnected before the answer.
    session.call("set_db_change_aware", [True])
    session.call("convert", [schema.name, json])
    yield from ()


def needs_conversion(session: Session, arguments: Sequence[str]) -> Iterator[str]:
    """Print whether the schema file differs from the schema of the database that it names."""
    from ovsdb.schema import Schema

    _, schema = _read_schema(arguments[0])
    yield "no\n" if schema == Schema.parse(session.call("get_schema", [schema.name])) else "yes\n"


def _read_schema(name: str) -> tuple[Any, Schema]:
    from pathlib import Path  # for few commands, as is the schema

    from ovsdb.schema import Schema

    path = Path(name)
    try:
        json = decode(path.read_bytes())
        return json, Schema.parse(json)
    except OSError as error:
        why = f'"{path}" could not be read as JSON (error opening "{path}": {error.strerror})'
    except DecodeError as error:
        where = f"line {error.lineno - 1}, column {error.colno - 1}, byte {error.pos}"
        why = f'"{path}" could not be read as JSON ({where}: {error.msg})'
    except OvsdbError as error:
        syntax = "" if error.syntax is None else f'syntax "{error.syntax}": '
        why = f'{syntax}{error.tag}: failed to parse "{path}" as ovsdb schema: {error.details}'
    raise CommandError(f"failed to read schema: {why}")
