"""Building the operations of one "transact" request, and reading their results.

Rule: pure, and everything here is what RFC 7047 has on the wire; format_row() brings native values there.
Operations are added in the order in which the server is to execute them.

    txn = Transaction()
    port = txn.insert("Port", {"name": "eth1"})
    txn.mutate("Bridge", by_uuid(bridge), [["ports", "insert", port]])
    results = check_results(await db.transact(txn.operations))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rpc.jsonvalue import Json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ovsdb.datum import Value
    from ovsdb.schema import TableSchema

Where = list[Json]  # [[column, function, value], ...]; all must hold
WireRow = Mapping[str, Json]


class TransactionError(Exception):
    """The server did not execute the transaction; `tag` and `details` as in RFC 7047, 3.1 and 5.2."""

    def __init__(self, tag: str, details: str, index: int) -> None:
        super().__init__(tag, details, index)
        self.tag = tag
        self.details = details
        self.index = index  # of the operation; their number, if the commit failed after them

    def __str__(self) -> str:
        return f"{self.tag}: {self.details}" if self.details else self.tag


class TimedOut(TransactionError):
    """A "wait" did not come true in time."""


class Conflict(TimedOut):
    """A "wait" found something else than what was read before: read again, decide again."""


def by_uuid(uuid: str) -> Where:
    """The condition that selects one row."""
    return [["_uuid", "==", ["uuid", uuid]]]


def format_row(table: TableSchema, values: Mapping[str, Value]) -> dict[str, Json]:
    """Native values as on the wire; columns that the server's schema does not have are left out."""
    from ovsdb.datum import format_datum

    return {
        column: format_datum(table.columns[column].type, value)
        for column, value in values.items()
        if column in table.columns
    }


class Transaction:
    """Operations in order; `operations` is what follows the database's name in the parameters of
    "transact".
    """

    def __init__(self) -> None:
        self.operations: list[Json] = []
        self._inserted = 0

    def insert(
        self, table: str, row: WireRow, name: str | None = None, uuid: str | None = None
    ) -> list[Json]:
        """A new row; returns the reference to it, to be used as an atom elsewhere in this transaction.

        `uuid` is the one that it is to have, an extension of RFC 7047 (ovsdb-server(7), "Insert").
        """
        self._inserted += 1
        name = name or f"row{self._inserted}"
        operation: dict[str, Json] = {"op": "insert", "table": table, "row": dict(row), "uuid-name": name}
        if uuid is not None:
            operation["uuid"] = uuid
        self.operations.append(operation)
        return ["named-uuid", name]

    def update(self, table: str, where: Where, row: WireRow) -> None:
        """Set columns of the selected rows."""
        self.operations.append({"op": "update", "table": table, "where": where, "row": dict(row)})

    def mutate(self, table: str, where: Where, mutations: Sequence[Json]) -> None:
        """Change columns of the selected rows; a mutation is [column, mutator, value]."""
        self.operations.append({"op": "mutate", "table": table, "where": where, "mutations": list(mutations)})

    def delete(self, table: str, where: Where) -> None:
        """Delete the selected rows."""
        self.operations.append({"op": "delete", "table": table, "where": where})

    def select(self, table: str, where: Where, columns: Sequence[str]) -> int:
        """Read the selected rows; the index of the operation, to find its result with."""
        self.operations.append({"op": "select", "table": table, "where": where, "columns": list(columns)})
        return len(self.operations) - 1

    def verify(self, table: str, where: Where, columns: Sequence[str], rows: Sequence[WireRow]) -> None:
        """Fail with Conflict unless the selected rows are `rows` now, as far as `columns` go."""
        self.operations.append(
            {
                "op": "wait",
                "table": table,
                "where": where,
                "columns": list(columns),
                "until": "==",
                "rows": [dict(row) for row in rows],
                "timeout": 0,
            }
        )

    def require_lock(self, name: str) -> None:
        """Fail unless this client holds the lock."""
        self.operations.append({"op": "assert", "lock": name})

    def comment(self, text: str) -> None:
        """Text for the database's log."""
        self.operations.append({"op": "comment", "comment": text})

    def abort(self) -> None:
        """Execute everything before, and commit nothing of it."""
        self.operations.append({"op": "abort"})


def check_results(results: Json) -> list[dict[str, Json]]:
    """The results of the operations. TransactionError, of the kind that refusals.ERRORS names: Conflict where
    a wait was not satisfied.

    Operations behind the one that failed have no result; an error of the commit itself stands behind all
    results.
    """
    if not isinstance(results, list):
        raise TransactionError("protocol error", "the result of transact is not an array", 0)
    checked: list[dict[str, Json]] = []
    for index, result in enumerate(results):
        if not isinstance(result, dict):
            raise TransactionError("protocol error", "the result of an operation is not an object", index)
        if "error" in result:
            from ovsdb.client.refusals import ERRORS  # most transactions are executed

            tag, details = str(result["error"]), str(result.get("details", ""))
            raise ERRORS.get(tag, TransactionError)(tag, details, index)
        checked.append(result)
    return checked
