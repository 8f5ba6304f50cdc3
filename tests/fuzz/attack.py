"""What is thrown at a server: requests of every method, with something wrong, over real connections; and files.

Rule: whatever comes, the server answers or closes that one connection, goes on serving the others, logs no traceback, and
does not grow.
"""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ovsdb.errors import OvsdbError
from ovsdb.hub import Hub, HubError
from ovsdb.schema import Schema
from ovsdb.storage.base import StorageError
from ovsdb.storage.file import FileStorage
from schemas.files import read_json
from tests.fuzz.mutate import mutate_bytes, mutate_json
from tests.kit.peers import Daemon
from tests.kit.stateful_script import FreshMaker, Script
from tests.kit.transcripts import CLOSED, SocketClient

ROWS = 60  # of a table, at most: what is inserted in vain is deleted again
SERVER = Schema.parse(read_json("_server.ovsschema"))
MORE: tuple[tuple[str, Any], ...] = (
    ("get_server_id", []),
    ("list_dbs", []),
    ("set_db_change_aware", [True]),
    ("monitor", ["_Server", "s", {"Database": [{}]}]),
    ("transact", ["_Server", {"op": "delete", "table": "Database", "where": []}]),
    ("convert", ["_Server", {"name": "_Server", "version": "9.9.9", "tables": {}}]),
)


class Attacker:
    """One client that sends nonsense, and one that looks whether the server still serves."""

    def __init__(self, server: Daemon, schema: Schema, seed: str) -> None:
        self.server = server
        self.schema = schema
        self.dice = random.Random(seed)
        self.script = Script(FreshMaker(self.dice), schema, 1)
        self.closed = self.answered = 0
        self._witness = SocketClient(server.home.socket)
        self._client = SocketClient(server.home.socket)

    def close(self) -> None:
        """Hang up."""
        self._witness.close()
        self._client.close()

    def _request(self) -> dict[str, Any]:
        if self.dice.randrange(12) == 0:
            method, params = self.dice.choice(MORE)
            return {"id": self.dice.randrange(50), "method": method, "params": params}
        while True:
            step = self.script.next()
            if step.kind == "send":
                return dict(step.message)

    def _bytes(self) -> bytes:
        message: Any = self._request()
        for _ in range(self.dice.choice((0, 1, 1, 1, 2, 4))):
            if self.dice.randrange(4):
                message = {**message, "params": mutate_json(message["params"], self.dice)}
            else:
                message = mutate_json(message, self.dice)
                break
        return json.dumps(message, ensure_ascii=bool(self.dice.randrange(2))).encode()

    def attack(self, count: int) -> None:
        """Send so many messages, and look after each batch."""
        for number in range(count):
            data = self._bytes()
            broken = self.dice.randrange(25) == 0
            try:
                self._client._sock.sendall(mutate_bytes(data, self.dice) if broken else data)
                if broken:  # it may be half a document: the server would wait for the rest
                    self._client._sock.shutdown(socket.SHUT_WR)
                    while self._client.receive() != CLOSED:
                        self.answered += 1
            except OSError:
                broken = True
            if broken:
                self._begin_anew()
            if number % 8 == 7:
                self._listen()
            if number % 200 == 199:
                self.check()

    def _listen(self) -> None:
        """Hear everything up to an echo, or the end."""
        self._client.send({"id": "barrier", "method": "echo", "params": []})
        while True:
            message = self._client.receive()
            if message == CLOSED:
                self._begin_anew()
                return
            if isinstance(message, dict) and message.get("id") == "barrier":
                return
            self.answered += 1

    def _begin_anew(self) -> None:
        self.closed += 1
        self._client.close()
        self._client = SocketClient(self.server.home.socket)
        self.script = Script(FreshMaker(self.dice), self.schema, 1)

    def check(self) -> None:
        """The server serves others and has logged no surprise."""
        where = [{"op": "select", "table": name, "where": []} for name in self.schema.tables]
        results = self._ask(*where)
        full = [name for name, r in zip(self.schema.tables, results, strict=True) if len(r["rows"]) > ROWS]
        self._ask(*({"op": "delete", "table": name, "where": []} for name in full))
        output = self.server.output()
        assert "Traceback" not in output, output[-3000:]
        assert "internal error" not in output, output[-3000:]

    def _ask(self, *operations: Any) -> list[Any]:
        self._witness.send({"id": 1, "method": "transact", "params": [self.schema.name, *operations]})
        reply = self._witness.receive()
        assert reply != CLOSED, self.server.output()[-3000:]
        assert reply["error"] is None, reply
        result: list[Any] = reply["result"]
        return result


def damaged_files(data: bytes, place: Path, dice: random.Random, count: int) -> Iterator[str]:
    """Load damaged copies of a database file; what became of each: "read", or why it was refused."""
    for number in range(count):
        path = place / f"damaged{number % 4}.db"
        changed = mutate_bytes(data, dice)
        path.write_bytes(_resealed(changed) if dice.randrange(2) else changed)
        yield load(path)


def load(path: Path) -> str:
    """Serve a file and write to it, in this process."""
    hub = Hub(SERVER)
    try:
        storage = FileStorage(path, 0.0)
    except (StorageError, OvsdbError) as e:
        return str(e)
    try:
        hosted = hub.add_database(storage)
    except (StorageError, OvsdbError, HubError) as e:
        storage.close()
        return str(e)
    try:
        session = hub.open_session("fuzz")
        for name in hosted.tables:
            operations: list[Any] = [
                {"op": "insert", "table": name, "row": {}},
                {"op": "select", "table": name, "where": []},
            ]
            request: Any = {"id": 1, "method": "transact", "params": [hosted.name, *operations]}
            session.handle(request)
        assert not session.doomed, session.doomed
        assert session.take_output() or not hosted.tables
    finally:
        hub.close()
    return "read"


def _resealed(data: bytes) -> bytes:
    """The same with right lengths and checksums, so that what is damaged inside the records is reached."""
    from hashlib import sha1

    out = []
    for line in data.split(b"\n"):
        if line and not line.startswith(b"OVSDB "):
            body = line + b"\n"
            out.append(b"OVSDB JSON %d %b\n%b" % (len(body), sha1(body).hexdigest().encode(), body))
    return b"".join(out)
