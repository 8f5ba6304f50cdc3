"""Desired + Actual + numbers → the Switch that packets are translated by, one for each datapath.

Rule: pure. What is not there, or has no number, is not in the picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from switching.bond import BondMode
from switching.switch import NO_DP_PORT, Switch, SwitchBridge, SwitchPort
from vswitchd.config.desired import PATCH, Desired, DesiredBridge, DesiredInterface, DesiredPort
from vswitchd.ofports import BridgeNumbers
from vswitchd.plan import Actual, ActualDatapath


def present_interfaces(bridge: DesiredBridge, datapath: ActualDatapath | None) -> frozenset[str]:
    """Name the interfaces of a bridge that work: their port is in the datapath, or they need none."""
    if datapath is None:
        return frozenset()
    return frozenset(
        interface.name
        for interface in bridge.interfaces()
        if not interface.error and (interface.kind == PATCH or _is_there(interface, datapath))
    )


def _is_there(interface: DesiredInterface, datapath: ActualDatapath) -> bool:
    spec = interface.vport
    port = datapath.ports.get(spec.name) if spec else None
    return port is not None and spec is not None and port.kind == spec.kind


def draw(desired: Desired, actual: Actual, numbers: Mapping[str, BridgeNumbers]) -> dict[str, Switch]:
    """Return a Switch for each datapath, by its type. `numbers` are those of each bridge, by name."""
    bridges: dict[str, dict[str, SwitchBridge]] = {type_: {} for type_ in actual.datapaths}
    for bridge in desired.bridges:
        datapath = actual.datapaths.get(bridge.datapath_type)
        if datapath is not None:
            ports = sorted(_ports(bridge, datapath, numbers[bridge.name]), key=_order)
            bridges[bridge.datapath_type][bridge.name] = SwitchBridge(
                bridge.name,
                tuple(ports),
                bridge.forward_bpdu,
                bridge.flood_vlans,
                bridge.mirrors,
                frozenset(mirror.to.port for mirror in bridge.mirrors if mirror.to.port),
                bridge.snooping,
                any(port.bond and port.bond.mode is BondMode.BALANCE_SLB for port in bridge.ports),
            )
    return {type_: Switch(found, desired.vlan_limit) for type_, found in bridges.items()}


def _order(port: SwitchPort) -> tuple[int, int]:
    return port.dp_port, port.ofport


def _ports(bridge: DesiredBridge, datapath: ActualDatapath, numbers: BridgeNumbers) -> Iterator[SwitchPort]:
    for port in bridge.ports:
        drawn = [
            _interface(bridge, port, interface, datapath, numbers)
            for interface in port.interfaces
            if interface.name in numbers.ofports
        ]
        if port.bond is None:
            yield from drawn
        elif members := tuple(m for m in drawn if m.dp_port != NO_DP_PORT and m.tunnel is None):
            yield SwitchPort(
                bridge=bridge.name,
                name=port.name,
                ofport=members[0].ofport,
                dp_port=NO_DP_PORT,
                vlan=port.vlan,
                protected=port.protected,
                members=members,
            )


def _interface(
    bridge: DesiredBridge,
    port: DesiredPort,
    interface: DesiredInterface,
    datapath: ActualDatapath,
    numbers: BridgeNumbers,
) -> SwitchPort:
    spec = interface.vport
    return SwitchPort(
        bridge=bridge.name,
        name=interface.name if port.bond else port.name,
        ofport=numbers.ofports[interface.name],
        dp_port=datapath.ports[spec.name].port_no if spec else NO_DP_PORT,
        vlan=port.vlan,
        tunnel=interface.tunnel,
        peer=interface.peer,
        protected=port.protected,
    )
