"""bridge/*: bridges as an OpenFlow controller would see them, and none is there.

Rule: every bridge has the one flow that switches as NORMAL does.
"""

from __future__ import annotations

import time

from appctl.unixctl import CommandError
from vswitchd.control.targets import Target, find_bridge
from vswitchd.forwarding import Counters
from vswitchd.reconciler import Reconciler

_OFFLOAD = "--offload-stats"


def _reconnect(reconciler: Reconciler, args: list[str]) -> str:
    for name in args:
        _find(reconciler, name)
    return ""  # no bridge has a controller that it is connected to


def _dump_flows(reconciler: Reconciler, args: list[str]) -> str:
    if len(args) == 2 and args[0] != _OFFLOAD:
        raise CommandError(f"unknown option '{args[0]}'")
    bridge = _find(reconciler, args[-1])
    counted = bridge.forwarding.counters
    ports = [
        counted.get(port.name, Counters()) for port in bridge.forwarding.switch.bridges[bridge.name].ports
    ]
    packets, octets = (sum(getattr(port, name) for port in ports) for name in ("rx_packets", "rx_bytes"))
    age = int(time.monotonic() - reconciler.since.get(bridge.name, time.monotonic()))
    offloaded = "n_offload_packets=0, n_offload_bytes=0, " if _OFFLOAD in args else ""
    counters = f"n_packets={packets}, n_bytes={octets}, {offloaded}"
    return f"duration={age}s, {counters}priority=0,actions=NORMAL\n"


def _find(reconciler: Reconciler, name: str) -> Target:
    try:
        return find_bridge(reconciler, name)
    except CommandError:
        raise CommandError("Unknown bridge") from None


COMMANDS = (
    ("bridge/reconnect", "[bridge]", 0, 1, _reconnect),
    ("bridge/dump-flows", "[--offload-stats] bridge", 1, 2, _dump_flows),
)
