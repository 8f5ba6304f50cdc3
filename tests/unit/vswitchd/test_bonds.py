"""Bonds on the fake datapath: by which member frames leave, and what follows when that changes."""

from datapath.actions import Hash, Recirc
from datapath.packet.build import ethernet
from switching.bond import LacpStatus, recirc_id_of
from switching.state import ARP_LOCK
from tests.kit.switch import Rows, Switch, frame

A, B, EVERYBODY = 0x0200_0000_000A, 0x0200_0000_000B, (1 << 48) - 1


def bonded(**columns: object) -> Switch:
    """A bridge with port "p" and bond "bond0" of "m1" and "m2"."""
    rows = Rows()
    rows.add_bridge("br0")
    rows.add_port("br0", "p")
    rows.add_bond("br0", "bond0", "m1", "m2", **columns)  # type: ignore[arg-type]
    switch = Switch(rows)
    switch.reconcile()
    return switch


def gratuitous_arp(mac: int) -> bytes:
    address = mac.to_bytes(6, "big") + bytes((10, 0, 0, 1))
    return ethernet(
        mac, EVERYBODY, 0x0806, bytes.fromhex("0001080006040001") + address + bytes(6) + address[6:]
    )


def test_a_bond_sends_by_its_active_member_and_not_back_into_itself() -> None:
    switch = bonded()
    assert switch.send("p", frame(A, B)).keys() == {"m1", "br0"}
    assert switch.send("m1", frame(B, EVERYBODY)).keys() == {"p", "br0"}
    assert switch.send("m2", frame(B, EVERYBODY)) == {}


def test_flows_follow_the_active_member() -> None:
    switch = bonded()
    switch.send("p", frame(A, B))
    switch.send("m1", frame(B, A))
    assert switch.send("p", frame(A, B)).keys() == {"m1"}
    forwarding = switch.reconciler.forwardings["dummy"]
    switch.reconciler.bonds_changed("dummy", forwarding, forwarding.state.bonds["bond0"].set_active("m2"))
    announced = switch.taken()
    assert announced.keys() == {"m2"}
    assert announced["m2"][0][6:12] == A.to_bytes(6, "big")
    misses = forwarding.upcalls
    assert switch.send("p", frame(A, B)).keys() == {"m2"}
    assert forwarding.upcalls == misses


def test_slb_carries_by_buckets_whose_loads_are_counted() -> None:
    switch = bonded(bond_mode=frozenset(("balance-slb",)))
    sent = {next(iter(switch.send("p", frame(A + 256 * n, B)).keys() - {"br0"})) for n in range(20)}
    assert sent == {"m1", "m2"}
    bond = switch.reconciler.forwardings["dummy"].state.bonds["bond0"]
    assert sum(bond.loads) == 20 * len(frame(A, B))


def test_slb_takes_a_gratuitous_arp_for_a_move_unless_it_may_be_the_echo_of_one() -> None:
    switch = bonded(bond_mode=frozenset(("balance-slb",)))
    switch.send("p", frame(A, B))
    assert switch.send("m1", frame(A, B)) == {}
    assert switch.send("m1", gratuitous_arp(A)).keys() == {"p", "br0"}  # it moved
    switch.send("p", gratuitous_arp(A))
    assert switch.send("m1", gratuitous_arp(A)) == {}  # the bond sent it a moment ago
    switch.now += ARP_LOCK + 1
    switch.sweep()
    assert switch.send("m1", gratuitous_arp(A)).keys() == {"p", "br0"}


def test_tcp_hashes_connections_in_the_datapath_and_sends_them_when_they_come_again() -> None:
    switch = bonded(bond_mode=frozenset(("balance-tcp",)))
    forwarding = switch.reconciler.forwardings["dummy"]
    bond = forwarding.state.bonds["bond0"]
    assert switch.send("p", frame(A, B)).keys() == {"br0"}
    bond.lacp_status = LacpStatus.NEGOTIATED
    switch.reconciler.bonds_changed(
        "dummy", forwarding, [place for r in forwarding.book for place in r.decision.places]
    )
    connections = [
        ethernet(
            A,
            B,
            0x0800,
            bytes.fromhex("4500002800000000401100000a0000010a000002") + bytes((n, n, 0, 9)) + bytes(16),
        )
        for n in range(20)
    ]
    sent = [switch.send("p", packet).keys() - {"br0"} for packet in connections]
    assert set().union(*sent) == {"m1", "m2"}
    assert [switch.send("p", packet).keys() - {"br0"} for packet in connections] == sent
    actions = [flow.actions for flow in switch.datapath.flows() if not flow.key.recirc_id]
    assert any(Hash() in a and Recirc(recirc_id_of("bond0")) in a for a in actions)
    again = [flow for flow in switch.datapath.flows() if flow.key.recirc_id]
    assert {flow.mask.dp_hash for flow in again} == {0xFF}
    assert {flow.mask.eth_src for flow in again} == {0}
