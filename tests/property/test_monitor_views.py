"""Monitors: whatever is done and whenever a client looks, its copy is what its condition selects, in all three forms."""

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from ovsdb.hub import Hub
from ovsdb.schema import Schema
from ovsdb.storage.memory import MemoryStorage
from rpc.framing import Framer
from schemas.files import read_json

SCHEMA: dict[str, object] = {
    "name": "db",
    "tables": {
        "T": {
            "columns": {
                "n": {"type": "integer"},
                "o": {"type": {"key": "string", "min": 0}},
                "s": {"type": {"key": "integer", "min": 0, "max": "unlimited"}},
                "m": {"type": {"key": "string", "value": "integer", "min": 0, "max": "unlimited"}},
            },
            "isRoot": True,
        }
    },
}
COLUMNS = ["n", "o", "s", "m"]
DEFAULTS = {"n": 0, "o": ["set", []], "s": ["set", []], "m": ["map", []]}
SERVER = Schema.parse(read_json("_server.ovsschema"))

numbers = st.integers(0, 2)
sets = st.lists(numbers, unique=True, max_size=3).map(lambda v: ["set", v])
maps = st.dictionaries(st.sampled_from("xyz"), numbers, max_size=3).map(
    lambda v: ["map", [[k, n] for k, n in v.items()]]
)
values = {"n": numbers, "o": st.sampled_from([["set", []], "p", "q"]), "s": sets, "m": maps}
row = st.fixed_dictionaries({}, optional=values)
clause = st.one_of(
    st.tuples(st.just("n"), st.sampled_from(["==", "!=", "<"]), numbers),
    st.tuples(st.just("o"), st.just("=="), values["o"]),
    st.tuples(st.just("s"), st.sampled_from(["includes", "excludes"]), sets),
).map(list)
where = st.lists(clause, max_size=1)
operation = st.one_of(
    st.builds(lambda r: {"op": "insert", "table": "T", "row": r}, row),
    st.builds(lambda w, r: {"op": "update", "table": "T", "where": w, "row": r}, where, row),
    st.builds(lambda w: {"op": "delete", "table": "T", "where": w}, where),
    st.builds(
        lambda w, o, v: {"op": "mutate", "table": "T", "where": w, "mutations": [["s", o, v]]},
        where,
        st.sampled_from(["insert", "delete"]),
        sets,
    ),
)
step = st.one_of(
    st.lists(operation, min_size=1, max_size=3),
    st.tuples(st.just("look"), st.integers(0, 2)),
    st.tuples(st.just("condition"), st.lists(clause | st.booleans(), min_size=1, max_size=2)),
)


class Follower:
    """A client's copy of the table, kept as a naive client keeps it."""

    def __init__(self, hub: Hub, method: str) -> None:
        self.session = hub.open_session(method)
        self.method = method
        self.rows: dict[str, dict[str, Any]] = {}
        self.condition: list[Any] = []
        request = {"T": [{"columns": COLUMNS}]}
        last = ["00000000-0000-0000-0000-000000000000"] if method == "monitor_cond_since" else []
        result = self.call(method, "db", "m", request, *last)
        self.apply(result[2] if last else result)

    def call(self, method: str, *params: Any) -> Any:
        self.session.receive(orjson.dumps({"method": method, "params": params, "id": 1}))
        return self.look()

    def look(self) -> Any:
        result = None
        messages: list[Any] = list(Framer().feed(self.session.take_output()))
        for message in messages:
            if "method" in message:
                self.apply(message["params"][-1])
            else:
                assert message["error"] is None, message
                result = message["result"]
        return result

    def apply(self, updates: Any) -> None:
        for uuid, update in updates.get("T", {}).items():
            if self.method == "monitor":
                old = update.get("old", {})
                known = self.rows.pop(uuid, {})
                assert {k: known[k] for k in old} == old
                if "new" in update:
                    self.rows[uuid] = update["new"]
                continue
            [(kind, row)] = update.items()
            if kind == "delete":
                del self.rows[uuid]
            elif kind == "modify":
                assert row
                known = self.rows[uuid]
                self.rows[uuid] = known | {k: patched(k, known[k], diff) for k, diff in row.items()}
            else:
                assert uuid not in self.rows
                assert all(value != DEFAULTS[name] for name, value in row.items())
                self.rows[uuid] = DEFAULTS | row

    def expected(self) -> dict[str, Any]:
        """What the condition selects, by a query for each of its parts."""
        found = {}
        for part in self.condition or [True]:
            select = {"op": "select", "table": "T", "where": [part], "columns": ["_uuid", *COLUMNS]}
            for selected in self.call("transact", "db", select)[0]["rows"]:
                found[selected.pop("_uuid")[1]] = selected
        return found


def patched(column: str, known: Any, diff: Any) -> Any:
    """The value after a difference of update2."""
    if column in ("n", "o"):
        return diff
    if column == "m":
        before, change = dict(map(tuple, known[1])), dict(map(tuple, diff[1]))
        after = {
            k: v for k, v in (before | change).items() if not (k in change and before.get(k) == change[k])
        }
        return ["map", [[k, after[k]] for k in sorted(after)]]
    atoms = sorted(set(members(known)) ^ set(members(diff)))
    return atoms[0] if len(atoms) == 1 else ["set", atoms]


def members(wire: Any) -> list[Any]:
    return wire[1] if isinstance(wire, list) else [wire]


@settings(max_examples=60, deadline=None)
@given(st.lists(step, min_size=2, max_size=12))
def test_a_copy_is_what_the_condition_selects(script: list[Any]) -> None:
    hub = Hub(SERVER)
    hub.add_database(MemoryStorage(SCHEMA))
    writer = hub.open_session("writer")
    first = [{"op": "insert", "table": "T", "row": {"n": n, "s": n, "o": "p"}} for n in range(3)]
    writer.receive(orjson.dumps({"method": "transact", "params": ["db", *first], "id": 1}))
    followers = [Follower(hub, method) for method in ("monitor", "monitor_cond", "monitor_cond_since")]
    for what in script:
        if isinstance(what, list):
            writer.receive(orjson.dumps({"method": "transact", "params": ["db", *what], "id": 1}))
        elif what[0] == "look":
            followers[what[1]].look()
        else:
            for follower in followers[1:]:
                follower.condition = what[1]
                follower.call("monitor_cond_change", "m", "m", {"T": [{"where": what[1]}]})
    for follower in followers:
        assert follower.rows == follower.expected()
