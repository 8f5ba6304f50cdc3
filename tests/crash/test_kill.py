"""kill -9 under load, again and again: what was acknowledged as durable is there after the restart.

CRASH=full kills 200 times instead of 10.
"""

import itertools
import os
import random
import signal
import subprocess
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.kit import peers
from tests.kit.peers import C_BIN, Daemon, Home, wait_until
from tests.kit.transcripts import CLOSED, VECTORS, SocketClient

pytestmark = [pytest.mark.crash, pytest.mark.peer]
ROUNDS = 20 if os.environ.get("CRASH") == "full" else 1
KILLS = 10
WRITERS = 3
SLOW = 300.0  # seconds for a hundred syncs on a busy disk
SHOP = VECTORS / "shop.ovsschema"
ALL = {"op": "select", "table": "Note", "where": [], "columns": ["text"]}


class Writer(threading.Thread):
    """Inserts rows durably until the server is gone."""

    def __init__(self, place: Home, numbers: "itertools.count[int]") -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[str] = []
        self.tried: list[str] = []
        self._numbers = numbers
        self._client = SocketClient(place.socket)

    def run(self) -> None:
        """Until the connection breaks."""
        with closing(self._client):
            while True:
                text = f"note {next(self._numbers)}"
                self.tried.append(text)
                row = {"op": "insert", "table": "Note", "row": {"text": text}}
                durable = {"op": "commit", "durable": True}
                self._client.send({"method": "transact", "params": ["shop", row, durable], "id": text})
                answer = self._client.receive()
                if answer == CLOSED:
                    return
                assert answer["error"] is None
                assert "error" not in answer["result"][-1], answer
                self.acknowledged.append(text)


def read(place: Home) -> set[str]:
    with closing(SocketClient(place.socket)) as client:
        client.send({"method": "transact", "params": ["shop", ALL], "id": 1})
        answer: Any = client.receive()
        return {row["text"] for row in answer["result"][0]["rows"]}


def disturb(server: Daemon) -> subprocess.Popen[bytes]:
    """Have the server compact its file, so that the kill may come in the middle."""
    argv: list[str | Path] = [C_BIN / "ovs-appctl", "-t", server.control, "ovsdb-server/compact"]
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=server.home.env)


def kill_once(place: Home, path: Path, dice: random.Random, numbers: "itertools.count[int]") -> list[Writer]:
    with peers.our_ovsdb_server(place, databases=[path]) as server:
        writers = [Writer(place, numbers) for _ in range(WRITERS)]
        for writer in writers:
            writer.start()
        goal = dice.randrange(1, 60)
        wait_until(lambda: sum(len(w.acknowledged) for w in writers) >= goal, "some are durable", SLOW)
        compaction = disturb(server) if dice.random() < 0.7 else None
        if compaction is not None:
            more = goal + dice.randrange(40)
            wait_until(lambda: sum(len(w.acknowledged) for w in writers) >= more, "more are durable", SLOW)
        os.kill(server.pid, signal.SIGKILL)
        server.process.wait()
        for writer in writers:
            writer.join(60)
            assert not writer.is_alive()
        if compaction is not None:
            compaction.wait(60)
    return writers


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_what_was_acknowledged_survives_every_kill(capsys: pytest.CaptureFixture[str], round_: int) -> None:
    seed = random.randrange(1 << 30)
    dice, numbers = random.Random(seed), itertools.count()
    acknowledged: set[str] = set()
    tried: set[str] = set()
    with peers.home() as place:
        path = peers.create_database(place, "shop.db", SHOP)
        for number in range(KILLS):
            writers = kill_once(place, path, dice, numbers)
            acknowledged.update(*(writer.acknowledged for writer in writers))
            tried.update(*(writer.tried for writer in writers))
            with peers.our_ovsdb_server(place, databases=[path]):
                found = read(place)
            assert acknowledged <= found, f"lost after kill {number} (seed {seed})"
            assert found <= tried
        with peers.c_ovsdb_server(place, databases=[path]):
            assert read(place) == found
    with capsys.disabled():
        print(f"\n{KILLS} kills, {len(acknowledged)} durable commits, none lost (seed {seed})")
