"""What the C server answered, our server answers: every transcript here, in process and over a socket."""

import json
from collections import deque
from typing import Any

import orjson
import pytest

from ovsdb.hub import Hub
from ovsdb.schema import Schema
from ovsdb.session import ProtocolError, Session
from ovsdb.storage.memory import MemoryStorage
from rpc.framing import Framer
from schemas.files import read_json
from tests.kit import peers, transcripts
from tests.kit.transcripts import CLOSED, VECTORS

NAMES = sorted(path.stem for path in VECTORS.glob("*.json"))


class Direct:
    """A client of a hub in this process."""

    def __init__(self, hub: Hub, name: str) -> None:
        self.session: Session = hub.open_session(name)
        self._framer = Framer()
        self._received: deque[Any] = deque()
        self._closed = False

    def send(self, message: Any) -> None:
        if self._closed:
            return
        try:
            self.session.receive(orjson.dumps(message))
        except ProtocolError:
            self._closed = True
            self.session.close()

    def receive(self) -> Any:
        self._received.extend(self._framer.feed(self.session.take_output()))
        if self._received:
            return self._received.popleft()
        assert self._closed, "nothing is there to receive"
        return CLOSED

    def close(self) -> None:
        self.session.close()


def direct_server() -> Hub:
    hub = Hub(Schema.parse(read_json("_server.ovsschema")))
    hub.add_database(MemoryStorage(orjson.loads((VECTORS / "shop.ovsschema").read_bytes())))
    return hub


def compare(name: str, played: list[transcripts.Step]) -> None:
    for expected, actual in zip(transcripts.load(VECTORS / f"{name}.json"), played, strict=True):
        assert actual.then == expected.then, json.dumps(expected.send)


@pytest.mark.parametrize("name", NAMES)
def test_a_session_answers_as_the_c_server_did(name: str) -> None:
    hub = direct_server()
    numbers = iter(range(100))
    steps = transcripts.load(VECTORS / f"{name}.json")
    compare(name, transcripts.play(steps, lambda: Direct(hub, f"test#{next(numbers)}")))


@pytest.mark.peer
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("server", list(peers.OVSDB_SERVERS))
def test_a_server_answers_as_the_c_server_did(name: str, server: str) -> None:
    with peers.home() as place:
        database = peers.create_database(place, "shop.db", VECTORS / "shop.ovsschema")
        with peers.OVSDB_SERVERS[server](place, databases=[database]) as running:
            steps = transcripts.load(VECTORS / f"{name}.json")
            compare(name, transcripts.play(steps, lambda: transcripts.SocketClient(running.home.socket)))
            assert "Traceback" not in running.output()
