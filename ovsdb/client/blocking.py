"""A client of one database for programs that do one thing at a time: command-line tools.

Rule: every method waits for its answer, until `deadline` (time.monotonic(); None: for ever). Nothing here
needs trio.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property

from rpc.address import ActiveAddress, PassiveAddress
from rpc.blocking import Connection
from rpc.errors import ConnectError, ConnectionLost, RemoteError
from rpc.jsonvalue import Json
from rpc.message import Message, Notification
from rpc.tls_settings import NO_SETTINGS, TlsSettings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from ovsdb.schema import Schema

RETRY_INTERVAL = 0.1  # seconds between attempts to connect, at first; doubled up to a second


class Client:
    """A connection, and the database that is meant. A context manager that closes it.

    Every method may raise ConnectionLost, Timeout, and RemoteError where the server refuses the request.
    """

    def __init__(self, connection: Connection, database: str, deadline: float | None = None) -> None:
        self._connection = connection
        self._deadline = deadline
        self.database = database

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    @cached_property
    def schema(self) -> Schema:
        """The database's schema, asked for once; SchemaError if the server sends none, also where one of its
        tables is looked up.
        """
        from ovsdb.schema_on_demand import read_as_needed

        return read_as_needed(self._connection.call("get_schema", [self.database], self._deadline))

    def transact(self, operations: Sequence[Json], meanwhile: Callable[[], None] | None = None) -> list[Json]:
        """Execute a transaction; the results, for check_results(). `meanwhile` is called before they come."""
        params = [self.database, *operations]
        result = self._connection.call("transact", params, self._deadline, meanwhile)
        if not isinstance(result, list):
            raise RemoteError("transact", result)
        return result

    def monitor(self, name: str, requests: dict[str, Json]) -> Json:
        """Start a monitor (RFC 7047, 4.1.5); the contents. What changes then, wait_update() tells."""
        return self._connection.call("monitor", [self.database, name, requests], self._deadline)

    def call(self, method: str, *params: Json) -> Json:
        """The result of any other request about the database."""
        return self._connection.call(method, [self.database, *params], self._deadline)

    def receive(self, deadline: float) -> Message:
        """The next notification, or the answer to ask_for_life(). Timeout."""
        return self._connection.receive(deadline)

    def ask_for_life(self) -> None:
        """Send an "echo", whose answer shows that the server is still there."""
        self._connection.send_request("echo", [], self._deadline)

    def wait_update(self, name: str) -> Json:
        """The next update of the monitor (RFC 7047, 4.1.6)."""
        while True:
            message = self._connection.receive(self._deadline)
            if (
                isinstance(message, Notification)
                and message.method == "update"
                and message.params[:1] == [name]
            ):
                return message.params[1]

    def cancel_monitor(self, name: str) -> None:
        """End the monitor."""
        self._connection.call("monitor_cancel", [name], self._deadline)


def connect(
    addresses: Sequence[ActiveAddress | PassiveAddress],
    database: str,
    *,
    retry: bool = False,
    deadline: float | None = None,
    tls: TlsSettings = NO_SETTINGS,
) -> Client:
    """Connect to the first server that accepts; with `retry`, again and again. ConnectError of the last
    one. A passive address waits for a server that connects.
    """
    interval = RETRY_INTERVAL
    while True:
        failure: ConnectError | None = None
        for address in addresses:
            try:
                return Client(Connection.open(address, deadline, tls), database, deadline)
            except ConnectError as error:
                failure = error
        if not retry:
            raise failure or ConnectionLost("no server is named")
        time.sleep(interval)
        interval = min(2 * interval, 1.0)
