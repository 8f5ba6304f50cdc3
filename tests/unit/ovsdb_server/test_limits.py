"""What a client may take: beyond it there is an error or an end, and the others do not notice."""

import dataclasses
from typing import Any

import orjson
import pytest

from ovsdb.hub import Hub
from ovsdb.limits import PAUSE_BYTES, Limits
from ovsdb.session import ProtocolError
from ovsdb.storage.memory import MemoryStorage
from tests.unit.ovsdb_server.test_hub import INSERT, SCHEMA, Client
from tests.unit.ovsdb_server.test_hub import hub as hub  # a fixture


@pytest.fixture
def small(hub: Hub) -> Hub:
    """With bounds that are easy to reach."""
    hub.limits = Limits(message=1000, depth=20, backlog=2000, monitors=2, locks=2, waiting=2, history_rows=5)
    hub.add_database(MemoryStorage(SCHEMA))
    return hub


def refusal(client: Client, method: str, *params: Any) -> Any:
    client.send(method, *params)
    [reply] = client.received()
    return reply["error"]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b'{"id":1,"method":"echo","params":["' + b"x" * 1000, "longer than 1000 bytes"),
        (b'{"id":1,"method":"echo","params":[' + b"[" * 30, "nesting depth 20"),
    ],
)
def test_a_message_beyond_the_limits_ends_the_session(small: Hub, data: bytes, complaint: str) -> None:
    with pytest.raises(ProtocolError, match=complaint):
        Client(small).session.receive(data)


def test_monitors_locks_and_waiting_transactions_are_counted(small: Hub) -> None:
    client, other = Client(small), Client(small)
    wait = {"op": "wait", "table": "T", "where": [], "columns": ["n"], "rows": [], "until": "!="}
    for n in range(2):
        client.call("monitor", "db", n, {"T": {}})
        client.call("lock", f"l{n}")
        client.send("transact", "db", wait)
    for refused in (
        refusal(client, "monitor_cond", "db", 2, {"T": {}}),
        refusal(client, "lock", "l2"),
        refusal(client, "steal", "l3"),
        refusal(client, "transact", "db", wait),
    ):
        assert refused["error"] == "resources exhausted"
    client.call("monitor_cancel", 0)
    client.call("unlock", "l0")
    client.call("monitor", "db", 2, {"T": {}})
    client.call("lock", "l2")
    assert other.call("lock", "l3") == {"locked": True}


def test_a_client_that_does_not_read_is_not_told_without_end(small: Hub) -> None:
    silent, thief = Client(small), Client(small)
    for name in ("a", "b"):
        silent.call("lock", name)
    for n in range(500):
        name = "ab"[n % 2]
        thief.call("steal", name)
        thief.call("unlock", name)
    assert "does not read" in silent.session.doomed
    assert silent.session.queued <= 2000 + 200
    assert not thief.session.doomed


def test_requests_wait_until_the_answers_before_them_are_taken(hub: Hub) -> None:
    hub.add_database(MemoryStorage(SCHEMA))
    client = Client(hub)
    client.call("transact", "db", {**INSERT, "row": {"s": ["set", ["x" * (PAUSE_BYTES // 10)]]}})
    select = {"op": "select", "table": "T", "where": []}
    requests = [{"method": "transact", "params": ["db", select], "id": n} for n in range(100)]
    client.session.receive(b"".join(map(orjson.dumps, requests)))
    answered: list[int] = []
    while received := client.received():
        assert len(received) < 20
        answered += [reply["id"] for reply in received]
        client.session.proceed()
    assert answered == list(range(100))
    assert not client.session.has_more


def test_updates_of_many_monitors_come_in_parts(hub: Hub) -> None:
    hub.add_database(MemoryStorage(SCHEMA))
    client, writer = Client(hub), Client(hub)
    for n in range(50):
        client.call("monitor", "db", n, {"T": {}})
    writer.call("transact", "db", {**INSERT, "row": {"s": ["set", ["x" * (PAUSE_BYTES // 10)]]}})
    parts = []
    while received := client.received():
        parts.append(received)
        assert client.session.has_updates == (sum(map(len, parts)) < 50)
    assert sum(map(len, parts)) == 50
    assert len(parts) > 2


def test_the_history_keeps_so_many_rows(small: Hub) -> None:
    client = Client(small)
    first = client.call(
        "monitor_cond_since", "db", "m", {"T": [{}]}, "0" * 8 + "-0000-0000-0000-000000000000"
    )[1]
    client.call("monitor_cancel", "m")
    for _ in range(10):
        client.call("transact", "db", INSERT, INSERT)
    assert small.databases["db"].history.rows() <= 2 * 5
    assert client.call("monitor_cond_since", "db", "m", {"T": [{}]}, first)[0] is False


def test_the_history_keeps_so_many_bytes(hub: Hub) -> None:
    hub.limits = Limits(history_bytes=1000)
    hub.add_database(MemoryStorage(SCHEMA))
    client = Client(hub)
    for _ in range(100):
        client.call("transact", "db", INSERT)
        assert 0 < hub.databases["db"].history.record_bytes() <= 2 * 1000


def test_the_bounds_are_shown_by_name() -> None:
    assert "max-backlog:7" in dataclasses.replace(Limits(), backlog=7).lines()
