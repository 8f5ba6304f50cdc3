"""What the server answers, looked at before it is believed.

Rule: behind these functions rows are rows, and values are values as RFC 7047, 5.1 has them; whatever else a
server sends is a BadAnswer, which the user is told in one line.
"""

from __future__ import annotations

from collections.abc import Sequence

from ovsdb.client.blocking import Client
from ovsdb.client.transaction import Transaction, check_results
from rpc.jsonvalue import Json
from vsctl.errors import BadAnswer

WireRow = dict[str, Json]


def ask(client: Client, request: Transaction) -> list[dict[str, Json]]:
    """The results of all operations; what the client raises, TransactionError, BadAnswer."""
    results = check_results(client.transact(request.operations))
    if len(results) < len(request.operations):
        raise BadAnswer(f"{len(results)} results of {len(request.operations)} operations")
    return results


def rows_of(result: dict[str, Json], columns: Sequence[str]) -> list[WireRow]:
    """The rows of a select, with these columns at least."""
    rows = result.get("rows")
    if not isinstance(rows, list):
        raise BadAnswer("a select without rows")
    checked: list[WireRow] = []
    for row in rows:
        if not isinstance(row, dict):
            raise BadAnswer("a row that is no object")
        for column in columns:
            if column not in row:
                raise BadAnswer(f"a row without column {column}")
            value = row[column]
            if not isinstance(value, str) and not _is_value(value):
                raise BadAnswer(f"no value: {column} is {value!r}"[:200])
        checked.append(row)
    return checked


def uuid_of(value: Json) -> str:
    """The UUID that ["uuid", UUID] holds."""
    if isinstance(value, list) and len(value) == 2 and value[0] == "uuid" and isinstance(value[1], str):
        return value[1]
    raise BadAnswer(f"no UUID: {value!r}"[:200])


def _is_value(value: Json) -> bool:
    if not isinstance(value, list):
        return _is_atom(value)
    if len(value) != 2 or not isinstance(value[0], str):
        return False
    kind, content = value
    if kind in ("uuid", "named-uuid"):
        return isinstance(content, str)
    if not isinstance(content, list):
        return False
    if kind == "set":
        return all(map(_is_atom, content))
    return kind == "map" and all(
        isinstance(p, list) and len(p) == 2 and all(map(_is_atom, p)) for p in content
    )


def _is_atom(value: Json) -> bool:
    if isinstance(value, list):
        return len(value) == 2 and value[0] in ("uuid", "named-uuid") and isinstance(value[1], str)
    return value is not None and not isinstance(value, dict)
