"""Sessions, databases and the _Server database together, without sockets."""

from typing import Any

import orjson
import pytest

from ovsdb.engine.ops import OPERATIONS, Step
from ovsdb.hub import Hub, HubError
from ovsdb.schema import Schema
from ovsdb.session import ProtocolError, Session
from ovsdb.storage.base import Failed, StorageError, Ticket
from ovsdb.storage.memory import MemoryStorage
from rpc.framing import Framer
from schemas.files import read_json

SCHEMA: dict[str, object] = {
    "name": "db",
    "tables": {
        "T": {
            "columns": {
                "n": {"type": "integer"},
                "s": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
                "live": {"type": "integer", "ephemeral": True},
            },
            "isRoot": True,
        }
    },
}
ZERO = "00000000-0000-0000-0000-000000000000"
INSERT = {"op": "insert", "table": "T", "row": {"n": 1}}


class Client:
    """A session, with messages in place of bytes."""

    def __init__(self, hub: Hub) -> None:
        self.session: Session = hub.open_session("test")
        self._number = 0

    def send(self, method: str, *params: Any) -> int:
        self._number += 1
        self.session.receive(orjson.dumps({"method": method, "params": params, "id": self._number}))
        return self._number

    def received(self) -> list[Any]:
        return Framer().feed(self.session.take_output())

    def call(self, method: str, *params: Any) -> Any:
        self.send(method, *params)
        [reply] = [m for m in self.received() if "method" not in m]
        assert reply["error"] is None, reply
        return reply["result"]


@pytest.fixture
def hub() -> Hub:
    return Hub(Schema.parse(read_json("_server.ovsschema")))


@pytest.fixture
def storage(hub: Hub) -> MemoryStorage:
    made = MemoryStorage(SCHEMA, delayed=True)
    hub.add_database(made)
    made._delayed = False
    return made


def rows(client: Client) -> list[int]:
    select = {"op": "select", "table": "T", "where": [], "columns": ["_uuid", "n"]}
    return sorted(row["n"] for row in client.call("transact", "db", select)[0]["rows"])


def test_a_reply_waits_for_a_store_that_answers_later(hub: Hub, storage: MemoryStorage) -> None:
    client, other = Client(hub), Client(hub)
    storage._delayed = True
    client.send("transact", "db", INSERT)
    other.send("transact", "db", {"op": "select", "table": "T", "where": []})
    assert (client.received(), other.received()) == ([], [])
    storage.settle()
    [inserted], [selected] = client.received(), other.received()
    assert "uuid" in inserted["result"][0]
    assert len(selected["result"][0]["rows"]) == 1  # it ran on what was committed before it


def test_a_transaction_runs_again_on_a_store_that_has_moved(hub: Hub, storage: MemoryStorage) -> None:
    client = Client(hub)
    storage._delayed = True
    client.send("transact", "db", INSERT)
    storage.head = 0x1111  # somebody else's commit
    storage.settle()
    assert client.received() == []
    storage.settle()
    [reply] = client.received()
    assert "uuid" in reply["result"][0]
    assert (len(storage.bodies), rows(client)) == (1, [1])


def test_a_write_that_fails_is_an_io_error_and_changes_nothing(hub: Hub) -> None:
    class FullDisk(MemoryStorage):
        def propose(self, body: bytes, prerequisite: int, *, durable: bool) -> Ticket:
            return Ticket(Failed(StorageError("I/O error: x: write failed (No space left on device)")))

    hub.add_database(FullDisk(SCHEMA))
    client = Client(hub)
    result = client.call("transact", "db", INSERT)
    assert result[-1]["error"] == "I/O error"
    assert "No space left" in result[-1]["details"]
    assert rows(client) == []


def test_a_waiting_transaction_of_a_client_that_left_never_runs(hub: Hub, storage: MemoryStorage) -> None:
    client, other = Client(hub), Client(hub)
    wait = {"op": "wait", "table": "T", "where": [], "columns": ["n"], "until": "==", "rows": [{"n": 1}]}
    client.send("transact", "db", wait, {**INSERT, "row": {"n": 2}})
    client.session.close()
    other.call("transact", "db", INSERT)
    assert rows(other) == [1]


