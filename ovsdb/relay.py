"""A relay: a database that another server has, served from memory (ovsdb(7), "Relay Service Model").

Rule: no I/O. Reads and monitors are answered here; what changes something is tried here and then sent to the
source as the client wrote it, with who it is in a comment (ovsdb.authorship); its answer is the client's.
Whoever waits when the source goes away hears "canceled": nobody knows what became of the transaction.
"""

from __future__ import annotations

from typing import Any

from appctl import coverage
from ovsdb.engine.contents import Selection, record_of_difference
from ovsdb.engine.database import Database
from ovsdb.follower import NO_ID, Follower
from ovsdb.hosted import HostedDatabase, Transaction
from ovsdb.schema import Schema
from ovsdb.storage.base import new_id
from rpc.message import Reply
from rpc.reconnect import Timing

TIMING = Timing(probe_interval=120.0)
FORWARDED = coverage.counter("ovsdb_forward")


class Relay:
    """What fills a hosted database, and carries its clients' transactions to the source."""

    def __init__(self, hosted: HostedDatabase, sources: str, own_id: str, timing: Timing = TIMING) -> None:
        self.sources = sources
        self.timing = timing
        self.follower = Follower(hosted.name, own_id, self)
        self._hosted = hosted
        self._waiting: list[Transaction] = []  # for the source to be there
        self._sent: dict[Transaction, int] = {}

    # --- the source

    def schema_received(self, schema: Schema) -> Selection:
        """Take on another schema; its clients are told."""
        hosted = self._hosted
        if not hosted.available or schema != hosted.schema:
            self.follower.last_id = NO_ID
            hosted.available = True
            hosted.adopt(Database(schema))
        return {name: tuple(table.columns) for name, table in schema.tables.items()}

    def contents_received(self, contents: Any, id_: int, selection: Selection) -> None:
        """Make the tables those of the source, by what differs."""
        self.changed(record_of_difference(self._hosted.database, contents, selection), id_)

    def changed(self, record: dict[str, Any], id_: int) -> None:
        """Take a change over."""
        changes = self._hosted.database.changeset_from_record(record)
        self._hosted.take(changes, id_ if id_ != NO_ID else new_id())

    def following(self, now_following: bool) -> None:
        """The source is there, or no longer."""
        self._hosted.set_connected(now_following)
        if now_following:
            waiting, self._waiting = self._waiting, []
            for transaction in waiting:
                self._send(transaction)

    def disconnected(self, error: Exception) -> None:
        """Nobody will answer what was sent."""
        self.follower.disconnected()
        sent, self._sent = self._sent, {}
        for transaction in sent:
            transaction.session.abandon(transaction)

    def hand_over(self, other: Relay) -> None:
        """Another takes the place of this one: what waits goes there, what was sent is canceled."""
        other._waiting, self._waiting = self._waiting, []
        self.disconnected(ConnectionError("another source"))

    # --- transactions

    def forward(self, transaction: Transaction) -> None:
        """Send a transaction to the source, now or once it is there."""
        if self.follower.is_following:
            self._send(transaction)
        else:
            self._waiting.append(transaction)

    def _send(self, transaction: Transaction) -> None:
        operations, author = transaction.operations, transaction.session.author
        if author:
            operations = [*operations, {"op": "comment", "comment": author}]

        def answered(reply: Reply) -> None:
            del self._sent[transaction]
            if reply.error is not None:
                transaction.session.failed(transaction, reply.error)
                return
            result = reply.result
            if author and isinstance(result, list):
                del result[len(operations) - 1 : len(operations)]  # the comment's
            transaction.session.transacted(transaction, result)

        FORWARDED.count()
        params = [self._hosted.name, *operations]
        self._sent[transaction] = self.follower.forward("transact", params, answered)

    def cancel(self, transaction: Transaction) -> bool:
        """Let go of a transaction; whether it was here."""
        if transaction in self._waiting:
            self._waiting.remove(transaction)
            return True
        number = self._sent.pop(transaction, None)
        if number is None:
            return False
        self.follower.cancel(number)
        return True
