"""Relays: what their clients see of a source that comes, goes and changes its schema."""

import copy
from typing import Any

import pytest

from ovsdb.errors import OvsdbError
from ovsdb.hub import Hub
from ovsdb.storage.memory import MemoryStorage
from ovsdb.uuids import new_uuid
from rpc.framing import Framer
from rpc.message import Notification, parse
from tests.kit.linked import Client, Wire, new_hub
from tests.unit.ovsdb_server.test_hub import INSERT, SCHEMA

NEW: dict[str, Any] = copy.deepcopy(SCHEMA)
NEW["tables"]["T"]["columns"]["fresh"] = {"type": "string"}
NEVER = {"op": "wait", "table": "T", "where": [], "columns": ["n"], "until": "==", "rows": [{"n": 9}]}
SELECT = {"op": "select", "table": "T", "where": [], "columns": ["n", "s", "live"]}


@pytest.fixture
def source() -> Hub:
    hub = new_hub()
    hub.add_database(MemoryStorage(SCHEMA))
    return hub


@pytest.fixture
def relay() -> Hub:
    hub = new_hub()
    hub.add_relay("db", "unix:source")
    return hub


def described(client: Client, database: str = "db") -> Any:
    columns = ["model", "connected", "leader", "schema"]
    where = [["name", "==", database]]
    select = {"op": "select", "table": "Database", "where": where, "columns": columns}
    return client.call("transact", "_Server", select)[0]["rows"][0]


def rows(client: Client) -> Any:
    found = client.call("transact", "db", SELECT)[0]["rows"]
    return sorted((row["n"], row["s"], row["live"]) for row in found)


def follow(relay: Hub, source: Hub) -> Wire:
    return Wire(relay.links["db"], source)


def test_without_its_source_a_relay_has_nothing_to_serve(relay: Hub) -> None:
    client = Client(relay)
    assert described(client) == {
        "model": "relay",
        "connected": False,
        "leader": False,
        "schema": ["set", []],
    }
    assert "db" in client.call("list_dbs")
    for method in ("get_schema", "transact", "monitor", "convert"):
        assert client.ask(method, "db", "m", {})["error"] == {
            "error": "database not available",
            "details": f"{method} request specifies database db which is not yet available because it has "
            "not completed joining its cluster",
        }


def test_a_relay_serves_what_its_source_has(relay: Hub, source: Hub) -> None:
    Client(source).call("transact", "db", {**INSERT, "row": {"n": 1, "s": ["set", ["a", "b"]], "live": 7}})
    wire = follow(relay, source)
    client = Client(relay)
    assert rows(client) == [(1, ["set", ["a", "b"]], 7)]
    assert described(client)["connected"] is True
    client.call("monitor", "db", "m", {"T": [{"columns": ["s"]}]})
    mutation = {"op": "mutate", "table": "T", "where": [], "mutations": [["s", "delete", "a"]]}
    Client(source).call("transact", "db", mutation)
    wire.pump()
    [update] = client.received()
    assert [row["new"] for row in update["params"][1]["T"].values()] == [{"s": "b"}]


def test_a_transaction_is_the_source_s_and_its_update_comes_before_its_reply(relay: Hub, source: Hub) -> None:
    wire = follow(relay, source)
    client = Client(relay)
    client.call("monitor", "db", "m", {"T": [{"columns": ["n"]}]})
    client.send("transact", "db", INSERT, {"op": "comment", "comment": "by the client"})
    assert client.received() == []
    wire.pump()
    update, reply = client.received()
    assert list(update["params"][1]["T"]) == [reply["result"][0]["uuid"][1]]
    storage = source.databases["db"].storage
    assert isinstance(storage, MemoryStorage)
    assert b"by the client" in storage.bodies[0]


