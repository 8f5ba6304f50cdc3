"""Translation: what a decision does, and that it names all that it looked at."""

import pytest

from datapath.actions import Clone, Hash, Output, PopVlan, PushVlan, Recirc, Trunc
from datapath.packet.flowkey import VLAN_PRESENT, FlowKey
from switching.bond import Bond, BondConfig, BondMode, LacpStatus, recirc_id_of
from switching.mac_table import MacTable, Place
from switching.mirror import Destination, Mirror
from switching.state import Learned, State
from switching.switch import NO_DP_PORT, Switch, SwitchBridge, SwitchPort
from switching.tunnel import TunnelConfig
from switching.vlan import PortVlan, VlanMode
from switching.xlate import Decision, xlate

A, B = 0x0200_0000_000A, 0x0200_0000_000B
KEY = FlowKey(in_port=1, eth_src=A, eth_dst=B, eth_type=0x0800, ip_proto=17, ip_src=1, ip_dst=2, tp_src=3)


def port(number: int, vlan: PortVlan | None = None, **more: object) -> SwitchPort:
    return SwitchPort("br0", f"p{number}", number, number, vlan or PortVlan(), **more)  # type: ignore[arg-type]


def switch(*ports: SwitchPort, **more: object) -> Switch:
    return Switch({"br0": SwitchBridge("br0", ports, **more)})  # type: ignore[arg-type]


def decide(picture: Switch, key: FlowKey = KEY, known: dict[int, str] | None = None) -> Decision:
    tables = {name: MacTable(name) for name in picture.bridges}
    for mac, where in (known or {}).items():
        tables["br0"].learn(0, mac, where, 0.0)
    return xlate(key, picture, State(tables))


def test_unknown_destination_goes_everywhere_but_back() -> None:
    assert decide(switch(port(1), port(2), port(3))).actions == (Output(2), Output(3))


def test_known_destination_goes_there() -> None:
    decision = decide(switch(port(1), port(2), port(3)), known={B: "p3"})
    assert decision.actions == (Output(3),)
    assert decision.places == (Place("br0", 0, B),)
    assert decision.effects == (Learned("br0", 0, "p1"),)


def test_destination_behind_the_input_port_is_dropped() -> None:
    assert decide(switch(port(1), port(2)), known={B: "p1"}).actions == ()


def test_group_address_is_not_learned_as_a_source() -> None:
    assert decide(switch(port(1), port(2)), KEY._replace(eth_src=1 << 40 | 5)).effects == ()


def test_packet_from_a_port_of_no_bridge_is_dropped_and_teaches_nothing() -> None:
    decision = decide(switch(port(1), port(2)), KEY._replace(in_port=77))
    assert (decision.actions, decision.effects) == ((), ())


@pytest.mark.parametrize("group", [0x0180C2000000, 0x0180C200000F, 0x01000CCCCCCC])
def test_reserved_group_is_dropped_unless_bpdus_are_forwarded(group: int) -> None:
    key = KEY._replace(eth_dst=group)
    assert decide(switch(port(1), port(2)), key).actions == ()
    assert decide(switch(port(1), port(2), forward_bpdu=True), key).actions == (Output(2),)


def test_tags_are_changed_as_little_as_the_order_of_ports_allows() -> None:
    access = PortVlan(VlanMode.ACCESS, 5)
    picture = switch(port(1, access), port(2), port(3), port(4, access))
    decision = decide(picture)
    assert decision.actions == (
        PushVlan(0x8100, VLAN_PRESENT | 5),
        Output(2),
        Output(3),
        PopVlan(),
        Output(4),
    )


def test_protected_ports_do_not_reach_each_other() -> None:
    picture = switch(port(1, protected=True), port(2, protected=True), port(3))
    assert decide(picture).actions == (Output(3),)


def test_nothing_is_learned_in_a_flood_vlan() -> None:
    decision = decide(switch(port(1), port(2), flood_vlans=frozenset((0,))), known={B: "p2"})
    assert (decision.effects, decision.places, decision.actions) == ((), (), (Output(2),))


