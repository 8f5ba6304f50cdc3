"""Online schema conversion: what clients, _Server and the store see of it."""

import copy
from pathlib import Path
from typing import Any

import orjson
import pytest

from ovsdb.hub import Hub
from ovsdb.schema import Schema
from ovsdb.storage import file
from ovsdb.storage.base import StorageError
from ovsdb.storage.file import FileStorage
from ovsdb.storage.memory import MemoryStorage
from schemas.files import read_json
from tests.unit.ovsdb_server.test_hub import INSERT, SCHEMA, Client, rows

NEW: dict[str, Any] = copy.deepcopy(SCHEMA)
NEW["version"] = "2.0.0"
NEW["tables"]["T"]["columns"]["fresh"] = {"type": "string"}
del NEW["tables"]["T"]["columns"]["s"]
NEVER = {"op": "wait", "table": "T", "where": [], "columns": ["n"], "until": "==", "rows": [{"n": 9}]}


@pytest.fixture
def hub() -> Hub:
    return Hub(Schema.parse(read_json("_server.ovsschema")))


@pytest.fixture
def storage(hub: Hub) -> MemoryStorage:
    made = MemoryStorage(SCHEMA)
    hub.add_database(made)
    return made


def aware(hub: Hub) -> Client:
    client = Client(hub)
    client.call("set_db_change_aware", True)
    return client


def error_of(client: Client, *params: Any) -> Any:
    client.send("convert", *params)
    [reply] = [m for m in client.received() if "method" not in m]
    return reply["error"]


def test_rows_stay_and_the_new_schema_is_told(hub: Hub, storage: MemoryStorage) -> None:
    client = aware(hub)
    client.call("transact", "db", INSERT)
    assert client.call("convert", "db", NEW) == {}
    assert rows(client) == [1]
    assert client.call("get_schema", "db")["version"] == "2.0.0"
    select = {"op": "select", "table": "Database", "where": [["name", "==", "db"]], "columns": ["schema"]}
    [row] = client.call("transact", "_Server", select)[0]["rows"]
    assert orjson.loads(row["schema"])["version"] == "2.0.0"
    client.call("transact", "db", {"op": "insert", "table": "T", "row": {"fresh": "x", "n": 2}})
    assert rows(client) == [1, 2]


def test_who_knows_is_told_and_the_others_connect_anew(hub: Hub, storage: MemoryStorage) -> None:
    knowing, plain, waiting = aware(hub), Client(hub), aware(hub)
    knowing.call("monitor", "db", "m", {"T": [{}]})
    knowing.call("monitor", "_Server", "s", {"Database": [{"columns": ["schema"]}]})
    waiting.send("transact", "db", NEVER)
    aware(hub).call("convert", "db", NEW)
    messages = knowing.received()
    assert [m["method"] for m in messages] == ["monitor_canceled", "update"]
    assert messages[0]["params"] == ["m"]
    assert [m["error"] for m in waiting.received()] == ["canceled"]
    assert (knowing.session.doomed, waiting.session.doomed) == ("", "")
    assert plain.session.doomed == "committed db database schema conversion"
    knowing.call("monitor", "db", "m", {"T": [{"columns": ["fresh"]}]})  # under the same name again


def test_the_record_is_the_c_server_s(hub: Hub, storage: MemoryStorage) -> None:
    client = aware(hub)
    client.call("transact", "db", INSERT)
    client.call("transact", "db", INSERT)
    client.call("convert", "db", NEW)
    [body] = storage.bodies
    record = orjson.loads(body)
    assert record["_comment"] == "converted by ovsdb-server"
    assert len(record["T"]) == 2
    assert storage.schema["version"] == "2.0.0"


@pytest.mark.parametrize(
    ("params", "error"),
    [
        (["db"], {"error": "syntax error", "details": "array expected", "syntax": '["db"]'}),
        (
            ["db", {**NEW, "name": "other"}],
            {
                "error": "invalid parameters",
                "details": "new schema name (other) does not match database name (db)",
            },
        ),
    ],
)
def test_what_is_no_conversion_is_refused(
    hub: Hub, storage: MemoryStorage, params: list[Any], error: Any
) -> None:
    assert error_of(aware(hub), *params) == error


def test_the_server_s_own_database_stays_as_it_is(hub: Hub) -> None:
    assert error_of(aware(hub), "_Server", read_json("_server.ovsschema"))["error"] == "not allowed"


def test_a_conversion_that_fails_changes_nothing(hub: Hub, storage: MemoryStorage) -> None:
    client, plain = aware(hub), Client(hub)
    client.call("transact", "db", INSERT)
    client.call("monitor", "db", "m", {"T": [{}]})
    bad = copy.deepcopy(NEW)
    bad["tables"]["T"]["columns"]["n"] = {"type": "string"}
    before = list(storage.bodies)
    assert error_of(client, "db", bad) == {
        "error": "syntax error",
        "details": "expected string",
        "syntax": "1",
    }
    assert (storage.bodies, plain.session.doomed, rows(client)) == (before, "", [1])


def test_a_store_that_refuses_leaves_the_old_database(
    hub: Hub, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = aware(hub)
    client.call("transact", "db", INSERT)

    def refuse(self: MemoryStorage, schema: object, bodies: object) -> None:
        raise StorageError("I/O error: db: disk full")

    monkeypatch.setattr(MemoryStorage, "replace", refuse)
    assert error_of(client, "db", NEW) == {"error": "I/O error", "details": "I/O error: db: disk full"}
    assert "s" in client.call("get_schema", "db")["tables"]["T"]["columns"]
    assert rows(client) == [1]


def test_a_conversion_waits_for_the_transaction_that_is_being_written(
    hub: Hub, storage: MemoryStorage
) -> None:
    writer, converter, late = aware(hub), aware(hub), aware(hub)
    storage._delayed = True
    writer.send("transact", "db", INSERT)
    converter.send("convert", "db", NEW)
    late.send("transact", "db", INSERT)
    assert converter.received() == []
    storage.settle()
    assert [m["error"] for m in writer.received()] == [None]
    assert [m["result"] for m in converter.received()] == [{}]
    assert [m["error"] for m in late.received()] == ["canceled"]
    assert rows(converter) == [1]


def test_a_file_that_was_converted_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "conf.db"
    file.create(path, SCHEMA)
    for expected in ([1], [1]):
        hub = Hub(Schema.parse(read_json("_server.ovsschema")))
        hub.add_database(FileStorage(path, 0.0))
        client = aware(hub)
        if not rows(client):
            client.call("transact", "db", INSERT)
            client.call("convert", "db", NEW)
        head = hub.databases["db"].history.head_id
        assert rows(client) == expected
        hub.close()
    again = FileStorage(path, 0.0)
    list(again.load())
    assert (again.head, again.schema["version"]) == (head, "2.0.0")  # ids of positions survive a restart
    again.close()