def test_the_source_is_told_who_the_author_is(relay: Hub, source: Hub) -> None:
    wire = follow(relay, source)
    client = Client(relay)
    client.session.author = "[by uid=0 pid=1 (test)]"
    wrong = {
        "op": "wait",
        "timeout": 0,
        "table": "T",
        "where": [],
        "columns": ["n"],
        "until": "!=",
        "rows": [],
    }
    for operations, results in (([INSERT], 1), ([INSERT, wrong, INSERT], 3)):
        client.send("transact", "db", *operations)
        wire.pump()
        [reply] = client.received()
        assert len(reply["result"]) == results
    storage = source.databases["db"].storage
    assert isinstance(storage, MemoryStorage)
    assert b"[by uid=0 pid=1 (test)]" in storage.bodies[0]


def test_what_changes_nothing_or_is_wrong_is_answered_without_the_source(relay: Hub, source: Hub) -> None:
    wire = follow(relay, source)
    client = Client(relay)
    wire.cut(ConnectionError("cut"))
    assert client.call("transact", "db", SELECT)[0]["rows"] == []
    [wrong] = client.call("transact", "db", {"op": "insert", "table": "T", "row": {"n": "x"}})
    assert wrong["details"] == "expected integer"
    reader = Client(relay, read_only=True)
    [refused] = reader.call("transact", "db", INSERT)
    assert refused["error"] == "not allowed"


def test_nobody_who_waits_for_a_source_that_breaks_stays_without_an_answer(relay: Hub, source: Hub) -> None:
    wire = follow(relay, source)
    client, other = Client(relay), Client(relay)
    client.send("transact", "db", INSERT)
    wire.cut(ConnectionError("cut"))
    assert [m["error"] for m in client.received()] == ["canceled"]
    assert described(other)["connected"] is False
    other.send("transact", "db", INSERT)  # waits for the source to come back
    assert other.received() == []
    follow(relay, source).pump()
    assert [m["error"] for m in other.received()] == [None]
    assert len(rows(client)) == 1


def test_a_client_can_let_go_of_what_waits_at_the_source(relay: Hub, source: Hub) -> None:
    wire = follow(relay, source)
    client = Client(relay)
    number = client.send("transact", "db", INSERT)
    client.session.receive(b'{"id":null,"method":"cancel","params":[%d]}' % number)
    assert [m["error"] for m in client.received()] == ["canceled"]
    wire.pump()
    assert client.received() == []
    client.send("transact", "db", INSERT)
    client.session.close()
    wire.pump()  # its answer finds nobody


def test_after_a_reconnection_clients_hear_only_what_differs(relay: Hub, source: Hub) -> None:
    for n in (1, 2):
        Client(source).call("transact", "db", {**INSERT, "row": {"n": n}})
    wire = follow(relay, source)
    client = Client(relay)
    client.call("monitor", "db", "m", {"T": [{"columns": ["n"]}]})
    wire.cut(ConnectionError("cut"))
    where = [["n", "==", 1]]
    Client(source).call("transact", "db", {"op": "update", "table": "T", "where": where, "row": {"n": 3}})
    Client(source).call("transact", "db", {"op": "delete", "table": "T", "where": [["n", "==", 2]]})
    relay.links["db"].follower.last_id = 12345  # a position that nobody knows: everything comes anew
    follow(relay, source)
    [update] = client.received()
    changes = list(update["params"][1]["T"].values())
    assert sorted(map(str, changes)) == ["{'old': {'n': 1}, 'new': {'n': 3}}", "{'old': {'n': 2}}"]


def test_positions_are_the_source_s(relay: Hub, source: Hub) -> None:
    """A client can go on at another relay of the same source, or at the source."""
    wire = follow(relay, source)
    requests = {"T": [{"columns": ["n"]}]}
    zero = "00000000-0000-0000-0000-000000000000"
    client = Client(relay)
    client.call("monitor_cond_since", "db", "m", requests, zero)
    Client(source).call("transact", "db", INSERT)
    wire.pump()
    [update] = client.received()
    last_id = update["params"][1]
    assert Client(source).call("monitor_cond_since", "db", "m", requests, last_id)[0] is True


