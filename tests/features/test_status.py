"""What the switch writes of its interfaces into the database."""

import re

import pytest

from tests.kit.feature_lab import FeatureLab, frame

_COUNTERS = {
    *("collisions", "rx_bytes", "rx_dropped", "rx_errors", "rx_packets"),
    *("tx_bytes", "tx_dropped", "tx_errors", "tx_packets"),
}
_OF_DEVICES = {"rx_crc_err", "rx_frame_err", "rx_missed_errors", "rx_multicast_packets", "rx_over_err"}
_WITH_STATISTICS = 12.0  # seconds: the interval is five at least


def pairs(text: str) -> dict[str, str]:
    """Read a map as ovs-vsctl prints it."""
    return {key: value.strip('"') for key, value in re.findall(r'([\w-]+)=("[^"]*"|[^,}]*)', text)}


@pytest.mark.feature("Status", "a device's state, speed, driver and addresses")
def test_a_device_is_described(lab: FeatureLab) -> None:
    lab.host("a")
    lab.vsctl("add-br br0 -- add-port br0 a")
    mac = re.search(r"link/ether (\S+)", lab.run("ip link show a"))
    index = re.match(r"(\d+):", lab.run("ip link show a"))
    assert mac
    assert index
    expected = {
        "admin_state": "up",
        "link_state": "up",
        "link_speed": "10000000000",
        "duplex": "full",
        "mtu": "1500",
        "mac_in_use": f'"{mac[1]}"',
        "ifindex": index[1],
        "error": "[]",
    }
    assert {column: lab.get("interface", "a", column) for column in expected} == expected
    status = pairs(lab.get("interface", "a", "status"))
    assert set(status) == {"driver_name", "driver_version", "firmware_version"}
    assert status["driver_name"] == "veth"


@pytest.mark.feature("Status", "a link that fails and returns is written at once")
def test_a_link_that_fails_and_returns_is_told(lab: FeatureLab) -> None:
    a = lab.host("a")
    lab.vsctl("add-br br0 -- add-port br0 a")

    def link() -> tuple[str, str]:
        return lab.get("interface", "a", "link_state"), lab.get("interface", "a", "link_resets")

    a.run("ip link set eth0 down")
    lab.wait_until(lambda: link() == ("down", "1"), "the link is down")
    a.run("ip link set eth0 up")
    lab.wait_until(lambda: link() == ("up", "2"), "the link is up")
    lab.run("ip link set dev a down")
    lab.wait_until(lambda: lab.get("interface", "a", "admin_state") == "down", "it is switched off")
    lab.run("ip link set dev a mtu 1400")
    lab.wait_until(lambda: lab.get("interface", "a", "mtu") == "1400", "another MTU")


@pytest.mark.feature("Status", "counters of devices, patch ports and mirrors")
def test_counters_are_written(lab: FeatureLab) -> None:
    a, b = lab.host("a"), lab.host("b")
    lab.vsctl(
        "add-br br0 -- add-port br0 a -- add-port br0 p0 -- set interface p0 type=patch options:peer=p1",
        "-- add-br br1 -- add-port br1 b -- add-port br1 p1 -- set interface p1 type=patch options:peer=p0",
        "-- add-port br0 i0 -- set interface i0 type=internal",
    )
    for _ in range(3):
        a.send(frame(a, b))
    assert len(b.received(3)) == 3
    lab.settle()

    def statistics(name: str) -> dict[str, str]:
        return pairs(lab.get("interface", name, "statistics"))

    lab.wait_until(lambda: statistics("p1").get("rx_packets") == "3", "three packets", _WITH_STATISTICS)
    assert statistics("p0") == {"rx_bytes": "0", "rx_packets": "0", "tx_bytes": "180", "tx_packets": "3"}
    assert statistics("p1") == {"rx_bytes": "180", "rx_packets": "3", "tx_bytes": "0", "tx_packets": "0"}
    assert set(statistics("a")) >= _COUNTERS | _OF_DEVICES
    assert set(statistics("i0")) >= _COUNTERS
    assert int(statistics("a")["rx_packets"]) >= 3
    assert int(statistics("b")["tx_bytes"]) >= 180


@pytest.mark.feature(
    "Status",
    "frames that a device refuses are counted as dropped",
    not_on={
        "kernel": "an internal device of the module takes frames while it is off",
        "c-kernel": "an internal device of the module takes frames while it is off",
    },
)
def test_frames_that_a_device_refuses_are_not_counted_as_sent(lab: FeatureLab) -> None:
    a = lab.host("a")
    lab.vsctl("add-br br0 -- add-port br0 a")
    a.send(frame(a, 0xFFFFFFFFFFFF))

    def dropped() -> dict[str, str]:
        return pairs(lab.get("interface", "br0", "statistics"))

    lab.wait_until(lambda: dropped().get("tx_dropped") == "1", "the frame is counted", _WITH_STATISTICS)
    assert (dropped()["tx_packets"], dropped()["tx_bytes"]) == ("0", "0")


@pytest.mark.feature("Status", "by which device a tunnel leaves")
def test_a_tunnel_tells_by_which_device_it_leaves(lab: FeatureLab) -> None:
    lab.run("ip addr add 172.31.9.1/24 dev lo")
    lab.run("ip link set lo up")
    try:
        lab.vsctl("add-br br0 -- add-port br0 g0 -- set interface g0 type=gre options:remote_ip=172.31.9.1")

        def status() -> dict[str, str]:
            return pairs(lab.get("interface", "g0", "status"))

        lab.wait_until(
            lambda: status().get("tunnel_egress_iface") == "lo", "the way is told", _WITH_STATISTICS
        )
        assert status()["tunnel_egress_iface_carrier"] == "up"
    finally:
        lab.run("ip addr del 172.31.9.1/24 dev lo")


@pytest.mark.feature("Status", "figures of the machine: processors, load, memory, file systems")
def test_figures_of_the_machine_are_written_where_asked_for(lab: FeatureLab) -> None:
    assert lab.get("Open_vSwitch", ".", "statistics") == "{}"
    lab.vsctl("set Open_vSwitch . other_config:enable-statistics=true")

    def statistics() -> dict[str, str]:
        return pairs(lab.get("Open_vSwitch", ".", "statistics"))

    lab.wait_until(lambda: statistics().keys() >= {"cpu", "load_average", "memory"}, "figures")
    memory = [int(number) for number in statistics()["memory"].split(",")]
    assert len(memory) == 5
    assert memory[0] > memory[1] > 0
    lab.vsctl("remove Open_vSwitch . other_config enable-statistics")
    lab.wait_until(lambda: not statistics(), "none")
