"""Mirrors: which packets they take, as what, and where to."""

from dataclasses import replace

from datapath.actions import Output, PopVlan, PushVlan, Trunc
from datapath.packet.flowkey import VLAN_PRESENT, FlowKey
from switching.mac_table import MacTable
from switching.mirror import Destination, Mirror
from switching.state import State
from switching.switch import NO_DP_PORT, Switch, SwitchBridge, SwitchPort
from switching.vlan import PortVlan, VlanMode
from switching.xlate import Decision, xlate

A, B = 0x0200_0000_000A, 0x0200_0000_000B
KEY = FlowKey(in_port=1, eth_src=A, eth_dst=B, eth_type=0x88B5)
P4 = Destination("p4")
SELECT_ALL = Mirror("m", P4, None, None)


def port(number: int, vlan: PortVlan | None = None, bridge: str = "br0", peer: str = "") -> SwitchPort:
    return SwitchPort(
        bridge, f"p{number}", number, NO_DP_PORT if peer else number, vlan or PortVlan(), peer=peer
    )


def bridge(*ports: SwitchPort, mirrors: tuple[Mirror, ...] = ()) -> SwitchBridge:
    kept = frozenset(mirror.to.port for mirror in mirrors if mirror.to.port)
    return SwitchBridge(ports[0].bridge, ports, mirrors=mirrors, mirror_ports=kept)


def decide(*bridges: SwitchBridge, key: FlowKey = KEY, known: dict[int, str] | None = None) -> Decision:
    tables = {b.name: MacTable(b.name) for b in bridges}
    for mac, where in (known or {}).items():
        tables["br0"].learn(0, mac, where, 0.0)
    return xlate(key, Switch({b.name: b for b in bridges}), State(tables))


def test_a_packet_chosen_twice_is_sent_once() -> None:
    decision = decide(bridge(port(1), port(2), port(3), port(4), mirrors=(SELECT_ALL,)))
    assert decision.actions == (Output(4), Output(2), Output(3))
    assert decision.mirrors == ("m",)


def test_packets_are_chosen_by_where_they_arrive_or_depart() -> None:
    ports = (port(1), port(2), port(3), port(4))
    arriving = Mirror("a", P4, sources=frozenset(("p2",)))
    departing = Mirror("d", P4, destinations=frozenset(("p2",)))
    assert decide(bridge(*ports, mirrors=(arriving,)), known={B: "p2"}).actions == (Output(2),)
    decision = decide(bridge(*ports, mirrors=(departing,)), known={B: "p2"})
    assert decision.actions == (Output(2), Output(4))
    other = decide(bridge(*ports, mirrors=(departing,)), known={B: "p3"})
    assert (other.actions, other.mirrors) == ((Output(3),), ())
    back = KEY._replace(in_port=2, eth_src=B, eth_dst=A)
    assert decide(bridge(*ports, mirrors=(arriving,)), key=back).actions[0] == Output(4)


def test_the_output_port_is_for_mirrored_packets_alone() -> None:
    quiet = Mirror("q", P4, sources=frozenset(("p3",)))
    ports = (port(1), port(2), port(3), port(4))
    assert decide(bridge(*ports, mirrors=(quiet,))).actions == (Output(2), Output(3))
    arrived = decide(bridge(*ports, mirrors=(SELECT_ALL,)), key=KEY._replace(in_port=4))
    assert (arrived.actions, arrived.effects, arrived.mirrors) == ((), (), ())


def test_packets_are_chosen_by_vlan() -> None:
    ports = (port(1), port(2, PortVlan(VlanMode.ACCESS, 10)), port(4))
    mirror = Mirror("m", P4, None, None, vlans=frozenset((10,)))
    assert decide(bridge(*ports, mirrors=(mirror,))).actions == ()
    tagged = KEY._replace(vlan_tpid=0x8100, vlan_tci=VLAN_PRESENT | 10)
    assert decide(bridge(*ports, mirrors=(mirror,)), key=tagged).actions == (Output(4), PopVlan(), Output(2))


