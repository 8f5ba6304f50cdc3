"""Bonds: a host behind one port of the bridge, two wires behind the bond."""

import time

import pytest

from tests.kit import namespace
from tests.kit.feature_lab import FeatureLab, Host, frame

STATION = 0x0200_0000_AA01
FAR = 0x0200_0000_BB01
RARP, EVERYBODY = 0x8035, (1 << 48) - 1


def bonded(lab: FeatureLab, *settings: str) -> tuple[Host, Host, Host]:
    """A host "a", and the far ends of the members m1 and m2 of bond0; m1 is the active one."""
    a, m1, m2 = lab.host("a"), lab.host("m1"), lab.host("m2")
    lab.vsctl("add-br br0 -- add-port br0 a -- add-bond br0 bond0 m1 m2", *settings)
    if "enabled" in lab.appctl("bond/show", "bond0"):
        lab.appctl("bond/set-active-member", "bond0", "m1")
    lab.settle()
    for host in (a, m1, m2):
        host.wire.drain()
    return a, m1, m2


def fail(host: Host) -> None:
    namespace.set_up(host.namespace, "eth0", False)


def restore(host: Host) -> None:
    namespace.set_up(host.namespace, "eth0")


def data(host: Host, count: int = 1) -> list[bytes]:
    """What came of an experimental type: not what bonds announce."""
    found: list[bytes] = []
    while len(found) < count and (frames := host.received()):
        found += [f for f in frames if f[12:14] == b"\x88\xb5"]
    return found


def is_enabled(lab: FeatureLab, member: str) -> bool:
    return f"member {member}: enabled" in lab.appctl("bond/show", "bond0")


@pytest.mark.feature("Bonds", "active-backup uses one member and takes packets from it alone")
def test_active_backup_uses_the_active_member_alone(lab: FeatureLab) -> None:
    a, m1, m2 = bonded(lab, "bond_mode=active-backup")
    a.send(frame(a, FAR))
    assert data(m1) == [frame(a, FAR)]
    m2.send(frame(FAR, a))
    m1.send(frame(FAR + 1, a))
    assert data(a) == [frame(FAR + 1, a)]
    assert m2.received_nothing()
    assert a.received_nothing()


@pytest.mark.feature(
    "Bonds", "another member takes over when the active one's link fails, and tells where stations are"
)
def test_another_member_takes_over_and_announces_the_stations(lab: FeatureLab) -> None:
    a, m1, m2 = bonded(lab)
    a.send(frame(a, FAR))
    assert data(m1) == [frame(a, FAR)]
    fail(m1)
    lab.wait_until(lambda: not is_enabled(lab, "m1"), "m1 is disabled")
    announced = m2.received()
    assert [(f[:6], f[6:12], f[12:14]) for f in announced] == [
        (EVERYBODY.to_bytes(6, "big"), a.mac.to_bytes(6, "big"), RARP.to_bytes(2, "big"))
    ]
    lab.settle()
    a.send(frame(a, FAR))
    assert data(m2) == [frame(a, FAR)]
    m2.send(frame(FAR, a))
    assert data(a) == [frame(FAR, a)]


@pytest.mark.feature("Bonds", "bond-primary is active whenever its link is up")
def test_the_primary_member_becomes_active_again(lab: FeatureLab) -> None:
    _a, _m1, m2 = bonded(lab, "-- set port bond0 other_config:bond-primary=m2")
    fail(m2)
    lab.wait_until(lambda: not is_enabled(lab, "m2"), "m2 is disabled")
    assert "(m1)" in lab.appctl("bond/show", "bond0")
    restore(m2)
    lab.wait_until(lambda: "(m2)" in lab.appctl("bond/show", "bond0"), "m2 is active")


@pytest.mark.feature("Bonds", "bond_updelay and bond_downdelay: a link must last before it counts")
def test_delays_keep_a_link_that_comes_and_goes_out_of_use(lab: FeatureLab) -> None:
    _a, m1, _m2 = bonded(lab, "bond_updelay=60000")
    fail(m1)
    lab.wait_until(lambda: not is_enabled(lab, "m1"), "m1 is disabled")
    restore(m1)
    lab.wait_until(lambda: "updelay expires in" in lab.appctl("bond/show", "bond0"), "the delay has begun")
    assert not is_enabled(lab, "m1")
    lab.appctl("bond/enable-member", "bond0", "m1")
    assert is_enabled(lab, "m1")
    lab.vsctl("set port bond0 bond_downdelay=60000")
    fail(m1)
    lab.wait_until(lambda: "downdelay expires in" in lab.appctl("bond/show", "bond0"), "the delay has begun")
    assert is_enabled(lab, "m1")


