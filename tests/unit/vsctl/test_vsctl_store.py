"""What the store asks, and in how many exchanges."""

from typing import Any

from rpc.jsonvalue import Json
from vsctl.grammar import parse_commands
from vsctl.patience import Patience
from vsctl.run import Settings, execute
from vsctl.store import Store

UUID = "00000000-0000-0000-0000-00000000000"
BRIDGE: dict[str, Json] = {"_uuid": ["uuid", f"{UUID}1"], "name": "br0"}
SWITCH: dict[str, Json] = {"_uuid": ["uuid", f"{UUID}2"]}


class Server:
    """Answers selects about one bridge, and does what else it is told; remembers the requests."""

    def __init__(self) -> None:
        self.requests: list[list[Any]] = []

    def transact(self, operations: list[Any]) -> list[Json]:
        self.requests.append(operations)
        return [self._answer(operation) for operation in operations]

    def _answer(self, operation: dict[str, Any]) -> Json:
        if operation["op"] == "insert":
            return {"uuid": ["uuid", f"{UUID}9"]}
        if operation["op"] != "select":
            return {}
        if operation["table"] == "Open_vSwitch":
            return {"rows": [SWITCH]}
        return {"rows": [BRIDGE] if operation["where"] == [["name", "==", "br0"]] else []}


def ops(request: list[Any]) -> list[str]:
    return [operation["op"] for operation in request]


def test_what_is_expected_is_asked_together_with_what_is_asked_first() -> None:
    server = Server()
    store = Store(server)  # type: ignore[arg-type]
    store.expect("Bridge", "name", "br0")
    store.expect("Open_vSwitch")
    store.expect("Port", "name", "p", ["tag"])
    assert store.find("Interface", "name", "p") == []
    assert [row.uuid for row in store.find("Bridge", "name", "br0")] == [f"{UUID}1"]
    assert store.find("Port", "name", "p", ["tag"]) == []
    assert len(server.requests) == 1
    assert len(server.requests[0]) == 4


def test_what_was_expected_in_vain_is_not_verified() -> None:
    server = Server()
    store = Store(server)  # type: ignore[arg-type]
    store.expect("Open_vSwitch")
    store.find("Bridge", "name", "br0")
    assert [operation["table"] for operation in store.verification().operations] == ["Bridge"]  # type: ignore[index, call-overload]


def test_a_port_is_added_in_two_exchanges() -> None:
    server = Server()
    calls = parse_commands(["add-port", "br0", "p"], [])
    execute(server, calls, Settings(wait_for_switch=False), Patience("", print))  # type: ignore[arg-type]
    reading, writing = map(ops, server.requests)
    assert set(reading) == {"select"}
    assert [op for op in writing if op != "wait"] == ["insert", "insert", "mutate", "comment"]
    assert writing.count("wait") == len(reading)
