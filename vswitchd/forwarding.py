"""The state by which the packets of one datapath are switched, and what is learned from them.

Rule: it is changed by set_switch() when the configuration is applied, and by what packets and flows teach.
Each change tells which flows have to be translated again: no flow outlives what it was decided by.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from datapath.packet.flowkey import FlowKey
from datapath.provider import FlowDel, FlowPut, Operation
from switching.difference import doubtful, no_decision
from switching.exact import exact
from switching.group_table import GroupTable
from switching.mac_table import MacTable
from switching.state import State
from switching.switch import Switch, SwitchPort
from switching.twins import Twins
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


def set_switch(forwarding: Forwarding, switch: Switch, bridges: Iterable[DesiredBridge]) -> list[Hashable]:
    """Take over a new picture of the bridges; return the places that answer differently now.

    The flows that switching.difference doubts have to be translated again too.
    """
    before, forwarding.switch = forwarding.switch, switch
    changed: list[Hashable] = []
    for bridge in bridges:
        table = forwarding.state.tables.setdefault(bridge.name, MacTable(bridge.name))
        table.ageing = bridge.mac_ageing
        changed += table.set_size(bridge.mac_table_size)
        if picture := switch.bridges.get(bridge.name):
            kept = frozenset(port.name for port in picture.ports if _stays(port, before))
            changed += table.keep_ports(kept)
            known = before.bridges.get(bridge.name)
            if known is not None and known.flood_vlans != picture.flood_vlans:
                changed += table.flush()
    changed += _set_groups(forwarding.state.groups, switch)
    for gone in forwarding.state.tables.keys() - switch.bridges.keys():
        del forwarding.state.tables[gone]
    return changed


def _set_groups(groups: dict[str, GroupTable], switch: Switch) -> list[Hashable]:
    """Keep a table for each bridge that snoops."""
    changed: list[Hashable] = []
    for bridge in switch.bridges.values():
        if bridge.snooping is None:
            groups.pop(bridge.name, None)
            continue
        table = groups.setdefault(bridge.name, GroupTable(bridge.name))
        table.ageing = bridge.snooping.ageing
        changed += table.set_size(bridge.snooping.size)
        ports = frozenset(port.name for port in bridge.ports) - bridge.snooping.flood_ports
        changed += table.keep_ports(ports)
    for gone in groups.keys() - switch.bridges.keys():
        del groups[gone]
    return changed


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
    return _as_wide(forwarding, key, xlate(key, forwarding.switch, forwarding.state, packet=packet))


def _as_wide(forwarding: Forwarding, key: FlowKey, decision: Decision) -> Decision:
    return decision if forwarding.megaflows else decision._replace(mask=exact(key, decision.mask))


def translate_doubtful(forwarding: Forwarding, before: Switch, places: Iterable[Hashable]) -> list[Operation]:
    """Decide the flows anew that another picture `before` or another state of these places had decided."""
    is_doubtful = doubtful(before, forwarding.switch)
    looking = forwarding.book.looking_at(places)
    found = {record.ufid: record for record in looking}
    if is_doubtful is not no_decision:  # a pass over 100,000 takes 20 ms, translating them 7 s
        found |= {r.ufid: r for r in forwarding.book if is_doubtful(r.decision)}
    return translate_again(forwarding, found.values())


def translate_again(forwarding: Forwarding, records: Iterable[Record]) -> list[Operation]:
    """Decide flows anew, without side effects; return what changes in the datapath."""
    operations: list[Operation] = []
    twins = Twins(forwarding.switch, forwarding.state)
    for record in records:
        decision = _as_wide(forwarding, record.key, twins.decide(record.key))
        is_same_flow = decision.mask == record.decision.mask or (
            flow_id(record.key, decision.mask) == record.ufid
        )
        if decision.is_slow or not is_same_flow:
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
