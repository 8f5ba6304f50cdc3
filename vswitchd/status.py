"""What is there → what the database shall say of it.

Rule: pure. changes() returns only columns that differ from the row, so that a switch at rest writes nothing.
The texts and the columns of an interface that does not work are those of Open vSwitch 3.1.
"""

from __future__ import annotations

import errno as errnos
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from datapath.link import Link
from datapath.provider import DatapathError, Vport
from ovsdb.datum import Value
from vswitchd.config import Desired, DesiredBridge, DesiredInterface
from vswitchd.datapaths import Failures
from vswitchd.forwarding import Counters
from vswitchd.ofports import NO_NUMBERS, BridgeNumbers
from vswitchd.plan import DATAPATH_NAMES, Actual, ActualDatapath
from vswitchd.rows import Row, Tables

Columns = dict[str, Value]
Statistics = dict[int | float | bool | str, int | float | bool | str]
Writes = dict[tuple[str, str], Columns]  # (table, UUID) → columns to set

IFACE_TYPES = ("geneve", "gre", "internal", "patch", "system", "tap", "vxlan")
# Those in this process have none of their own, nor has the module in the kernel's tree.
DATAPATH_VERSIONS = {"system": "<unknown>", "netdev": "<built-in>", "dummy": "<built-in>"}
_WITH_LINK = ("system", "internal", "tap")  # kinds of ports with a device of their own name
_EMPTY: frozenset[str] = frozenset()
_BROKEN: Columns = {
    "ofport": frozenset((-1,)),
    **dict.fromkeys(("mac_in_use", "ifindex", "admin_state", "link_state", "mtu", "link_resets"), _EMPTY),
    **dict.fromkeys(("link_speed", "duplex"), _EMPTY),
    "status": {},
    "statistics": {},
}
_NOT_OPENED = (errnos.ENODEV, errnos.EAFNOSUPPORT)
_REMEDY = {
    "system": "the kernel module openvswitch is not loaded: load it (modprobe openvswitch) or set the "
    "bridge's datapath_type to netdev",
}


@dataclass(frozen=True, slots=True)
class Observation:
    """All that status is made of."""

    desired: Desired
    actual: Actual
    failures: Failures
    numbers: Mapping[str, BridgeNumbers]  # by bridge
    speeds: Mapping[str, int]  # of links, in bit/s, by name
    counters: Mapping[str, Counters]  # of ports without a device


def interface_error(
    interface: DesiredInterface, bridge: DesiredBridge, actual: Actual, failures: Failures
) -> str:
    """Say why an interface does not work; "" where it does."""
    if bridge.datapath_type not in actual.types:
        return f"could not create bridge {bridge.name}: unknown datapath type {bridge.datapath_type}"
    if failure := failures.get((bridge.datapath_type, "")):
        name = DATAPATH_NAMES[bridge.datapath_type]
        reason = f"could not create datapath {name} ({os.strerror(failure.errno)})"
        if failure.errno == errnos.ENOENT and bridge.datapath_type in _REMEDY:
            return f"{reason}: {_REMEDY[bridge.datapath_type]}"
        return f"{reason}: {failure.detail}" if failure.detail else reason
    if interface.error:
        return interface.error
    spec = interface.vport
    if spec is None:
        return ""
    datapath = actual.datapaths.get(bridge.datapath_type)
    if datapath is not None and spec.name in datapath.ports:
        return ""
    failed = failures.get((bridge.datapath_type, spec.name))
    number = failed.errno if failed else errnos.ENODEV
    if number in _NOT_OPENED:
        return f"could not open network device {interface.name} ({os.strerror(number)})"
    return f"could not add network device {interface.name} to ofproto ({os.strerror(number)})"


def describe(observation: Observation, *, statistics: bool) -> Writes:
    """Return what the database shall say; counters only where `statistics` asks for them."""
    writes: Writes = {}
    for bridge in observation.desired.bridges:
        datapath = observation.actual.datapaths.get(bridge.datapath_type)
        writes["Bridge", bridge.uuid] = _bridge(bridge, datapath, observation)
        numbers = observation.numbers.get(bridge.name, NO_NUMBERS)
        for interface in bridge.interfaces():
            if not interface.uuid:
                continue
            error = interface_error(interface, bridge, observation.actual, observation.failures)
            if error or interface.name not in numbers.ofports:
                columns = _BROKEN | {"error": frozenset((error,)) if error else _EMPTY}
            else:
                columns = _working(interface, numbers.ofports[interface.name], observation)
                if statistics:
                    columns |= {"statistics": _statistics(interface, datapath, observation)}
            writes["Interface", interface.uuid] = columns
    return writes


