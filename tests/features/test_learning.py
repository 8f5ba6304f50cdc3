"""Stations: what a bridge learns of them, keeps and forgets."""

import pytest

from tests.kit.feature_lab import FeatureLab, Host, frame

EVERYBODY = 0xFFFF_FFFF_FFFF
BPDU = 0x0180_C200_0000


def three_on_a_bridge(lab: FeatureLab, settings: str = "") -> tuple[Host, Host, Host]:
    a, b, c = (lab.host(name) for name in "abc")
    lab.vsctl(
        f"add-br br0 -- set bridge br0 {settings or 'flood_vlans=[]'}",
        *(
            f"-- add-port br0 {port} -- set interface {port} ofport_request={n}"
            for n, port in enumerate("abc", 1)
        ),
    )
    return a, b, c


def table(lab: FeatureLab) -> set[tuple[str, ...]]:
    """Return fdb/show without the header: port, VLAN, address and whether it is static."""
    lines = [line.split() for line in lab.appctl("fdb/show", "br0").splitlines()[1:]]
    return {(port, vlan, mac, "static" if age == "static" else "learned") for port, vlan, mac, age in lines}


def text(host: Host) -> str:
    return host.mac.to_bytes(6, "big").hex(":")


@pytest.mark.feature("Learning", "stations are learned for each VLAN by itself")
def test_stations_are_learned_per_vlan(lab: FeatureLab) -> None:
    a, b, c = three_on_a_bridge(lab)
    b.send(frame(b, EVERYBODY, 5))
    assert a.received() == [frame(b, EVERYBODY, 5)]
    assert c.received() == [frame(b, EVERYBODY, 5)]
    a.send(frame(a, b, 5), frame(a, b, 6))
    assert b.received(2) == [frame(a, b, 5), frame(a, b, 6)]
    assert c.received() == [frame(a, b, 6)]
    assert c.received_nothing()
    assert table(lab) == {
        ("2", "5", text(b), "learned"),
        ("1", "5", text(a), "learned"),
        ("1", "6", text(a), "learned"),
    }


@pytest.mark.feature("Learning", "a station that moves to another port is found there")
def test_a_station_that_moves_is_found_there(lab: FeatureLab) -> None:
    a, b, c = three_on_a_bridge(lab)
    b.send(frame(b, EVERYBODY))
    assert len(a.received()) == len(c.received()) == 1
    a.send(frame(a, b))
    assert b.received() == [frame(a, b)]
    c.send(frame(b, EVERYBODY))
    assert len(a.received()) == len(b.received()) == 1
    lab.settle()
    a.send(frame(a, b))
    assert c.received() == [frame(a, b)]
    assert b.received_nothing()
    assert "port moved MAC entries  : 1" in lab.appctl("fdb/stats-show", "br0")


@pytest.mark.feature("Learning", "fdb/add, fdb/del: entries that neither age nor move; fdb/flush leaves them")
def test_static_entries_stay_where_they_are(lab: FeatureLab) -> None:
    a, b, c = three_on_a_bridge(lab)
    lab.appctl("fdb/add", "br0", "b", "0", text(c))
    c.send(frame(c, EVERYBODY))
    assert len(a.received()) == len(b.received()) == 1
    a.send(frame(a, c))
    assert b.received() == [frame(a, c)]
    lab.appctl("fdb/flush", "br0")
    assert table(lab) == {("2", "0", text(c), "static")}
    assert "Current static MAC entries in the table : 1" in lab.appctl("fdb/stats-show", "br0")
    lab.appctl("fdb/del", "br0", "0", text(c))
    assert table(lab) == set()
    assert "could not find static mac entry" in lab.appctl("fdb/del", "br0", "0", text(c), check=False)


@pytest.mark.feature("Learning", "mac-table-size: the station heard of longest ago makes room")
def test_a_full_table_forgets_the_oldest(lab: FeatureLab) -> None:
    a, b, _ = three_on_a_bridge(lab, "other_config:mac-table-size=10")
    a.send(*(frame(0x0200_0000_1000 + n, EVERYBODY) for n in range(12)))
    assert len(b.received(12)) == 12
    lab.wait_until(lambda: len(table(lab)) == 10, "the table is full")
    assert "02:00:00:00:10:00" not in lab.appctl("fdb/show", "br0")
    assert "evicted MAC entries     : 2" in lab.appctl("fdb/stats-show", "br0")


@pytest.mark.feature("Learning", "flood_vlans: nothing is learned, all is flooded")
def test_nothing_is_learned_in_a_flood_vlan(lab: FeatureLab) -> None:
    a, b, c = three_on_a_bridge(lab, "flood_vlans=5")
    b.send(frame(b, EVERYBODY, 5))
    assert len(a.received()) == len(c.received()) == 1
    a.send(frame(a, b, 5))
    assert b.received() == c.received() == [frame(a, b, 5)]
    assert table(lab) == set()


@pytest.mark.feature("Learning", "forward-bpdu: reserved groups pass if it is set")
def test_reserved_groups_pass_if_bpdus_are_forwarded(lab: FeatureLab) -> None:
    a, b, _ = three_on_a_bridge(lab)
    a.send(frame(a, BPDU), frame(a, EVERYBODY))
    assert b.received() == [frame(a, EVERYBODY)]
    lab.vsctl("set bridge br0 other_config:forward-bpdu=true")
    lab.settle()
    a.send(frame(a, BPDU))
    assert b.received() == [frame(a, BPDU)]


@pytest.mark.feature("Learning", "the stations of a port are forgotten when its VLAN changes")
def test_stations_are_forgotten_when_the_vlan_of_their_port_changes(lab: FeatureLab) -> None:
    a, b, c = three_on_a_bridge(lab)
    b.send(frame(b, EVERYBODY))
    assert len(a.received()) == len(c.received()) == 1
    c.send(frame(c, EVERYBODY))
    assert len(a.received()) == len(b.received()) == 1
    lab.vsctl("set port b tag=9")
    lab.wait_until(lambda: table(lab) == {("3", "0", text(c), "learned")}, "the station is forgotten")


@pytest.mark.feature("Learning", "other_config:hwaddr is the address of the bridge's own port")
def test_the_bridges_own_address(lab: FeatureLab) -> None:
    lab.vsctl("add-br br0 -- set bridge br0 other_config:hwaddr=02:00:00:00:ab:cd")
    lab.wait_until(
        lambda: lab.get("interface", "br0", "mac_in_use") == '"02:00:00:00:ab:cd"', "it has the address"
    )
    assert "02:00:00:00:ab:cd" in lab.run("ip link show br0")
    assert lab.get("bridge", "br0", "datapath_id") == '"000002000000abcd"'
