"""Desired × Actual → Plan: the steps that make the datapaths what the database asks for.

Rule: pure; the plan for what a plan made is empty. Deletions come first, since their names and numbers may be
used again. A step that failed is simply planned anew the next time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from datapath.link import Link
from datapath.provider import LOCAL_PORT, Vport, VportSpec
from vswitchd.bridge_mac import bridge_mac
from vswitchd.config.desired import Desired, DesiredBridge, DesiredInterface

DATAPATH_NAMES = {"system": "ovs-system", "netdev": "ovs-netdev", "dummy": "ovs-dummy"}
_WITH_DEVICE = ("system", "tap")  # kinds of ports whose devices have an address and an MTU of their own
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
        deletions += [
            DeletePort(type_, port.name, port.port_no)
            for port in datapath.ports.values()
            if port.port_no != LOCAL_PORT
            and not (
                _serves(port, wanted[type_].get(port.name), actual) and _is_alive(port, datapath, actual)
            )
        ]
    deleted = {(step.type, step.name) for step in deletions if isinstance(step, DeletePort)}
    for type_, specs in wanted.items():
        there = actual.datapaths[type_].ports if type_ in actual.datapaths else {}
        if type_ not in actual.datapaths:
            additions.append(CreateDatapath(type_))
        additions += [
            AddPort(type_, spec)
            for name, spec in specs.items()
            if name not in there or (type_, name) in deleted
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
            for interface in bridge.interfaces():
                if spec := interface.vport:
                    specs.setdefault(spec.name, spec)
            for port in bridge.ports:
                if port.bond is not None and port.bond.fake_interface:  # for programs that look for a device
                    specs.setdefault(port.name, VportSpec(port.name, "internal"))
    return wanted


def _serves(port: Vport, spec: VportSpec | None, actual: Actual) -> bool:
    if spec is None or (port.kind, port.dst_port) != (spec.kind, spec.dst_port):
        return False
    device = actual.links.get(port.name) if port.kind == "vxlan" and port.ifindex else None
    return device is None or device.gbp == spec.gbp


def _is_alive(port: Vport, datapath: ActualDatapath, actual: Actual) -> bool:
    """Tell whether the device is still the one that was attached, and not gone or another of that name."""
    if not datapath.devices or port.kind != "system" or not port.ifindex:
        return True
    link = actual.links.get(port.name)
    return link is not None and link.ifindex == port.ifindex


def _device_steps(desired: Desired, actual: Actual) -> Iterator[Step]:
    """Plan addresses and MTUs of devices."""
    for bridge in desired.bridges:
        datapath = actual.datapaths.get(bridge.datapath_type)
        if bridge.datapath_type in actual.types and (datapath is None or datapath.devices):
            yield from _mac_steps(bridge, actual.links)
            yield from _mtu_steps(bridge, actual.links)


def _mac_steps(bridge: DesiredBridge, links: Mapping[str, Link]) -> Iterator[Step]:
    for interface in bridge.interfaces():
        if interface.kind != "internal":
            continue
        mac = interface.mac
        if interface.name == bridge.name:
            mac = bridge_mac(bridge, links)
        link = links.get(interface.name)
        if mac and (link is None or link.mac != mac):
            yield SetMac(bridge.datapath_type, interface.name, mac)


def _mtu_steps(bridge: DesiredBridge, links: Mapping[str, Link]) -> Iterator[Step]:
    """Internal ports get what is asked for, else the smallest MTU of the others, as Open vSwitch does."""
    requested = [i.mtu for i in bridge.interfaces() if i.mtu and i.kind == "internal"]
    found = [link.mtu for link in _links(bridge.interfaces(), links, _WITH_DEVICE) if link.mtu]
    smallest = min(requested + found, default=None)
    for interface in bridge.interfaces():
        mtu = interface.mtu
        if interface.kind == "internal" and not mtu:
            mtu = smallest
        link = links.get(interface.name)
        if mtu and link is not None and link.mtu != mtu and interface.kind in ("internal", *_WITH_DEVICE):
            yield SetMtu(bridge.datapath_type, interface.name, mtu)


def _links(
    interfaces: Iterable[DesiredInterface], links: Mapping[str, Link], kinds: tuple[str, ...]
) -> Iterator[Link]:
    for interface in interfaces:
        if interface.kind in kinds and interface.name in links:
            yield links[interface.name]
