"""How revalidation goes, as upcall/show tells it, and what control commands have changed about it.

Rule: pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_WEIGHT = 0.5  # of the last look in the average, as the flows' number half a second ago is worth half


@dataclass(slots=True)
class Figures:
    """Figures of one datapath."""

    average: float = 0.0  # flows
    most: int = 0  # flows
    took: float = 0.0  # seconds, the last look at all flows

    def note(self, flows: int, took: float) -> None:
        """Take in one look."""
        self.average += (flows - self.average) * _WEIGHT
        self.most = max(self.most, flows)
        self.took = took


@dataclass(slots=True)
class Tuning:
    """What control commands set, until the daemon ends."""

    paused: bool = False  # flows are not looked at
    terse: bool = True  # looking at flows asks for their counters alone
    features: dict[str, dict[str, bool | int]] = field(default_factory=dict)  # by type of the datapath
