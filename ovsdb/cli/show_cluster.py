"""ovsdb-tool show-log of a clustered database file: its records as text.

Rule: values to text; what the C tool does not show (the election timer of an entry) is not shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ovsdb.cli.show_log import LogFormatter
from ovsdb.schema import ZERO_UUID, Schema
from ovsdb.storage.base import JsonObject
from ovsdb.storage.clustered import Header, Record, parse_header, parse_record


class ClusterFormatter:
    """Formats one record after another. `more`: 1 shows rows, 2 columns too."""

    def __init__(self, more: int) -> None:
        self._more = more
        self._number = 0
        self._changes = LogFormatter(Schema("", {}), more)

    def format(self, json: JsonObject) -> str:
        """The text of the next record; OvsdbSyntaxError."""
        parts = self._header(parse_header(json)) if self._number == 0 else self._record(parse_record(json))
        text = f"record {self._number}:\n" + "".join(parts) + "\n"
        self._number += 1
        return text

    def _header(self, header: Header) -> Iterator[str]:
        yield f" name: \"{header.name}'\n"
        yield f' local address: "{header.local_address}"\n'
        yield f" server_id: {header.server_id[:4]}\n"
        if header.cluster_id != ZERO_UUID:
            yield f" cluster_id: {header.cluster_id[:4]}\n"
        if header.remote_addresses:
            yield f" remote_addresses: {' '.join(sorted(header.remote_addresses))}\n"
        before = header.snapshot
        if before is None or not before.index:
            return
        yield f" prev_index: {before.index}\n"
        yield f" prev_term: {before.term}\n"
        yield from _servers("prev_servers", before.servers)
        if before.eid != ZERO_UUID:
            yield f" prev_eid: {before.eid[:4]}\n"
        yield from self._data("prev_", before.data)

    def _record(self, record: Record) -> Iterator[str]:
        if record.comment is not None:
            yield f' comment: "{record.comment}"\n'
        if record.term:
            yield f" term: {record.term}\n"
        entry = record.entry
        if entry is not None:
            yield f" index: {entry.index}\n"
            yield from _servers("servers", entry.servers)
            if entry.eid != ZERO_UUID:
                yield f" eid: {entry.eid[:4]}\n"
            yield from self._data("", entry.data)
        if record.vote is not None:
            yield f" vote: {record.vote[:4]}\n"
        if record.note is not None:
            yield f' note: "{record.note}"\n'
        if record.commit_index is not None:
            yield f" commit_index: {record.commit_index}\n"
        if record.leader is not None:
            yield f" leader: {record.leader[:4]}\n"

    def _data(self, prefix: str, data: list[Any] | None) -> Iterator[str]:
        if data is None:
            return
        schema_json, transaction = data
        if schema_json is not None:
            schema = Schema.parse(schema_json)
            self._changes.schema = schema
            yield f' {prefix}schema: "{schema.name}", version="{schema.version}", cksum="{schema.cksum}"\n'
        if transaction or (transaction is not None and not prefix):
            yield self._changes.changes(transaction)


def _servers(name: str, servers: Mapping[str, str] | None) -> Iterator[str]:
    if servers is not None:
        shown = (f'{server[:4]}("{servers[server]}")' for server in sorted(servers))
        yield f" {name}: {', '.join(shown)}\n"
