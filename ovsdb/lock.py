"""Named locks of a server's clients (RFC 7047, 4.1.8 to 4.1.10).

Rule: a lock has a queue of sessions; the first one owns it. This module keeps the queues and answers who
has to be told what; telling them is the session's work. Locks belong to the server, not to a database.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)  # whatever stands for a session


@dataclass
class LockTable(Generic[S]):
    """Who owns and who waits."""

    _queues: dict[str, list[S]] = field(default_factory=dict)
    _thieves: set[tuple[S, str]] = field(default_factory=set)  # those who came by "steal"

    def holds(self, session: S, name: str) -> bool:
        """Whether the session owns the lock."""
        queue = self._queues.get(name)
        return queue is not None and queue[0] == session

    def waits(self, session: S, name: str) -> bool:
        """Whether the session will own the lock when those before it have left."""
        return session in self._queues.get(name, ())

    def lock(self, session: S, name: str) -> bool:
        """Stand in the queue; whether the session owns the lock now."""
        queue = self._queues.setdefault(name, [])
        queue.append(session)
        return len(queue) == 1

    def steal(self, session: S, name: str) -> S | None:
        """Take the lock; the former owner, or None if the lock was free.

        The former owner goes on waiting behind if it came by "lock"; if it was a thief itself, it is out of
        the queue.
        """
        queue = self._queues.setdefault(name, [])
        victim = queue[0] if queue else None
        if victim is not None and (victim, name) in self._thieves:
            del queue[0]
        queue.insert(0, session)
        self._thieves.add((session, name))
        return victim

    def unlock(self, session: S, name: str) -> S | None:
        """Leave the queue; the session that owns the lock from now on and did not before, or None."""
        self._thieves.discard((session, name))
        queue = self._queues.get(name)
        if queue is None or session not in queue:
            return None  # a thief that was robbed
        owned = queue[0] == session
        queue.remove(session)
        if not queue:
            del self._queues[name]
            return None
        return queue[0] if owned else None
