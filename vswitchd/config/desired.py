"""What the switch shall be, as values.

Rule: pure, and comparable: two configurations that ask for the same are equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from datapath.provider import VportSpec, tunnel_vport_name
from switching.bond import BondConfig
from switching.group_table import Snooping
from switching.mac_table import DEFAULT_AGEING, DEFAULT_SIZE
from switching.mirror import Mirror
from switching.tunnel import TunnelConfig
from switching.vlan import DEFAULT_LIMIT, PortVlan
from vswitchd.config.qos import NO_POLICING, Policing, QosConfig

PATCH = "patch"


@dataclass(frozen=True, slots=True)
class DesiredInterface:
    """An interface that is asked for."""

    uuid: str  # "": not in the database, a local port that nobody configured
    name: str
    kind: str  # one of provider.VPORT_KINDS, PATCH, or "" where `error` says why there is none
    type: str = ""  # as the database has it
    error: str = ""
    tunnel: TunnelConfig | None = None
    peer: str = ""
    ofport_request: int | None = None
    mac: str = ""
    mtu: int | None = None
    policing: Policing = NO_POLICING
    # The port of the datapath that it needs; made once, as a pass asks seven times for that of each of 1,000.
    vport: VportSpec | None = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Find the port."""
        object.__setattr__(self, "vport", self._vport())

    def _vport(self) -> VportSpec | None:
        if self.error or self.kind == PATCH:
            return None
        if self.tunnel is None:
            return VportSpec(self.name, self.kind)
        port = self.tunnel.dst_port
        return VportSpec(tunnel_vport_name(self.kind, port), self.kind, port, gbp=self.tunnel.gbp)


@dataclass(frozen=True, slots=True)
class DesiredPort:
    """A port of a bridge: one interface, or several that stand in for one another."""

    uuid: str
    name: str
    vlan: PortVlan
    interfaces: tuple[DesiredInterface, ...]
    protected: bool = False
    bond: BondConfig | None = None  # of a port with several interfaces
    active_hint: str = ""  # the address of the member that was active when the database was last written


@dataclass(frozen=True, slots=True)
class DesiredBridge:
    """A bridge."""

    uuid: str
    name: str
    datapath_type: str  # "system", "netdev" ...
    ports: tuple[DesiredPort, ...]
    hwaddr: str = ""  # asked for with other_config:hwaddr
    datapath_id: str = ""  # asked for with other_config:datapath-id; 16 hex digits
    mac_ageing: float = DEFAULT_AGEING
    mac_table_size: int = DEFAULT_SIZE
    forward_bpdu: bool = False
    flood_vlans: frozenset[int] = frozenset()
    snooping: Snooping | None = None
    mirrors: tuple[Mirror, ...] = ()
    # What follows from the ports is found once, as each pass asks for it ten times.
    _interfaces: tuple[DesiredInterface, ...] = field(init=False, compare=False, repr=False)
    _vports: Mapping[str, VportSpec] = field(init=False, compare=False, repr=False)
    _representatives: tuple[str, ...] = field(init=False, compare=False, repr=False)
    _has_policing: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Find what follows from the ports."""
        found = tuple([interface for port in self.ports for interface in port.interfaces])
        object.__setattr__(self, "_interfaces", found)
        object.__setattr__(self, "_vports", dict(_vports(self.ports)))
        object.__setattr__(self, "_representatives", tuple(_representatives(self)))
        object.__setattr__(self, "_has_policing", any(i.policing is not NO_POLICING for i in found))

    def interfaces(self) -> tuple[DesiredInterface, ...]:
        """List the interfaces of all ports."""
        return self._interfaces

    def vports(self) -> Mapping[str, VportSpec]:
        """Return the ports of the datapath that the bridge needs, by name."""
        return self._vports

    def representatives(self) -> tuple[str, ...]:
        """Name one interface of each port, of bonds the first by name; without the targets of mirrors."""
        return self._representatives

    def has_policing(self) -> bool:
        """Tell whether what comes by any interface is limited."""
        return self._has_policing


def _vports(ports: tuple[DesiredPort, ...]) -> Iterator[tuple[str, VportSpec]]:
    """List the ports that interfaces need and, last, those for programs that look for a bond's device."""
    specs = [spec for port in ports for interface in port.interfaces if (spec := interface.vport)]
    fakes = [VportSpec(p.name, "internal") for p in ports if p.bond is not None and p.bond.fake_interface]
    known: set[str] = set()
    for spec in (*specs, *fakes):
        if spec.name not in known:  # tunnels share theirs
            known.add(spec.name)
            yield spec.name, spec


def _representatives(bridge: DesiredBridge) -> Iterator[str]:
    targets = {mirror.to.port for mirror in bridge.mirrors}
    for port in bridge.ports:
        names = [interface.name for interface in port.interfaces]
        if names and port.name not in targets and (first := min(names)) != bridge.name:
            yield first


@dataclass(frozen=True, slots=True)
class Desired:
    """All that the database asks for."""

    uuid: str = ""  # of the row of Open_vSwitch; "" without one
    bridges: tuple[DesiredBridge, ...] = ()
    next_cfg: int = 0
    max_idle: float = 10.0  # seconds until a flow that nobody uses goes
    flow_limit: int = 200_000
    stats_interval: float = 5.0
    vlan_limit: int = DEFAULT_LIMIT
    system_statistics: bool = False  # of the whole machine
    qos: Mapping[str, QosConfig] = field(default_factory=dict)  # by port
    warnings: tuple[str, ...] = ()
