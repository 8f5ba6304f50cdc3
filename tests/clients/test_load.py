"""Many sessions with monitors, some of which never read, and many commits: every copy right, memory bounded.

LOAD=full is the size of a big installation; its figures are printed.
"""

from __future__ import annotations

import json
import os
import resource
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rpc.framing import Framer
from tests.kit import peers
from tests.kit.transcripts import SocketClient

pytestmark = pytest.mark.peer
FULL = os.environ.get("LOAD") == "full"
SESSIONS, SILENT, COMMITS = (1000, 200, 10_000) if FULL else (100, 20, 500)
BATCH = 25  # commits that the writer has under way
ROWS = 40
TEXT = "x" * (150 if FULL else 1000)  # enough of them fill the socket of those who do not read
GROWTH_KB = 60_000 if FULL else 40_000
SECONDS = 3000 if FULL else 300  # until everything must have arrived
SCHEMA = {
    "name": "L",
    "version": "1.0.0",
    "tables": {"T": {"columns": {"n": {"type": "integer"}, "s": {"type": "string"}}, "isRoot": True}},
}


class Follower:
    """One session with a monitor, and its copy."""

    def __init__(self, path: Path, method: str) -> None:
        self.method = method
        self.rows: dict[str, dict[str, Any]] = {}
        self.messages = 0
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(str(path))
        self._framer = Framer()
        request = {"id": 1, "method": method, "params": ["L", "m", {"T": [{"columns": ["n", "s"]}]}]}
        self.sock.sendall(json.dumps(request).encode())
        while not self.messages:
            self.read()
        self.sock.setblocking(False)

    def read(self) -> None:
        """Take what there is; it must not be the end."""
        data = self.sock.recv(1 << 18)
        assert data, "a session that reads was disconnected"
        messages: list[Any] = list(self._framer.feed(data))
        for message in messages:
            self.messages += 1
            contents = message["params"][1] if message.get("method") else message["result"]
            self._apply(contents.get("T", {}))

    def _apply(self, updates: Any) -> None:
        for uuid, update in updates.items():
            if self.method == "monitor":
                self.rows[uuid] = update["new"]
            elif "modify" in update:
                self.rows[uuid].update(update["modify"])
            else:
                self.rows[uuid] = {"n": 0, "s": "", **next(iter(update.values()))}


class Crowd:
    """Every session; those that read are read from whenever there is something."""

    def __init__(self) -> None:
        self.reading: list[Follower] = []
        self.silent: list[Follower] = []
        self._selector = selectors.DefaultSelector()

    def fill(self, path: Path) -> None:
        """Connect all of them."""
        for number in range(SESSIONS):
            follower = Follower(path, ("monitor", "monitor_cond")[number % 2])
            if number % (SESSIONS // SILENT) == 0:
                self.silent.append(follower)
            else:
                self.reading.append(follower)
                self._selector.register(follower.sock, selectors.EVENT_READ, follower)

    def pump(self, seconds: float) -> None:
        """Read what has come, or wait for something to come."""
        for key, _ in self._selector.select(seconds):
            key.data.read()

    def close(self) -> None:
        """Hang up."""
        self._selector.close()
        for follower in (*self.reading, *self.silent):
            follower.sock.close()


@contextmanager
def many_files() -> Iterator[None]:
    """Permit a descriptor for each session, here and in the server."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, max(soft, 2 * SESSIONS + 200))
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def update(number: int) -> dict[str, Any]:
    row = {"n": number, "s": f"{number}:{TEXT}"}
    return {"op": "update", "table": "T", "where": [["n", "==", number - ROWS]], "row": row}


def commit_all(path: Path, crowd: Crowd) -> None:
    """Make the commits, some at a time, while the crowd reads."""
    writer = Writer(path)
    number = 0
    while number < COMMITS or writer.open:
        while number < COMMITS and writer.open < BATCH:
            writer.send(ROWS + number)
            number += 1
        writer.read()
        crowd.pump(0)
    writer.sock.close()


class Writer:
    """A client that makes commits one behind the other."""

    def __init__(self, path: Path) -> None:
        self.open = 0  # without an answer
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SECONDS)
        self.sock.connect(str(path))
        self._framer = Framer()

    def send(self, number: int) -> None:
        message = {"id": number, "method": "transact", "params": ["L", update(number)]}
        self.sock.sendall(json.dumps(message).encode())
        self.open += 1

    def read(self) -> None:
        for reply in self._framer.feed(self.sock.recv(1 << 16)):
            assert isinstance(reply, dict)
            result: Any = reply["result"]
            assert result == [{"count": 1}], reply
            self.open -= 1


def contents(path: Path) -> dict[str, Any]:
    client = SocketClient(path)
    select = {"op": "select", "table": "T", "where": [], "columns": ["_uuid", "n", "s"]}
    client.send({"id": 1, "method": "transact", "params": ["L", select]})
    rows = client.receive()["result"][0]["rows"]
    client.close()
    return {row.pop("_uuid")[1]: row for row in rows}


def fill_table(path: Path) -> None:
    client = SocketClient(path)
    inserts = [{"op": "insert", "table": "T", "row": {"n": n}} for n in range(ROWS)]
    client.send({"id": 1, "method": "transact", "params": ["L", *inserts]})
    assert client.receive()["error"] is None
    client.close()


def test_every_copy_is_right_though_some_never_read() -> None:
    with many_files(), peers.home() as place:
        source = place.path / "l.ovsschema"
        source.write_text(json.dumps(SCHEMA))
        files = [peers.create_database(place, "l.db", source)]
        with peers.our_ovsdb_server(place, databases=files) as server:
            crowd = Crowd()
            try:
                fill_table(place.socket)
                crowd.fill(place.socket)
                before, begun = server.resident_kb(), time.monotonic()
                commit_all(place.socket, crowd)
                committed = time.monotonic() - begun
                expected = contents(place.socket)
                deadline = time.monotonic() + SECONDS
                while any(follower.rows != expected for follower in crowd.reading):
                    assert time.monotonic() < deadline, "some copies are not right"
                    crowd.pump(1.0)
                arrived = time.monotonic() - begun
                grown = server.resident_kb() - before
                assert grown < GROWTH_KB
                for follower in crowd.silent[:10]:  # those that come round get it all as well
                    follower.sock.setblocking(True)
                    while follower.rows != expected:
                        follower.read()
                assert "Traceback" not in server.output()
                messages = sum(follower.messages for follower in crowd.reading)
                print(
                    f"{SESSIONS} sessions, {SILENT} silent: {COMMITS} commits in {committed:.1f} s, all copies right "
                    f"after {arrived:.1f} s, {messages} messages, memory grew by {grown} kB"
                )
            finally:
                crowd.close()
