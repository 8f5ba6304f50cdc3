"""The bridges of one datapath as translation sees them: an immutable picture, indexed.

Rule: pure; made anew whenever the configuration or the datapath's ports change, never modified.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from datapath.packet.flowkey import FlowKey
from switching.bond import recirc_id_of
from switching.group_table import Snooping
from switching.mirror import Mirror
from switching.tunnel import TunnelConfig, TunnelMatch, candidates, match_of
from switching.vlan import DEFAULT_LIMIT, PortVlan

LOCAL_OFPORT = 65534  # OFPP_LOCAL, the port that bears the bridge's name
NO_DP_PORT = -1


@dataclass(frozen=True, slots=True)
class SwitchPort:
    """One port of one bridge."""

    bridge: str
    name: str
    ofport: int
    dp_port: int  # NO_DP_PORT for a patch port
    vlan: PortVlan = field(default=PortVlan())
    tunnel: TunnelConfig | None = None
    peer: str = ""  # of a patch port: the name of the port at its other end
    protected: bool = False  # sends nothing to other protected ports
    members: tuple[SwitchPort, ...] = ()  # of a bond: its interfaces, each as a port of that name

    def member_at(self, dp_port: int) -> SwitchPort | None:
        """Return the member of a bond that is this port of the datapath."""
        return next((member for member in self.members if member.dp_port == dp_port), None)

    def member_named(self, name: str) -> SwitchPort | None:
        """Return the member of a bond that bears this name."""
        return next((member for member in self.members if member.name == name), None)


@dataclass(frozen=True, slots=True)
class SwitchBridge:
    """One bridge."""

    name: str
    ports: tuple[SwitchPort, ...]
    forward_bpdu: bool = False
    flood_vlans: frozenset[int] = frozenset()  # VLANs in which nothing is learned
    mirrors: tuple[Mirror, ...] = ()
    mirror_ports: frozenset[str] = frozenset()  # ports that nothing but mirrored packets leaves by
    snooping: Snooping | None = None  # of multicast
    has_slb: bool = False  # a bond of it balances by source


class Switch:
    """All bridges on one datapath."""

    def __init__(self, bridges: Mapping[str, SwitchBridge], vlan_limit: int = DEFAULT_LIMIT) -> None:
        self.bridges = bridges
        self.vlan_limit = vlan_limit  # tags that are looked at; further ones are payload
        self.by_name: dict[str, SwitchPort] = {}
        self._by_dp_port: dict[int, SwitchPort] = {}
        self.tunnels: dict[TunnelMatch, SwitchPort] = {}
        self.by_recirc: dict[int, SwitchPort] = {}  # bonds
        for bridge in bridges.values():
            for port in bridge.ports:
                self._index(port)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Switch):
            return NotImplemented
        return (self.bridges, self.vlan_limit) == (other.bridges, other.vlan_limit)

    def _index(self, port: SwitchPort) -> None:
        self.by_name[port.name] = port
        if port.members:
            self.by_recirc[recirc_id_of(port.name)] = port
        for member in port.members:
            self._by_dp_port[member.dp_port] = port
        if port.tunnel is not None:
            self.tunnels[match_of(port.tunnel, port.dp_port)] = port
        elif port.dp_port != NO_DP_PORT:
            self._by_dp_port[port.dp_port] = port

    def input_port(self, key: FlowKey) -> SwitchPort | None:
        """Return the port by which a packet came in; None: the datapath's port belongs to no bridge."""
        if not key.tun_proto:
            return self._by_dp_port.get(key.in_port)
        for match in candidates(key):
            if port := self.tunnels.get(match):
                return port
        return None
