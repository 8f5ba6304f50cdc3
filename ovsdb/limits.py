"""What one client, and all of them, may take from a server.

Rule: whatever a client can make grow has a bound here. A client that goes beyond gets an error where it has
asked for something, and is disconnected, with a line in the log, where it has not.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from rpc.framing import MAX_DEPTH

PAUSE_BYTES = (
    1 << 20
)  # of answers that wait to be taken; requests behind them are not looked at until they are


@dataclass(frozen=True)
class Limits:
    """The bounds; each is an option of ovsdb-server."""

    sessions: int = 10_000  # clients at once
    message: int = 256 << 20  # bytes of one message; the largest database in one transaction is smaller
    depth: int = MAX_DEPTH  # of brackets in a message
    backlog: int = 64 << 20  # bytes that wait for one client behind what is being sent, beside its updates
    monitors: int = 10_000  # of one session
    locks: int = 10_000  # of one session
    waiting: int = 10_000  # transactions of one session without a reply
    history_rows: int = 10_000  # row changes kept, of each database, for clients that come back
    history_bytes: int = 64 << 20  # of the records that brought them

    def lines(self) -> list[str]:
        """The bounds as `memory/show` tells them."""
        return [f"max-{f.name.replace('_', '-')}:{getattr(self, f.name)}" for f in fields(self)]
