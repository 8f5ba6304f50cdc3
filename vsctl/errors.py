"""How a command can end other than well. What is printed after "ovs-vsctl: " is the exception's text."""

from __future__ import annotations


class UsageError(Exception):
    """The command line is wrong."""


class CommandError(Exception):
    """A command cannot be executed, given what the database holds."""


class CommandExit(Exception):
    """A command ends the program early with an exit status, without a message: br-exists."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class TryAgain(Exception):
    """The database does not hold yet what a command waits for, or changed while it was read."""

    def __init__(self, tables: frozenset[str] = frozenset()) -> None:
        super().__init__(tables)
        self.tables = tables  # wait until one of these changes; empty: try again at once
