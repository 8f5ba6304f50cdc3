"""QoS and policing of the devices behind ports: looked at, planned, carried out.

Rule: nothing is done and nothing loaded where nobody asks for any. What was made is remembered, so that a
device is read again only where something else is asked for or another qdisc stands there. Only what was made
here goes when nobody asks for it: a daemon that starts knows what another made by the root class 1:fffe or,
where there are no classes, by the handle 1: and a kind that is made here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from appctl import vlog
from datapath.ethtool import Ethtool
from datapath.link import Link
from datapath.provider import Datapath, DatapathError
from datapath.tc.control import Look, Root, SetRoot, TrafficControl
from datapath.tc.values import HANDLE, KINDS, ROOT_CLASS, Police, QueueStats, Shaping
from vswitchd.config.desired import Desired, DesiredInterface
from vswitchd.config.qos import NO_POLICING, Policing, QosConfig
from vswitchd.plan import Actual
from vswitchd.qos_plan import limit_of, plan_policing, plan_shaping, police_of, shaping_of

_WITH_CLASSES = ("htb", "hfsc")
_NO_SPEED = "tun"  # kind of devices whose speed is made up
log = vlog.module("netdev_linux")


@dataclass(frozen=True, slots=True)
class _Device:
    """A device, and what is asked for it."""

    link: Link
    qos: QosConfig | None
    police: Police | None


@dataclass(slots=True)
class _Made:
    """What stands at a device because of this program."""

    name: str
    shaping: Shaping | None = None
    police: Police | None = None


@dataclass(slots=True)
class Qos:
    """The QoS of this daemon's devices."""

    ethtool: Ethtool | None
    _tc: TrafficControl | None = None
    _made: dict[int, _Made] = field(default_factory=dict)  # by ifindex
    _errors: dict[str, str] = field(default_factory=dict)  # of devices, as last logged
    _limits: dict[tuple[str, int, int], Policing] = field(default_factory=dict)  # datapath, port, ifindex
    _has_looked: bool = False

    def apply(self, desired: Desired, actual: Actual, handles: Mapping[str, Datapath]) -> None:
        """Make the devices' traffic control what is asked for. Devices that have none are logged, once."""
        if self._is_at_rest(desired):
            return
        limited = self._limit_ports(desired, actual, handles)
        devices = {device.link.ifindex: device for device in _devices(desired, actual, limited)}
        is_asked = any(device.qos or device.police for device in devices.values())
        if not is_asked and not self._made and (self._has_looked or not devices):
            return
        try:
            self._tc = self._tc or TrafficControl()
            look = self._tc.look()
            if not self._has_looked:
                self._adopt(devices, look)
                self._has_looked = True
        except DatapathError as error:
            self._complain({"": f"traffic control: {error}"})
            return
        links = {link.ifindex for link in actual.links.values()}
        errors: dict[str, str] = {}
        for ifindex in [*devices, *(self._made.keys() - devices.keys())]:
            if ifindex not in links:
                del self._made[ifindex]  # it went with its device
                continue
            device = devices.get(ifindex)
            made = self._made.get(ifindex)
            if made is None and (device is None or not (device.qos or device.police)):
                continue
            name = device.link.name if device else made.name if made else ""
            try:
                self._apply_to(ifindex, name, device, look)
            except DatapathError as error:
                errors[name] = f"{name}: traffic control failed: {error}"
        self._complain(errors)

    def shown(self, ifindex: int) -> tuple[Shaping, Mapping[int, QueueStats]] | None:
        """Return what a device has of this program, and what its queues have sent. DatapathError."""
        made = self._made.get(ifindex)
        if made is None or made.shaping is None or self._tc is None:
            return None
        return made.shaping, self._tc.statistics(ifindex)

    def close(self) -> None:
        """Close the socket; what was made stays, as the flows do."""
        if self._tc is not None:
            self._tc.close()

    def _is_at_rest(self, desired: Desired) -> bool:
        """Tell whether nobody asks for anything, and nothing is there that would have to go."""
        if desired.qos or self._made or self._limits or not self._has_looked:
            return False
        return not any(bridge.has_policing() for bridge in desired.bridges)

    def _limit_ports(self, desired: Desired, actual: Actual, handles: Mapping[str, Datapath]) -> set[str]:
        """Let datapaths limit what comes, where they can; return the names of the interfaces they limit."""
        wanted: dict[tuple[str, int, int], Policing] = {}
        limited: set[str] = set()
        for bridge in desired.bridges:
            datapath = actual.datapaths.get(bridge.datapath_type)
            handle = handles.get(bridge.datapath_type)
            if datapath is None or handle is None:
                continue
            for interface in bridge.interfaces():
                port = datapath.ports.get(interface.name)
                if interface.policing is NO_POLICING or port is None:
                    continue
                place = (bridge.datapath_type, port.port_no, port.ifindex)
                limit = limit_of(interface.policing)
                if self._limits.get(place) == interface.policing or handle.limit_port(port.port_no, limit):
                    wanted[place] = interface.policing
                    limited.add(interface.name)
        for type_, port_no, ifindex in self._limits.keys() - wanted.keys():
            datapath, handle = actual.datapaths.get(type_), handles.get(type_)
            ports = datapath.ports.values() if datapath else ()
            if handle is not None and any((p.port_no, p.ifindex) == (port_no, ifindex) for p in ports):
                handle.limit_port(port_no, None)
        self._limits = wanted
        return limited

    def _apply_to(self, ifindex: int, name: str, device: _Device | None, look: Look) -> None:
        assert self._tc is not None
        made = self._made.setdefault(ifindex, _Made(name))
        root = look.roots.get(ifindex)
        is_there = root is not None and root.handle != 0
        qos = device.qos if device else None
        if qos is not None and not qos.kind:
            made.shaping = None  # somebody else sees to it
        elif qos is not None and device is not None:
            wanted = shaping_of(qos, device.link.mtu, self._speed(device.link))
            if wanted != made.shaping or root != Root(wanted.discipline.kind, HANDLE):
                before = self._tc.shaping(ifindex) if is_there else None
                for step in plan_shaping(wanted, before, is_there=is_there):
                    self._tc.apply(ifindex, step)
                    if isinstance(step, SetRoot):
                        made.shaping = Shaping(wanted.discipline)  # also where the next step fails
                made.shaping = wanted
        elif made.shaping is not None:
            if root == Root(made.shaping.discipline.kind, HANDLE):
                for step in plan_shaping(None, None, is_there=True):
                    self._tc.apply(ifindex, step)
            made.shaping = None
        police = device.police if device else None
        if police != made.police or (police and ifindex not in look.ingress):
            before_police = self._tc.police(ifindex) if ifindex in look.ingress else None
            for step in plan_policing(police, before_police):
                self._tc.apply(ifindex, step)
            made.police = police
        if made.shaping is None and made.police is None:
            del self._made[ifindex]

    def _adopt(self, devices: Mapping[int, _Device], look: Look) -> None:
        """Take over what a run before this one made."""
        assert self._tc is not None
        for ifindex, device in devices.items():
            made = _Made(device.link.name)
            root = look.roots.get(ifindex)
            if root is not None and root.handle == HANDLE and root.kind in KINDS:
                shaping = self._tc.shaping(ifindex)
                if shaping and (ROOT_CLASS in shaping.classes or root.kind not in _WITH_CLASSES):
                    made.shaping = shaping
            if ifindex in look.ingress:
                made.police = self._tc.police(ifindex)
            if made.shaping or made.police:
                self._made[ifindex] = made

    def _speed(self, link: Link) -> int:
        """Return a device's speed in bit/s; 0 where it has none."""
        mode = self.ethtool.link_mode(link.name) if self.ethtool and link.kind != _NO_SPEED else None
        return mode.speed * 1_000_000 if mode else 0

    def _complain(self, errors: dict[str, str]) -> None:
        for name, error in errors.items():
            if self._errors.get(name) != error:
                log.warn("%s", error)
        self._errors = errors


def _devices(desired: Desired, actual: Actual, limited: set[str]) -> Iterator[_Device]:
    """List the devices that are ports of a bridge."""
    for bridge in desired.bridges:
        datapath = actual.datapaths.get(bridge.datapath_type)
        if datapath is None or not datapath.devices:
            continue
        for port in bridge.ports:
            qos = desired.qos.get(port.name)
            for interface in port.interfaces:
                link = _link(interface, actual.links)
                if link is not None:
                    by_tc = interface.policing is not NO_POLICING and interface.name not in limited
                    police = police_of(interface.policing) if by_tc else None
                    yield _Device(link, qos, police)


def _link(interface: DesiredInterface, links: Mapping[str, Link]) -> Link | None:
    vport = interface.vport
    return links.get(interface.name) if vport is not None and vport.name == interface.name else None
