"""Whatever a server sends, a client takes it or says what is wrong with it."""

from collections.abc import Callable
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from ovsdb.client.core import FAILURES, Core, Lock
from ovsdb.client.selection import Select
from rpc.errors import ConnectionLost
from rpc.message import MessageError, parse

A = "00000000-0000-4000-8000-00000000000a"
SCHEMA: Any = {
    "name": "d",
    "version": "1.0.0",
    "tables": {
        "T": {
            "columns": {
                "name": {"type": "string"},
                "tag": {"type": {"key": "integer", "min": 0}},
                "ids": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
                "peers": {"type": {"key": {"type": "uuid", "refTable": "T"}, "min": 0, "max": "unlimited"}},
            }
        }
    },
}
SERVER: Any = {
    "name": "_Server",
    "tables": {
        "Database": {
            "columns": {
                "name": {"type": "string"},
                "model": {"type": "string"},
                "leader": {"type": "boolean"},
                "index": {"type": {"key": "integer", "min": 0}},
            }
        }
    },
}
ROW: Any = {"name": "a", "tag": 5, "ids": ["map", [["k", "v"]]], "peers": ["uuid", A]}
SERVER_ROW: Any = {"name": "d", "model": "clustered", "leader": True, "index": 3}
RIGHT: dict[str, Any] = {
    "set_db_change_aware": {},
    "monitor": {"Database": {A: {"new": SERVER_ROW}}},
    "monitor_cond_since": [False, A, {"T": {A: {"initial": ROW}}}],
    "monitor_cond_change": {},
    "lock": {"locked": True},
    "transact": [{"count": 1}],
    "echo": [],
}
NOTIFICATIONS: list[Any] = [
    ["update3", "replica", A, {"T": {A: {"modify": {"tag": ["set", []], "ids": ["map", [["x", "y"]]]}}}}],
    ["update2", "replica", {"T": {A: {"delete": None}}}],
    ["update", "replica", {"T": {A: {"new": ROW}}}],
    ["update", "server", {"Database": {A: {"new": SERVER_ROW}}}],
    ["monitor_canceled", "replica"],
    ["monitor_canceled", "server"],
    ["locked", "l"],
    ["stolen", "l"],
    ["echo", "x"],
]
WORDS = ["set", "map", "uuid", "new", "old", "modify", "insert", "delete", "T", "name", "replica", A]
ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(WORDS)
    | st.text()
)
JSON: st.SearchStrategy[Any] = st.recursive(
    ATOMS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
)


@st.composite
def bent(draw: st.DrawFn, right: Any) -> Any:
    """The right value, or one that is wrong in one place."""
    if draw(st.integers(0, 3)) == 0:
        return draw(JSON)
    if isinstance(right, dict) and right:
        key = draw(st.sampled_from(sorted(right)))
        return {**right, key: draw(bent(right[key]))}
    if isinstance(right, list) and right:
        at = draw(st.integers(0, len(right) - 1))
        return [*right[:at], draw(bent(right[at])), *right[at + 1 :]]
    return right


def right_answer(request: Any) -> Any:
    if request["method"] == "get_schema":
        return SERVER if request["params"] == ["_Server"] else SCHEMA
    return RIGHT.get(request["method"], {})


def drive(core: Core, sent: list[Any], choose: Callable[[Any], Any], is_bent: Callable[[], bool]) -> None:
    """Answer everything that the client asks."""
    while sent:
        request = sent.pop(0)
        if request["id"] is not None:
            result = right_answer(request)
            result = choose(result) if is_bent() else result
            core.receive(
                parse({"id": request["id"], "result": result, "error": "x" if result is None else None})
            )


@given(st.data())
def test_client_takes_an_answer_or_says_what_is_wrong(data: st.DataObject) -> None:
    core = Core("d", {"T": Select(None, [["name", "!=", "z"]])})
    core.add_lock(Lock("l"))
    changes = core.subscribe(None, True, lambda: None)
    heard: dict[str, Any] = {}
    sent: list[Any] = []

    def choose(right: Any) -> Any:
        return data.draw(bent(right))

    def seldom() -> bool:
        return data.draw(st.integers(0, 4)) == 0

    for _ in range(data.draw(st.integers(1, 3))):
        sent.clear()
        core.opened("tcp:x", lambda data: sent.append(orjson.loads(data)))
        try:
            drive(core, sent, choose, seldom)
            core.set_condition("T", data.draw(st.booleans()), lambda error: None)
            if core.synced:
                core.transact([], lambda answer: None)
            for method, *params in data.draw(st.lists(st.sampled_from(NOTIFICATIONS), max_size=4)):
                wrong = choose(params)
                core.receive(parse({"id": None, "method": method, "params": wrong}))
                drive(core, sent, choose, seldom)
        except (*FAILURES, MessageError) as error:
            why: Exception = error
        else:
            why = ConnectionLost("test")
        core.closed(why)
        assert (core.synced, core.last_error) == (False, str(why))
        assert core.last_error
        while (raw := changes.pop_raw()) is not None:
            change, _ = raw
            assert change.old == heard.get(change.uuid)
            assert change.old != change.new
            if change.new is None:
                del heard[change.uuid]
            else:
                heard[change.uuid] = change.new
        assert heard == core.replica.tables["T"]
