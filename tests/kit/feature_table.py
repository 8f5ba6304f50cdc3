"""docs/features.md: what the marks of the tests in tests/features say, as tables.

Rule: a cell is what the test is declared to show on that side. That it does is shown by every run of the tests: one
that fails where it should pass, or passes where `differs` says that it cannot, fails the run.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from tests.kit.feature_lab import SIDES

FOLDER = Path("tests/features")
GROUPS = (
    *("VLANs", "Learning", "Multicast snooping", "Ports", "Tunnels", "Bonds", "Mirrors", "QoS", "Status"),
    *("Reconciliation", "Datapath tool"),
)
_TITLES = {
    "userspace": "userspace",
    "c-userspace": "C, userspace",
    "kernel": "kernel",
    "c-kernel": "C, kernel",
}
_INTRODUCTION = """# Features

Each line is one test, which runs on four switches: this one and the one of Open vSwitch 3.1 in C, each on its datapath in
userspace and on the kernel's module (Linux 6.1, in a virtual machine). Real frames between real namespaces. `make test`
runs all but the last column, and fails where a cell is not true.

`yes`: the test passes. `no`: it fails there, for the reason below the table. `-`: there is no such thing.

`tools/features` writes this page from the marks of the tests in `tests/features`; `tools/features --run` runs them first,
the last column too.
"""


@dataclass(frozen=True)
class Row:
    """A feature, and the test that shows it."""

    group: str
    title: str
    test: str
    absent: Mapping[str, str]  # side → why there is no such thing
    differs: Mapping[str, str]  # side → why the test fails there

    def cell(self, side: str) -> str:
        """Return what the table says of a side."""
        if side in self.absent:
            return "-"
        return "no" if side in self.differs else "yes"


def rows() -> list[Row]:
    """Read the marks; ValueError where one is missing or says what cannot be."""
    found: list[Row] = []
    for path in sorted(FOLDER.glob("test_*.py")):
        found += rows_of(importlib.import_module(f"tests.features.{path.stem}"))
    return found


def rows_of(module: ModuleType) -> list[Row]:
    """Read the marks of one module's tests, in the order of the source."""
    return [
        _row(name, function)
        for name, function in vars(module).items()
        if name.startswith("test_") and inspect.isfunction(function)
    ]


def _row(name: str, function: object) -> Row:
    marks = [m for m in getattr(function, "pytestmark", []) if m.name == "feature"]
    if len(marks) != 1:
        raise ValueError(f"{name}: one mark `feature` is needed")
    mark: pytest.Mark = marks[0]
    group, title = mark.args
    absent, differs = mark.kwargs.get("not_on", {}), mark.kwargs.get("differs", {})
    if group not in GROUPS:
        raise ValueError(f"{name}: no such group: {group}")
    if unknown := (absent.keys() | differs.keys()) - SIDES.keys():
        raise ValueError(f"{name}: no such side: {', '.join(sorted(unknown))}")
    return Row(group, title, name, absent, differs)


def page(found: Iterable[Row]) -> str:
    """Return the whole page."""
    by_group: dict[str, list[Row]] = {}
    for row in found:
        by_group.setdefault(row.group, []).append(row)
    return "\n".join([_INTRODUCTION, *(_table(g, by_group[g]) for g in GROUPS if g in by_group)])


def _table(group: str, found: list[Row]) -> str:
    lines = [f"## {group}", "", _line("", *_TITLES.values(), "test"), _line(*["---"] * (len(SIDES) + 2))]
    lines += [_line(row.title, *map(row.cell, _TITLES), f"`{row.test}`") for row in found]
    reasons = [
        f"- `{row.test}`, {' and '.join(_TITLES[s] for s in sides)}: {reason}"
        for row in found
        for reason, sides in _by_reason(row).items()
    ]
    return "\n".join([*lines, *([""] if reasons else []), *reasons, ""])


def _by_reason(row: Row) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for side in _TITLES:
        if reason := row.absent.get(side) or row.differs.get(side):
            found.setdefault(reason, []).append(side)
    return found


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
