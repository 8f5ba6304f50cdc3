"""What every kind of client shows of its database, and which server it turns to next.

Rule: no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence

from ovsdb.client.core import Core, Unsuitable
from ovsdb.client.replica import Replica
from ovsdb.client.tables import AnyRow, Table, Tables
from ovsdb.schema import Schema
from rpc.address import ActiveAddress, TcpAddress, parse_active
from rpc.errors import ConnectError

FIRST_PAUSE, LAST_PAUSE = 0.01, 1.0  # seconds that a transaction in conflict waits for news


class View:
    """A database as its client knows it."""

    def __init__(self, core: Core) -> None:
        self._core = core

    @property
    def name(self) -> str:
        """Of the database."""
        return self._core.database

    @property
    def connected(self) -> bool:
        """Whether the replica follows the server; if not, it shows what was there last."""
        return self._core.synced

    @property
    def remote(self) -> str:
        """The server that it follows, or followed last."""
        return self._core.remote

    @property
    def last_error(self) -> str:
        """Why the last connection ended or could not be made; empty while there is one."""
        return self._core.last_error

    @property
    def replica(self) -> Replica:
        """The rows with native values, without indexes."""
        return self._core.replica

    @property
    def last_id(self) -> str:
        """The transaction up to which the replica knows the server's history."""
        return self._core.last_id

    @property
    def tables(self) -> Tables:
        """The selected tables that the server has, as attributes."""
        return self._core.tables()

    def table(self, name: str) -> Table[AnyRow]:
        """A table by its name. Absent: the server does not have it, or it is not selected."""
        return self._core.table(name)

    @property
    def schema(self) -> Schema | None:
        """The server's schema; None before the first connection."""
        return self._core.replica.schema

    def schema_has(self, table: str, column: str | None = None) -> bool:
        """Whether the server's schema has a table, or a column of it."""
        schema = self.schema
        if schema is None or table not in schema.tables:
            return False
        return column is None or column in schema.tables[table].columns


class Remotes:
    """The servers that hold the database, tried one after the other."""

    def __init__(self, remote: str | Sequence[str]) -> None:
        """AddressError; ValueError: no server is named."""
        texts = remote.split(",") if isinstance(remote, str) else remote
        self._addresses = [parse_active(text.strip()) for text in texts]
        self._next = 0
        if not self._addresses:
            raise ValueError("no server is named")
        self.count = len(self._addresses)
        self.any_tls = any(isinstance(a, TcpAddress) and a.tls for a in self._addresses)

    def next(self) -> ActiveAddress:
        """The one behind the one that was tried last."""
        address = self._addresses[self._next]
        self._next = (self._next + 1) % self.count
        return address


def is_next_at_once(error: Exception) -> bool:
    """Whether the next server is to be tried without a pause, since this one could not be used at all."""
    return isinstance(error, (ConnectError, Unsuitable))


def pause_after(attempt: int) -> float:
    """How long to wait for news after the conflict of an attempt, in seconds."""
    return min(FIRST_PAUSE * 2.0**attempt, LAST_PAUSE)
