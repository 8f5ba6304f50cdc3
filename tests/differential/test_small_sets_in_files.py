"""What the C programs misread of differences is written whole: each server reads the files of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kit import peers
from tests.kit.transcripts import SocketClient

pytestmark = pytest.mark.peer
UUID = "00000000-0000-4000-8000-00000000000b"
SCHEMA = {
    "name": "S",
    "version": "1.0.0",
    "tables": {
        "T": {
            "columns": {
                "some": {"type": {"key": "integer", "max": "unlimited"}},
                "three": {"type": {"key": "integer", "min": 0, "max": 3}},
                "map": {"type": {"key": "string", "value": "integer", "min": 0, "max": 2}},
            },
            "isRoot": True,
        }
    },
}


def insert(**row: Any) -> dict[str, Any]:
    return {"op": "insert", "table": "T", "uuid": UUID, "row": row}


def update(**row: Any) -> dict[str, Any]:
    return {"op": "update", "table": "T", "where": [], "row": row}


def numbers(*members: int) -> list[Any]:
    return ["set", list(members)]


GROW = {"op": "mutate", "table": "T", "where": [], "mutations": [["some", "insert", numbers(2, 3)]]}
SCRIPTS = {
    "all of a full set": [insert(three=numbers(1, 2, 3)), update(three=numbers(4, 5, 6))],
    "more than fit": [insert(three=numbers(1, 2)), update(three=numbers(3, 4))],
    "all of a map": [insert(map=["map", [["a", 1], ["b", 2]]]), update(map=["map", [["c", 1], ["d", 2]]])],
    "from the default": [insert(), GROW],
    "from the default, given": [insert(some=0), GROW],
    "among harmless changes": [insert(), GROW, update(three=numbers(1)), GROW, update(three=numbers(1, 2))],
}


def contents(client: SocketClient, *operations: Any) -> Any:
    select = {"op": "select", "table": "T", "where": [], "columns": ["some", "three", "map"]}
    client.send({"id": 1, "method": "transact", "params": ["S", *operations, select]})
    *_, selected = client.receive()["result"]
    return selected["rows"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_both_servers_read_what_ours_has_written(script: str) -> None:
    with peers.home() as place:
        source = place.path / "s.ovsschema"
        source.write_text(json.dumps(SCHEMA))
        path = peers.create_database(place, "s.db", source)
        with peers.our_ovsdb_server(place, databases=[path]):
            client = SocketClient(place.socket)
            for operation in SCRIPTS[script]:
                expected = contents(client, operation)
            client.close()
        for server in peers.OVSDB_SERVERS.values():
            with server(place, databases=[path]) as running:
                client = SocketClient(place.socket)
                assert contents(client) == expected
                assert "ERR" not in running.output()
                client.close()
