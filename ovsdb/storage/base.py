"""What the server asks of a store of committed transactions.

A store is a log: first the schema, then one record for each transaction, in the order of commits. Each
position in the log has an id, derived from the records up to it, so that two stores with equal ids hold
equal records. An id is a number of 128 bits; clients see it as a UUID.

Rule: a proposal names the id it was computed on. A store that has moved on since refuses it, and the caller
computes anew. A file never moves by itself and answers at once; a distributed store answers later. Callers
treat both alike.
"""

from collections.abc import Callable, Iterable, Iterator
from os import urandom
from typing import NamedTuple, Protocol

JsonObject = dict[str, object]


def new_id() -> int:
    """The id of a position that no store knows: of a commit that wrote nothing."""
    return int.from_bytes(urandom(16), "big")


class StorageError(Exception):
    """The store cannot do what was asked; the text is complete, with the file's name."""


class Accepted:
    """The record is in the log."""

    __slots__ = ("id",)

    def __init__(self, id_: int) -> None:
        self.id = id_  # the position after the record


class Conflict(NamedTuple):
    """Something else was committed since the prerequisite: compute again and propose again."""

    head: int


class Failed(NamedTuple):
    """The record could not be written; the log is as it was."""

    error: StorageError


Verdict = Accepted | Conflict | Failed


class Ticket:
    """The answer to a proposal: there already, or still to come."""

    __slots__ = ("_waiting", "verdict")

    def __init__(self, verdict: Verdict | None = None) -> None:
        self.verdict = verdict
        self._waiting: tuple[Callable[[Verdict], None], ...] = ()

    def when_done(self, callback: Callable[[Verdict], None]) -> None:
        """Call back with the verdict, now or once there is one."""
        if self.verdict is None:
            self._waiting += (callback,)
        else:
            callback(self.verdict)

    def resolve(self, verdict: Verdict) -> None:
        """Give the answer; for stores only, and once."""
        self.verdict = verdict
        waiting, self._waiting = self._waiting, ()
        for callback in waiting:
            callback(verdict)


class StoredRecord:
    """One transaction from the log."""

    __slots__ = ("id", "size", "value")

    def __init__(self, id_: int, value: JsonObject, size: int = 0) -> None:
        self.id = id_  # the position after it
        self.value = value  # as read; the receiver may take it apart
        self.size = size  # bytes in the log


class Storage(Protocol):
    """A log of transactions, open for writing. Bodies are JSON objects on one line."""

    @property
    def name(self) -> str:
        """What messages call it: the file's path."""
        ...

    @property
    def schema(self) -> JsonObject:
        """The first record: the schema."""
        ...

    @property
    def head(self) -> int:
        """The id of the last position that is known."""
        ...

    def load(self) -> Iterator[StoredRecord]:
        """Read the transactions, once, before the first proposal. Ends at damage, see `damage`."""
        ...

    @property
    def damage(self) -> StorageError | None:
        """Why `load` stopped before the end of the log. What follows is lost with the next proposal."""
        ...

    def reject_last(self, why: StorageError) -> None:
        """Say while loading that the record just read cannot be applied: the log ends before it."""
        ...

    def propose(self, body: bytes, prerequisite: int, *, durable: bool) -> Ticket:
        """Append a transaction computed at `prerequisite`; `durable`.

        Accepted only once it survives a crash.
        """
        ...

    def compact(self, bodies: Iterable[bytes]) -> None:
        """Replace all transactions by these, in one step that a crash cannot halve. The head stays."""
        ...

    def replace(self, schema: JsonObject, bodies: Iterable[bytes]) -> None:
        """Replace the schema and all transactions, in one step that a crash cannot halve.

        The head is that of the new log; what is being compacted in the background must not take its place.
        On a StorageError schema and log are as they were.
        """
        ...

    def should_compact(self, now: float) -> bool:
        """Whether the log has grown so much that compacting pays; `now` is monotonic seconds."""
        ...

    def close(self) -> None:
        """Let go of the log, so that another process may open it."""
        ...
