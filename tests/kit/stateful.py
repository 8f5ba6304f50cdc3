"""Several clients of one server in lock-step, and their copies of the database.

Rule: after each step every client asks for an echo, so that all it has to hear has come before the next step. A client
that comes back asks for its monitors again, with the last id where it has one.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from ovsdb.schema import Schema
from tests.kit import answers
from tests.kit.naive_replica import NaiveReplica
from tests.kit.peers import Daemon
from tests.kit.stateful_script import UNKNOWN_ID, Asked, Step
from tests.kit.transcripts import CLOSED, UPDATES, SocketClient

QUIET = 2  # rounds of echoes: a transaction that waited is answered in the round after the one that ended its wait
DYING_TIMEOUT = 30.0  # seconds, until a server that has closed a connection for no reason must be gone


def receive(client: SocketClient) -> Any:
    """The next message."""
    message = client.receive()
    assert message != CLOSED, "the server has closed the connection"
    return message


@dataclass
class Followed:
    """An open monitor and the copy that it keeps."""

    asked: Asked
    replica: NaiveReplica
    last_id: str = UNKNOWN_ID


@dataclass
class ClientOf:
    """One client's connection to one server."""

    socket: SocketClient
    monitors: dict[str, Followed] = field(default_factory=dict)
    pending: dict[int, dict[str, Any]] = field(default_factory=dict)  # requests without a reply
    asked: dict[int, Asked] = field(default_factory=dict)  # what such a request opens
    locks: set[str] = field(default_factory=set)  # that it owns


