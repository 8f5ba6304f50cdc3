"""What a database counts while it works, for `/metrics`.

Rule: counting costs a fraction of a microsecond; everything else is looked up when somebody asks.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

# Upper bounds of the classes of the histogram, in seconds.
BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


@dataclass
class Figures:
    """Since the database is served."""

    commits: int = 0
    seconds: float = 0.0  # that transactions took, from the request to the answer; without those that waited
    classes: list[int] = field(
        default_factory=lambda: [0] * (len(BOUNDS) + 1)
    )  # the last one: beyond all bounds

    def answered(self, seconds: float) -> None:
        """A transaction has been answered."""
        self.seconds += seconds
        self.classes[bisect_left(BOUNDS, seconds)] += 1
