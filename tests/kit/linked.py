"""Two hubs in one process, the first of which follows the second: a connection without sockets."""

from typing import Any

import orjson

from ovsdb.follower import FAILURES
from ovsdb.hub import Hub
from ovsdb.relay import Relay
from ovsdb.replication import Backup
from ovsdb.schema import Schema
from ovsdb.session import Session
from rpc import message
from rpc.framing import Framer
from schemas.files import read_json


def new_hub() -> Hub:
    """A hub with nothing but _Server."""
    return Hub(Schema.parse(read_json("_server.ovsschema")))


class Client:
    """A session that knows of changes of databases, with messages in place of bytes."""

    def __init__(self, hub: Hub, *, aware: bool = True, read_only: bool = False) -> None:
        self.session: Session = hub.open_session("test", read_only=read_only)
        self._number = 0
        if aware:
            self.call("set_db_change_aware", True)

    def send(self, method: str, *params: Any) -> int:
        """Send a request; its id."""
        self._number += 1
        self.session.receive(orjson.dumps({"method": method, "params": params, "id": self._number}))
        return self._number

    def received(self) -> list[Any]:
        """What has come since the last time."""
        return Framer().feed(self.session.take_output())

    def ask(self, method: str, *params: Any) -> Any:
        """The reply to a request that is answered at once."""
        self.send(method, *params)
        [reply] = [m for m in self.received() if "method" not in m]
        return reply

    def call(self, method: str, *params: Any) -> Any:
        """The result of a request that is answered at once."""
        reply = self.ask(method, *params)
        assert reply["error"] is None, reply
        return reply["result"]


class Wire:
    """What the shell does, without a socket. Broken by `cut` or by what the follower cannot accept."""

    def __init__(self, link: Relay | Backup, source: Hub) -> None:
        self.link = link
        self.error: Exception | None = None
        self.session = source.open_session("follower")
        link.follower.connected()
        self.pump()

    def pump(self) -> None:
        """Carry everything over, both ways, until nothing is left to say."""
        while self.error is None:
            follower = self.link.follower
            data, follower.outgoing = b"".join(follower.outgoing), []
            if data:
                self.session.receive(data)
            documents = Framer().feed(self.session.take_output())
            if not data and not documents:
                return
            try:
                for document in documents:
                    follower.receive(message.parse(document))
            except FAILURES as e:
                self.cut(e)

    def cut(self, error: Exception) -> None:
        """The connection breaks."""
        self.error = error
        self.session.close()
        self.link.disconnected(error)
