"""Sessions that do what a test wants to see its program cope with: late, missing and bad answers.

Rule: faults are looked up when a request comes, in the order in which they were asked for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ovsdb.session import Session
from rpc.jsonvalue import Json


@dataclass
class Fault:
    """What becomes of some requests: no answer, or this error."""

    method: str
    times: int
    error: Any = None  # None: the request is swallowed


@dataclass
class Faults:
    """Those of one server."""

    delay: float = 0.0  # seconds, for every request
    planned: list[Fault] = field(default_factory=list)
    later: Callable[[FaultySession, float], None] = lambda session, delay: None  # calls `session.resume`

    def take(self, method: object) -> Fault | None:
        """The fault for a request of this method, which is then done."""
        for fault in self.planned:
            if fault.method == method and fault.times > 0:
                fault.times -= 1
                return fault
        return None


class FaultySession(Session):
    """A client's session with faults."""

    def __init__(self, faults: Faults, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._faults = faults
        self._held: deque[Json] = deque()

    def handle(self, document: Json) -> None:
        """Handle one message, or do what was planned for it."""
        if not self._faults.delay:
            self._handle_now(document)
            return
        self._held.append(document)
        self._faults.later(self, self._faults.delay)

    def resume(self) -> None:
        """Handle the message that has waited longest."""
        if self._held:
            self._handle_now(self._held.popleft())

    def _handle_now(self, document: Json) -> None:
        if isinstance(document, dict) and document.get("id") is not None:
            fault = self._faults.take(document.get("method"))
            if fault is not None:
                if fault.error is not None:
                    self.reply_error(fault.error, document["id"])
                return
        super().handle(document)
