"""Random commits, conditions and cut connections: the replica ends up with what the server holds of what is wanted.

Others commit, the client's connection breaks after any number of bytes, conditions change meanwhile. Readers of
changes, fast and slow, that apply what they hear hold the same as the replica, and so do the indexes.
"""

import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ovsdb.client import AmbiguousOutcome, Changes, Database, Select, Timing, TransactionError, connect
from ovsdb.datum import parse_datum
from tests.kit.cutting_proxy import Proxy, cutting_proxy
from tests.kit.peers import OVSDB_SERVERS, Daemon, create_database, home

pytestmark = pytest.mark.peer
MANY = {"min": 0, "max": "unlimited"}
SCHEMA: Any = {
    "name": "zoo",
    "version": "1.0.0",
    "tables": {
        "Animal": {
            "isRoot": True,
            "indexes": [["name"]],
            "columns": {
                "name": {"type": "string"},
                "legs": {"type": {"key": "integer", "min": 0}},
                "tags": {"type": {"key": "string", **MANY}},
                "ids": {"type": {"key": "string", "value": "integer", **MANY}},
                "friends": {
                    "type": {"key": {"type": "uuid", "refTable": "Animal", "refType": "weak"}, **MANY}
                },
            },
        }
    },
}
EXAMPLES = int(os.environ.get("CLIENT_EXAMPLES", "40"))
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # a case that depends on timing is not made smaller
FAST = Timing(min_backoff=0.005, max_backoff=0.02)
NAMES = st.sampled_from(["ape", "bee", "cow"])
TAGS = st.sampled_from(["x", "y", "z"])
WHERE: st.SearchStrategy[Any] = st.just([]) | NAMES.map(lambda name: [["name", "==", name]])


def op(kind: str, **members: Any) -> dict[str, Any]:
    return {"op": kind, "table": "Animal", **members}


ROWS = st.fixed_dictionaries(
    {
        "name": NAMES,
        "legs": st.lists(st.integers(0, 3), max_size=1).map(lambda v: ["set", v]),
        "tags": st.sets(TAGS).map(lambda v: ["set", sorted(v)]),
        "ids": st.dictionaries(TAGS, st.integers(0, 2)).map(lambda v: ["map", [[*i] for i in v.items()]]),
    }
)
OPERATIONS = st.one_of(
    ROWS.map(lambda row: op("insert", row=row)),
    st.builds(
        lambda where, row: op("update", where=where, row={"tags": row["tags"], "legs": row["legs"]}),
        WHERE,
        ROWS,
    ),
    st.builds(lambda w, tag: op("mutate", where=w, mutations=[["tags", "insert", tag]]), WHERE, TAGS),
    st.builds(
        lambda w, tag: op("mutate", where=w, mutations=[["ids", "delete", ["set", [tag]]]]), WHERE, TAGS
    ),
    WHERE.map(lambda where: op("delete", where=where)),
)
CONDITIONS: st.SearchStrategy[Any] = st.one_of(
    st.booleans(),
    st.lists(NAMES.map(lambda name: ["name", "==", name]), min_size=1, max_size=2),
    st.lists(TAGS.map(lambda tag: ["tags", "includes", [tag]]), min_size=1, max_size=2),
    st.integers(0, 3).map(lambda n: [["legs", "<", n]]),
)
COMMITS = st.tuples(st.just("commit"), st.lists(OPERATIONS, min_size=1, max_size=3))
STEPS = st.lists(
    st.one_of(
        COMMITS,
        COMMITS,
        COMMITS,
        st.tuples(st.just("own"), NAMES),
        st.tuples(st.just("condition"), CONDITIONS),
        st.tuples(st.just("cut"), st.none()),
        st.tuples(st.just("settle"), st.none()),
    ),
    min_size=3,
    max_size=15,
)


def holds(condition: Any, row: Any) -> bool:
    if isinstance(condition, bool):
        return condition
    tests: dict[str, Callable[[Any], bool]] = {
        "name": lambda value: row["name"] == value,
        "tags": lambda value: set(value) <= row["tags"],
        "legs": lambda value: any(legs < value for legs in row["legs"]),
    }
    return any(tests[column](value) for column, _, value in condition)


