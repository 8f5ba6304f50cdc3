"""Mirrors: copies of packets, to ports, into VLANs and through tunnels."""

import re

import pytest

from tests.kit.feature_lab import FAR_UNDERLAY, UNDERLAY, FeatureLab, Host, frame

_WITH_STATISTICS = 12.0  # seconds: the interval is five at least


def hosts(lab: FeatureLab, names: str) -> list[Host]:
    """Make hosts on a bridge br0."""
    made = [lab.host(name) for name in names]
    lab.vsctl("add-br br0", *(f"-- add-port br0 {name}" for name in names))
    return made


def mirror(lab: FeatureLab, settings: str, **ports: str) -> None:
    """Add a mirror to br0; ports of its columns are given by their names."""
    wanted = " ".join(f"-- --id=@{column} get port {name}" for column, name in ports.items())
    columns = " ".join(f"{column}=@{column}" for column in ports)
    lab.vsctl(f"{wanted} -- --id=@m create mirror name=m {settings} {columns} -- add bridge br0 mirrors @m")


@pytest.mark.feature("Mirrors", "everything, once each, to a port that is for nothing else")
def test_everything_is_mirrored_once(lab: FeatureLab) -> None:
    a, b, c, span = hosts(lab, "abcs")
    mirror(lab, "select_all=true", output_port="s")
    a.send(frame(a, b))
    assert b.received() == c.received() == span.received() == [frame(a, b)]
    b.send(frame(b, a))
    assert a.received() == span.received() == [frame(b, a)]
    assert span.received_nothing()
    span.send(frame(span, a))
    assert a.received_nothing()


@pytest.mark.feature("Mirrors", "by the port where packets arrive, or from which they depart")
def test_ports_select_packets(lab: FeatureLab) -> None:
    a, b, span, other = hosts(lab, "abst")
    mirror(lab, "", select_src_port="a", output_port="s")
    mirror(lab, "", select_dst_port="a", output_port="t")
    a.send(frame(a, b))
    assert b.received() == span.received() == [frame(a, b)]
    b.send(frame(b, a))
    assert a.received() == other.received() == [frame(b, a)]
    assert span.received_nothing()


@pytest.mark.feature("Mirrors", "by VLAN, with the tags that the output port gives")
def test_vlans_select_packets(lab: FeatureLab) -> None:
    a, b, c, span = hosts(lab, "abcs")
    lab.vsctl("set port a tag=10 -- set port b tag=10 -- set port c tag=20")
    mirror(lab, "select_all=true select_vlan=10", output_port="s")
    c.send(frame(c, a))
    a.send(frame(a, b))
    assert b.received() == [frame(a, b)]
    assert span.received() == [frame(a, b, 10)]


@pytest.mark.feature("Mirrors", "into a VLAN (RSPAN), seen by tcpdump")
def test_packets_are_mirrored_into_a_vlan(lab: FeatureLab) -> None:
    a, b, far = hosts(lab, "abf")
    lab.vsctl("set port a tag=10 -- set port b tag=10 -- set port f trunks=900")
    mirror(lab, "output_vlan=900", select_src_port="a")
    with far.capture() as pcap:
        a.send(frame(a, b))
        assert b.received() == [frame(a, b)]
        assert far.received() == [frame(a, b, 900)]
    assert re.search(r"vlan 900, p 0", pcap.decoded())
    far.received(1, 0.0)
    a.send(frame(a, 0x0180C2000000))
    assert far.received_nothing()


@pytest.mark.feature("Mirrors", "at most snaplen octets of each packet")
def test_copies_are_shortened(lab: FeatureLab) -> None:
    a, b, span = hosts(lab, "abs")
    mirror(lab, "select_all=true snaplen=64", output_port="s")
    sent = frame(a, b, payload=bytes(range(256)))
    a.send(sent)
    assert b.received() == [sent]
    assert span.received() == [sent[:64]]


@pytest.mark.feature("Mirrors", "through a GRE tunnel, seen by tcpdump")
def test_packets_are_mirrored_through_a_tunnel(lab: FeatureLab) -> None:
    far = lab.underlay()
    a, b = hosts(lab, "ab")
    lab.vsctl(f"add-port br0 g0 -- set interface g0 type=gre options:remote_ip={FAR_UNDERLAY} options:key=7")
    mirror(lab, "select_all=true", output_port="g0")
    assert far.ping(UNDERLAY, 1)
    far.wire.drain()
    with far.capture("proto gre") as pcap:
        a.send(frame(a, b))
        assert b.received() == [frame(a, b)]
        far.received(1)
    assert "key=0x7" in pcap.decoded()


@pytest.mark.feature("Mirrors", "through an ERSPAN tunnel, seen by tcpdump")
def test_packets_are_mirrored_through_erspan(lab: FeatureLab) -> None:
    far = lab.underlay()
    a, b = hosts(lab, "ab")
    lab.vsctl(
        f"add-port br0 g0 -- set interface g0 type=erspan options:remote_ip={FAR_UNDERLAY} options:key=30",
        "options:erspan_ver=1 options:erspan_idx=3",
    )
    mirror(lab, "select_all=true", output_port="g0")
    assert far.ping(UNDERLAY, 1)
    far.wire.drain()
    with far.capture("proto gre") as pcap:
        a.send(frame(a, b))
        assert b.received() == [frame(a, b)]
        far.received(1)
    assert re.search(r"GREv0, Flags \[sequence# present\], seq \d+", pcap.decoded())


@pytest.mark.feature("Mirrors", "what was mirrored is counted")
def test_mirrored_packets_are_counted(lab: FeatureLab) -> None:
    a, b, span = hosts(lab, "abs")
    mirror(lab, "select_all=true", output_port="s")
    for _ in range(4):
        a.send(frame(a, b))
    assert len(span.received(4)) == 4
    lab.settle()
    lab.wait_until(
        lambda: lab.get("mirror", "m", "statistics") == "{tx_bytes=240, tx_packets=4}",
        "four packets",
        _WITH_STATISTICS,
    )


@pytest.mark.feature("Mirrors", "a mirror that is removed lets its port take part again")
def test_a_mirror_that_goes_gives_its_port_back(lab: FeatureLab) -> None:
    a, b, span = hosts(lab, "abs")
    mirror(lab, "select_all=true", output_port="s")
    a.send(frame(a, b))
    assert span.received() == [frame(a, b)]
    lab.vsctl("clear bridge br0 mirrors")
    span.send(frame(span, a))
    assert a.received() == [frame(span, a)]
