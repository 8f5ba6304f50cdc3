"""What is to be known of network devices beside what rtnetlink tells: drivers, speeds, changes of links.

Rule: a driver is asked once for each state of a link.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from datapath.ethtool import Driver, Ethtool, LinkMode
from datapath.link import Link


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """One device."""

    driver: Driver | None = None
    mode: LinkMode | None = None
    link_resets: int = 0  # changes of the link's state since the device was first seen


class _Known(NamedTuple):
    ifindex: int
    link_up: bool
    carrier_changes: int
    facts: DeviceFacts


class Devices:
    """The devices of this namespace."""

    def __init__(self, ethtool: Ethtool) -> None:
        self._ethtool = ethtool
        self._known: dict[str, _Known] = {}

    def of(self, links: Iterable[Link]) -> dict[str, DeviceFacts]:
        """Return what is known of each of these devices, by name; others are forgotten."""
        self._known = {link.name: self._look_at(link) for link in links}
        return {name: known.facts for name, known in self._known.items()}

    def _look_at(self, link: Link) -> _Known:
        known = self._known.get(link.name)
        resets = 0
        if known is not None and known.ifindex == link.ifindex:
            if known.link_up == link.link_up and known.carrier_changes == link.carrier_changes:
                return known
            # A link that went and returned between two looks has changed twice; one that was switched off
            # may not have lost its carrier.
            changes = link.carrier_changes - known.carrier_changes
            resets = known.facts.link_resets + max(changes, int(known.link_up != link.link_up))
        facts = DeviceFacts(self._ethtool.driver(link.name), self._ethtool.link_mode(link.name), resets)
        return _Known(link.ifindex, link.link_up, link.carrier_changes, facts)
