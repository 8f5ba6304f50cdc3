"""What a client does on a connection, message by message."""

from typing import Any

import orjson
import pytest

from ovsdb.client.core import NO_TRANSACTION, Core, Lock, Unsuitable
from ovsdb.client.replica import ReplicaError
from ovsdb.client.selection import Select
from ovsdb.client.tables import Absent
from rpc.errors import ConnectionLost, RemoteError
from rpc.message import parse

A, B = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"
SCHEMA = {"name": "d", "version": "1.0.0", "tables": {"T": {"columns": {"name": {"type": "string"}}}}}
WIDER = {
    "name": "d",
    "version": "2.0.0",
    "tables": {"T": {"columns": {"name": {"type": "string"}, "size": {"type": "integer"}}}},
}
SERVER_SCHEMA = {
    "name": "_Server",
    "tables": {
        "Database": {
            "columns": {
                "name": {"type": "string"},
                "model": {"type": "string"},
                "connected": {"type": "boolean"},
                "leader": {"type": "boolean"},
                "index": {"type": {"key": "integer", "min": 0}},
            }
        }
    },
}


class Wire:
    """The other side of a Core, which the test plays."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.sent: list[dict[str, Any]] = []

    def open(self) -> None:
        self.sent.clear()
        self.core.opened("tcp:server:6640", lambda data: self.sent.append(orjson.loads(data)))

    def asked(self, method: str) -> dict[str, Any]:
        """The oldest request with this method, which is taken."""
        found = next(request for request in self.sent if request["method"] == method)
        self.sent.remove(found)
        return found

    def answer(self, method: str, result: Any = None, error: Any = None) -> dict[str, Any]:
        request = self.asked(method)
        self.core.receive(parse({"id": request["id"], "result": result, "error": error}))
        return request

    def notify(self, method: str, *params: Any) -> None:
        self.core.receive(parse({"id": None, "method": method, "params": list(params)}))

    def begin(self, schema: Any = SCHEMA) -> None:
        """A server without _Server."""
        self.open()
        self.answer("set_db_change_aware", {})
        self.answer("get_schema", error="unknown database")
        self.answer("get_schema", schema)

    def sync(self, rows: Any, *, found: bool = False, last_id: str = A) -> dict[str, Any]:
        return self.answer("monitor_cond_since", [found, last_id, {"T": rows}])

    def is_synced(self) -> bool:
        return self.core.synced

    def names(self) -> set[str]:
        return {row.name for row in self.core.table("T").values()}


def wire(wanted: Any = None, **more: Any) -> Wire:
    return Wire(Core("d", {"T": None} if wanted is None else wanted, **more))


def cluster_row(**more: Any) -> Any:
    whole = {"name": "d", "model": "clustered", "connected": True, "leader": True, "index": 7, **more}
    return {"Database": {B: {"new": whole}}}


def test_schema_that_changed_is_asked_for_and_monitored_again() -> None:
    peer = wire()
    peer.begin()
    peer.sync({A: {"initial": {"name": "a"}}})
    changes = peer.core.subscribe(None, False, lambda: None)
    assert "size" not in peer.core.table("T").row(A).columns()
    with pytest.raises(Absent, match="no column size"):
        peer.core.table("T").by("size")
    peer.notify("monitor_canceled", "replica")
    assert not peer.is_synced()
    with pytest.raises(ConnectionLost, match="not connected"):
        peer.core.transact([], lambda answer: None)
    peer.answer("get_schema", WIDER)
    asked = peer.sync({A: {"initial": {"name": "a", "size": 3}}})
    assert asked["params"][2:] == [{"T": [{"columns": ["name", "size"]}]}, NO_TRANSACTION]
    assert peer.is_synced()
    assert peer.core.table("T").by("size")[3].uuid == A
    change = changes.pop()
    assert change is not None
    assert (change.columns, change.resync) == (frozenset({"size"}), True)


def test_table_that_goes_with_the_schema_is_absent_and_its_rows_are_reported_gone() -> None:
    peer = wire({"T": None, "U": None})
    other = {"columns": {"name": {"type": "string"}}}
    peer.begin({"name": "d", "tables": {"T": SCHEMA["tables"]["T"], "U": other}})  # type: ignore[index]
    peer.answer("monitor_cond_since", [False, A, {"U": {A: {"initial": {"name": "a"}}}}])
    changes = peer.core.subscribe(["U"], False, lambda: None)
    peer.notify("monitor_canceled", "replica")
    peer.answer("get_schema", SCHEMA)
    peer.sync({})
    change = changes.pop()
    assert change is not None
    assert (change.kind, change.row["name"]) == ("delete", "a")
    with pytest.raises(Absent, match="has no table U"):
        peer.core.table("U")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (cluster_row(leader=False), "not the cluster's leader"),
        (cluster_row(connected=False), "disconnected from its cluster"),
        (cluster_row(name="other"), "no database d"),
    ],
)
def test_server_that_is_not_the_one_wanted_is_left_at_once(row: Any, reason: str) -> None:
    peer = wire(leader_only=True)
    peer.open()
    peer.answer("get_schema", SERVER_SCHEMA)
    with pytest.raises(Unsuitable, match=reason):
        peer.answer("monitor", row)


def test_server_is_left_when_it_loses_the_leadership() -> None:
    peer = wire(leader_only=True)
    peer.open()
    peer.answer("get_schema", SERVER_SCHEMA)
    peer.answer("monitor", cluster_row())
    peer.answer("get_schema", SCHEMA)
    peer.sync({})
    assert peer.is_synced()
    with pytest.raises(Unsuitable):
        peer.notify("update", "server", cluster_row(leader=False))


def test_server_behind_what_was_read_is_left_and_any_member_will_do_otherwise() -> None:
    peer = wire()
    for index, old in ((7, False), (6, True), (9, False)):
        peer.open()
        peer.answer("get_schema", SERVER_SCHEMA)
        if old:
            with pytest.raises(Unsuitable, match="old data"):
                peer.answer("monitor", cluster_row(leader=False, index=index))
        else:
            peer.answer("monitor", cluster_row(leader=False, index=index))
        peer.core.closed(ConnectionLost("test"))


def test_condition_that_the_server_refuses_leaves_the_one_before() -> None:
    peer = wire({"T": Select(None, [["name", "==", "a"]])})
    peer.begin()
    asked = peer.sync({A: {"initial": {"name": "a"}}})
    assert asked["params"][2] == {"T": [{"columns": ["name"], "where": [["name", "==", "a"]]}]}
    errors: list[object] = []
    peer.core.set_condition("T", [["name", "==", "b"]], errors.append)
    peer.core.set_condition("T", [["name", "==", "c"]], errors.append)
    peer.answer("monitor_cond_change", error="no")
    assert errors == ["no"]
    asked = peer.answer("monitor_cond_change", {})
    assert asked["params"] == ["replica", "replica", {"T": [{"where": [["name", "==", "c"]]}]}]
    assert errors == ["no", None]


def test_condition_on_its_way_when_the_connection_breaks_starts_over_from_whole_contents() -> None:
    peer = wire({"T": Select(None, [["name", "==", "a"]])})
    peer.begin()
    peer.sync({A: {"initial": {"name": "a"}}}, last_id=A)
    settled: list[object] = []
    peer.core.set_condition("T", False, settled.append)
    peer.core.closed(ConnectionLost("test"))
    assert not settled
    peer.begin()
    asked = peer.sync({}, last_id=B)
    assert asked["params"][2:] == [{"T": [{"columns": ["name"], "where": [False]}]}, NO_TRANSACTION]
    assert (settled, peer.names()) == ([None], set())
    peer.core.closed(ConnectionLost("test"))
    peer.begin()
    assert peer.asked("monitor_cond_since")["params"][3] == B, "nothing has changed since"


def test_condition_on_a_column_that_the_server_lacks_holds_for_no_row() -> None:
    peer = wire({"T": Select(None, [["colour", "==", "red"]])})
    peer.begin()
    assert peer.asked("monitor_cond_since")["params"][2] == {"T": [{"columns": ["name"], "where": [False]}]}


def test_server_that_knows_no_conditions_sends_every_row() -> None:
    peer = wire({"T": Select(None, [["name", "==", "a"]])})
    peer.begin()
    peer.answer("monitor_cond_since", error="unknown method")
    peer.answer("monitor_cond", error="unknown method")
    asked = peer.answer("monitor", {"T": {A: {"new": {"name": "b"}}}})
    assert asked["params"][2] == {"T": {"columns": ["name"]}}
    settled: list[object] = []
    peer.core.set_condition("T", True, settled.append)
    assert (settled, peer.names()) == ([None], {"b"})


def test_lock_is_asked_for_on_every_connection_and_given_back_once() -> None:
    peer = wire()
    lock = Lock("l")
    peer.core.add_lock(lock)
    for _ in range(2):
        peer.begin()
        peer.sync({})
        peer.answer("lock", {"locked": True})
        assert lock.held
        peer.core.closed(ConnectionLost("test"))
        assert not lock.held
    peer.begin()
    peer.sync({})
    peer.core.remove_lock(lock)
    assert peer.asked("unlock")["params"] == ["l"]
    peer.answer("lock", {"locked": True})
    assert not lock.held, "it was given back before the answer came"


def test_answer_that_is_awaited_comes_or_the_loss_of_the_connection_does() -> None:
    peer = wire()
    peer.begin()
    peer.sync({})
    answers: list[Any] = []
    peer.core.transact([{"op": "abort"}], answers.append)
    forgotten = peer.core.transact([{"op": "comment"}], answers.append)
    peer.core.forget(forgotten)
    assert peer.asked("cancel")["params"] == [forgotten]
    peer.core.closed(ConnectionLost("it broke"))
    assert [str(answer) for answer in answers] == ["it broke"]


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("monitor_cond_since", None),
        ("monitor_cond_since", [True, A]),
        ("monitor_cond_since", [False, 5, {}]),
        ("monitor_cond_since", [False, A, {"T": {A: {"initial": {"name": 5}}}}]),
        ("monitor_cond_since", [False, A, {"T": {A: {"modify": {"name": "b"}}}}]),
    ],
)
def test_answer_that_makes_no_sense_is_told_with_its_place(method: str, result: Any) -> None:
    peer = wire()
    peer.begin()
    with pytest.raises((ReplicaError, RemoteError)):
        peer.answer(method, result, None if result is not None else "surprise")
    assert not peer.is_synced()


def test_replica_stays_what_it_was_until_the_new_contents_are_there() -> None:
    peer = wire()
    peer.begin()
    peer.sync({A: {"initial": {"name": "a"}}})
    peer.core.closed(ConnectionLost("test"))
    peer.begin()
    assert peer.names() == {"a"}
    peer.sync({B: {"insert": {"name": "b"}}}, found=True)
    assert peer.names() == {"a", "b"}
