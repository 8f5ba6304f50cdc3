"""An immutable picture of a database's contents, written out piece by piece.  No I/O.

Rule: taking it costs a list of the rows; rows and their values never change, so another thread may write it
out while the database goes on. Nothing is remembered in the rows: a compaction must not make them bigger.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import orjson

from ovsdb.datum import format_datum
from ovsdb.engine.database import Database
from ovsdb.engine.row import Row
from ovsdb.engine.table import Column

ROWS = 40  # in a piece: about half a millisecond


class TablePicture(NamedTuple):
    """The rows of a table."""

    prefix: bytes  # the table's name as a member of a JSON object
    columns: tuple[Column, ...]  # those that are written
    rows: list[Row]


Picture = list[TablePicture]


def take_picture(database: Database) -> Picture:
    """The database as it is now."""
    return [
        TablePicture(table.prefix, table.persistent_columns, list(table.rows.values()))
        for table in database.tables.values()
        if table.rows
    ]


def format_picture(picture: Picture, members: bytes) -> Iterator[bytes]:
    """One log record in pieces; `members` are those that stand beside the tables, as JSON without braces."""
    yield b"{"
    for table in picture:
        yield table.prefix + b"{"
        for start in range(0, len(table.rows), ROWS):
            rows = table.rows[start : start + ROWS]
            comma = b"," if start else b""
            yield comma + b",".join([b'"%b":%b' % (row.uuid.encode(), _row(table, row)) for row in rows])
        yield b"},"
    yield members + b"}"


def _row(table: TablePicture, row: Row) -> bytes:
    values, wire = row.values, row.wire
    members = []
    for column in table.columns:
        value = values[column.index]
        if value is not column.default and value != column.default:  # mostly the very object
            known = wire[column.index] if wire is not None else None
            members.append(column.prefix + (known or orjson.dumps(format_datum(column.type, value))))
    return b"{" + b",".join(members) + b"}"
