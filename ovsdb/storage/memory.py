"""A log in memory: for tests that want a store which answers later or refuses."""

from collections.abc import Iterable, Iterator

import orjson

from ovsdb.storage import record
from ovsdb.storage.base import Accepted, Conflict, JsonObject, StorageError, StoredRecord, Ticket


class MemoryStorage:
    """Implements `Storage`; with `delayed`, proposals wait for `settle`, as in a distributed store."""

    damage: StorageError | None = None

    def __init__(self, schema: JsonObject, name: str = "memory", *, delayed: bool = False) -> None:
        self.name = name
        self.schema = schema
        self.head = record.next_id(0, record.format_record(orjson.dumps(schema))[1])
        self.bodies: list[bytes] = []
        self._delayed = delayed
        self._open: list[tuple[Ticket, bytes, int]] = []

    def load(self) -> Iterator[StoredRecord]:
        """Nothing: it starts empty."""
        return iter(())

    def reject_last(self, why: StorageError) -> None:
        """Never called, since nothing is loaded."""

    def propose(self, body: bytes, prerequisite: int, *, durable: bool) -> Ticket:
        """Append, now or with `settle`."""
        ticket = Ticket()
        self._open.append((ticket, body, prerequisite))
        if not self._delayed:
            self.settle()
        return ticket

    def settle(self) -> None:
        """Answer every open proposal."""
        proposals, self._open = self._open, []
        for ticket, body, prerequisite in proposals:
            if prerequisite != self.head:
                ticket.resolve(Conflict(self.head))
                continue
            self.bodies.append(body)
            self.head = record.next_id(self.head, record.format_record(body)[1])
            ticket.resolve(Accepted(self.head))

    def compact(self, bodies: Iterable[bytes]) -> None:
        """Forget the past."""
        self.bodies = list(bodies)

    def replace(self, schema: JsonObject, bodies: Iterable[bytes]) -> None:
        """Begin again with another schema; proposals that are open conflict."""
        self.bodies = list(bodies)
        self.schema = schema
        self.head = 0
        for body in (orjson.dumps(schema), *self.bodies):
            self.head = record.next_id(self.head, record.format_record(body)[1])

    def should_compact(self, now: float) -> bool:
        """Never by itself."""
        return False

    def close(self) -> None:
        """Nothing to let go of."""