def test_a_wait_ends_at_its_time(hub: Hub, storage: MemoryStorage) -> None:
    client = Client(hub)
    wait = {"op": "wait", "table": "T", "where": [], "columns": ["n"], "until": "==", "rows": [{"n": 1}]}
    client.send("transact", "db", {**wait, "timeout": 50})
    deadline = hub.deadline()
    assert deadline is not None
    hub.run(deadline - 0.01)
    assert client.received() == []
    hub.run(deadline)
    [reply] = client.received()
    assert reply["result"] == [{"error": "timed out", "details": '"wait" timed out after 50 ms'}]
    assert hub.deadline() is None


def test_a_client_that_left_gives_its_locks_back(hub: Hub) -> None:
    first, second = Client(hub), Client(hub)
    first.call("lock", "x")
    assert second.call("lock", "x") == {"locked": False}
    first.session.close()
    assert second.received() == [{"id": None, "method": "locked", "params": ["x"]}]


def test_equal_monitors_at_equal_positions_share_the_bytes(hub: Hub, storage: MemoryStorage) -> None:
    clients = [Client(hub) for _ in range(3)]
    for client in clients:
        client.call("monitor_cond", "db", "m", {"T": [{}]})
    hosted = hub.databases["db"]
    assert len({id(monitor.spec) for monitor in hosted.monitors}) == 1
    clients[0].call("transact", "db", INSERT)
    updates = [client.session.take_output() for client in clients[1:]]
    assert updates[0] == updates[1]
    assert len(hosted._updates) == 1


def test_a_slow_client_gets_one_merged_update(hub: Hub, storage: MemoryStorage) -> None:
    slow, fast = Client(hub), Client(hub)
    slow.call("monitor_cond", "db", "m", {"T": [{"columns": ["n", "s"]}]})
    uuid = fast.call("transact", "db", INSERT)[0]["uuid"][1]
    for n in range(500):
        mutations = [["n", "+=", 1], ["s", "insert", str(n)], ["s", "delete", str(n - 1)]]
        fast.call("transact", "db", {"op": "mutate", "table": "T", "where": [], "mutations": mutations})
    assert len(hub.databases["db"].history._entries) <= 201
    [update] = slow.received()
    assert update["params"] == ["m", {"T": {uuid: {"insert": {"n": 501, "s": "499"}}}}]


def test_changes_that_cancel_out_are_not_told(hub: Hub, storage: MemoryStorage) -> None:
    slow, fast = Client(hub), Client(hub)
    slow.call("monitor", "db", "m", {"T": [{"columns": ["n"]}]})
    fast.call("transact", "db", INSERT)
    fast.call("transact", "db", {"op": "delete", "table": "T", "where": []})
    assert slow.received() == []


def test_a_client_that_comes_back_gets_what_it_missed(hub: Hub, storage: MemoryStorage) -> None:
    client, other = Client(hub), Client(hub)
    requests = {"T": [{"columns": ["n", "live"]}]}
    found, last_id, _ = client.call("monitor_cond_since", "db", "m", requests, ZERO)
    assert not found
    first = other.call("transact", "db", INSERT)[0]["uuid"][1]
    [update] = client.received()
    assert update["params"][:1] == ["m"]
    newer = update["params"][1]
    other.call("transact", "db", {"op": "update", "table": "T", "where": [], "row": {"live": 7}})
    found, newest, delta = Client(hub).call("monitor_cond_since", "db", "m", requests, newer)
    assert (found, delta) == (True, {"T": {first: {"modify": {"live": 7}}}})
    assert len({last_id, newer, newest}) == 3
    assert Client(hub).call("monitor_cond_since", "db", "m", requests, newest) == [True, newest, {}]


def test_ephemeral_changes_are_not_written(hub: Hub, storage: MemoryStorage) -> None:
    client = Client(hub)
    client.call("transact", "db", INSERT)
    client.call("transact", "db", {"op": "update", "table": "T", "where": [], "row": {"live": 7}})
    [body] = storage.bodies
    record = orjson.loads(body)
    assert set(record) == {"T", "_date", "_is_diff"}


def test_removing_a_database_tells_those_who_know_and_disconnects_the_others(
    hub: Hub, storage: MemoryStorage
) -> None:
    aware, plain = Client(hub), Client(hub)
    aware.call("set_db_change_aware", True)
    aware.call("monitor", "db", "m", {"T": [{}]})
    aware.call("monitor", "_Server", "s", {"Database": [{"columns": ["name"]}]})
    hub.remove_database("db")
    messages = aware.received()
    assert {"id": None, "method": "monitor_canceled", "params": ["m"]} in messages
    [update] = [m for m in messages if m["method"] == "update"]
    assert [row["old"]["name"] for row in update["params"][1]["Database"].values()] == ["db"]
    assert (aware.session.doomed, bool(plain.session.doomed)) == ("", True)
    with pytest.raises(HubError):
        hub.remove_database("db")


