"""Desired × Actual → Plan: the steps that make the datapaths what the database asks for.

Rule: pure; the plan for what a plan made is empty. Deletions come first, since their names and numbers may be
used again. A step that failed is simply planned anew the next time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from datapath.link import Link
from datapath.provider import LOCAL_PORT, Vport, VportSpec
from vswitchd.bridge_mac import bridge_mac
from vswitchd.config.desired import Desired, DesiredBridge

DATAPATH_NAMES = {"system": "ovs-system", "netdev": "ovs-netdev", "dummy": "ovs-dummy"}
_WITH_DEVICE = ("system", "tap")  # kinds of ports whose devices have an address and an MTU of their own
_WITH_MTU = ("internal", *_WITH_DEVICE)  # and those that get one
Subject = tuple[str, str]  # datapath type, name of a port; "" for the datapath itself


@dataclass(frozen=True, slots=True)
class ActualDatapath:
    """A datapath that is there."""

    name: str
    ports: Mapping[str, Vport]  # by name
    devices: bool = True  # its ports are network devices


@dataclass(frozen=True, slots=True)
class Actual:
    """What is there."""

    datapaths: Mapping[str, ActualDatapath] = field(default_factory=dict)  # by type
    links: Mapping[str, Link] = field(default_factory=dict)  # network devices by name
    types: frozenset[str] = frozenset(DATAPATH_NAMES)  # of datapaths that this daemon can make


@dataclass(frozen=True, slots=True)
class DeletePort:
    """Detach a port, and remove the device behind it where the datapath made that."""

    type: str
    name: str
    port_no: int


@dataclass(frozen=True, slots=True)
class DeleteDatapath:
    """Remove a datapath that no bridge is on."""

    type: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class CreateDatapath:
    """Make the datapath that all bridges of one type are on."""

    type: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class AddPort:
    """Attach or make a port."""

    type: str
    spec: VportSpec

    @property
    def name(self) -> str:
        """The name of the port in the datapath."""
        return self.spec.name


@dataclass(frozen=True, slots=True)
class SetMac:
    """Give a device an address."""

    type: str
    name: str
    mac: str


@dataclass(frozen=True, slots=True)
class SetMtu:
    """Give a device an MTU."""

    type: str
    name: str
    mtu: int


Step = DeletePort | DeleteDatapath | CreateDatapath | AddPort | SetMac | SetMtu
Plan = tuple[Step, ...]


def plan(desired: Desired, actual: Actual) -> Plan:
    """Return the steps from what is there to what is asked for."""
    wanted = wanted_ports(desired, actual.types)
    deletions: list[Step] = []
    additions: list[Step] = []
    for type_, datapath in actual.datapaths.items():
        if type_ not in wanted:
            deletions.append(DeleteDatapath(type_))
            continue
        specs = wanted[type_]
        deletions += [
            DeletePort(type_, port.name, port.port_no)
            for port in datapath.ports.values()
            if not _stays(port, specs.get(port.name), datapath, actual.links)
        ]
    for type_, specs in wanted.items():
        there = actual.datapaths[type_].ports if type_ in actual.datapaths else {}
        deleted = {step.name for step in deletions if step.type == type_}
        if type_ not in actual.datapaths:
            additions.append(CreateDatapath(type_))
        additions += [
            AddPort(type_, spec) for name, spec in specs.items() if name not in there or name in deleted
        ]
    deletions.sort(key=lambda step: isinstance(step, DeleteDatapath))
    additions.sort(key=lambda step: isinstance(step, AddPort))
    return (*deletions, *additions, *_device_steps(desired, actual))


def wanted_ports(desired: Desired, types: frozenset[str]) -> dict[str, dict[str, VportSpec]]:
    """Return the ports that each datapath shall have, by type and name; tunnels share theirs."""
    wanted: dict[str, dict[str, VportSpec]] = {}
    for bridge in desired.bridges:
        if bridge.datapath_type in types:
            specs = wanted.setdefault(bridge.datapath_type, {})
            for name, spec in bridge.vports().items():
                specs.setdefault(name, spec)
    return wanted


def _stays(port: Vport, spec: VportSpec | None, datapath: ActualDatapath, links: Mapping[str, Link]) -> bool:
    """Tell whether a port is what is asked for, and its device still the one that was attached."""
    if port.port_no == LOCAL_PORT:
        return True
    kind = port.kind
    if spec is None or kind != spec.kind or port.dst_port != spec.dst_port:
        return False
    if not port.ifindex:
        return True
    if kind == "vxlan":
        device = links.get(port.name)
        return device is None or device.gbp == spec.gbp
    if kind == "system" and datapath.devices:
        device = links.get(port.name)  # it may be gone, or be another one of that name
        return device is not None and device.ifindex == port.ifindex
    return True


def _device_steps(desired: Desired, actual: Actual) -> Iterator[Step]:
    """Plan addresses and MTUs of devices."""
    for bridge in desired.bridges:
        datapath = actual.datapaths.get(bridge.datapath_type)
        if bridge.datapath_type in actual.types and (datapath is None or datapath.devices):
            yield from _mac_steps(bridge, actual.links)
            yield from _mtu_steps(bridge, actual.links)


def _mac_steps(bridge: DesiredBridge, links: Mapping[str, Link]) -> Iterator[Step]:
    for interface in bridge.interfaces():
        mac, name = interface.mac, interface.name
        if name == bridge.name:
            mac = bridge_mac(bridge, links)
        if mac and interface.kind == "internal":
            link = links.get(name)
            if link is None or link.mac != mac:
                yield SetMac(bridge.datapath_type, name, mac)


def _mtu_steps(bridge: DesiredBridge, links: Mapping[str, Link]) -> Iterator[Step]:
    """Internal ports get what is asked for, else the smallest MTU of the others, as Open vSwitch does."""
    devices = [(i, links[i.name]) for i in bridge.interfaces() if i.kind in _WITH_MTU and i.name in links]
    requested = [i.mtu for i in bridge.interfaces() if i.mtu and i.kind == "internal"]
    found = [link.mtu for interface, link in devices if interface.kind in _WITH_DEVICE and link.mtu]
    smallest = min(requested + found, default=None)
    for interface, link in devices:
        mtu = interface.mtu or (smallest if interface.kind == "internal" else None)
        if mtu and link.mtu != mtu:
            yield SetMtu(bridge.datapath_type, interface.name, mtu)
