"""What the server writes about a remote into the row that configured it (the `status` and `is_connected`
columns of Manager in ovs-vswitchd.conf.db(5), of Connection in ovn-nb(5)).

Rule: pure; from what a remote is doing to the operations of a transaction. A table without such columns, or
with columns of other types, is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from ovsdb.schema import TableSchema

STATUS_SECONDS = 2.5  # between updates of the rows


@dataclass(frozen=True)
class RemoteStatus:
    """What one remote is doing."""

    is_connected: bool = False
    state: str = ""  # of an active one, as rpc.reconnect names it
    since_connect: float | None = 0.0  # seconds; None where it never was
    since_disconnect: float | None = 0.0
    last_error: str = ""
    locks_held: tuple[str, ...] = ()
    locks_waiting: tuple[str, ...] = ()
    locks_lost: tuple[str, ...] = ()
    connections: int = 0
    bound_port: int = 0  # 0: it does not listen on one

    @classmethod
    def useless(cls, why: str) -> RemoteStatus:
        """Of a row that configures nothing."""
        return cls(state="BACKOFF", since_connect=None, since_disconnect=None, last_error=why)

    def items(self) -> dict[str, str]:
        """The pairs of the status column."""
        found = {
            "state": self.state,
            "sec_since_connect": _seconds(self.since_connect),
            "sec_since_disconnect": _seconds(self.since_disconnect),
            "last_error": self.last_error,
            "locks_held": " ".join(self.locks_held),
            "locks_waiting": " ".join(self.locks_waiting),
            "locks_lost": " ".join(self.locks_lost),
            "n_connections": str(self.connections) if self.connections > 1 else "",
            "bound_port": str(self.bound_port) if self.bound_port else "",
        }
        return {key: value for key, value in found.items() if value}


def _seconds(value: float | None) -> str:
    return "" if value is None else str(int(value))


class StatusRow(NamedTuple):
    """A row that configures a remote."""

    table: str
    uuid: str
    target: str


def status_operations(
    rows: Iterable[StatusRow],
    tables: dict[str, TableSchema],
    status_of: Callable[[str], RemoteStatus],
) -> list[Any]:
    """The operations that bring the rows of one database up to date."""
    operations = []
    for row in rows:
        values = _values(tables[row.table], status_of(row.target))
        if values:
            where = [["_uuid", "==", ["uuid", row.uuid]]]
            operations.append({"op": "update", "table": row.table, "where": where, "row": values})
    return operations


def _values(table: TableSchema, status: RemoteStatus) -> dict[str, Any]:
    values: dict[str, Any] = {}
    connected, pairs = table.columns.get("is_connected"), table.columns.get("status")
    if connected is not None and connected.type.key.type == "boolean" and connected.type.value is None:
        values["is_connected"] = status.is_connected
    if (
        pairs is not None
        and pairs.type.key.type == "string"
        and pairs.type.value is not None
        and pairs.type.value.type == "string"
    ):
        values["status"] = ["map", [[key, value] for key, value in status.items().items()]]
    return values
