"""The receiving half of a connection: bytes in, messages out.

Rule: what the other side said before its first mistake counts. A fault is told after the messages that came
before it, in the same chunk or not.
"""

from __future__ import annotations

from rpc.errors import ConnectionLost
from rpc.framing import Framer, FramingError
from rpc.message import Message, MessageError, parse


class Incoming:
    """The messages of one stream, until it holds something else."""

    def __init__(self, max_bytes: int) -> None:
        self._framer = Framer(max_bytes)
        self._fault = ""

    def check(self) -> None:
        """ConnectionLost, if no more messages can come; to be asked before one waits for bytes."""
        if self._fault:
            raise ConnectionLost(self._fault)

    def feed(self, data: bytes) -> list[Message]:
        """The messages that `data` completes, up to the first fault."""
        messages: list[Message] = []
        try:
            documents = self._framer.feed(data)
        except FramingError as error:
            documents = error.documents
            self._fault = f"protocol error: {error}"
        try:
            messages.extend(map(parse, documents))
        except MessageError as error:
            self._fault = f"protocol error: {error}"
        return messages
