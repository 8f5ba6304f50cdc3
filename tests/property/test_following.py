"""Following another server: the difference leads to the contents, and no message breaks anything."""

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ovsdb.engine.contents import record_of_difference
from ovsdb.engine.database import Database
from ovsdb.errors import OvsdbError
from ovsdb.follower import FollowError
from ovsdb.hub import Hub
from ovsdb.schema import Schema
from ovsdb.storage.memory import MemoryStorage
from rpc.message import Notification, Reply
from tests.kit.linked import Client, Wire, new_hub

JSON: dict[str, Any] = {
    "name": "db",
    "tables": {
        "T": {
            "columns": {
                "n": {"type": "integer"},
                "s": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
                "m": {"type": {"key": "string", "value": "integer", "min": 0, "max": "unlimited"}},
                "o": {"type": {"key": "real", "min": 0, "max": 1}},
                "live": {"type": "integer", "ephemeral": True},
            },
            "isRoot": True,
        }
    },
}
SCHEMA = Schema.parse(JSON)
SELECTION = {"T": tuple(SCHEMA.tables["T"].columns)}
UUIDS = [f"{n:08x}-0000-4000-8000-000000000000" for n in range(4)]
words = st.sampled_from(["a", "b", "c"])
wire_rows = st.fixed_dictionaries(
    {},
    optional={
        "n": st.integers(-3, 3),
        "s": st.lists(words, unique=True).map(lambda found: ["set", found]),
        "m": st.dictionaries(words, st.integers(0, 2)).map(
            lambda found: ["map", [*map(list, found.items())]]
        ),
        "o": st.sampled_from([["set", []], 0.5, 2]),
        "live": st.integers(0, 2),
    },
)
contents = st.dictionaries(st.sampled_from(UUIDS), wire_rows).map(lambda rows: {"T": rows} if rows else {})


def values(database: Database) -> Any:
    return {uuid: row.values for uuid, row in database.tables["T"].rows.items()}


def filled(wire: Any) -> Database:
    database = Database(SCHEMA)
    database.apply(database.changeset_from_record(copy.deepcopy(wire)))
    return database


@given(contents, contents)
def test_the_difference_leads_to_the_contents(before: Any, after: Any) -> None:
    database = filled(before)
    record = record_of_difference(database, copy.deepcopy(after), SELECTION)
    database.apply(database.changeset_from_record(record))
    assert values(database) == values(filled(after))
    assert record_of_difference(database, copy.deepcopy(after), SELECTION) == {}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["db", "T", "n", "set", "uuid", *UUIDS]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["T", "n", "s", "insert", "modify", "delete", *UUIDS]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
updates = json_values | st.dictionaries(
    st.sampled_from(["T", "U"]),
    st.dictionaries(
        st.sampled_from([*UUIDS, "x"]),
        st.dictionaries(
            st.sampled_from(["insert", "modify", "delete", "old", "new", "x"]), wire_rows | json_values
        ),
    ),
)
notifications = st.one_of(
    st.builds(lambda u: Notification("update2", ["follow", u]), updates),
    st.builds(lambda u: Notification("update", ["follow", u]), updates),
    st.builds(
        lambda i, u: Notification("update3", ["follow", i, u]), st.sampled_from([*UUIDS, "x"]), updates
    ),
    st.builds(lambda u: Notification("update2", ["server", u]), json_values),
    st.builds(
        lambda m, p: Notification(m, [p]), st.sampled_from(["monitor_canceled", "update3", "x"]), json_values
    ),
    st.builds(lambda n, r: Reply(r, None, n), st.integers(0, 8), json_values),
    st.builds(lambda n, r: Reply(None, r, n), st.integers(0, 8), json_values.filter(lambda v: v is not None)),
)


def relay_of_a_source() -> tuple[Hub, Wire]:
    source, relay = new_hub(), new_hub()
    source.add_database(MemoryStorage(JSON))
    relay.add_relay("db", "unix:source")
    return relay, Wire(relay.links["db"], source)


@settings(max_examples=150)
@given(st.lists(notifications, max_size=4))
def test_whatever_a_source_says_a_relay_goes_on_or_gives_the_connection_up(messages: list[Any]) -> None:
    relay, wire = relay_of_a_source()
    client = Client(relay)
    client.call("monitor", "db", "m", {"T": [{}]})
    for message in messages:
        try:
            wire.link.follower.receive(message)
        except (FollowError, OvsdbError) as e:
            wire.cut(e)
            break
    client.received()
    assert json.dumps(client.ask("list_dbs"))
