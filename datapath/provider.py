"""What every forwarding layer offers: ports, flows, upcalls, packet execution, statistics.

Rule: the reconciler, the translator and dpctl know this module and no provider behind it. Calls are
synchronous and short; a file descriptor tells when upcalls wait, so that any event loop can serve them.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from datapath.actions import Actions
from datapath.conntrack import ConnectionTracker
from datapath.packet.flowkey import FlowKey

TUNNEL_KINDS = ("gre", "vxlan", "geneve", "erspan", "ip6gre", "ip6erspan")
VPORT_KINDS = ("system", "internal", "tap", *TUNNEL_KINDS)
DEFAULT_TUNNEL_PORT = {"gre": 0, "vxlan": 4789, "geneve": 6081, "erspan": 0, "ip6gre": 0, "ip6erspan": 0}
LOCAL_PORT = 0  # OVSP_LOCAL: the internal device that bears the datapath's name


class DatapathError(Exception):
    """A request that the datapath refused.

    `errno` is the system's number for the reason; `what` names the request and the object, e.g. "add port
    eth7".
    """

    def __init__(self, errno: int, what: str, detail: str = "") -> None:
        super().__init__(errno, what, detail)
        self.errno = errno
        self.what = what
        self.detail = detail  # in the kernel's own words, where it gave any


@dataclass(frozen=True, slots=True)
class VportSpec:
    """A port that is asked for."""

    name: str  # the network device's name; for tunnels tunnel_vport_name()
    kind: str  # one of VPORT_KINDS
    dst_port: int = 0  # UDP port of a vxlan or geneve tunnel
    port_no: int | None = None  # None: the lowest free
    gbp: bool = False  # a vxlan tunnel with the group policy extension


class VportStats(NamedTuple):
    """Counters in the order of struct ovs_vport_stats."""

    rx_packets: int = 0
    tx_packets: int = 0
    rx_bytes: int = 0
    tx_bytes: int = 0
    rx_errors: int = 0
    tx_errors: int = 0
    rx_dropped: int = 0
    tx_dropped: int = 0


@dataclass(frozen=True, slots=True)
class Vport:
    """A port that is there."""

    port_no: int
    name: str
    kind: str
    ifindex: int = 0  # 0: no network device behind it
    dst_port: int = 0
    stats: VportStats = field(default=VportStats(), compare=False)


class FlowStats(NamedTuple):
    """Counters of one flow; `used` is CLOCK_MONOTONIC in seconds, None before the first packet."""

    packets: int = 0
    bytes: int = 0
    used: float | None = None
    tcp_flags: int = 0


@dataclass(frozen=True, slots=True)
class Flow:
    """A megaflow that is installed. A terse dump leaves key, mask and actions empty."""

    ufid: bytes  # 16 bytes; b"" for a flow that was installed without
    key: FlowKey
    mask: FlowKey
    actions: Actions
    stats: FlowStats


@dataclass(frozen=True, slots=True)
class FlowPut:
    """Install a flow, or give the one with this `ufid` new actions where `modify` is set."""

    ufid: bytes
    key: FlowKey
    mask: FlowKey
    actions: Actions
    wire_key: bytes = b""  # the key as the upcall brought it, to save encoding it again
    modify: bool = False


@dataclass(frozen=True, slots=True)
class FlowDel:
    """Remove the flow with this `ufid`; one that is not there is no error."""

    ufid: bytes


@dataclass(frozen=True, slots=True)
class Execute:
    """Run `actions` on a packet once, without a flow."""

    packet: bytes
    key: FlowKey
    actions: Actions
    wire_key: bytes = b""
    hash: int | None = None  # as the upcall brought it


Operation = FlowPut | FlowDel | Execute


class UpcallKind(enum.Enum):
    """Why a packet came to the daemon."""

    MISS = 1  # no flow matched
    ACTION = 2  # a Userspace action


@dataclass(frozen=True, slots=True)
class Upcall:
    """A packet that the datapath hands to the daemon."""

    kind: UpcallKind
    key: FlowKey
    packet: bytes
    userdata: bytes = b""
    wire_key: bytes = b""
    hash: int | None = None


class DatapathStats(NamedTuple):
    """Counters of a datapath, as struct ovs_dp_stats and ovs_dp_megaflow_stats have them."""

    hit: int = 0
    missed: int = 0
    lost: int = 0
    flows: int = 0
    mask_hit: int = 0
    masks: int = 0
    cache_hit: int = 0
    masks_cache_size: int | None = None  # None: the datapath has no such cache


class PortLimit(NamedTuple):
    """How much of what comes by a port is taken."""

    octets: int = 0  # a second; 0: any
    burst: int = 0  # octets
    packets: int = 0  # a second; 0: any
    packet_burst: int = 0


class Datapath(Protocol):
    """One open datapath. Every method but close() may raise DatapathError."""

    name: str

    def ports(self) -> list[Vport]:
        """List the ports, the local one first, with their counters."""

    def port(self, name: str) -> Vport | None:
        """Find a port by the name of its device."""

    def add_port(self, spec: VportSpec) -> Vport:
        """Attach a device, or make one (internal, tap, tunnels) and attach it."""

    def delete_port(self, port_no: int) -> None:
        """Detach a port; the device goes too where add_port() made it."""

    def flows(self, *, terse: bool = False) -> Iterator[Flow]:
        """Dump the flows; `terse` brings only ufid and statistics."""

    def flow(self, ufid: bytes) -> Flow | None:
        """Look one flow up."""

    def put_flow(self, put: FlowPut) -> None:
        """Install or modify one flow and wait for the datapath's answer."""

    def delete_flow(self, ufid: bytes, key: FlowKey | None = None) -> FlowStats | None:
        """Remove one flow and return its last counters; None where there is none.

        One that was installed without a ufid has the key that it was installed with for a name.
        """

    def flush_flows(self) -> None:
        """Remove every flow."""

    def run(self, operations: Iterable[Operation]) -> None:
        """Carry operations out in order, in as few system calls as there are, answers not waited for.

        What the datapath refuses is counted, not raised: the packet is lost as one on a wire is.
        """

    def stats(self) -> DatapathStats:
        """Read the datapath's counters."""

    def resize_masks_cache(self, size: int) -> None:
        """Make the cache of masks hold `size` entries, a power of two; EOPNOTSUPP where there is none."""

    def tracker(self) -> ConnectionTracker | None:
        """Give access to the connection tracker that Ct actions use; None where there is none."""

    def limit_port(self, port_no: int, limit: PortLimit | None) -> bool:
        """Limit what comes by a port; false: traffic control is to do that at its device."""

    def listen(self) -> Sequence[int]:
        """Ask for upcalls from now on; return the descriptors that become readable when some wait."""

    def upcalls(self, descriptor: int, limit: int = 64) -> list[Upcall]:
        """Take waiting upcalls, without blocking; empty when there are none."""

    def close(self) -> None:
        """Let go of the datapath. A kernel datapath goes on forwarding."""


