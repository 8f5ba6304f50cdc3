"""The same random transactions on our engine and on the C ovsdb-server: same results, same errors, same contents.

Every row brings its own UUID, so that nothing has to be renamed.  An error's tag must be the same, and its details:
where several rows are equally to blame, both sides name the one that their hash tables have first, so details
may differ in what they name as long as few do.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from ovsdb.engine.database import Database
from ovsdb.schema import Schema
from rpc.address import parse_active
from rpc.blocking import Connection
from tests.kit.answers import normal, rounded, shape, strip
from tests.kit.peers import C_BIN, Daemon, Home, c_ovsdb_server, home
from tests.kit.strategies import Maker

SCHEMAS = 40
# Fixed: now and then, a transaction that deletes a row and changes a column with a weak reference to it leaves the
# reference dangling in the C server.
SEED = 2107
TRANSACTIONS = 100  # on each schema; 3.5 operations each
NAMES_DIFFER = 0.2  # of all failed transactions, at most


class Pair:
    """One schema on both sides."""

    def __init__(self, schema: Schema, connection: Connection) -> None:
        self.schema = schema
        self.connection = connection
        self.database = Database(schema)
        self.failed = 0
        self.named_differently: list[tuple[str, str]] = []

    def ours(self, operations: list[Any]) -> Any:
        outcome = self.database.execute(operations)
        assert outcome.blocked is None
        if outcome.changeset:
            self.database.apply(outcome.changeset)
        return orjson.loads(orjson.dumps(outcome.results))

    def theirs(self, operations: list[Any]) -> Any:
        return self.connection.call("transact", [self.schema.name, *operations])

    def run(self, operations: list[Any]) -> None:
        ours, theirs = normal(self.ours(operations)), normal(self.theirs(operations))
        if ours == theirs:
            self.failed += any(result and "error" in result for result in ours)
            return
        assert [strip(r) for r in ours] == [strip(r) for r in theirs], json.dumps([operations, ours, theirs])
        self.failed += 1
        for mine, other in zip(ours, theirs, strict=True):
            if mine != other:
                assert shape(mine["details"]) == shape(other["details"]), json.dumps(
                    [operations, mine, other]
                )
                self.named_differently.append((mine["details"], other["details"]))

    def contents(self) -> None:
        """Both sides hold the same."""
        everything = [{"op": "select", "table": name, "where": []} for name in self.schema.tables]
        ours, theirs = self.ours(everything), self.theirs(everything)
        assert normal(ours) == normal(theirs)


def schemas(seed: int, count: int) -> list[Schema]:
    maker = Maker(random.Random(seed))
    found: list[Schema] = []
    while len(found) < count:
        schema = maker.schema()
        columns = [column.type for table in schema.tables.values() for column in table.columns.values()]
        if not any(kind.key.ref_table and kind.value and kind.value.ref_table for kind in columns):
            found.append(Schema(f"S{len(found)}", schema.tables, schema.version))
    # Without maps from references to references: the C server miscounts them, and aborts if they are weak.
    return found


def created(place: Home, schemas: list[Schema]) -> list[Path]:
    """A database file for each schema."""
    files = []
    for schema in schemas:
        source, target = place.path / f"{schema.name}.ovsschema", place.path / f"{schema.name}.db"
        source.write_text(json.dumps(schema.to_json()))
        place.run(C_BIN / "ovsdb-tool", "create", target, source)
        files.append(target)
    return files


def records(path: Path) -> Iterator[Any]:
    """The records of a database file, but for the schema."""
    data = path.read_bytes()
    start = 0
    while start < len(data):
        end = data.index(b"\n", start)
        size = int(data[start:end].split()[2])
        if start:
            yield orjson.loads(data[end + 1 : end + 1 + size])
        start = end + 1 + size


def run_all(server: Daemon, found: list[Schema], seed: int, broken: int) -> list[Pair]:
    maker = Maker(random.Random(seed))
    with Connection.open(parse_active(server.remote)) as connection:
        pairs = [Pair(schema, connection) for schema in found]
        for pair in pairs:
            for _ in range(TRANSACTIONS):
                pair.run(maker.transaction(pair.schema, broken))
            pair.contents()
    return pairs


@pytest.mark.peer
def test_random_transactions_have_the_same_results_as_on_the_c_server() -> None:
    found = schemas(SEED, SCHEMAS)
    with home() as place:
        files = created(place, found)
        with c_ovsdb_server(place, databases=files) as server:
            pairs = run_all(server, found, SEED + 1, broken=10)
        for pair, path in zip(pairs, files, strict=True):
            if all(c.persistent for t in pair.database.tables.values() for c in t.columns):
                replayed = Database(pair.schema)
                for record in records(path):
                    replayed.apply(replayed.changeset_from_record(record))
                snapshots = [normal_snapshot(database) for database in (replayed, pair.database)]
                assert snapshots[0] == snapshots[1]
    differing = [names for pair in pairs for names in pair.named_differently]
    assert len(differing) <= NAMES_DIFFER * sum(pair.failed for pair in pairs), differing


def normal_snapshot(database: Database) -> Any:
    return rounded(orjson.loads(database.snapshot_record() or b"{}"))
