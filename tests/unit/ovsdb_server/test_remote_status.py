"""What is written into the rows that configure remotes."""

from typing import Any

from ovsdb.remote_status import RemoteStatus, StatusRow, status_operations
from ovsdb.schema import Schema

PAIRS = {"key": "string", "value": "string", "min": 0, "max": "unlimited"}
SCHEMA = Schema.parse(
    {
        "name": "db",
        "tables": {
            "Manager": {"columns": {"is_connected": {"type": "boolean"}, "status": {"type": PAIRS}}},
            "Odd": {"columns": {"is_connected": {"type": "string"}, "status": {"type": "string"}}},
            "Bare": {"columns": {"target": {"type": "string"}}},
        },
    }
)


def operations(table: str, status: RemoteStatus) -> list[Any]:
    return status_operations([StatusRow(table, "u", "t")], dict(SCHEMA.tables), lambda target: status)


def test_a_listener_has_its_port_and_the_number_of_its_clients() -> None:
    [operation] = operations("Manager", RemoteStatus(is_connected=True, connections=3, bound_port=6640))
    assert operation == {
        "op": "update",
        "table": "Manager",
        "where": [["_uuid", "==", ["uuid", "u"]]],
        "row": {
            "is_connected": True,
            "status": [
                "map",
                [
                    ["sec_since_connect", "0"],
                    ["sec_since_disconnect", "0"],
                    ["n_connections", "3"],
                    ["bound_port", "6640"],
                ],
            ],
        },
    }


def test_what_never_was_has_no_time_and_one_client_is_not_counted() -> None:
    status = RemoteStatus(state="ACTIVE", since_connect=2.9, since_disconnect=None, connections=1)
    assert status.items() == {"state": "ACTIVE", "sec_since_connect": "2"}


def test_locks_are_named_by_what_became_of_them() -> None:
    status = RemoteStatus(since_connect=None, since_disconnect=None, locks_held=("a", "b"), locks_lost=("c",))
    assert status.items() == {"locks_held": "a b", "locks_lost": "c"}


def test_a_table_without_such_columns_is_left_alone() -> None:
    assert operations("Odd", RemoteStatus()) == []
    assert operations("Bare", RemoteStatus()) == []