class Program:
    """A client behind the proxy, somebody else who commits, and two readers of changes."""

    def __init__(self, db: Database, writer: Database, proxy: Proxy) -> None:
        self.db, self.writer, self.proxy = db, writer, proxy
        self.condition: Any = True
        self.heard: dict[str, Any] = {}
        self.fast, self.slow = db.changes("Animal"), db.changes("Animal")

    async def step(self, kind: str, value: Any) -> None:
        if kind == "commit":
            await self.writer.transact(value)  # which may be refused
        elif kind == "own":
            await self.commit_own(value)
        elif kind == "condition":
            self.condition = value
            await self.db.set_condition("Animal", value)
        elif kind == "cut":
            self.proxy.cut()
        else:
            await self.settle()

    async def commit_own(self, name: str) -> None:
        """Make sure that there is a row, whatever happens."""

        def ensure(txn: Any) -> None:
            if txn.tables.Animal.by("name").get(name) is None:
                txn.insert("Animal", name=name, friends=list(txn.tables.Animal.by("name").all("ape")))

        # It is there already, where the client does not see it, or the connection was cut.
        with suppress(AmbiguousOutcome, TransactionError):
            await self.db.run(ensure, retries=5)

    async def contents(self) -> dict[str, Any]:
        types = self.db.replica.types("Animal")
        assert types is not None
        [result] = await self.writer.transact([op("select", where=[])])
        rows: Any = result["rows"] if isinstance(result, dict) else []
        parsed = {row["_uuid"][1]: {c: parse_datum(t, row[c]) for c, t in types.items()} for row in rows}
        return {uuid: row for uuid, row in parsed.items() if holds(self.condition, row)}

    async def settle(self) -> None:
        expected = await self.contents()
        while not self.db.connected or self.db.replica.tables["Animal"] != expected:
            await self.db.wait_changed()
        await self.hear(self.fast, self.heard)
        assert self.heard == expected
        by_name = self.db.tables.Animal.by("name")
        assert {by_name[row["name"]].uuid for row in expected.values()} == expected.keys()
        for tag in "xyz":
            tagged = {row.uuid for row in self.db.tables.Animal.having("tags", tag)}
            assert tagged == {uuid for uuid, row in expected.items() if tag in row["tags"]}

    async def hear(self, changes: Changes, heard: dict[str, Any]) -> None:
        while changes.pending():
            change = await anext(changes)
            assert (change.old and dict(change.old._values)) == heard.pop(change.uuid, None)
            if change.new is not None:
                heard[change.uuid] = change.new._values

    async def end(self) -> None:
        await self.settle()
        slowly: dict[str, Any] = {}
        await self.hear(self.slow, slowly)
        assert slowly == self.heard


@asynccontextmanager
async def program(server: Daemon, condition: Any, budgets: list[int]) -> AsyncIterator[Program]:
    path: Path = server.home.path / "proxy.sock"
    async with (
        connect(server.remote, "zoo", {}) as writer,
        cutting_proxy(server.home.socket, path, iter(budgets)) as proxy,
    ):
        await writer.transact(
            [op("delete", where=[]), *(op("insert", row={"name": n}) for n in ("ape", "bee"))]
        )
        tables = {"Animal": Select(None, condition)}
        async with connect(f"unix:{path}", "zoo", tables, timing=FAST, retry=True) as db:
            running = Program(db, writer, proxy)
            running.condition = condition
            yield running


@pytest.mark.parametrize("kind", OVSDB_SERVERS)
def test_replica_is_what_the_server_holds_of_what_is_wanted(kind: str) -> None:
    with home() as place:
        schema = place.path / "zoo.ovsschema"
        schema.write_text(json.dumps(SCHEMA))
        with OVSDB_SERVERS[kind](place, databases=[create_database(place, "zoo.db", schema)]) as server:

            @settings(phases=PHASES, max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
            @given(CONDITIONS, st.lists(st.integers(0, 4000), max_size=5), STEPS)
            def check(condition: Any, budgets: list[int], steps: list[tuple[str, Any]]) -> None:
                async def main() -> None:
                    with trio.fail_after(60):
                        async with program(server, condition, budgets) as running:
                            for step in steps:
                                await running.step(*step)
                            await running.end()

                trio.run(main)

            check()