def test_two_databases_of_one_name_are_refused(hub: Hub, storage: MemoryStorage) -> None:
    with pytest.raises(HubError, match="ovsdb error: db: duplicate database name"):
        hub.add_database(MemoryStorage(SCHEMA))


def test_a_read_only_session_may_not_write(hub: Hub, storage: MemoryStorage) -> None:
    session = hub.open_session("reader", read_only=True)
    session.receive(orjson.dumps({"method": "transact", "params": ["db", INSERT], "id": 1}))
    assert b"not allowed when database server is in read only mode" in session.take_output()


@pytest.mark.parametrize(
    "garbage", [b"]", b"\x00", b'{"a":1}', b"[" * 5000, b'{"id":3,"result":{},"error":null}']
)
def test_what_is_no_request_ends_the_session(hub: Hub, garbage: bytes) -> None:
    client = Client(hub)
    with pytest.raises(ProtocolError):
        client.session.receive(garbage)


def test_requests_before_bad_json_in_the_same_bytes_are_answered(hub: Hub) -> None:
    client = Client(hub)
    with pytest.raises(ProtocolError, match="bad JSON"):
        client.session.receive(b'{"id":7,"method":"echo","params":[1]}{"id":8,"params":[1}')
    assert client.received() == [{"id": 7, "result": [1], "error": None}]


def test_a_bug_in_one_transaction_ends_the_session_that_sent_it(
    hub: Hub, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(step: Step) -> object:
        raise ZeroDivisionError

    bad, good = Client(hub), Client(hub)
    monkeypatch.setitem(OPERATIONS, "insert", broken)
    bad.send("transact", "db", INSERT)
    monkeypatch.undo()
    assert (bad.session.doomed, good.session.doomed) == ("internal error", "")
    assert rows(good) == []


def test_a_request_without_a_condition_shows_every_row(hub: Hub, storage: MemoryStorage) -> None:
    client = Client(hub)
    client.call("transact", "db", INSERT, {**INSERT, "row": {"n": 2}})
    requests = [{"columns": ["n"], "where": [["n", "==", 2]]}, {"columns": ["s"]}]
    for key, order in (("a", requests), ("b", requests[::-1])):
        shown = client.call("monitor_cond", "db", key, {"T": order})["T"].values()
        assert sorted(row["initial"]["n"] for row in shown) == [1, 2]


def test_a_condition_changes_by_index_as_by_search(hub: Hub) -> None:
    schema = {
        **SCHEMA,
        "tables": {"T": {**SCHEMA["tables"]["T"], "indexes": [["n"]]}},  # type: ignore[index]
    }
    hub.add_database(MemoryStorage(schema))
    client = Client(hub)
    made = client.call(
        "transact", "db", *({**INSERT, "row": {"n": n, "s": ["set", ["a"]]}} for n in range(50))
    )
    uuids = [each["uuid"] for each in made]
    client.call("monitor_cond", "db", "m", {"T": [{"columns": ["n"], "where": [False]}]})
    seen: set[int] = set()
    for where, expected in (
        ([["_uuid", "==", uuids[3]], ["_uuid", "==", uuids[4]]], {3, 4}),
        ([["_uuid", "==", uuids[4]], ["n", "==", 7], ["n", "==", 7], ["n", "==", 99]], {4, 7}),
        ([["n", "<", 3], ["n", "==", 7]], {0, 1, 2, 7}),
        ([["n", "==", 8], ["s", "excludes", "a"]], {8}),
        ([], set(range(50))),
        ([["n", "==", 9], False], {9}),
        ([["n", "==", 9], True], set(range(50))),
    ):
        client.send("monitor_cond_change", "m", "m", {"T": [{"where": where}]})
        *updates, _ = client.received()
        numbers = {uuid: n for n, (_, uuid) in enumerate(uuids)}
        for update in updates:
            for uuid, change in update["params"][1]["T"].items():
                (seen.remove if "delete" in change else seen.add)(numbers[uuid])
        assert seen == expected
