"""Which ports of a bridge want which multicast groups, and behind which are routers.

Rule: pure; `heard` and `now` are arguments. Whoever changes the table gets told what changed as places, so
that the flows that looked there can be translated again.
Source: RFC 4541; ovs-vswitchd.conf.db(5), "Multicast Snooping".
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

DEFAULT_AGEING = 300.0  # seconds
DEFAULT_SIZE = 2048
ROUTER_TIMEOUT = 180.0  # seconds after a query


class GroupPlace(NamedTuple):
    """What a lookup of a group asks for."""

    bridge: str
    vlan: int
    group: int  # an IPv6 address; of IPv4, as ::ffff:a.b.c.d


class RouterPlace(NamedTuple):
    """What a lookup of routers asks for."""

    bridge: str
    vlan: int


Place = GroupPlace | RouterPlace


@dataclass(frozen=True, slots=True)
class Snooping:
    """How a bridge snoops."""

    ageing: float = DEFAULT_AGEING
    size: int = DEFAULT_SIZE
    flood_unregistered: bool = True  # groups that nobody joined go everywhere, not to routers alone
    flood_ports: frozenset[str] = frozenset()  # get all groups, and are not learned from
    report_ports: frozenset[str] = frozenset()  # get all reports


class Entry(NamedTuple):
    """A line of the table."""

    port: str
    vlan: int
    group: int | None  # None: there is a router
    heard: float


class GroupTable:
    """The groups of one bridge, the one heard of longest ago first."""

    def __init__(self, bridge: str, ageing: float = DEFAULT_AGEING, size: int = DEFAULT_SIZE) -> None:
        self.bridge = bridge
        self.ageing = ageing
        self.size = size
        self._groups: dict[
            tuple[int, int], dict[str, float]
        ] = {}  # (vlan, group) → port → when it was heard of
        self._routers: dict[tuple[int, str], float] = {}  # (vlan, port)

    def __len__(self) -> int:
        return len(self._groups)

    def entries(self) -> Iterator[Entry]:
        """List the groups, then the routers."""
        for (vlan, group), members in self._groups.items():
            for port, heard in members.items():
                yield Entry(port, vlan, group, heard)
        for (vlan, port), heard in self._routers.items():
            yield Entry(port, vlan, None, heard)

    def members(self, vlan: int, group: int) -> Collection[str] | None:
        """Return the ports that joined a group; None where nobody did."""
        return self._groups.get((vlan, group))

    def routers(self, vlan: int) -> list[str]:
        """Return the ports behind which are routers."""
        return [port for known, port in self._routers if known == vlan]

    def join(self, vlan: int, group: int, port: str, heard: float) -> list[Place]:
        """Note that a port wants a group. One with a router gets all of them anyway."""
        if (vlan, port) in self._routers:
            return []
        slot = (vlan, group)
        places: list[Place] = []
        members = self._groups.pop(slot, None)
        if members is None:
            places = self._make_room()
            members = {}
        is_new = members.pop(port, None) is None
        members[port] = heard
        self._groups[slot] = members
        return [*places, GroupPlace(self.bridge, vlan, group)] if is_new else []

    def leave(self, vlan: int, group: int, port: str) -> list[Place]:
        """Note that a port wants a group no longer."""
        members = self._groups.get((vlan, group), {})
        return self._part([((vlan, group), port)] if port in members else [])

    def query(self, vlan: int, port: str, heard: float) -> list[Place]:
        """Note that a router is behind a port."""
        is_new = self._routers.pop((vlan, port), None) is None
        self._routers[vlan, port] = heard
        return [RouterPlace(self.bridge, vlan)] if is_new else []

    def expire(self, now: float) -> list[Place]:
        """Forget what was not heard of for long."""
        oldest = now - self.ageing
        gone = [
            (slot, port)
            for slot, members in self._groups.items()
            for port, heard in members.items()
            if heard <= oldest
        ]
        silent = [slot for slot, heard in self._routers.items() if heard <= now - ROUTER_TIMEOUT]
        return [*self._part(gone), *self._forget_routers(silent)]

    def flush(self) -> list[Place]:
        """Forget all."""
        return self.keep_ports(frozenset())

    def keep_ports(self, ports: frozenset[str]) -> list[Place]:
        """Forget ports that are not there any more."""
        gone = [(slot, p) for slot, members in self._groups.items() for p in members if p not in ports]
        silent = [slot for slot in self._routers if slot[1] not in ports]
        return [*self._part(gone), *self._forget_routers(silent)]

    def set_size(self, size: int) -> list[Place]:
        """Change how many groups the table holds."""
        self.size = size
        places: list[Place] = []
        while len(self._groups) > size:
            places += self._evict()
        return places

    def _make_room(self) -> list[Place]:
        return self._evict() if len(self._groups) >= self.size else []

    def _evict(self) -> list[Place]:
        vlan, group = slot = next(iter(self._groups))
        del self._groups[slot]
        return [GroupPlace(self.bridge, vlan, group)]

    def _part(self, gone: list[tuple[tuple[int, int], str]]) -> list[Place]:
        for slot, port in gone:
            members = self._groups[slot]
            del members[port]
            if not members:
                del self._groups[slot]
        return [GroupPlace(self.bridge, *slot) for slot in dict.fromkeys(slot for slot, _ in gone)]

    def _forget_routers(self, silent: list[tuple[int, str]]) -> list[Place]:
        for slot in silent:
            del self._routers[slot]
        return [RouterPlace(self.bridge, vlan) for vlan in dict.fromkeys(vlan for vlan, _ in silent)]