@pytest.mark.feature("Bonds", "balance-slb spreads stations by the hash of address and VLAN")
def test_slb_sends_each_station_by_the_member_of_its_hash(lab: FeatureLab) -> None:
    a, m1, m2 = bonded(lab, "bond_mode=balance-slb")
    stations = {member: STATION + n for n, member in enumerate(("m1", "m2"))}
    for member, station in stations.items():
        mac = station.to_bytes(6, "big").hex(":")
        lab.appctl("bond/migrate", "bond0", lab.appctl("bond/hash", mac).strip(), member)
    lab.settle()
    for host, station in zip((m1, m2), stations.values(), strict=True):
        a.send(frame(station, FAR))
        assert data(host) == [frame(station, FAR)]
    assert m1.received_nothing()
    assert m2.received_nothing()


@pytest.mark.feature(
    "Bonds", "balance-slb drops what comes back by the other member, but for a station that moved"
)
def test_slb_does_not_take_back_what_the_bond_has_sent(lab: FeatureLab) -> None:
    a, m1, m2 = bonded(lab, "bond_mode=balance-slb")
    a.send(frame(a, EVERYBODY))
    lab.wait_until(lambda: m1.wire.drain() or m2.wire.drain(), "the broadcast has left")
    m1.send(frame(a, EVERYBODY))
    m2.send(frame(a, EVERYBODY))
    m2.send(frame(FAR, EVERYBODY))  # for many, and not by the active member
    m1.send(frame(FAR + 1, EVERYBODY))
    assert data(a) == [frame(FAR + 1, EVERYBODY)]
    assert a.received_nothing()


@pytest.mark.feature("Bonds", "balance-tcp carries nothing until LACP has found a partner")
def test_balance_tcp_without_a_partner_carries_nothing(lab: FeatureLab) -> None:
    a, m1, m2 = bonded(lab, "bond_mode=balance-tcp")
    b = lab.host("b")
    lab.vsctl("add-port br0 b")
    a.send(frame(a, FAR))
    assert data(b) == [frame(a, FAR)]
    assert m1.received_nothing()
    assert m2.received_nothing()


@pytest.mark.feature("Bonds", "lacp-fallback-ab: active-backup as long as there is no partner")
def test_a_bond_falls_back_to_active_backup_without_a_partner(lab: FeatureLab) -> None:
    a, m1, m2 = bonded(
        lab, "bond_mode=balance-tcp lacp=active -- set port bond0 other_config:lacp-fallback-ab=true"
    )
    lab.wait_until(lambda: "active member\n" in lab.appctl("bond/show", "bond0"), "a member is active")
    lab.appctl("bond/set-active-member", "bond0", "m2")
    lab.settle()
    a.send(frame(a, FAR))
    assert data(m2) == [frame(a, FAR)]
    assert data(m1, 0) == []


@pytest.mark.feature("Bonds", "Port.bond_active_slave is the active member's address")
def test_the_database_says_which_member_is_active(lab: FeatureLab) -> None:
    bonded(lab)
    for member in ("m2", "m1"):
        lab.appctl("bond/set-active-member", "bond0", member)
        address = lab.get("interface", member, "mac_in_use")
        lab.wait_until(lambda: lab.get("port", "bond0", "bond_active_slave") == address, f"{member} is told")  # noqa: B023


@pytest.mark.feature("Bonds", "a link that fails and returns loses at most the packets in flight")
def test_a_link_that_fails_and_returns_loses_few_packets(lab: FeatureLab) -> None:
    a, m1, m2 = bonded(lab)
    sent = 0
    seen: set[bytes] = set()
    for step in (None, lambda: fail(m1), lambda: restore(m1), lambda: fail(m2), lambda: restore(m2)):
        if step:
            step()
        for _ in range(100):
            a.send(frame(a, FAR, payload=sent.to_bytes(4, "big") + bytes(42)))
            sent += 1
            time.sleep(0.002)
    time.sleep(0.2)
    for host in (m1, m2):
        seen.update(f[14:18] for f in host.wire.drain() if f[12:14] == b"\x88\xb5")
    assert sent - len(seen) <= 60, f"{sent - len(seen)} of {sent} lost"
