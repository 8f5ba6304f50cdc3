"""No store: what a relay serves is kept by its source."""

from collections.abc import Iterable, Iterator

from ovsdb.storage.base import Accepted, JsonObject, StorageError, StoredRecord, Ticket, new_id


class UnbackedStorage:
    """Implements `Storage`; everything is accepted and nothing kept."""

    damage: StorageError | None = None

    def __init__(self, name: str, schema: JsonObject) -> None:
        self.name = name
        self.schema = schema
        self.head = new_id()

    def load(self) -> Iterator[StoredRecord]:
        """Nothing is there."""
        return iter(())

    def reject_last(self, why: StorageError) -> None:
        """Never called, since nothing is loaded."""

    def propose(self, body: bytes, prerequisite: int, *, durable: bool) -> Ticket:
        """Move on."""
        self.head = new_id()
        return Ticket(Accepted(self.head))

    def compact(self, bodies: Iterable[bytes]) -> None:
        """There is nothing to compact."""

    def replace(self, schema: JsonObject, bodies: Iterable[bytes]) -> None:
        """Describe something else."""
        self.schema = schema
        self.head = new_id()

    def should_compact(self, now: float) -> bool:
        """Never."""
        return False

    def close(self) -> None:
        """Nothing to let go of."""
