"""Where stations are: a bridge's table of learned addresses.

Rule: pure; `now` is an argument. Whoever changes the table gets told what changed as Places, so that the
flows that looked there can be translated again.
Source: IEEE 802.1D, 7.8 and 7.9; ovs-vswitchd.conf.db(5), mac-aging-time and mac-table-size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

DEFAULT_AGEING = 300.0  # seconds
DEFAULT_SIZE = 8192


class Place(NamedTuple):
    """What a lookup asks for: one address in one VLAN of one bridge."""

    bridge: str
    vlan: int
    mac: int


@dataclass(slots=True)
class MacEntry:
    """A station."""

    port: str  # the name of the bridge's port behind which it is
    used: float  # when it was last heard of
    static: bool = False


@dataclass(slots=True)
class MacStats:
    """Counters, as fdb/stats-show prints them."""

    learned: int = 0
    expired: int = 0
    evicted: int = 0
    moved: int = 0


class MacTable:
    """The addresses of one bridge, the one heard of longest ago first."""

    def __init__(self, bridge: str, ageing: float = DEFAULT_AGEING, size: int = DEFAULT_SIZE) -> None:
        self.bridge = bridge
        self.ageing = ageing
        self.size = size
        self.stats = MacStats()
        self._entries: dict[tuple[int, int], MacEntry] = {}  # (vlan, mac); a dict keeps the order of use

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> Iterator[tuple[int, int, MacEntry]]:
        """List (vlan, mac, entry), the one heard of longest ago first."""
        for (vlan, mac), entry in self._entries.items():
            yield vlan, mac, entry

    def lookup(self, vlan: int, mac: int) -> str | None:
        """Return the port behind which a station is."""
        entry = self._entries.get((vlan, mac))
        return entry.port if entry else None

    def learn(self, vlan: int, mac: int, port: str, heard: float) -> list[Place]:
        """Note that a station was heard of; return the places that answer differently now.

        A report that is older than what the table knows of the station (a flow's counters are read late) does
        not move it back.
        """
        slot = (vlan, mac)
        entry = self._entries.get(slot)
        if entry is None:
            changed = self._make_room()
            self._entries[slot] = MacEntry(port, heard)
            self.stats.learned += 1
            return [*changed, Place(self.bridge, vlan, mac)]
        if entry.static or (entry.port != port and heard < entry.used):
            return []
        moved = entry.port != port
        del self._entries[slot]
        self._entries[slot] = entry
        entry.port, entry.used = port, max(heard, entry.used)
        if not moved:
            return []
        self.stats.moved += 1
        return [Place(self.bridge, vlan, mac)]

    def add_static(self, vlan: int, mac: int, port: str) -> list[Place]:
        """Set an address that neither ages nor moves."""
        changed = [] if (vlan, mac) in self._entries else self._make_room()
        self._entries.pop((vlan, mac), None)
        self._entries[vlan, mac] = MacEntry(port, 0.0, static=True)
        return [*changed, Place(self.bridge, vlan, mac)]

    def static_port(self, vlan: int, mac: int) -> str | None:
        """Return the port behind which an address was set."""
        entry = self._entries.get((vlan, mac))
        return entry.port if entry and entry.static else None

    def remove_static(self, vlan: int, mac: int) -> list[Place]:
        """Forget an address that was set."""
        return self._forget([(vlan, mac)] if self.static_port(vlan, mac) is not None else [])

    def expire(self, now: float) -> list[Place]:
        """Forget what was not heard of for the ageing time."""
        oldest = now - self.ageing
        gone = [slot for slot, entry in self._entries.items() if not entry.static and entry.used <= oldest]
        self.stats.expired += len(gone)
        return self._forget(gone)

    def flush(self) -> list[Place]:
        """Forget all that was learned."""
        return self._forget([slot for slot, entry in self._entries.items() if not entry.static])

    def clear_stats(self) -> None:
        """Count from 0 again."""
        self.stats = MacStats()

    def keep_ports(self, ports: frozenset[str]) -> list[Place]:
        """Forget what is behind ports that are not there any more."""
        return self._forget([slot for slot, entry in self._entries.items() if entry.port not in ports])

    def set_size(self, size: int) -> list[Place]:
        """Change how many addresses the table holds."""
        self.size = size
        places: list[Place] = []
        while len(self._entries) > size and (forgotten := self._forget(self._oldest())):
            self.stats.expired += 1
            places += forgotten
        return places

    def _make_room(self) -> list[Place]:
        if len(self._entries) < self.size:
            return []
        oldest = self._oldest()
        self.stats.evicted += len(oldest)
        return self._forget(oldest)

    def _oldest(self) -> list[tuple[int, int]]:
        """Find the address that was heard of longest ago, among those that were learned."""
        return next(([slot] for slot, entry in self._entries.items() if not entry.static), [])

    def _forget(self, slots: list[tuple[int, int]]) -> list[Place]:
        for slot in slots:
            del self._entries[slot]
        return [Place(self.bridge, vlan, mac) for vlan, mac in slots]
