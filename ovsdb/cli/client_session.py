"""What every command of ovsdb-client works with: a server, a database on it, and how to print.

Rule: blocking; nothing here knows a command or an option.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum

from ovsdb.table import Style, format_json
from rpc.blocking import Connection
from rpc.errors import ConnectError, ConnectionLost, RemoteError
from rpc.jsonvalue import DecodeError, decode
from rpc.message import Message
from rpc.structs import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

    Schema = dict[str, Any]  # as get_schema answers it


class CommandError(Exception):
    """What the user asked for cannot be done; the text says why."""


class Session:
    """A server, the database chosen on it, and how to print."""

    def __init__(
        self,
        connection: Connection,
        server: str,  # as the user named it
        style: Style,
        timestamp: bool,
        force: bool,
        db_change_aware: bool,  # whether to ask the server to tell of databases that go
        input: BinaryIO,  # what restore reads
        database: str = "",
        history: dict[str, Any] | None = None,  # which commits history shows: "last", "since"
    ) -> None:
        self.connection = connection
        self.server = server
        self.style = style
        self.timestamp = timestamp
        self.force = force
        self.db_change_aware = db_change_aware
        self.input = input
        self.database = database
        self.history = history or {}

    def call(self, method: str, params: list[Any]) -> Any:
        """The result of a request. RpcError."""
        return self.connection.call(method, params)

    def transact(self, operations: Sequence[Any], database: str | None = None) -> list[Any]:
        """The results of operations, none of which failed; CommandError with the first error, RpcError."""
        results = self.call("transact", [database or self.database, *operations])
        for result in results:
            if isinstance(result, dict) and "error" in result:
                raise CommandError(f"transaction returned error: {format_json(result)}")
        return list(results)

    @functools.cached_property
    def schema(self) -> Schema:
        """The database's schema, asked for once."""
        return dict(self.call("get_schema", [self.database]))

    def columns(self, table: str) -> dict[str, Any]:
        """Return {column: type} of a table, with the columns that every table has."""
        named = {name: column["type"] for name, column in self.schema["tables"][table]["columns"].items()}
        return {**named, "_uuid": "uuid", "_version": "uuid"}

    def ask_to_be_told(self) -> None:
        """Let the server send a notification where it would otherwise hang up, if the user wants that."""
        if self.db_change_aware:
            self.call("set_db_change_aware", [True])


class Following(Struct):
    """A command that does not end by itself: it prints an answer, and then whatever the server says."""

    answer: Iterator[str]
    react: Callable[[Message], Iterator[str]]  # CommandError ends it
    controls: Mapping[str, Callable[[str], None]] = {}  # for ovs-appctl: one argument


class Need(Enum):
    """What a command works on."""

    SERVERS = "one of the servers that are named"
    SERVER = "exactly one server"
    DATABASE = "a database on one of the servers"
    NOTHING = "no connection: it makes its own"


def parse_json(text: str) -> Any:
    """JSON from the command line; CommandError."""
    try:
        return decode(text.encode(errors="surrogateescape"))
    except DecodeError as error:
        where = f"line {error.lineno - 1}, column {error.colno - 1}, byte {error.pos}"
        raise CommandError(f'"{text}": {where}: {error.msg}') from None


def explain(error: Exception) -> str:
    """Say in one line what went wrong."""
    if isinstance(error, ConnectError):
        return f'failed to connect to "{error.address}" ({error.reason})'
    if isinstance(error, RemoteError):
        return f"transaction returned error: {format_json(error.error)}"
    if isinstance(error, ConnectionLost):
        return f"transaction failed ({error.reason})"
    return str(error)
