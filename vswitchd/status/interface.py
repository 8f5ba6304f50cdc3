"""The status columns of an Interface: why it does not work, or what its device is and has counted.

Rule: pure. The texts and the columns of an interface that does not work are those of Open vSwitch 3.1.
Source: ovs-vswitchd.conf.db(5), Interface table.
"""

from __future__ import annotations

import errno as errnos
import os
from collections.abc import Mapping

from datapath.link import Link
from datapath.provider import Vport
from vswitchd.config.desired import DesiredBridge, DesiredInterface
from vswitchd.devices import DeviceFacts
from vswitchd.forwarding import Counters
from vswitchd.plan import DATAPATH_NAMES, Actual, ActualDatapath
from vswitchd.retries import Failures
from vswitchd.status.observation import EMPTY, Columns, Observation, Statistics, stable_mac, text_map

_MEGA = 1_000_000
_WITH_LINK = ("system", "internal", "tap")  # kinds of ports with a device of their own name
BROKEN: Columns = {
    "ofport": frozenset((-1,)),
    **dict.fromkeys(("mac_in_use", "ifindex", "admin_state", "link_state", "mtu", "link_resets"), EMPTY),
    **dict.fromkeys(("link_speed", "duplex"), EMPTY),
    "status": {},
    "statistics": {},
}
_NOT_OPENED = (errnos.ENODEV, errnos.EAFNOSUPPORT)
_REMEDY = {
    "system": "the kernel module openvswitch is not loaded: load it (modprobe openvswitch) or set the "
    "bridge's datapath_type to netdev",
}


def interface_errors(bridge: DesiredBridge, actual: Actual, failures: Failures) -> dict[str, str]:
    """Say of the interfaces of a bridge that do not work why, by name."""
    if error := _bridge_error(bridge, actual, failures):
        return {interface.name: error for interface in bridge.interfaces()}
    datapath = actual.datapaths.get(bridge.datapath_type)
    there = datapath.ports if datapath else {}
    return {
        interface.name: _own_error(interface, bridge, failures)
        for interface in bridge.interfaces()
        if interface.error or ((spec := interface.vport) is not None and spec.name not in there)
    }


def _bridge_error(bridge: DesiredBridge, actual: Actual, failures: Failures) -> str:
    """Say why nothing of a bridge works; "" where that is not so."""
    if bridge.datapath_type not in actual.types:
        return f"could not create bridge {bridge.name}: unknown datapath type {bridge.datapath_type}"
    failure = failures.get((bridge.datapath_type, ""))
    if failure is None:
        return ""
    name = DATAPATH_NAMES[bridge.datapath_type]
    reason = f"could not create datapath {name} ({os.strerror(failure.errno)})"
    if failure.errno == errnos.ENOENT and bridge.datapath_type in _REMEDY:
        return f"{reason}: {_REMEDY[bridge.datapath_type]}"
    return f"{reason}: {failure.detail}" if failure.detail else reason


def _own_error(interface: DesiredInterface, bridge: DesiredBridge, failures: Failures) -> str:
    """Say what is wrong with an interface, or why the port that it needs is not there."""
    spec = interface.vport
    if spec is None:
        return interface.error
    failed = failures.get((bridge.datapath_type, spec.name))
    number = failed.errno if failed else errnos.ENODEV
    if number in _NOT_OPENED:
        return f"could not open network device {interface.name} ({os.strerror(number)})"
    return f"could not add network device {interface.name} to ofproto ({os.strerror(number)})"


# All that the row of an interface that works depends on, counters aside: the interface, its number, its
# device and what is known of that, the way that packets of a tunnel take. A class would cost 0.4 us for each.
Seen = tuple[DesiredInterface, int, Link | None, DeviceFacts | None, Mapping[str, str] | None]


def see(interface: DesiredInterface, ofport: int, observation: Observation) -> Seen:
    """Return what is seen of an interface that works."""
    name = interface.name
    link = observation.actual.links.get(name) if interface.kind in _WITH_LINK else None
    return interface, ofport, link, observation.devices.get(name), observation.egress.get(name)


def working_columns(seen: Seen) -> Columns:
    """Return what the row of an interface that works shall say, counters aside."""
    interface, ofport, link, known, way = seen
    common: Columns = {"ofport": frozenset((ofport,)), "error": EMPTY}
    if link is None:
        return common | {
            "mac_in_use": frozenset((interface.mac or stable_mac(interface.name),)),
            "ifindex": frozenset((0,)),
            "admin_state": frozenset(("up",)),
            "link_state": frozenset(("up",)),
            "link_resets": frozenset((0,)),
            "link_speed": EMPTY,
            "duplex": EMPTY,
            "mtu": EMPTY,
            "status": text_map(way or {}),
        }
    facts = known or DeviceFacts()
    return common | {
        "mac_in_use": frozenset((link.mac,)) if link.mac else EMPTY,
        "ifindex": frozenset((link.ifindex,)),
        "admin_state": frozenset(("up" if link.admin_up else "down",)),
        "link_state": frozenset(("up" if link.link_up else "down",)),
        "link_resets": frozenset((facts.link_resets,)),
        "link_speed": frozenset((facts.mode.speed * _MEGA,)) if facts.mode else EMPTY,
        "duplex": frozenset(("full" if facts.mode.full_duplex else "half",)) if facts.mode else EMPTY,
        "mtu": frozenset((link.mtu,)),
        "status": _driver(link, facts),
    }


def _driver(link: Link, facts: DeviceFacts) -> Statistics:
    if facts.driver is None or link.kind == "openvswitch":  # whose version is the kernel's
        return {"driver_name": link.kind} if link.kind else {}
    name, version, firmware = facts.driver
    return {"driver_name": name, "driver_version": version, "firmware_version": firmware}


def interface_statistics(
    interface: DesiredInterface, datapath: ActualDatapath | None, observation: Observation
) -> Statistics:
    """Return counters as the switch sees them: what an internal port's device sends, the switch receives."""
    if interface.kind not in _WITH_LINK:
        counters = observation.counters.get(interface.name, Counters())
        return {
            "rx_bytes": counters.rx_bytes,
            "rx_packets": counters.rx_packets,
            "tx_bytes": counters.tx_bytes,
            "tx_packets": counters.tx_packets,
        }
    port = datapath.ports.get(interface.name) if datapath else None
    if port is None:
        return {}
    link = observation.actual.links.get(interface.name)
    if link is None:
        return _port_statistics(port)
    counted = _link_statistics(link) if interface.kind == "system" else _port_statistics(port)
    return counted | _receive_errors(link)


def _port_statistics(port: Vport) -> Statistics:
    statistics: Statistics = {"collisions": 0}
    statistics.update(zip(port.stats._fields, port.stats, strict=True))
    return statistics


def _link_statistics(link: Link) -> Statistics:
    stats = link.stats
    return {
        "collisions": stats.collisions,
        "rx_bytes": stats.rx_bytes,
        "rx_dropped": stats.rx_dropped,
        "rx_errors": stats.rx_errors,
        "rx_packets": stats.rx_packets,
        "tx_bytes": stats.tx_bytes,
        "tx_dropped": stats.tx_dropped,
        "tx_errors": stats.tx_errors,
        "tx_packets": stats.tx_packets,
    }


def _receive_errors(link: Link) -> Statistics:
    """Return what devices alone count."""
    stats = link.stats
    return {
        "rx_crc_err": stats.rx_crc_errors,
        "rx_frame_err": stats.rx_frame_errors,
        "rx_missed_errors": stats.rx_missed_errors,
        "rx_multicast_packets": stats.multicast,
        "rx_over_err": stats.rx_over_errors,
    }
