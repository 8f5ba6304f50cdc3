"""How a command can end other than well. What is printed after "ovs-vsctl: " is the exception's text."""

from __future__ import annotations


class _Complaint(Exception):
    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint  # a line behind the first: what to do
        self.call: object = None  # the command that was executed


class UsageError(_Complaint):
    """The command line is wrong."""


class CommandError(_Complaint):
    """A command cannot be executed, given what the database holds."""


class BadAnswer(Exception):
    """The server sent what no server may send."""


class DeadlinePassed(Exception):
    """The time of --deadline is over; `lines` say what was waited for."""

    def __init__(self, seconds: int, lines: list[str]) -> None:
        super().__init__(seconds)
        self.seconds = seconds
        self.lines = lines


class CommandExit(Exception):
    """A command ends the program early with an exit status, without a message: br-exists."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status
        self.call: object = None  # the command that was executed


class TryAgain(Exception):
    """The database does not hold yet what a command waits for, or changed while it was read."""

    def __init__(self, tables: frozenset[str] = frozenset(), what: str = "") -> None:
        super().__init__(tables, what)
        self.tables = tables  # wait until one of these changes; empty: try again at once
        self.what = what  # is waited for, in words
