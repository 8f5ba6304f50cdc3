"""The schema of a server, of which a tool looks at a table or two.

Rule: a table is read when it is asked for. The server has read the whole, and served it; what is wrong in a
table that nobody asks for is nobody's business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ovsdb.schema import Schema, TableSchema, as_root, parse_table, read_head


class TablesOnDemand(Mapping[str, TableSchema]):
    """The tables of a schema by name. Looking one up may raise SchemaError."""

    def __init__(self, tables: dict[str, object]) -> None:
        """`tables` as in a schema."""
        self._json = tables
        self._read: dict[str, TableSchema] = {}
        self._any_root = any(
            isinstance(table, dict) and table.get("isRoot") is True for table in tables.values()
        )

    def __getitem__(self, name: str) -> TableSchema:
        if name not in self._read:
            table, is_root = parse_table(name, self._json[name])
            self._read[name] = table if is_root or self._any_root else as_root(table)
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in self._json

    def __iter__(self) -> Iterator[str]:
        return iter(self._json)

    def __len__(self) -> int:
        return len(self._json)


def read_as_needed(json: object) -> Schema:
    """What Schema.parse() reads, a table at a time. SchemaError."""
    name, version, cksum, tables = read_head(json)
    return Schema(name, TablesOnDemand(tables), version, cksum)
