"""The whole switch in memory: rows in, frames through."""

from datapath.packet.flowkey import TUN_KEY, FlowKey
from tests.kit.switch import Rows, Switch, frame

A, B, C = 0x0200_0000_000A, 0x0200_0000_000B, 0x0200_0000_000C
EVERYBODY = 0xFFFF_FFFF_FFFF


def three_ports() -> Switch:
    rows = Rows()
    rows.add_bridge("br0")
    for name in ("p1", "p2", "p3"):
        rows.add_port("br0", name)
    switch = Switch(rows)
    switch.reconcile()
    return switch


def test_first_frame_floods_and_the_answer_finds_its_way_alone() -> None:
    switch = three_ports()
    assert set(switch.send("p1", frame(A, B))) == {"br0", "p2", "p3"}
    assert switch.send("p2", frame(B, A)) == {"p1": [frame(B, A)]}
    assert switch.send("p1", frame(A, B)) == {"p2": [frame(A, B)]}


def test_second_frame_of_a_flow_does_not_come_to_the_daemon() -> None:
    switch = three_ports()
    switch.send("p1", frame(A, EVERYBODY))
    switch.datapath.inject("p1", frame(A, EVERYBODY))
    assert switch.serve() == 0
    assert set(switch.taken()) == {"br0", "p2", "p3"}


def test_flooding_flow_narrows_when_its_destination_is_learned() -> None:
    switch = three_ports()
    switch.send("p1", frame(A, B))
    switch.send("p2", frame(B, EVERYBODY))
    switch.datapath.inject("p1", frame(A, B))
    assert switch.serve() == 0
    assert set(switch.taken()) == {"p2"}


def test_station_that_moves_takes_its_flows_along() -> None:
    switch = three_ports()
    switch.send("p2", frame(B, EVERYBODY))
    assert set(switch.send("p1", frame(A, B))) == {"p2"}
    switch.now += 1
    switch.send("p3", frame(B, EVERYBODY))
    assert set(switch.send("p1", frame(A, B))) == {"p3"}


def test_station_that_is_silent_for_long_is_flooded_to_again() -> None:
    switch = three_ports()
    switch.send("p2", frame(B, EVERYBODY))
    switch.now += 301
    switch.sweep()
    assert set(switch.send("p1", frame(A, B))) == {"br0", "p2", "p3"}


def test_station_whose_frames_never_come_to_the_daemon_stays_known() -> None:
    switch = three_ports()
    switch.send("p2", frame(B, A))
    for _ in range(50):
        switch.now += 8
        switch.datapath.now = switch.now
        switch.datapath.inject("p2", frame(B, A))
        switch.sweep()
    assert switch.serve() == 0
    switch.taken()
    assert set(switch.send("p1", frame(A, B))) == {"p2"}


def test_idle_flow_goes_after_ten_seconds() -> None:
    switch = three_ports()
    switch.send("p1", frame(A, B))
    switch.now += 9
    switch.sweep()
    assert switch.datapath.stats().flows == 1
    switch.now += 2
    switch.sweep()
    assert switch.datapath.stats().flows == 0


def test_access_ports_keep_vlans_apart_and_a_trunk_carries_both_tagged() -> None:
    rows = Rows()
    rows.add_bridge("br0")
    rows.add_port("br0", "a5", tag=frozenset((5,)))
    rows.add_port("br0", "b5", tag=frozenset((5,)))
    rows.add_port("br0", "a6", tag=frozenset((6,)))
    rows.add_port("br0", "trunk", trunks=frozenset((5, 6)))
    switch = Switch(rows)
    switch.reconcile()
    out = switch.send("a5", frame(A, B))
    assert out == {"br0": [frame(A, B, tag=5)], "b5": [frame(A, B)], "trunk": [frame(A, B, tag=5)]}
    assert switch.send("trunk", frame(C, B, tag=6))["a6"] == [frame(C, B)]
    assert switch.send("a6", frame(C, A, tag=5)) == {}


