"""A commit that goes with the next request, on a server that answers what it is told to."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from ovsdb.client.blocking import Client
from ovsdb.client.transaction import Transaction, TransactionError
from vsctl.carrying import Carrier

COMMIT: list[Any] = [{"op": "wait"}, {"op": "update"}]
DONE: list[Any] = [{}, {"count": 1}]
ROWS: dict[str, Any] = {"rows": [{"name": "br0"}]}
REFUSED = {"error": "timed out", "details": ""}


class Server:
    """Answers each request with what is next in a list, and remembers what was asked."""

    def __init__(self, *answers: list[Any]) -> None:
        self.answers = list(answers)
        self.asked: list[list[Any]] = []

    def transact(self, operations: list[Any], meanwhile: Callable[[], None] | None = None) -> list[Any]:
        self.asked.append([operation["op"] for operation in operations])
        if meanwhile:
            meanwhile()
        return self.answers.pop(0)


class Sender:
    """A carrier with a commit that waits."""

    def __init__(self, *answers: list[Any]) -> None:
        self.server = Server(*answers)
        self.idle: list[None] = []
        self.carrier = Carrier(cast(Client, self.server), lambda: self.idle.append(None))
        self.concluded: list[list[Any]] = []
        self.carrier.load(COMMIT, self.concluded.append)

    def ask(self, *, verified: bool = True) -> list[Any]:
        request = Transaction()
        request.select("Bridge", [], ["name"])
        return self.carrier.ask(request, verified=verified)


def test_a_commit_goes_with_what_is_read_next() -> None:
    sender = Sender([*DONE, ROWS])
    assert sender.ask() == [ROWS]
    assert (sender.concluded, sender.server.asked) == ([DONE], [["wait", "update", "select"]])
    assert sender.carrier.carried
    assert len(sender.idle) == 1


def test_what_is_not_verified_is_read_when_the_commit_was_made() -> None:
    sender = Sender(DONE, [ROWS])
    assert sender.ask(verified=False) == [ROWS]
    assert (sender.concluded, sender.server.asked) == ([DONE], [["wait", "update"], ["select"]])
    assert not sender.carrier.carried


@pytest.mark.parametrize(
    ("answer", "of_the_commit"),
    [
        ([REFUSED, None, None], [REFUSED, None]),  # as the C server answers
        ([REFUSED], [REFUSED]),
        ([{}, REFUSED], [{}, REFUSED]),
        ([*DONE, ROWS, REFUSED], [*DONE, REFUSED]),  # the transaction as a whole
    ],
)
def test_after_a_commit_that_failed_the_rows_are_read_again(
    answer: list[Any], of_the_commit: list[Any]
) -> None:
    sender = Sender(answer, [ROWS])
    assert sender.ask() == [ROWS]
    assert (sender.concluded, sender.server.asked[1]) == ([of_the_commit], ["select"])
    assert not sender.carrier.carried


def test_a_commit_does_not_suffer_from_what_cannot_be_read() -> None:
    sender = Sender([*DONE, REFUSED], DONE, [REFUSED])
    with pytest.raises(TransactionError):
        sender.ask()
    assert (sender.concluded, sender.server.asked[1:]) == ([DONE], [["wait", "update"], ["select"]])


def test_a_commit_can_go_alone_and_goes_once() -> None:
    sender = Sender(DONE)
    sender.carrier.deliver()
    sender.carrier.deliver()
    assert sender.concluded == [DONE]
    assert sender.carrier.is_empty
