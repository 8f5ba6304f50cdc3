"""Flows that differ in their source are decided once, where the source decides nothing."""

import pytest

from datapath.packet.flowkey import FlowKey
from switching.bond import Bond, BondConfig, BondMode
from switching.mac_table import MacTable, Place
from switching.state import Learned, State, carry_out
from switching.switch import NO_DP_PORT, Switch, SwitchBridge, SwitchPort
from switching.twins import Twins
from switching.vlan import PortVlan, VlanMode
from switching.xlate import Decision, xlate

SOURCES = [0x0200_0000_0100 + n for n in range(16)]
PEER = 0x0200_0000_0001
ALL_VLANS = PortVlan()
BROADCAST = 0xFFFF_FFFF_FFFF
TO_PEER = FlowKey(in_port=1, eth_dst=PEER, eth_type=0x0800)


def bonded(mode: BondMode, vlan: PortVlan = ALL_VLANS) -> tuple[Switch, State]:
    """Return a bridge with a port and a bond of two members."""
    bond = Bond("bond0")
    bond.update(BondConfig(mode), {"m5": True, "m6": True}, 0.0)
    members = tuple(SwitchPort("br0", f"m{n}", n, n) for n in (5, 6))
    ports = (
        SwitchPort("br0", "p1", 1, 1),
        SwitchPort("br0", "bond0", 5, NO_DP_PORT, vlan, members=members),
    )
    has_slb = mode is BondMode.BALANCE_SLB
    switch = Switch({"br0": SwitchBridge("br0", ports, has_slb=has_slb)})
    return switch, State({"br0": MacTable("br0")}, bonds={"bond0": bond})


def decided(switch: Switch, state: State, keys: list[FlowKey]) -> list[Decision]:
    """Translate each key twice, and see that both agree."""
    twins = Twins(switch, state)
    found = [twins.decide(key) for key in keys]
    assert found == [xlate(key, switch, state) for key in keys]
    return found


@pytest.mark.parametrize("mode", [BondMode.ACTIVE_BACKUP, BondMode.BALANCE_SLB])
def test_each_source_leaves_a_bond_by_its_own_member(mode: BondMode) -> None:
    found = decided(*bonded(mode), [TO_PEER._replace(eth_src=source) for source in SOURCES])
    assert {d.effects for d in found} == {(Learned("br0", 0, "p1"),)}
    by_source = mode is BondMode.BALANCE_SLB
    assert len({d.actions for d in found}) == (2 if by_source else 1)
    assert len(set(map(id, found))) == (len(SOURCES) if by_source else 1)


@pytest.mark.parametrize("mode", [BondMode.ACTIVE_BACKUP, BondMode.BALANCE_SLB])
def test_a_source_behind_another_port_came_back_by_the_bond(mode: BondMode) -> None:
    switch, state = bonded(mode)
    for source in SOURCES[::2]:
        state.tables["br0"].learn(0, source, "p1", 0.0)
    keys = [TO_PEER._replace(in_port=5, eth_src=source) for source in SOURCES]
    taken = [bool(decision.actions) for decision in decided(switch, state, keys)]
    assert taken == ([False, True] * 8 if mode is BondMode.BALANCE_SLB else [True] * 16)


def test_what_a_shared_decision_teaches_is_of_each_source() -> None:
    switch, state = bonded(BondMode.BALANCE_SLB, PortVlan(VlanMode.ACCESS, 5))
    arp = FlowKey(in_port=1, eth_dst=BROADCAST, eth_type=0x0806, arp_sip=1, arp_tip=1)
    found = decided(switch, state, [arp._replace(eth_src=source) for source in SOURCES])
    assert len(set(map(id, found))) == 1
    for source, decision in zip(SOURCES, found, strict=True):
        carry_out(state, decision.effects, source, 0.0)
    assert [state.tables["br0"].lookup(0, source) for source in SOURCES] == ["p1"] * len(SOURCES)
    assert set(state.arp_locks) == {Place("br0", 0, source) for source in SOURCES}


def test_a_frame_to_its_sender_goes_nowhere_and_no_group_is_learned() -> None:
    switch, state = bonded(BondMode.ACTIVE_BACKUP)
    keys = [TO_PEER._replace(eth_src=source) for source in (SOURCES[0], PEER, BROADCAST, SOURCES[1])]
    found = decided(switch, state, keys)
    assert [bool(decision.actions) for decision in found] == [True, False, True, True]
    assert [bool(decision.effects) for decision in found] == [True, True, False, True]
