"""Desired + Actual + numbers → the Switch that packets are translated by, one for each datapath.

Rule: pure. What is not there, or has no number, is not in the picture. A port, a bridge or a Switch that is
drawn as it was before is the same object, so that whoever compares pictures looks at what is new alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Final

from switching.bond import BondMode
from switching.switch import NO_DP_PORT, Switch, SwitchBridge, SwitchPort
from vswitchd.config.desired import PATCH, Desired, DesiredBridge, DesiredInterface, DesiredPort
from vswitchd.ofports import BridgeNumbers
from vswitchd.plan import Actual, ActualDatapath

NO_SWITCH: Final = Switch({})
_ORDER = attrgetter("dp_port", "ofport")


def present_interfaces(bridge: DesiredBridge, datapath: ActualDatapath | None) -> frozenset[str]:
    """Name the interfaces of a bridge that work: their port is in the datapath, or they need none."""
    if datapath is None:
        return frozenset()
    there = datapath.ports
    return frozenset(
        [
            interface.name
            for interface in bridge.interfaces()
            if not interface.error
            and (
                ((spec := interface.vport) and (port := there.get(spec.name)) and port.kind == spec.kind)
                or interface.kind == PATCH
            )
        ]
    )


def draw(
    desired: Desired,
    actual: Actual,
    numbers: Mapping[str, BridgeNumbers],
    before: Mapping[str, Switch],
) -> dict[str, Switch]:
    """Return a Switch for each datapath, by its type. `numbers` are those of each bridge, by name.

    `before` is what was drawn the last time.
    """
    bridges: dict[str, dict[str, SwitchBridge]] = {type_: {} for type_ in actual.datapaths}
    for bridge in desired.bridges:
        datapath = actual.datapaths.get(bridge.datapath_type)
        if datapath is not None:
            known = before.get(bridge.datapath_type, NO_SWITCH)
            ports = sorted(_ports(bridge, datapath, numbers[bridge.name], known), key=_ORDER)
            drawn = SwitchBridge(
                bridge.name,
                tuple(ports),
                bridge.forward_bpdu,
                bridge.flood_vlans,
                bridge.mirrors,
                frozenset(mirror.to.port for mirror in bridge.mirrors if mirror.to.port),
                bridge.snooping,
                any(port.bond and port.bond.mode is BondMode.BALANCE_SLB for port in bridge.ports),
            )
            same = known.bridges.get(bridge.name)
            bridges[bridge.datapath_type][bridge.name] = same if same == drawn else drawn
    return {type_: _switch(found, desired.vlan_limit, before.get(type_)) for type_, found in bridges.items()}


def _switch(bridges: dict[str, SwitchBridge], vlan_limit: int, before: Switch | None) -> Switch:
    if before is not None and (before.bridges, before.vlan_limit) == (bridges, vlan_limit):
        return before
    return Switch(bridges, vlan_limit)


def _ports(
    bridge: DesiredBridge, datapath: ActualDatapath, numbers: BridgeNumbers, before: Switch
) -> Iterator[SwitchPort]:
    ofports = numbers.ofports
    for port in bridge.ports:
        drawn = [
            _interface(bridge, port, interface, datapath, ofports[interface.name], before)
            for interface in port.interfaces
            if interface.name in ofports
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
    ofport: int,
    before: Switch,
) -> SwitchPort:
    spec = interface.vport
    dp_port = datapath.ports[spec.name].port_no if spec else NO_DP_PORT
    name = interface.name if port.bond else port.name
    known = before.by_name.get(name)
    if (
        known is not None
        and known.dp_port == dp_port
        and known.ofport == ofport
        and known.vlan is port.vlan
        and known.tunnel is interface.tunnel
        and known.bridge == bridge.name
        and known.peer == interface.peer
        and known.protected is port.protected
        and not known.members
    ):
        return known
    return SwitchPort(
        bridge=bridge.name,
        name=name,
        ofport=ofport,
        dp_port=dp_port,
        vlan=port.vlan,
        tunnel=interface.tunnel,
        peer=interface.peer,
        protected=port.protected,
    )
