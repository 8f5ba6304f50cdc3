"""Which rows a program wants, and which the server was told that it wants.

Rule: no I/O. One request to change conditions is on its way at a time, and each that waits hears once: when
the server has the condition, or refused it, after which the one before it holds again.
"""

from __future__ import annotations

from collections.abc import Callable

from ovsdb.client.selection import Rows

OnSettled = Callable[[object], None]  # gets None, or the error that the server answered with
_Waiting = tuple[str, OnSettled]  # the table, and whom to tell


class Conditions:
    """The conditions of every table that has one."""

    def __init__(self, wanted: dict[str, Rows]) -> None:
        self.wanted = wanted
        self._told: dict[str, Rows] | None = None  # the server, or None where that is not known
        self._new: list[_Waiting] = []
        self._asked: list[_Waiting] | None = None  # those of the request that is on its way

    def begin(self) -> bool:
        """A monitor begins with what is wanted; whether that is what the one before had in the end."""
        same = self._told == self.wanted
        self._told = dict(self.wanted)
        return same

    def interrupted(self) -> None:
        """The monitor is gone; what was on its way is forgotten, and who waits goes on waiting."""
        if self._asked is not None:
            self._new = self._asked + self._new
            self._asked = self._told = None

    def forget(self) -> None:
        """What the server was told is worth nothing any longer."""
        self._told = None

    def change(self, table: str, rows: Rows, on_settled: OnSettled) -> None:
        """Want other rows."""
        self.wanted[table] = rows
        self._new.append((table, on_settled))

    def ask(self) -> dict[str, Rows]:
        """What the server is to be told now; if that is nothing, those who wait are told that all is well."""
        if self._asked is not None:
            return {}
        told = self._told or {}
        changed = {table: rows for table, rows in self.wanted.items() if rows != told.get(table, True)}
        waiting, self._new = self._new, []
        if changed:
            self._asked = waiting
        else:
            _tell(waiting, None)
        return changed

    def settle(self) -> None:
        """Nothing can be told (the server knows no conditions): who waits need not."""
        waiting, self._new = self._new, []
        _tell(waiting, None)

    def answered(self, changed: dict[str, Rows], error: object) -> None:
        """The server has answered the request; `error` is None if it agreed."""
        told = self._told or {}
        waiting, self._asked = self._asked or [], None
        if error is None:
            self._told = told | changed
            _tell(waiting, None)
            return
        for table, rows in changed.items():
            if self.wanted[table] == rows:
                self.wanted[table] = told.get(table, True)
        _tell([w for w in waiting if w[0] in changed], error)
        _tell([w for w in waiting if w[0] not in changed], None)


def _tell(waiting: list[_Waiting], error: object) -> None:
    for _, on_settled in waiting:
        on_settled(error)
