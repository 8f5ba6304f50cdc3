"""Transcripts of JSON-RPC sessions: what clients send, and what each of them then receives.

Rule: a transcript is recorded from the C server (`python -m tests.vectors.record`) and must come out the same from ours.
Made equal before comparing: UUIDs (numbered in the order they are seen), `_version`, transaction ids, the order of sets,
of maps and of updates between two replies, and members of replies that are null.
"""

import json
import re
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
UUIDS = re.compile(UUID.pattern[1:-1])
UPDATES = ("update", "update2", "update3")
BARRIER = "barrier"
VECTORS = Path(__file__).parent.parent / "vectors"
CLOSED = {"closed": True}  # stands for the end of the connection


class Step(NamedTuple):
    """One message, and what every client has received when all is quiet again."""

    client: str
    send: Any
    then: dict[str, list[Any]]


class Client(Protocol):
    """One connection to a server under test."""

    def send(self, message: Any) -> None:
        """Send one JSON document."""

    def receive(self) -> Any:
        """The next message, or CLOSED."""

    def close(self) -> None:
        """Hang up."""


class SocketClient:
    """A client on a Unix domain socket."""

    def __init__(self, path: Path) -> None:
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.connect(str(path))
        self._sock.settimeout(60)
        self._text = ""

    def send(self, message: Any) -> None:
        try:
            self._sock.sendall(json.dumps(message).encode())
        except OSError:
            self._text += json.dumps(CLOSED)

    def receive(self) -> Any:
        while True:
            try:
                message, end = json.JSONDecoder().raw_decode(self._text)
            except ValueError:
                pass
            else:
                self._text = self._text[end:]
                return message
            if not self._read_on():
                return CLOSED

    def _read_on(self) -> bool:
        """Read as far as a message may end; whether there was something."""
        pieces = [self._text]
        while len(pieces) == 1 or "}" not in pieces[-1]:
            try:
                data = self._sock.recv(1 << 16)
            except ConnectionError:
                return False
            if not data:
                return False
            pieces.append(data.decode())
        self._text = "".join(pieces)
        return True

    def close(self) -> None:
        self._sock.close()


class Names:
    """Numbers for UUIDs."""

    def __init__(self) -> None:
        self._to_name: dict[str, str] = {}

    def hide(self, value: Any) -> Any:
        """Replace UUIDs by names, and order what has no order."""
        if isinstance(value, str):
            return self._to_name.setdefault(value, f"<{len(self._to_name)}>") if UUID.match(value) else value
        if isinstance(value, dict):
            # Rows are named in the order of their contents: they come in any order.
            members = sorted(value.items(), key=lambda member: UUIDS.sub("", json.dumps(member)))
            return {self.hide(k): self._hide_member(k, v) for k, v in members}
        if not isinstance(value, list):
            return value
        hidden = [self.hide(v) for v in value]
        if len(hidden) == 2 and hidden[0] in ("set", "map") and isinstance(hidden[1], list):
            hidden[1].sort(key=json.dumps)
        return hidden

    def _hide_member(self, name: str, value: Any) -> Any:
        if name in ("_version", "cksum"):
            return f"<{name}>"
        if name == "schema" and isinstance(value, str):  # of _Server: JSON in a string
            return self.hide(json.loads(value))
        return self.hide(value)

    def show(self, value: Any) -> Any:
        """Put the UUIDs of this run in the place of names."""
        back = {name: uuid for uuid, name in self._to_name.items()}
        if isinstance(value, str):
            return back.get(value, value)
        if isinstance(value, dict):
            return {self.show(k): self.show(v) for k, v in value.items()}
        return [self.show(v) for v in value] if isinstance(value, list) else value


def load(path: Path) -> list[Step]:
    """Read a transcript."""
    return [Step(s["client"], s["send"], s.get("then", {})) for s in json.loads(path.read_text())["steps"]]


def play(steps: list[Step], connect: Callable[[], Client]) -> list[Step]:
    """Send every message of the steps; the steps with what came instead of what was expected."""
    names = Names()
    clients: dict[str, Client] = {}
    closed: set[str] = set()
    played = []
    try:
        for step in steps:
            if step.client not in clients:
                clients[step.client] = connect()
            clients[step.client].send(names.show(step.send))
            received = _until_quiet({n: c for n, c in clients.items() if n not in closed})
            closed |= {name for name, messages in received.items() if CLOSED in messages}
            played.append(step._replace(then=_normalise(received, names)))
    finally:
        for client in clients.values():
            client.close()
    return played


def _until_quiet(clients: Mapping[str, Client]) -> dict[str, list[Any]]:
    """What every client receives. The C server sends updates one turn of its main loop later: two rounds."""
    received: dict[str, list[Any]] = {name: [] for name in clients}
    for turn in range(2):
        if turn:
            time.sleep(0)
        for name, client in clients.items():
            if CLOSED in received[name]:
                continue
            client.send({"method": "echo", "params": [], "id": BARRIER})
            while (message := client.receive()) != CLOSED and message.get("id") != BARRIER:
                received[name].append(message)
            if message == CLOSED:
                received[name].append(message)
    return {name: messages for name, messages in received.items() if messages}


def _normalise(received: dict[str, list[Any]], names: Names) -> dict[str, list[Any]]:
    for messages in received.values():
        for message in messages:
            _hide_transaction_ids(message)
    for messages in received.values():  # replies first: the order of UUIDs in an array is certain
        for message in messages:
            if isinstance(message.get("result"), list):
                names.hide(message["result"])
    return {name: _in_order([names.hide(m) for m in messages]) for name, messages in received.items()}


def _hide_transaction_ids(message: Any) -> None:
    if message.get("method") == "update3":
        message["params"][1] = "<txn>"
    result = message.get("result")
    if isinstance(result, list) and len(result) == 3 and isinstance(result[0], bool):
        result[1] = "<txn>"


def _in_order(messages: list[Any]) -> list[Any]:
    """Sort runs of updates by monitor; drop null members of replies."""
    ordered: list[Any] = []
    run: list[Any] = []
    for message in messages:
        if message.get("method") in UPDATES:
            run.append(message)
            continue
        ordered += sorted(run, key=lambda m: json.dumps(m["params"][0]))
        run = []
        if "method" not in message:
            message = {k: v for k, v in message.items() if v is not None}
        ordered.append(message)
    return ordered + sorted(run, key=lambda m: json.dumps(m["params"][0]))