def test_circle_of_patch_ports_ends() -> None:
    ports = [
        SwitchPort("br0", "p1", 1, 1),
        SwitchPort("br0", "a", 2, NO_DP_PORT, peer="b"),
        SwitchPort("br0", "c", 3, NO_DP_PORT, peer="d"),
    ]
    others = [
        SwitchPort("br1", "b", 1, NO_DP_PORT, peer="a"),
        SwitchPort("br1", "d", 2, NO_DP_PORT, peer="c"),
    ]
    picture = Switch({"br0": SwitchBridge("br0", tuple(ports)), "br1": SwitchBridge("br1", tuple(others))})
    assert decide(picture, KEY._replace(eth_dst=(1 << 48) - 1)).actions == ()


def test_mask_names_what_decides_and_nothing_else() -> None:
    mask = decide(switch(port(1), port(2))).mask
    looked_at = {name for name, bits in zip(FlowKey._fields, mask, strict=True) if bits}
    always = {"recirc_id", "in_port", "eth_src", "eth_dst", "eth_type", "ip_frag"}
    tags = {"vlan_tpid", "vlan_tci", "cvlan_tpid", "cvlan_tci"}
    assert looked_at == always | tags


def test_mask_looks_at_ecn_where_a_tunnel_copies_it() -> None:
    picture = switch(port(1), port(2, tunnel=TunnelConfig("gre", 5)))
    assert decide(picture).mask.ip_tos == 3
    assert decide(picture, KEY._replace(eth_type=0x0806)).mask.ip_tos == 0


def test_mask_looks_at_the_outer_header_of_a_packet_from_a_tunnel() -> None:
    key = KEY._replace(tun_proto=2, tun_src=5, in_port=2)
    mask = decide(switch(port(1), port(2, tunnel=TunnelConfig("gre", 5))), key).mask
    assert (mask.tun_src, mask.tun_dst, mask.tun_id) == ((1 << 32) - 1, (1 << 32) - 1, (1 << 64) - 1)
    six = decide(switch(port(1)), key._replace(tun_proto=10)).mask
    assert six.tun_src == (1 << 128) - 1


def test_a_packet_that_comes_again_for_somebody_else_goes_nowhere() -> None:
    members = (port(1), port(2))
    bond = Bond("bond0")
    bond.update(BondConfig(), {"p1": True, "p2": True}, 0.0)
    picture = switch(SwitchPort("br0", "bond0", 1, NO_DP_PORT, members=members), port(3))
    state = State({"br0": MacTable("br0")}, bonds={"bond0": bond})
    assert xlate(KEY._replace(in_port=1), picture, state).actions == (Output(3),)
    assert xlate(KEY._replace(in_port=1, recirc_id=77), picture, state).actions == ()
    assert xlate(KEY._replace(in_port=3, recirc_id=77), picture, state).actions == ()
    assert xlate(KEY._replace(in_port=2, recirc_id=77), picture, state).actions == ()


def test_what_is_shortened_for_a_bond_that_recirculates_is_so_for_nobody_else() -> None:
    bond = Bond("bond0")
    bond.update(BondConfig(BondMode.BALANCE_TCP, lacp=True), {"p1": True, "p2": True}, 0.0)
    bond.lacp_status = LacpStatus.NEGOTIATED
    to_bond = Mirror("m", Destination("bond0"), None, None, snaplen=100)
    ports = (port(3), port(4), SwitchPort("br0", "bond0", 1, NO_DP_PORT, members=(port(1), port(2))))
    state = State({"br0": MacTable("br0")}, bonds={"bond0": bond})
    picture = switch(*ports, mirrors=(to_bond,), mirror_ports=frozenset({"bond0"}))
    actions = xlate(KEY._replace(in_port=3), picture, state).actions
    assert actions == (Clone((Trunc(100), Hash(), Recirc(recirc_id_of("bond0")))), Output(4))
