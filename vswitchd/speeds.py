"""How fast network devices are, read from sysfs.

Rule: a file is read once for each state of a link; what sysfs does not say is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from datapath.link import Link

_SYSFS = Path("/sys/class/net")
_MEGA = 1_000_000


class LinkSpeeds:
    """Remembered speeds."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, bool], int]] = {}  # name → (ifindex, link is up), bit/s

    def of(self, links: Iterable[Link]) -> dict[str, int]:
        """Return the speed of each device that has one, in bit/s, by name."""
        known = {}
        for link in links:
            state = (link.ifindex, link.link_up)
            before = self._known.get(link.name)
            known[link.name] = before if before and before[0] == state else (state, _read(link.name))
        self._known = known
        return {name: speed for name, (_, speed) in known.items() if speed > 0}


def _read(name: str) -> int:
    try:
        return int((_SYSFS / name / "speed").read_text()) * _MEGA
    except (OSError, ValueError):  # no such file, or a device that does not know
        return 0
