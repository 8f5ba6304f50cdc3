"""A commit that waits for the next request, which it goes with: of a batch, each line is one exchange.

Rule: what is read in the transaction of another commit (where rows still are that it will delete, and which
may fail) decides nothing but what the next commit changes, as that verifies it. Whoever asks so and then
commits nothing has to ask again.
"""

from __future__ import annotations

from collections.abc import Callable

from ovsdb.client.blocking import Client
from ovsdb.client.transaction import Transaction, check_results
from rpc.jsonvalue import Json
from vsctl.answers import ask

Conclude = Callable[[list[Json]], None]  # is given the results of a transaction


class Carrier:
    """The one commit that waits, and the requests that can take it with them."""

    def __init__(self, client: Client, meanwhile: Callable[[], None]) -> None:
        """`meanwhile` is called while the server is at a request."""
        self._client = client
        self._meanwhile = meanwhile
        self._operations: list[Json] = []  # of the commit
        self._conclude: Conclude | None = None
        self.carried = False  # what was read since this was reset may be what was in no commit

    @property
    def is_empty(self) -> bool:
        """Whether no commit waits."""
        return self._conclude is None

    def load(self, operations: list[Json], conclude: Conclude) -> None:
        """Let a commit wait, with what to do about its results; no other one may be waiting."""
        assert self.is_empty
        self._operations, self._conclude = operations, conclude

    def deliver(self) -> None:
        """Execute the commit that waits, if one does."""
        operations, conclude = self._take()
        if conclude:
            conclude(self._client.transact(operations, self._meanwhile))

    def ask(self, request: Transaction, *, verified: bool) -> list[dict[str, Json]]:
        """The results of a request (see Store), together with the commit that waits if they are verified."""
        if self.is_empty or not verified:
            self.deliver()
            return ask(self._client, request)
        operations, conclude = self._take()
        assert conclude
        count, end = len(operations), len(operations) + len(request.operations)
        raw = self._client.transact([*operations, *request.operations], self._meanwhile)
        asked = raw[count:end]
        if len(raw) == end and not _has_error(raw):
            self.carried = True
            conclude(raw[:count])
            return check_results(asked)
        if _has_error(asked):  # for which the commit was not made either
            raw = self._client.transact(operations)
        else:
            raw = raw[:count] + raw[end:]
        conclude(raw)
        return ask(self._client, request)

    def _take(self) -> tuple[list[Json], Conclude | None]:
        taken = self._operations, self._conclude
        self._operations, self._conclude = [], None
        return taken


def _has_error(results: list[Json]) -> bool:
    return any(isinstance(result, dict) and "error" in result for result in results)