def test_a_conversion_of_the_source_reaches_the_clients(relay: Hub, source: Hub) -> None:
    Client(source).call("transact", "db", INSERT)
    wire = follow(relay, source)
    client, plain, waiting = Client(relay), Client(relay, aware=False), Client(relay)
    client.call("monitor", "db", "m", {"T": [{}]})
    waiting.send("transact", "db", NEVER, INSERT)
    Client(source).call("convert", "db", NEW)
    wire.pump()
    assert [m["params"] for m in client.received()] == [["m"]]
    assert plain.session.doomed
    assert [m["error"] for m in waiting.received()] == ["canceled"]
    assert "fresh" in client.call("get_schema", "db")["tables"]["T"]["columns"]
    assert '"fresh"' in described(client)["schema"]
    assert rows(client) == [(1, ["set", []], 0)]
    assert wire.error is None


def test_a_relay_is_not_converted(relay: Hub, source: Hub) -> None:
    follow(relay, source)
    assert Client(relay).ask("convert", "db", NEW)["error"]["error"] == "not supported"


def test_relays_stand_behind_relays(relay: Hub, source: Hub) -> None:
    last = new_hub()
    last.add_relay("db", "unix:relay")
    behind = Wire(last.links["db"], relay)
    assert "not connected" in str(behind.error)  # the first has nothing to serve yet
    wire = follow(relay, source)
    behind = Wire(last.links["db"], relay)
    client = Client(last)
    client.send("transact", "db", INSERT)
    for _ in range(2):
        behind.pump()
        wire.pump()
    behind.pump()
    assert [m["error"] for m in client.received()] == [None]
    assert len(rows(client)) == 1
    wire.cut(ConnectionError("cut"))
    behind.pump()
    assert "not connected" in str(behind.error)
    assert described(client)["connected"] is False


def test_a_database_that_the_source_lacks_or_loses_ends_the_connection(relay: Hub, source: Hub) -> None:
    assert str(follow(relay, new_hub()).error) == "server does not have db database"
    wire = follow(relay, source)
    source.remove_database("db")
    wire.pump()
    assert wire.error is not None
    assert described(Client(relay))["connected"] is False


def test_a_relay_of_itself_is_noticed(relay: Hub) -> None:
    assert "Self replicating" in str(follow(relay, relay).error)


def test_a_relay_that_is_removed_lets_go_of_its_clients(relay: Hub, source: Hub) -> None:
    follow(relay, source)
    client = Client(relay)
    client.send("transact", "db", INSERT)
    relay.remove_database("db")
    assert [m["error"] for m in client.received()] == ["canceled"]
    assert relay.links == {}


def test_a_change_that_could_not_be_taken_over_is_not_skipped(relay: Hub, source: Hub) -> None:
    wire = follow(relay, source)
    Client(source).call("transact", "db", INSERT)
    [update] = map(parse, Framer().feed(wire.session.take_output()))
    assert isinstance(update, Notification)
    wrong: Any = {"T": {new_uuid(): {"modify": {"n": "three"}}}}
    with pytest.raises(OvsdbError) as refused:
        wire.link.follower.receive(Notification("update3", [*update.params[:2], wrong]))
    wire.cut(refused.value)
    follow(relay, source)
    assert rows(Client(relay)) == rows(Client(source)) != []


def test_the_end_of_a_removed_relay_does_not_concern_who_has_its_name_now(relay: Hub, source: Hub) -> None:
    wire = follow(relay, source)
    relay.remove_database("db")
    relay.add_database(MemoryStorage(SCHEMA))
    wire.cut(ConnectionError("cancelled"))
    found = described(Client(relay))
    assert (found["model"], found["connected"], found["leader"]) == ("standalone", True, True)
