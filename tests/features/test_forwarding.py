"""What every bridge does: flooding, learning, patch ports."""

import re

import pytest

from tests.kit.feature_lab import FeatureLab, Host, frame


def three_on_a_bridge(lab: FeatureLab) -> tuple[Host, Host, Host]:
    a, b, c = (lab.host(name) for name in "abc")
    lab.vsctl("add-br br0 -- add-port br0 a -- add-port br0 b -- add-port br0 c")
    return a, b, c


def packets_of(lab: FeatureLab, station: Host) -> int:
    """How many packets the flow from a station has counted; there must be one."""
    source = f"src={station.mac.to_bytes(6, 'big').hex(':')}"
    (flow,) = [line for line in lab.dpctl("dump-flows").splitlines() if source in line]
    return int(flow.partition("packets:")[2].partition(",")[0])


@pytest.mark.feature("Ports", "an unknown address is flooded, a known one is not")
def test_unknown_addresses_are_flooded_and_known_ones_are_not(lab: FeatureLab) -> None:
    a, b, c = three_on_a_bridge(lab)
    a.send(frame(a, b))
    assert b.received() == c.received() == [frame(a, b)]
    b.send(frame(b, a))
    assert a.received() == [frame(b, a)]
    lab.settle()
    a.send(frame(a, b))
    assert b.received() == [frame(a, b)]
    assert c.received_nothing()


@pytest.mark.feature("Ports", "patch ports join bridges within one datapath flow")
def test_a_packet_crosses_patch_ports_within_one_flow(lab: FeatureLab) -> None:
    a, b = lab.host("a"), lab.host("b")
    lab.vsctl(
        "add-br br0 -- add-port br0 a -- add-port br0 p0 -- set interface p0 type=patch options:peer=p1",
        "-- add-br br1 -- add-port br1 b -- add-port br1 p1 -- set interface p1 type=patch options:peer=p0",
    )
    for _ in range(2):
        a.send(frame(a, b))
        assert b.received() == [frame(a, b)]
        b.send(frame(b, a))
        assert a.received() == [frame(b, a)]
    source = f"src={a.mac.to_bytes(6, 'big').hex(':')}"
    flows = [line for line in lab.dpctl("dump-flows").splitlines() if source in line]
    assert len(flows) == 1
    assert re.search(r"actions:[\d,]*\d$|actions:b$", flows[0])


@pytest.mark.feature("Reconciliation", "a flow keeps its counters while another port's VLAN changes")
def test_a_flow_keeps_its_counters_over_a_change_of_another_port(lab: FeatureLab) -> None:
    a, b, _ = three_on_a_bridge(lab)
    a.send(frame(a, b))
    assert b.received() == [frame(a, b)]
    b.send(frame(b, a))
    assert a.received() == [frame(b, a)]
    lab.settle()  # what was flooded goes to one port from now on
    a.send(frame(a, b))
    assert b.received() == [frame(a, b)]
    counts = [packets_of(lab, a)]
    for tag in (10, 20):
        a.send(*[frame(a, b)] * 5)
        assert len(b.received(5)) == 5
        counts.append(packets_of(lab, a))
        lab.vsctl(f"set port c tag={tag}")
        lab.settle()
        counts.append(packets_of(lab, a))
    a.send(*[frame(a, b)] * 5)
    assert len(b.received(5)) == 5
    counts.append(packets_of(lab, a))
    first = counts[0]
    assert [count - first for count in counts] == [0, 5, 5, 10, 10, 15]