def switch_columns(types: Sequence[str]) -> Columns:
    """Return what the row of Open_vSwitch says of this program."""
    extra = ("dummy", "dummy-internal") if "dummy" in types else ()
    return {
        "datapath_types": frozenset(types),
        "iface_types": frozenset((*IFACE_TYPES, *extra)),
        "dpdk_initialized": False,
        "dpdk_version": frozenset(("none",)),
    }


def changes(writes: Writes, tables: Tables) -> Writes:
    """Leave out what the rows say already, and rows that are gone."""
    found: Writes = {}
    for (table, uuid), columns in writes.items():
        row: Row | None = tables[table].get(uuid)
        if row is None:
            continue
        different = {c: value for c, value in columns.items() if c in row and row[c] != value}
        if different:
            found[table, uuid] = different
    return found


def error_text(error: DatapathError) -> str:
    """Say what a datapath refused, for logs and commands."""
    text = f"{error.what}: {os.strerror(error.errno)}"
    return f"{text} ({error.detail})" if error.detail else text


def stable_mac(name: str) -> str:
    """Make up a local address for an interface that has none, always the same for one name."""
    digest = bytearray(hashlib.blake2b(name.encode(), digest_size=6).digest())
    digest[0] = digest[0] & 0xFE | 0x02
    return digest.hex(":")


def _bridge(bridge: DesiredBridge, datapath: ActualDatapath | None, observation: Observation) -> Columns:
    link = observation.actual.links.get(bridge.name)
    mac = bridge.hwaddr
    if datapath is not None and bridge.name in datapath.ports:
        mac = link.mac if link and datapath.devices else mac or stable_mac(bridge.name)
    else:
        return {"datapath_id": _EMPTY, "datapath_version": ""}
    return {
        "datapath_id": frozenset((bridge.datapath_id or "0000" + mac.replace(":", ""),)),
        "datapath_version": DATAPATH_VERSIONS[bridge.datapath_type],
    }


def _working(interface: DesiredInterface, ofport: int, observation: Observation) -> Columns:
    link = observation.actual.links.get(interface.name) if interface.kind in _WITH_LINK else None
    common: Columns = {"ofport": frozenset((ofport,)), "error": _EMPTY}
    if link is None:
        return common | {
            "mac_in_use": frozenset((interface.mac or stable_mac(interface.name),)),
            "ifindex": frozenset((0,)),
            "admin_state": frozenset(("up",)),
            "link_state": frozenset(("up",)),
            "link_resets": frozenset((0,)),
            "link_speed": _EMPTY,
            "duplex": _EMPTY,
            "mtu": _EMPTY,
            "status": {},
        }
    speed = observation.speeds.get(interface.name, 0)
    return common | {
        "mac_in_use": frozenset((link.mac,)) if link.mac else _EMPTY,
        "ifindex": frozenset((link.ifindex,)),
        "admin_state": frozenset(("up" if link.admin_up else "down",)),
        "link_state": frozenset(("up" if link.link_up else "down",)),
        "link_resets": frozenset((link.link_resets,)),
        "link_speed": frozenset((speed,)) if speed else _EMPTY,
        "duplex": frozenset(("full",)) if speed else _EMPTY,
        "mtu": frozenset((link.mtu,)),
        "status": {"driver_name": link.kind} if link.kind else {},
    }


def _statistics(
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
    return _port_statistics(port) | (_link_statistics(link) if link and interface.kind == "system" else {})


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
        "rx_multicast_packets": stats.multicast,
        "rx_over_err": stats.rx_over_errors,
        "rx_packets": stats.rx_packets,
        "tx_bytes": stats.tx_bytes,
        "tx_dropped": stats.tx_dropped,
        "tx_errors": stats.tx_errors,
        "tx_packets": stats.tx_packets,
    }
