"""What a translation says of itself, for ofproto/trace: a section for each bridge that the packet enters.

Rule: pure. A line is a few words on one decision; what a packet meets in a bridge behind a patch port stands
in that bridge's section.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Section:
    """One visit of a bridge."""

    bridge: str  # "": none
    lines: list[str] = field(default_factory=list)


class Report:
    """The sections, in the order in which the bridges were entered."""

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self._open: list[Section] = []

    def enter(self, bridge: str) -> None:
        """Begin a section; lines go there until leave()."""
        self._open.append(Section(bridge))
        self.sections.append(self._open[-1])

    def leave(self) -> None:
        """Go back to the section from which this one was entered."""
        self._open.pop()

    def say(self, line: str) -> None:
        """Add a line."""
        self._open[-1].lines.append(line)
