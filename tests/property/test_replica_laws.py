"""Whatever way changes are reported, the replica ends up with the rows that the server has, and says what changed."""

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ovsdb.client.replica import Replica
from ovsdb.datum import default_value, format_datum
from ovsdb.delta import delta_between, diff_of_delta, diff_type
from ovsdb.schema import Schema, TableSchema
from rpc.jsonvalue import Json

INTEGERS = {"key": "integer", "min": 0, "max": "unlimited"}
SCHEMA = Schema.parse(
    {
        "name": "d",
        "tables": {
            "T": {
                "columns": {
                    "name": {"type": "string"},
                    "tag": {"type": {"key": "integer", "min": 0, "max": 1}},
                    "vlans": {"type": INTEGERS},
                    "ids": {"type": {"key": "string", "value": "integer", "min": 0, "max": "unlimited"}},
                }
            }
        },
    }
)
TABLE: TableSchema = SCHEMA.tables["T"]
NAMES = [f"00000000-0000-4000-8000-{n:012x}" for n in range(4)]
ROWS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["", "a", "b"]),
        "tag": st.frozensets(st.integers(0, 3), max_size=1),
        "vlans": st.frozensets(st.integers(0, 5)),
        "ids": st.dictionaries(st.sampled_from("xyz"), st.integers(0, 2)),
    }
)
STATES = st.dictionaries(st.sampled_from(NAMES), ROWS)
State = Mapping[str, Mapping[str, Any]]


def wire(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: format_datum(TABLE.columns[name].type, value) for name, value in row.items()}


def without_defaults(row: Mapping[str, Any]) -> dict[str, Any]:
    return wire({n: v for n, v in row.items() if v != default_value(TABLE.columns[n].type)})


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    out = {}
    for name, value in new.items():
        type_ = TABLE.columns[name].type
        if value == old[name]:
            continue
        if type_.has_diff:
            delta = delta_between(type_, old[name], value)
            out[name] = format_datum(diff_type(type_), diff_of_delta(type_, delta))
        else:
            out[name] = format_datum(type_, value)
    return out


def updates(old: State, new: State, version: int) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for uuid in old.keys() | new.keys():
        if uuid not in new:
            rows[uuid] = {"old": wire(old[uuid])} if version == 1 else {"delete": None}
        elif uuid not in old:
            rows[uuid] = {"new": wire(new[uuid])} if version == 1 else {"insert": without_defaults(new[uuid])}
        elif old[uuid] != new[uuid]:
            modified = {"modify": difference(old[uuid], new[uuid])}
            rows[uuid] = {"old": {}, "new": wire(new[uuid])} if version == 1 else modified
    return {"T": rows}


def replica_of(state: State) -> Replica:
    replica = Replica({"T": None})
    replica.adopt(SCHEMA)
    replica.replace({"T": {uuid: {"initial": without_defaults(row)} for uuid, row in state.items()}}, 2)
    return replica


@given(STATES, st.lists(st.tuples(STATES, st.sampled_from([1, 2]))))
def test_updates_lead_to_the_rows_of_the_server(first: State, later: list[tuple[State, int]]) -> None:
    replica, now = replica_of(first), first
    for state, version in later:
        changes = replica.apply(updates(now, state, version), version)
        assert replica.tables["T"] == state
        assert {c.uuid for c in changes} == {
            u for u in now.keys() | state.keys() if now.get(u) != state.get(u)
        }
        now = state


@given(STATES, STATES)
def test_whole_contents_are_reported_as_the_difference(before: State, after: State) -> None:
    replica = replica_of(before)
    contents: Json = {"T": {uuid: {"initial": without_defaults(row)} for uuid, row in after.items()}}
    changes = {c.uuid: (c.old, c.new) for c in replica.replace(contents, 2)}
    uuids = before.keys() | after.keys()
    assert changes == {u: (before.get(u), after.get(u)) for u in uuids if before.get(u) != after.get(u)}
    assert replica.tables["T"] == after
