"""Which specifications of monitors a change may concern.

Rule: what a commit costs must not grow with the monitors that it does not concern: 200 clients that follow a
row each, by its name, are found by the names in the change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ovsdb.engine.table import Column, hash_key

if TYPE_CHECKING:
    from ovsdb.engine.changes import RowChange
    from ovsdb.monitor import Spec

Specs = dict["Spec", None]  # a set that keeps its order


class Interests:
    """The specifications that are in use, by what they want to see."""

    def __init__(self) -> None:
        """Nobody wants to see anything."""
        self._uses: dict[Spec, int] = {}
        self._any: dict[str, Specs] = {}  # table → whom every row may concern
        self._by_value: dict[
            str, dict[Column, dict[object, Specs]]
        ] = {}  # whom a row with this value concerns

    def __len__(self) -> int:
        """How many specifications there are."""
        return len(self._uses)

    def __contains__(self, spec: Spec) -> bool:
        """Whether somebody has this one."""
        return spec in self._uses

    def add(self, spec: Spec) -> None:
        """A monitor with this specification begins."""
        self._uses[spec] = self._uses.get(spec, 0) + 1
        if self._uses[spec] == 1:
            for specs in self._places(spec):
                specs[spec] = None

    def remove(self, spec: Spec) -> None:
        """A monitor with this specification, which was added, has ended."""
        self._uses[spec] -= 1
        if not self._uses[spec]:
            del self._uses[spec]
            for specs in self._places(spec):
                del specs[spec]
            self._forget_values(spec)

    def concerned(self, changes: Mapping[str, Mapping[str, RowChange]]) -> Specs:
        """Those that may have something to tell of these changes: table → UUID → change."""
        found: Specs = {}
        for name, rows in changes.items():
            found.update(self._any.get(name, {}))
            for column, by_value in self._by_value.get(name, {}).items():
                for change in rows.values():
                    for row in (change.old, change.new):
                        if row is not None and (specs := by_value.get(hash_key(column.get(row)))):
                            found.update(specs)
        return found

    def _places(self, spec: Spec) -> list[Specs]:
        places = []
        for name, view in spec.views.items():
            values = view.filter.equalities()
            if values is None:
                places.append(self._any.setdefault(name, {}))
                continue
            columns = self._by_value.setdefault(name, {})
            for column, wanted in values.items():
                by_value = columns.setdefault(column, {})
                places += [by_value.setdefault(value, {}) for value in wanted]
        return places

    def _forget_values(self, spec: Spec) -> None:
        """Drop what is empty now, so that values of the past do not pile up."""
        for name, view in spec.views.items():
            columns = self._by_value.get(name, {})
            for column, wanted in (view.filter.equalities() or {}).items():
                by_value = columns[column]
                for value in wanted:
                    if not by_value[value]:
                        del by_value[value]
                if not by_value:
                    del columns[column]
