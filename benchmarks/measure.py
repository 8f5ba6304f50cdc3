"""What a workload is, and how it is measured: both sides in turn, the median of the rounds.

Rule: a figure is a ratio within one run; every round has both sides, one right after the other, so that what
else the machine does meets both.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Any

C, OURS = "C", "ours"
SIDES = (C, OURS)
Measure = Callable[[], float]


@dataclass(frozen=True)
class Workload:
    """A named measurement.

    `prepare` makes one side ready for as long as its context lasts; what it yields does the work once and
    returns a figure in `unit`.
    """

    group: str
    name: str
    unit: str
    prepare: Callable[[str], AbstractContextManager[Measure]]
    goal: float = 1.0  # how many times as good as the reference ours shall be
    size: str = ""
    more_is_better: bool = False  # the figure is a rate
    reference: str = "C"  # what stands on the other side
    apart: bool = False  # the two sides cannot be ready at the same time

    @property
    def title(self) -> str:
        """The name with the size."""
        return f"{self.name}, {self.size}" if self.size else self.name


@dataclass(frozen=True)
class Result:
    """The figures of one workload."""

    group: str
    title: str
    unit: str
    goal: float
    more_is_better: bool
    reference: str
    figures: dict[str, list[float]] = field(default_factory=dict)  # side → one for each round

    def median(self, side: str) -> float:
        """Return the figure of a side."""
        return median(self.figures[side])

    @property
    def ratio(self) -> float:
        """How many times as good as the reference ours is."""
        theirs, ours = self.median(C), self.median(OURS)
        better, worse = (ours, theirs) if self.more_is_better else (theirs, ours)
        return better / worse if worse else 0.0

    @property
    def is_met(self) -> bool:
        """Whether that is as good as it shall be; rounded as it is shown."""
        return round(self.ratio, 2) >= self.goal

    def to_json(self) -> dict[str, Any]:
        """Everything, for programs."""
        spread = {side: [min(figures), max(figures)] for side, figures in self.figures.items()}
        return {
            "group": self.group,
            "title": self.title,
            "unit": self.unit,
            "reference": self.reference,
            "more_is_better": self.more_is_better,
            "median": {side: self.median(side) for side in self.figures},
            "spread": spread,
            "rounds": len(self.figures[OURS]),
            "ratio": self.ratio,
            "goal": self.goal,
            "met": self.is_met,
        }


def measure(workload: Workload, rounds: int) -> Result:
    """Measure a workload; whatever its sides raise."""
    figures: dict[str, list[float]] = {side: [] for side in SIDES}
    with ExitStack() as stack:
        if workload.apart:
            ready = {side: _each_time(workload, side) for side in SIDES}
        else:
            ready = {side: stack.enter_context(workload.prepare(side)) for side in SIDES}
        for _ in range(rounds):
            for side in SIDES:
                figures[side].append(ready[side]())
    return Result(
        workload.group,
        workload.title,
        workload.unit,
        workload.goal,
        workload.more_is_better,
        workload.reference,
        figures,
    )


def _each_time(workload: Workload, side: str) -> Measure:
    def once() -> float:
        with workload.prepare(side) as work:
            return work()

    return once
