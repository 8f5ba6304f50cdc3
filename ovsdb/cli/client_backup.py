"""backup and restore: a database as a file, and back.

Rule: as in `client_commands`. A restore is one transaction, made for the rows that were there when it began:
if they have changed when it arrives, nothing happens and it is made anew. Rows keep their UUIDs.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from appctl import vlog
from ovsdb.cells import in_order
from ovsdb.cli.client_session import CommandError, Session
from ovsdb.storage.record import format_record
from ovsdb.table import format_json

if TYPE_CHECKING:
    from ovsdb.schema import Schema

STDIN = Path("/dev/stdin")
ATTEMPTS = 20  # so many times others may change which rows there are, just while a restore is being sent
Rows = dict[str, dict[str, Any]]  # UUID → column → value from the wire
log = vlog.module("ovsdb_client")


def backup(session: Session, arguments: Sequence[str]) -> Iterator[str]:
    """Print the database as a database file, without ephemeral columns."""
    if sys.stdout.isatty():
        raise CommandError("not writing backup to a terminal; please redirect stdout to a file")
    tables = {name: _persistent(table) for name, table in session.schema["tables"].items()}
    contents = _select(session, tables)
    yield _record(session.schema)
    yield _record(
        {
            "_date": int(time.time() * 1000),
            "_comment": 'produced by "ovsdb-client backup"',
            "_is_diff": True,
            **{name: rows for name, rows in contents.items() if rows},
        }
    )


def _record(value: Any) -> str:
    return format_record(orjson.dumps(value))[0].decode()


def _persistent(table: Mapping[str, Any]) -> list[str]:
    """The columns of a table, as get_schema has it, that are stored."""
    return [name for name, column in table["columns"].items() if not column.get("ephemeral")]


def _select(session: Session, columns: Mapping[str, list[str]]) -> dict[str, Rows]:
    """All rows of some tables at one moment, with these columns."""
    operations = [
        {"op": "select", "table": table, "where": [], "columns": [*names, "_uuid"]}
        for table, names in columns.items()
    ]
    results = session.transact(operations)
    contents: dict[str, Rows] = {}
    for table, result in zip(columns, results, strict=True):
        contents[table] = {row.pop("_uuid")[1]: row for row in result["rows"]}
    return contents


def restore(session: Session, arguments: Sequence[str]) -> Iterator[str]:
    """Replace all that is in the database by what a database file on standard input holds."""
    if session.input.isatty():
        raise CommandError("not reading backup from a terminal; please redirect stdin from a file")
    schema, wanted = _read_database(session)
    _compare_schemas(session, schema)
    _replace(session, schema, wanted)
    yield from ()


def _replace(session: Session, schema: Schema, wanted: Mapping[str, Rows]) -> None:
    tables = {name: (_fixed(table), wanted.get(name, {})) for name, table in session.schema["tables"].items()}
    unknown = {name: rows for name, rows in wanted.items() if rows and name not in tables}
    for _ in range(ATTEMPTS):
        before = _select(session, {name: fixed for name, (fixed, _) in tables.items()})
        plan = _Restore(schema)
        for name, (fixed, rows) in tables.items():
            plan.add_table(name, fixed, before[name], rows)
        for name, rows in unknown.items():
            plan.add_table(name, [], {}, rows)  # which the server refuses, in its own words
        results = session.call("transact", [session.database, *plan.operations()])
        failed = next((r for r in results if isinstance(r, dict) and "error" in r), None)
        if failed is None:
            return
        if failed["error"] != "timed out":
            raise CommandError(f"transaction returned error: {format_json(failed)}")
    raise CommandError("the database keeps changing; nothing was restored")


def _fixed(table: Mapping[str, Any]) -> list[str]:
    """The columns that cannot be changed in a row that exists."""
    return [name for name in _persistent(table) if table["columns"][name].get("mutable") is False]


def _read_database(session: Session) -> tuple[Schema, dict[str, Rows]]:
    """The schema and the contents in the file on standard input; a pipe will do. CommandError."""
    from ovsdb.cli.progress import Progress
    from ovsdb.engine.database import Database
    from ovsdb.errors import OvsdbError
    from ovsdb.schema import Schema
    from ovsdb.storage.base import StorageError
    from ovsdb.storage.reader import Reader

    try:
        if not session.input.seekable():
            with tempfile.TemporaryFile() as copy:
                while piece := session.input.read(1 << 20):
                    copy.write(piece)
                copy.flush()
                os.dup2(copy.fileno(), 0)
        reader = Reader(STDIN)
        records = reader.records()
        schema = Schema.parse(next(records)[0])
        database = Database(schema)
        with Progress("reading the backup", reader.size) as progress:
            for record, _ in records:
                database.apply(database.changeset_from_record(record))
                progress(reader.end)
        reader.close()
    except StorageError as error:
        raise CommandError(str(error)) from None
    except OvsdbError as error:
        raise CommandError(f"{STDIN}: {error}") from None
    return schema, orjson.loads(database.snapshot_record() or b"{}")


def _compare_schemas(session: Session, schema: Schema) -> None:
    """CommandError where the file's is not the database's, unless that shall be overridden."""
    from ovsdb.schema import Schema

    theirs = Schema.parse(session.schema)
    if schema == theirs:
        return
    if schema.version != theirs.version:
        text = (
            f'backup schema has version "{schema.version}" but database schema has version "{theirs.version}"'
        )
    else:
        text = f"backup schema and database schema are both version {schema.version} but still differ"
    if not session.force:
        hint = 'use --force to override differences, or "ovsdb-client convert" to change the schema'
        raise CommandError(f"{text} ({hint})")
    log.info("%s", text)


class _Restore:
    """The operations that turn the rows there are into those that are wanted."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._waits: list[Any] = []
        self._deletions: list[Any] = []
        self._changes: list[Any] = []
        self._renamed: set[str] = set()  # UUIDs that a row cannot keep: the name stands for the new one

    def add_table(self, table: str, fixed: list[str], before: Rows, wanted: Rows) -> None:
        """`before` has the columns that are `fixed`, `wanted` those that do not have their defaults."""
        rows = [{**row, "_uuid": ["uuid", uuid]} for uuid, row in before.items()]
        if table in self._schema.tables or rows:
            self._waits.append(
                {"op": "wait", "table": table, "where": [], "columns": [*fixed, "_uuid"]}
                | {"until": "==", "rows": rows, "timeout": 0}
            )
        kept = {
            uuid
            for uuid in before.keys() & wanted.keys()
            if all(_same(before[uuid][name], self._value(table, wanted[uuid], name)) for name in fixed)
        }
        if kept:
            for uuid in before.keys() - kept:
                where = [["_uuid", "==", ["uuid", uuid]]]
                self._deletions.append({"op": "delete", "table": table, "where": where})
        elif before:
            self._deletions.append({"op": "delete", "table": table, "where": []})
        for uuid, row in wanted.items():
            if uuid in kept:
                self._update(table, uuid, row, fixed)
            else:
                self._insert(table, uuid, row, is_taken=uuid in before)

    def _update(self, table: str, uuid: str, row: dict[str, Any], fixed: list[str]) -> None:
        columns = self._schema.tables[table].columns
        names = [name for name, column in columns.items() if not column.ephemeral and name not in fixed]
        values = {name: self._value(table, row, name) for name in names}
        where = [["_uuid", "==", ["uuid", uuid]]]
        self._changes.append({"op": "update", "table": table, "where": where, "row": values})

    def _insert(self, table: str, uuid: str, row: dict[str, Any], *, is_taken: bool) -> None:
        operation: dict[str, Any] = {"op": "insert", "table": table, "row": row}
        if is_taken:  # by a row that is deleted, which the protocol does not forgive
            self._renamed.add(uuid)
            operation["uuid-name"] = _name(uuid)
        else:
            operation["uuid"] = uuid
        self._changes.append(operation)

    def _value(self, table: str, row: Mapping[str, Any], name: str) -> Any:
        if name in row:
            return row[name]
        from ovsdb.datum import default_value, format_datum

        found = self._schema.tables[table].columns.get(name)
        return None if found is None else format_datum(found.type, default_value(found.type))

    def operations(self) -> list[Any]:
        """All of them, in the order in which they must stand."""
        changes = [
            {**each, "row": {name: self._refer(value) for name, value in each["row"].items()}}
            for each in self._changes
        ]
        return [*self._waits, *self._deletions, *changes]

    def _refer(self, wire: Any) -> Any:
        if not self._renamed or not isinstance(wire, list):
            return wire
        if len(wire) == 2 and wire[0] == "uuid" and wire[1] in self._renamed:
            return ["named-uuid", _name(wire[1])]
        return [self._refer(member) for member in wire]


def _name(uuid: str) -> str:
    return "row" + uuid.replace("-", "_")


def _same(left: Any, right: Any) -> bool:
    """Whether two values from the wire are equal: a set of one may be written as its member."""

    def plain(wire: Any) -> Any:
        wire = in_order(wire)
        return wire[1][0] if isinstance(wire, list) and wire[0] == "set" and len(wire[1]) == 1 else wire

    return bool(plain(left) == plain(right))