class Side:
    """One server with its clients. `start` runs it, again and again on the same files."""

    def __init__(self, name: str, start: Callable[[], AbstractContextManager[Daemon]]) -> None:
        self.name = name  # "c" or "ours"
        self._start = start
        self._running = contextlib.ExitStack()
        self.daemon = self._running.enter_context(start())
        self.schema = Schema("none", {})
        self.clients: list[ClientOf] = []
        self.judge = SocketClient(self.daemon.home.socket)

    def died(self) -> bool:
        """Whether the server has ended though nobody asked it to."""
        try:
            self.judge.send({"id": 0, "method": "echo", "params": []})
            receive(self.judge)
        except AssertionError:
            self.daemon.process.wait(DYING_TIMEOUT)
            return True
        return False

    def revive(self) -> None:
        """Start the server again that has died."""
        self._running.close()
        self.daemon = self._running.enter_context(self._start())

    def close(self) -> None:
        """End the clients and the server."""
        self.hang_up()
        self._running.close()

    def hang_up(self) -> None:
        """End the clients."""
        for client in self.clients:
            client.socket.close()
        self.clients = []
        self.judge.close()

    def begin(self, schema: Schema, clients: int) -> None:
        """Another database, with so many clients."""
        self.hang_up()
        self.judge = SocketClient(self.daemon.home.socket)
        self.schema = schema
        self.clients = [ClientOf(self._connect()) for _ in range(clients)]

    def _connect(self) -> SocketClient:
        client = SocketClient(self.daemon.home.socket)
        client.send({"id": 0, "method": "set_db_change_aware", "params": [True]})
        assert receive(client)["result"] == {}
        return client

    # --- steps

    def take(self, step: Step) -> list[list[Any]]:
        """Do a step: what each client has heard. Their copies are then up to date."""
        heard: list[list[Any]] = [[] for _ in self.clients]
        rounds = QUIET + len(self.waiting())  # each may end the wait of another
        if step.kind == "send":
            self._send(self.clients[step.client], step)
        elif step.kind == "reconnect":
            heard[step.client] += self._reconnect(self.clients[step.client])
        elif step.kind == "restart":
            self.revive()
            self.judge.close()
            self.judge = SocketClient(self.daemon.home.socket)
            for number, client in enumerate(self.clients):
                heard[number] += self._reconnect(client)
        else:
            self.daemon.appctl("ovsdb-server/compact", self.schema.name)
        for _ in range(rounds):
            for number, client in enumerate(self.clients):
                heard[number] += self._collect(client)
        return heard

    def _send(self, client: ClientOf, step: Step) -> None:
        message = step.message
        if message["id"] is not None:
            client.pending[message["id"]] = message
            if step.monitor is not None:
                client.asked[message["id"]] = step.monitor
        client.socket.send(message)

    def _collect(self, client: ClientOf) -> list[Any]:
        client.socket.send({"id": "barrier", "method": "echo", "params": []})
        heard = []
        while (message := receive(client.socket)).get("id") != "barrier":
            if not (self._told_again(client, message) or self._told_nothing(message)):
                heard.append(self._hear(client, message))
        return heard

    def _told_again(self, client: ClientOf, message: Any) -> bool:
        """The C server says "locked" to the owner of a lock whenever somebody leaves the queue behind it."""
        if message.get("method") == "locked":
            [name] = message["params"]
            if name in client.locks:
                assert self.name == "c", f"{name}: locked twice"
                return True
            client.locks.add(name)
        elif message.get("method") == "stolen":
            client.locks.discard(message["params"][0])
        return False

    def _told_nothing(self, message: Any) -> bool:
        """Take updates out that say nothing; whether that was all.

        The C server sends them of rows that came out as they were before, with a new `_version`.
        """
        if message.get("method") not in UPDATES:
            return False
        tables = message["params"][-1]
        for table, rows in list(tables.items()):
            for uuid, update in list(rows.items()):
                said = (
                    update.get("modify")
                    if "modify" in update
                    else update.get("old")
                    if "new" in update
                    else None
                )
                if isinstance(said, dict) and said.keys() <= {"_version"}:
                    assert said or self.name == "c", message
                    del rows[uuid]
            if not rows:
                del tables[table]
        return not tables

    def _hear(self, client: ClientOf, message: Any) -> Any:
        """Bring the client's copies up to date."""
        method, params = message.get("method"), message.get("params")
        if method in UPDATES:
            followed = client.monitors.get(params[0]) or self._renamed(client, params[0])
            if method == "update3":
                followed.last_id, params[1] = params[1], "<id>"
            if followed.asked.exact:
                followed.replica.apply(params[-1])
            params[-1] = self._comparable(params[-1], method == "update")
        elif method is None:
            request = client.pending.pop(message["id"])
            asked = client.asked.pop(message["id"], None)
            if message.get("error") is None:
                self._succeeded(client, request, asked, message)
            return {name: json_value for name, json_value in message.items() if json_value is not None}
        return message

    def _renamed(self, client: ClientOf, key: str) -> Followed:
        """The monitor whose id is being changed: its updates bear the new one before the reply."""
        for request in client.pending.values():
            if request["method"] == "monitor_cond_change" and request["params"][1] == key:
                return client.monitors[request["params"][0]]
        raise AssertionError(f"an update of {key}, which is not monitored")

    def _succeeded(self, client: ClientOf, request: Any, asked: Asked | None, reply: Any) -> None:
        method, params, result = request["method"], request["params"], reply["result"]
        if method in ("lock", "steal"):
            client.locks |= set(params) if result["locked"] else set()
        elif method == "unlock":
            client.locks -= set(params)
        elif method == "monitor_cond_change":
            client.monitors[params[1]] = client.monitors.pop(params[0])
        elif method == "monitor_cancel":
            del client.monitors[params[0]]
        elif asked is not None:
            replica = NaiveReplica(self.schema, asked.columns, 1 if method == "monitor" else 2)
            followed = client.monitors[params[1]] = Followed(asked, replica)
            if method == "monitor_cond_since":
                assert result[0] is False
                followed.last_id, result[1] = result[1], "<id>"
            contents = result[2] if method == "monitor_cond_since" else result
            if asked.exact:
                replica.replace(contents)
            comparable = self._comparable(contents, method == "monitor")
            reply["result"] = [False, "<id>", comparable] if method == "monitor_cond_since" else comparable

    def _comparable(self, updates: Any, whole: bool) -> Any:
        """<table-updates> with values that can be compared; `whole`: of "monitor", where nothing is a difference."""
        return {
            table: {
                uuid: {
                    kind: wire and answers.row(self.schema, table, wire, diff=kind == "modify" and not whole)
                    for kind, wire in update.items()
                }
                for uuid, update in rows.items()
            }
            for table, rows in updates.items()
        }

    # --- coming back

    def _reconnect(self, client: ClientOf) -> list[Any]:
        """Connect, and ask for the same monitors: with the last id, what is new, else everything.

        What comes depends on the history that the server has; the copies must be right in any case.
        """
        client.socket.close()
        client.socket = self._connect()
        client.pending.clear()
        client.asked.clear()
        client.locks.clear()
        for key, followed in client.monitors.items():
            asked = followed.asked
            params: list[Any] = [self.schema.name, key, asked.requests]
            since = asked.method == "monitor_cond_since"
            if since:
                params.append(followed.last_id)
            client.socket.send({"id": 0, "method": asked.method, "params": params})
            reply = receive(client.socket)
            assert reply["error"] is None, (reply, params)
            result = reply["result"]
            if since:
                found, followed.last_id, result = result
                if found and asked.exact:
                    followed.replica.apply(result, resumed=True)
                    continue
            if asked.exact:
                followed.replica.replace(result)
        return []

    # --- what is right

    def ask(self, *operations: Any) -> list[Any]:
        """A transaction of somebody who is not under test."""
        self.judge.send({"id": 0, "method": "transact", "params": [self.schema.name, *operations]})
        result: list[Any] = receive(self.judge)["result"]
        return result

    def contents(self) -> Any:
        """Every row of the database."""
        return answers.normal(
            self.ask(*({"op": "select", "table": name, "where": []} for name in self.schema.tables))
        )

    def check_copies(self) -> None:
        """What a client has is what its conditions select, asked for one by one."""
        for client in self.clients:
            for key, followed in client.monitors.items():
                if followed.asked.exact:
                    for table in followed.asked.columns:
                        expected = self._selected(followed.asked, table)
                        found = followed.replica.tables[table]
                        assert found == expected, (self.name, key, table, followed.asked, found, expected)

    def _selected(self, asked: Asked, table: str) -> Any:
        parts = asked.requests[table][0].get("where", ())  # the same in all
        operations = [
            {"op": "select", "table": table, "where": [part], "columns": ["_uuid", *asked.columns[table]]}
            for part in parts or [True]
        ]
        found = {}
        for result in self.ask(*operations):
            for row in result["rows"]:
                uuid = row.pop("_uuid")[1]
                found[uuid] = answers.row(self.schema, table, row)
        return found

    def waiting(self) -> set[tuple[int, int]]:
        """Requests without a reply, by client and id."""
        return {(number, id_) for number, client in enumerate(self.clients) for id_ in client.pending}


def in_order(messages: list[Any]) -> list[Any]:
    """What one client heard, with updates between two replies in the order of their monitors."""
    ordered: list[Any] = []
    run: list[Any] = []
    for message in messages:
        if message.get("method") in UPDATES:
            run.append(message)
            continue
        ordered += sorted(run, key=lambda m: json.dumps(m["params"][0]))
        run = []
        ordered.append(message)
    return ordered + sorted(run, key=lambda m: json.dumps(m["params"][0]))
