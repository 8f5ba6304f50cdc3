"""Connections, and a tracker in memory that has some."""

from __future__ import annotations

import errno
from collections.abc import Iterable

from datapath.conntrack import DEFAULT_ZONE, Connection, Counters, TcpState, Tuple, ZoneLimit
from datapath.fake import FakeDatapath, FakeProvider
from datapath.provider import DatapathError
from dpctl.targets import Targets

A, B = 0x0A000001, 0x0A000002
UDP = Connection(
    Tuple(A, B, 2, 17, 40001, 53), Tuple(B, A, 2, 17, 53, 40001), zone=9, id=7, status=8, timeout=24
)
PING = Connection(
    Tuple(A, B, 2, 1, 188, None, 8, 0), Tuple(B, A, 2, 1, 188, None, 0, 0), zone=5, id=8, status=10, timeout=5,
    mark=3, labels=7,
)  # fmt: skip
PING6 = Connection(
    Tuple(1, 2, 10, 58, 190, None, 128, 0), Tuple(2, 1, 10, 58, 190, None, 129, 0), zone=6, id=9, status=10
)
TCP = Connection(
    Tuple(A, B, 2, 6, 40000, 80), Tuple(B, 0x0A00004D, 2, 6, 80, 40000), id=10, status=14, timeout=300,
    counters_orig=Counters(3, 180), start=1_700_000_000_123_000_000, protocol=TcpState(3, 7, 7, 3, 3), helper="ftp",
)  # fmt: skip


class Tracker:
    """Connections and limits in lists."""

    def __init__(self, *connections: Connection) -> None:
        self.listed = list(connections)
        self.limited = {DEFAULT_ZONE: 0}

    def connections(self, zone: int | None = None) -> list[Connection]:
        return [connection for connection in self.listed if zone in (None, connection.zone)]

    def forget(self, connection: Connection) -> None:
        self.listed.remove(connection)

    def forget_tuple(self, zone: int, pattern: Tuple) -> None:
        found = [c for c in self.listed if (c.zone, c.orig) == (zone, pattern)]
        if not found:
            raise DatapathError(errno.ENOENT, "end connections")
        self.listed.remove(found[0])

    def forget_all(self) -> None:
        self.listed.clear()

    def limits(self, zones: Iterable[int] = ()) -> list[ZoneLimit]:
        listed = list(zones) or [zone for zone in self.limited if zone != DEFAULT_ZONE]
        default = self.limited[DEFAULT_ZONE]
        return [ZoneLimit(zone, self.limited.get(zone, default)) for zone in (DEFAULT_ZONE, *listed)]

    def set_limits(self, limits: Iterable[ZoneLimit]) -> None:
        self.limited |= {limit.zone: limit.limit for limit in limits}

    def delete_limits(self, zones: Iterable[int]) -> None:
        for zone in zones:
            self.limited.pop(zone, None)


class TrackingDatapath(FakeDatapath):
    """A datapath with a tracker."""

    def __init__(self, tracker: Tracker) -> None:
        super().__init__("dp0")
        self.of_connections = tracker

    def tracker(self) -> Tracker:  # type: ignore[override]
        return self.of_connections


def tracked(tracker: Tracker) -> Targets:
    """A datapath with this tracker, for commands."""
    provider = FakeProvider()
    provider.create("dp0")
    return Targets({"dummy": provider}, "dummy", {("dummy", "dp0"): TrackingDatapath(tracker)})