def test_changed_tag_takes_effect_on_flows_that_are_there() -> None:
    switch = three_ports()
    switch.send("p1", frame(A, EVERYBODY))
    switch.rows.set("Port", switch.rows.find("Port", "p2"), tag=frozenset((7,)))
    switch.reconcile()
    switch.datapath.inject("p1", frame(A, EVERYBODY))
    assert switch.serve() == 0
    assert set(switch.taken()) == {"br0", "p3"}


def test_reserved_groups_are_not_forwarded() -> None:
    switch = three_ports()
    assert switch.send("p1", frame(A, 0x0180C2000002)) == {}


def test_patch_ports_join_two_bridges() -> None:
    rows = Rows()
    rows.add_bridge("br0")
    rows.add_bridge("br1")
    rows.add_port("br0", "p1")
    rows.add_port("br1", "p2")
    rows.add_port("br0", "to1", type="patch", options={"peer": "to0"})
    rows.add_port("br1", "to0", type="patch", options={"peer": "to1"})
    switch = Switch(rows)
    switch.reconcile()
    assert set(switch.send("p1", frame(A, B))) == {"br0", "br1", "p2"}
    assert switch.send("p2", frame(B, A)) == {"p1": [frame(B, A)]}


def test_frame_leaves_by_each_tunnel_with_an_outer_header_of_its_own() -> None:
    rows = Rows()
    rows.add_bridge("br0")
    rows.add_port("br0", "p1")
    rows.add_port("br0", "gre0", type="gre", options={"remote_ip": "10.0.0.1"})
    rows.add_port("br0", "gre1", type="gre", options={"remote_ip": "10.0.0.2", "key": "7", "ttl": "9"})
    switch = Switch(rows)
    switch.reconcile()
    switch.datapath.inject("p1", frame(A, B))
    switch.serve()
    sent = switch.datapath.sent_with_tunnel("gre_sys")
    headers = [tunnel for _, tunnel in sent if tunnel]
    assert [(h.dst, h.tun_id, h.ttl) for h in headers] == [(0x0A000001, 0, 64), (0x0A000002, 7, 9)]


def test_frame_from_a_tunnel_is_learned_behind_it() -> None:
    rows = Rows()
    rows.add_bridge("br0")
    rows.add_port("br0", "p1")
    rows.add_port("br0", "gre0", type="gre", options={"remote_ip": "10.0.0.1", "key": "7"})
    switch = Switch(rows)
    switch.reconcile()
    outer = FlowKey(
        tun_proto=2, tun_id=7, tun_flags=TUN_KEY, tun_src=0x0A000001, tun_dst=0x0A000009, tun_ttl=64
    )
    assert set(switch.send("gre_sys", frame(B, A), outer)) == {"br0", "p1"}
    assert set(switch.send("p1", frame(A, B))) == {"gre_sys"}
    stranger = outer._replace(tun_src=0x0A0000FF)
    assert switch.send("gre_sys", frame(C, A), stranger) == {}
    counters = switch.reconciler.forwardings["dummy"].counters["gre0"]
    assert (counters.rx_packets, counters.tx_packets) == (1, 1)


def test_restarted_daemon_keeps_ports_numbers_and_flows() -> None:
    switch = three_ports()
    switch.send("p2", frame(B, EVERYBODY))
    switch.send("p1", frame(A, B))
    switch.datapath.inject("p1", frame(A, B))
    switch.taken()
    ports, flows = switch.datapath.ports(), list(switch.datapath.flows())
    switch.stop()
    again = Switch(switch.rows, switch.provider)
    again.now = switch.now + 1
    assert again.reconcile() == {}
    assert [p.name for p in again.datapath.ports()] == [p.name for p in ports]
    assert [(f.ufid, f.actions) for f in again.datapath.flows()] == [(f.ufid, f.actions) for f in flows]
    again.datapath.inject("p1", frame(A, B))
    assert again.serve() == 0
    assert set(again.taken()) == {"p2"}


def test_flow_limit_leaves_packets_to_the_daemon() -> None:
    switch = three_ports()
    switch.rows.set("Open_vSwitch", switch.rows.switch, other_config={"flow-limit": "1"})
    switch.reconcile()
    switch.send("p1", frame(A, EVERYBODY))
    assert set(switch.send("p2", frame(B, EVERYBODY))) == {"br0", "p1", "p3"}
    assert switch.datapath.stats().flows == 1