def test_a_packet_that_the_bridge_drops_is_mirrored() -> None:
    ports = (port(1), port(2), port(4))
    reserved = KEY._replace(eth_dst=0x0180C2000000)
    assert decide(bridge(*ports, mirrors=(SELECT_ALL,)), key=reserved).actions == (Output(4),)


def test_mirroring_to_a_vlan_floods_in_it() -> None:
    rspan = Mirror("r", Destination("", 55), None, None)
    ports = (
        port(1),
        port(2),
        port(3, PortVlan(VlanMode.ACCESS, 55)),
        port(4, PortVlan(trunks=frozenset((7,)))),
    )
    decision = decide(bridge(*ports, mirrors=(rspan,)), known={B: "p2"})
    tag = PushVlan(0x8100, VLAN_PRESENT | 55)
    assert decision.actions == (tag, Output(1), Output(2), PopVlan(), Output(3), Output(2))
    there = KEY._replace(vlan_tpid=0x8100, vlan_tci=VLAN_PRESENT | 55)
    assert decide(bridge(*ports, mirrors=(rspan,)), key=there).mirrors == ()
    reserved = KEY._replace(eth_dst=0x0180C2000000)
    assert decide(bridge(*ports, mirrors=(rspan,)), key=reserved).actions == ()


def test_a_copy_is_not_mirrored_again() -> None:
    rspan = Mirror("a", Destination("", 55), None, None)
    span = Mirror("b", P4, None, destinations=frozenset(("p2",)))
    decision = decide(bridge(port(1), port(2), port(4), mirrors=(rspan, span)), known={B: "p2"})
    tag = PushVlan(0x8100, VLAN_PRESENT | 55)
    assert decision.actions == (tag, Output(1), Output(2), PopVlan(), Output(4), Output(2))


def test_copies_from_a_protected_port_do_not_reach_another() -> None:
    first, last = replace(port(1), protected=True), replace(port(4), protected=True)
    assert decide(bridge(first, port(2), last, mirrors=(SELECT_ALL,))).actions == (Output(2),)


def test_two_mirrors_of_one_destination_both_count_and_send_once() -> None:
    other = Mirror("n", P4, None, None)
    decision = decide(bridge(port(1), port(2), port(4), mirrors=(SELECT_ALL, other)))
    assert (decision.actions, decision.mirrors) == ((Output(4), Output(2)), ("m", "n"))


def test_bridges_behind_patch_ports_have_mirrors_of_their_own() -> None:
    near = bridge(port(1), port(4), port(8, peer="p9"), mirrors=(SELECT_ALL,))
    far_mirror = Mirror("f", Destination("p12"), sources=frozenset(("p9",)))
    far = bridge(
        port(9, bridge="br1", peer="p8"),
        port(11, bridge="br1"),
        port(12, bridge="br1"),
        mirrors=(far_mirror,),
    )
    decision = decide(near, far)
    assert decision.actions == (Output(4), Output(12), Output(11))
    assert decision.mirrors == ("m", "f")


def test_a_mirror_whose_output_port_does_not_work_sends_nothing() -> None:
    assert decide(bridge(port(1), port(2), mirrors=(SELECT_ALL,))).actions == (Output(2),)


def test_copies_are_shortened_and_the_packet_is_not() -> None:
    mirror = Mirror("m", P4, None, None, snaplen=100)
    assert decide(bridge(port(1), port(2), port(4), mirrors=(mirror,))).actions == (
        Trunc(100),
        Output(4),
        Output(2),
    )


def test_nothing_is_shortened_for_a_patch_port() -> None:
    mirror = Mirror("m", Destination("p8"), None, None, snaplen=100)
    near = bridge(port(1), port(2), port(8, peer="p9"), mirrors=(mirror,))
    far = bridge(port(9, bridge="br1", peer="p8"), port(11, bridge="br1"))
    assert decide(near, far).actions == (Output(2),)
