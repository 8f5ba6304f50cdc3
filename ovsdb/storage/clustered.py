"""What the records of a clustered database file say (ovsdb(5), "Clustered Format").  No I/O.

Rule: for reading only: we have no clusters, but their files can be looked at, checked and made standalone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ovsdb.members import Members
from ovsdb.schema import ZERO_UUID
from ovsdb.storage.base import JsonObject
from ovsdb.uuids import is_uuid

UINT64 = (1 << 64) - 1  # larger ones stand in the file as negative numbers


@dataclass(frozen=True)
class Entry:
    """A position of the log, or the snapshot before it."""

    term: int
    index: int
    servers: Mapping[str, str] | None = None  # server id → address, where they change
    election_timer: int = 0  # milliseconds; 0 where it does not change
    data: list[Any] | None = None  # [schema or null, transaction or null]
    eid: str = ZERO_UUID


@dataclass(frozen=True)
class Header:
    """The first record."""

    server_id: str
    local_address: str
    name: str  # of the schema
    cluster_id: str  # the zero UUID where it is not known yet
    remote_addresses: tuple[str, ...] = ()  # of a server that has not joined yet
    snapshot: Entry | None = None  # of one that has


@dataclass(frozen=True)
class Record:
    """Any other record; what it does not have is None or 0."""

    comment: str | None = None
    term: int = 0
    entry: Entry | None = None
    vote: str | None = None
    leader: str | None = None
    commit_index: int | None = None
    note: str | None = None


def parse_header(json: JsonObject) -> Header:
    """Read the first record; OvsdbSyntaxError."""
    members = Members(json, "raft header")
    server_id = _uuid(members, "server_id")
    name = members.identifier("name")
    address = members.required("local_address", str)
    cluster_id = _uuid(members, "cluster_id") if "cluster_id" in json else ZERO_UUID
    if "remote_addresses" in json:
        remotes = members.required("remote_addresses", list, str)
        remotes = [remotes] if isinstance(remotes, str) else remotes
        if not remotes or not all(isinstance(remote, str) for remote in remotes):
            raise members.error("remote_addresses must be strings")
        return Header(server_id, address, name, cluster_id, tuple(remotes))
    return Header(server_id, address, name, cluster_id, snapshot=_entry(members, "prev_"))


def parse_record(json: JsonObject) -> Record:
    """Read another record; OvsdbSyntaxError."""
    members = Members(json, "raft log record")
    comment = members.optional("comment", str)
    if "note" in json:
        return Record(comment, note=members.required("note", str))
    if "commit_index" in json:
        return Record(comment, commit_index=_number(members, "commit_index"))
    term = _number(members, "term")
    if "vote" in json:
        return Record(comment, term, vote=_uuid(members, "vote"))
    if "leader" in json:
        return Record(comment, term, leader=_uuid(members, "leader"))
    if "index" in json:
        return Record(comment, term, _entry(members, ""))
    return Record(comment, term)


def _entry(members: Members, prefix: str) -> Entry:
    json = members.object
    servers = _servers(members, f"{prefix}servers") if f"{prefix}servers" in json or prefix else None
    timer = _number(members, f"{prefix}election_timer") if f"{prefix}election_timer" in json else 0
    data, eid = None, ZERO_UUID
    if f"{prefix}data" in json or prefix:
        data = members.required(f"{prefix}data", list)
        eid = _uuid(members, f"{prefix}eid")
        if len(data) != 2 or not all(part is None or isinstance(part, dict) for part in data):
            raise members.error(f"{prefix}data must be a schema and a transaction, each an object or null")
    return Entry(
        _number(members, f"{prefix}term"), _number(members, f"{prefix}index"), servers, timer, data, eid
    )


def _servers(members: Members, name: str) -> dict[str, str]:
    servers: dict[str, Any] = members.required(name, dict)
    if not all(is_uuid(key) and isinstance(address, str) for key, address in servers.items()):
        raise members.error(f"{name} must map server ids to addresses")
    return servers


def _uuid(members: Members, name: str) -> str:
    value: str = members.required(name, str)
    if not is_uuid(value):
        raise members.error(f"{name} is not a valid UUID")
    return value


def _number(members: Members, name: str) -> int:
    value: int = members.required(name, int)
    return value & UINT64


def transactions(header: Header, records: Iterable[Record]) -> Iterator[list[Any]]:
    """What the log holds of the database, [schema or null, transaction or null], in order.

    An entry that was overwritten by that of another leader is left out: a later one with its index, or one
    before it, takes its place.
    """
    kept: list[Entry] = []
    for record in records:
        if record.entry is not None:
            while kept and kept[-1].index >= record.entry.index:
                kept.pop()
            kept.append(record.entry)
    for entry in ([header.snapshot] if header.snapshot else []) + kept:
        if entry.data is not None:
            yield entry.data


@dataclass
class Standalone:
    """The database that a clustered log amounts to: a schema, and transactions upon it."""

    schema: JsonObject | None = None
    transactions: list[JsonObject] = field(default_factory=list)

    def add(self, data: list[Any]) -> None:
        """Take one piece of `transactions`; a schema resets the database to empty (ovsdb(5))."""
        schema, transaction = data
        if schema is not None:
            self.schema = schema
            self.transactions = []
        if transaction is not None:
            self.transactions.append(transaction)
