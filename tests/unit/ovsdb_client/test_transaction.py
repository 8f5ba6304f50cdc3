import pytest

from ovsdb.client.transaction import (
    Conflict,
    Transaction,
    TransactionError,
    by_uuid,
    check_results,
    format_row,
)
from ovsdb.schema import Schema

A = "00000000-0000-4000-8000-00000000000a"


def test_a_new_row_can_be_referred_to() -> None:
    txn = Transaction()
    port = txn.insert("Port", {"name": "p"})
    txn.mutate("Bridge", by_uuid(A), [["ports", "insert", port]])
    insert, mutate = txn.operations
    assert insert == {"op": "insert", "table": "Port", "row": {"name": "p"}, "uuid-name": "row1"}
    assert mutate == {
        "op": "mutate",
        "table": "Bridge",
        "where": [["_uuid", "==", ["uuid", A]]],
        "mutations": [["ports", "insert", ["named-uuid", "row1"]]],
    }


def test_native_values_are_written_and_unknown_columns_left_out() -> None:
    column = {"type": {"key": "integer", "min": 0, "max": 1}}
    schema = Schema.parse({"name": "d", "tables": {"T": {"columns": {"tag": column}}}})
    assert format_row(schema.tables["T"], {"tag": frozenset({5}), "nope": 1}) == {"tag": 5}


def test_results_are_handed_back() -> None:
    assert check_results([{"count": 1}, {}]) == [{"count": 1}, {}]


def test_wait_that_was_not_satisfied_is_a_conflict() -> None:
    with pytest.raises(Conflict):
        check_results([{"error": "timed out", "details": "x"}, None])


@pytest.mark.parametrize("results", [{"a": 1}, [None], [{}, {"error": "aborted"}]])
def test_any_other_failure_is_an_error(results: object) -> None:
    with pytest.raises(TransactionError) as raised:
        check_results(results)  # type: ignore[arg-type]
    assert not isinstance(raised.value, Conflict)
