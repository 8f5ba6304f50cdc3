"""The state by which the packets of one datapath are switched, and what is learned from them.

Rule: it is changed by set_switch() when the configuration is applied, and by what packets and flows teach.
Each change tells which flows have to be translated again: no flow outlives what it was decided by.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from datapath.packet.flowkey import FlowKey
from datapath.provider import FlowDel, FlowPut, Operation
from switching.exact import exact
from switching.group_table import GroupTable
from switching.mac_table import MacTable
from switching.state import State
from switching.switch import Switch, SwitchPort
from switching.xlate import Decision, xlate
from vswitchd.config.desired import DesiredBridge
from vswitchd.flowbook import FlowBook, Record, flow_id

DEFAULT_FLOW_LIMIT = 200_000


@dataclass(slots=True)
class Counters:
    """What went through a port that has no device of its own to count: a tunnel or patch port, a mirror."""

    rx_packets: int = 0
    rx_bytes: int = 0
    tx_packets: int = 0
    tx_bytes: int = 0


@dataclass(slots=True)
class Forwarding:
    """One datapath's bridges, their MAC tables, and the flows made from them."""

    switch: Switch = field(default_factory=lambda: Switch({}))
    state: State = field(default_factory=State)
    book: FlowBook = field(default_factory=FlowBook)
    counters: dict[str, Counters] = field(default_factory=dict)  # by name of the port, or UUID of the mirror
    flow_limit: int = DEFAULT_FLOW_LIMIT
    max_idle: float = 10.0
    upcalls: int = 0  # packets that were decided here
    megaflows: bool = True  # flows match no more of a packet than was looked at


def set_switch(forwarding: Forwarding, switch: Switch, bridges: Iterable[DesiredBridge]) -> None:
    """Take over a new picture of the bridges. Flows have to be translated again after it."""
    before, forwarding.switch = forwarding.switch, switch
    for bridge in bridges:
        table = forwarding.state.tables.setdefault(bridge.name, MacTable(bridge.name))
        table.ageing = bridge.mac_ageing
        table.set_size(bridge.mac_table_size)
        if picture := switch.bridges.get(bridge.name):
            table.keep_ports(frozenset(port.name for port in picture.ports if _stays(port, before)))
            if (
                bridge.name in before.bridges
                and before.bridges[bridge.name].flood_vlans != picture.flood_vlans
            ):
                table.flush()
    _set_groups(forwarding.state.groups, switch)
    for gone in forwarding.state.tables.keys() - switch.bridges.keys():
        del forwarding.state.tables[gone]


def _set_groups(groups: dict[str, GroupTable], switch: Switch) -> None:
    """Keep a table for each bridge that snoops."""
    for bridge in switch.bridges.values():
        if bridge.snooping is None:
            groups.pop(bridge.name, None)
            continue
        table = groups.setdefault(bridge.name, GroupTable(bridge.name))
        table.ageing = bridge.snooping.ageing
        table.set_size(bridge.snooping.size)
        table.keep_ports(frozenset(port.name for port in bridge.ports) - bridge.snooping.flood_ports)
    for gone in groups.keys() - switch.bridges.keys():
        del groups[gone]


def _stays(port: SwitchPort, before: Switch) -> bool:
    """Tell whether the stations behind a port are still where they were heard of."""
    known = before.by_name.get(port.name)
    return known is None or (known.vlan == port.vlan and known.protected == port.protected)


def count(forwarding: Forwarding, decision: Decision, packets: int, octets: int) -> None:
    """Add packets to the counters of the ports that a decision leads through."""
    for name in decision.inputs:
        counters = forwarding.counters.setdefault(name, Counters())
        counters.rx_packets += packets
        counters.rx_bytes += octets
    for name in (*decision.outputs, *decision.mirrors):
        counters = forwarding.counters.setdefault(name, Counters())
        counters.tx_packets += packets
        counters.tx_bytes += octets
    for bond, index in decision.buckets:
        if bond in forwarding.state.bonds:
            forwarding.state.bonds[bond].loads[index] += octets


def decide(forwarding: Forwarding, key: FlowKey, packet: bytes = b"") -> Decision:
    """Translate, into a flow that matches this packet's like alone where megaflows are off."""
    decision = xlate(key, forwarding.switch, forwarding.state, packet=packet)
    return decision if forwarding.megaflows else decision._replace(mask=exact(key, decision.mask))


def translate_again(forwarding: Forwarding, records: Iterable[Record]) -> list[Operation]:
    """Decide flows anew, without side effects; return what changes in the datapath."""
    operations: list[Operation] = []
    for record in records:
        decision = decide(forwarding, record.key)
        if decision.is_slow or flow_id(record.key, decision.mask) != record.ufid:
            forwarding.book.remove(record.ufid)
            operations.append(FlowDel(record.ufid))
            continue
        before = record.actions
        if decision != record.decision:
            forwarding.book.decide(record, decision)
        if decision.actions != before:
            operations.append(
                FlowPut(
                    record.ufid, record.key, decision.mask, decision.actions, record.wire_key, modify=True
                )
            )
    return operations


def places_changed(forwarding: Forwarding, places: Iterable[Hashable]) -> list[Operation]:
    """Translate the flows again that depend on these places."""
    return translate_again(forwarding, forwarding.book.looking_at(places))