class Provider(Protocol):
    """A kind of datapath."""

    type: str  # "system", "netdev" or "dummy", as in Bridge.datapath_type

    def datapaths(self) -> list[str]:
        """Name the datapaths of this kind that are there. DatapathError(ENOENT): this system has none."""

    def open(self, name: str) -> Datapath:
        """Open a datapath that is there; DatapathError(ENODEV) else."""

    def create(self, name: str) -> Datapath:
        """Make a datapath with its local port and open it; DatapathError(EEXIST) where it is there."""

    def delete(self, name: str) -> None:
        """Remove a datapath with its ports and flows."""


_DEVICE_PREFIX = {"vxlan": "vxlan", "geneve": "genev"}  # of those with a UDP port
_KIND_OF_PREFIX = {prefix: kind for kind, prefix in _DEVICE_PREFIX.items()}


def tunnel_vport_name(kind: str, dst_port: int) -> str:
    """Name the device that carries all tunnels of one kind and UDP port, as Open vSwitch does."""
    prefix = _DEVICE_PREFIX.get(kind)
    return f"{prefix}_sys_{dst_port}" if prefix else f"{kind}_sys"


_TUNNEL_VPORT = re.compile(r"(gre|ip6gre|erspan|ip6erspan)_sys|(vxlan|genev)_sys_(\d{1,5})")


def tunnel_port_of(name: str) -> tuple[str, int] | None:
    """Tell kind and UDP port of a tunnel's device by its name; None: no tunnel_vport_name()."""
    match = _TUNNEL_VPORT.fullmatch(name)
    if match is None:
        return None
    kind, prefix, port = match.groups()
    return (kind, 0) if kind else (_KIND_OF_PREFIX[prefix], int(port))
