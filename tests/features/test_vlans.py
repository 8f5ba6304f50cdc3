"""VLANs: which tags frames have on the wire of each kind of port."""

import pytest

from tests.kit.feature_lab import FeatureLab, Host, frame

EVERYBODY = 0xFFFF_FFFF_FFFF
SERVICE = 0x88A8 << 16


def pcp(priority: int, vid: int = 0) -> int:
    """Return a tag with a priority."""
    return 0x8100 << 16 | priority << 13 | vid


def ports(lab: FeatureLab, **settings: str) -> list[Host]:
    """Make a bridge br0 with a port for each host, which is named after it, and its settings."""
    hosts = [lab.host(name) for name in settings]
    lab.vsctl("add-br br0", *(f"-- add-port br0 {name} {columns}" for name, columns in settings.items()))
    return hosts


@pytest.mark.feature("VLANs", "an access port is in one VLAN, and has no tags on the wire")
def test_an_access_port_adds_and_strips_its_tag(lab: FeatureLab) -> None:
    a, same, other, trunk = ports(lab, a="tag=10", b="tag=10", c="tag=20", t="")
    with trunk.capture() as seen:
        a.send(frame(a, EVERYBODY))
        assert same.received() == [frame(a, EVERYBODY)]
        assert trunk.received() == [frame(a, EVERYBODY, 10)]
        a.send(frame(a, EVERYBODY, 10))  # an access port takes no tags
        trunk.send(frame(trunk, EVERYBODY, 20))
        assert other.received() == [frame(trunk, EVERYBODY)]
        assert a.received_nothing()
    assert "ethertype 802.1Q (0x8100)" in seen.decoded()
    assert "vlan 10, p 0" in seen.decoded()


@pytest.mark.feature("VLANs", "a trunk carries the VLANs of its list, or all")
def test_a_trunk_carries_the_vlans_of_its_list(lab: FeatureLab) -> None:
    a, few, every = ports(lab, a="", b="trunks=5,6", c="")
    for tags in ((5,), (7,), (), (pcp(3, 6),)):
        a.send(frame(a, EVERYBODY, *tags))
    assert few.received(2) == [frame(a, EVERYBODY, 5), frame(a, EVERYBODY, pcp(3, 6))]
    assert every.received(4) == [frame(a, EVERYBODY, *tags) for tags in ((5,), (7,), (), (pcp(3, 6),))]
    few.send(frame(few, EVERYBODY, 7), frame(few, EVERYBODY), frame(few, EVERYBODY, 5))
    assert a.received() == [frame(few, EVERYBODY, 5)]
    assert a.received_nothing()


@pytest.mark.feature("VLANs", "native-tagged: untagged frames are in the native VLAN, and leave with its tag")
def test_a_native_tagged_port_sends_its_native_vlan_with_a_tag(lab: FeatureLab) -> None:
    a, native = ports(lab, a="tag=5", b="vlan_mode=native-tagged tag=5 trunks=6")
    with native.capture() as seen:
        native.send(frame(native, EVERYBODY))
        assert a.received() == [frame(native, EVERYBODY)]
        a.send(frame(a, EVERYBODY))
        assert native.received() == [frame(a, EVERYBODY, 5)]
    assert "vlan 5, p 0" in seen.decoded()


@pytest.mark.feature("VLANs", "native-untagged: the native VLAN has no tag on the wire, others have")
def test_a_native_untagged_port_sends_its_native_vlan_without_a_tag(lab: FeatureLab) -> None:
    a, other, native = ports(lab, a="tag=5", b="tag=6", c="vlan_mode=native-untagged tag=5 trunks=6")
    with native.capture() as seen:
        a.send(frame(a, EVERYBODY))
        assert native.received() == [frame(a, EVERYBODY)]
        other.send(frame(other, EVERYBODY))
        assert native.received() == [frame(other, EVERYBODY, 6)]
        native.send(frame(native, EVERYBODY, 5))
        assert a.received() == [frame(native, EVERYBODY)]
    assert seen.decoded().count("802.1Q") == 2


@pytest.mark.feature("VLANs", "dot1q-tunnel: customers' tags travel behind a service tag")
def test_a_dot1q_tunnel_port_puts_a_service_tag_in_front(lab: FeatureLab) -> None:
    lab.vsctl("set Open_vSwitch . other_config:vlan-limit=2")
    tunnel = "vlan_mode=dot1q-tunnel tag=100"
    a, b, trunk = ports(lab, a=tunnel, b=tunnel, t="")
    with trunk.capture() as seen:
        a.send(frame(a, EVERYBODY, pcp(3, 5)))
        assert trunk.received() == [frame(a, EVERYBODY, SERVICE | 100, pcp(3, 5))]
        assert b.received() == [frame(a, EVERYBODY, pcp(3, 5))]
        a.send(frame(a, EVERYBODY))
        assert trunk.received() == [frame(a, EVERYBODY, SERVICE | 100)]
        trunk.send(frame(trunk, EVERYBODY, SERVICE | 100, 7))
        assert a.received() == [frame(trunk, EVERYBODY, 7)]
    assert "802.1Q-QinQ (0x88a8)" in seen.decoded()
    assert "vlan 100, p 0, ethertype 802.1Q (0x8100), vlan 5, p 3" in seen.decoded()


@pytest.mark.feature("VLANs", "dot1q-tunnel: qinq-ethtype of the service tag, and cvlans that may pass")
def test_a_dot1q_tunnel_port_takes_the_vlans_of_its_customers(lab: FeatureLab) -> None:
    lab.vsctl("set Open_vSwitch . other_config:vlan-limit=2")
    a, trunk = ports(
        lab, a="vlan_mode=dot1q-tunnel tag=100 cvlans=5,6 other_config:qinq-ethtype=802.1q", t=""
    )
    a.send(frame(a, EVERYBODY, 7), frame(a, EVERYBODY), frame(a, EVERYBODY, 5))
    assert trunk.received() == [frame(a, EVERYBODY, 100, 5)]
    trunk.send(frame(0x0200_0000_0777, EVERYBODY, 100, 7), frame(trunk, EVERYBODY, 100, 6))
    assert a.received() == [frame(trunk, EVERYBODY, 6)]
    assert trunk.received_nothing()


@pytest.mark.feature(
    "VLANs",
    "dot1q-tunnel: two tags of a customer arrive as they were sent",
    differs={
        "c-userspace": "with vlan-limit=2, the inner one is lost",
        "c-kernel": "with vlan-limit=2, the inner one is lost",
    },
)
def test_two_tags_of_a_customer_are_kept(lab: FeatureLab) -> None:
    lab.vsctl("set Open_vSwitch . other_config:vlan-limit=2")
    tunnel = "vlan_mode=dot1q-tunnel tag=100"
    a, b, trunk = ports(lab, a=tunnel, b=tunnel, t="")
    a.send(frame(a, EVERYBODY, 5, 6))
    assert b.received() == [frame(a, EVERYBODY, 5, 6)]
    assert trunk.received() == [frame(a, EVERYBODY, SERVICE | 100, 5, 6)]


@pytest.mark.feature("VLANs", "three tags pass a trunk untouched")
def test_three_tags_pass_a_trunk(lab: FeatureLab) -> None:
    a, b, access = ports(lab, a="", b="", c="tag=5")
    a.send(frame(a, EVERYBODY, 5, 6, 7))
    assert b.received() == [frame(a, EVERYBODY, 5, 6, 7)]
    assert access.received() == [frame(a, EVERYBODY, 6, 7)]


@pytest.mark.feature("VLANs", "priority-tags: what says a priority and no VLAN")
def test_priority_tags_are_sent_as_a_port_wants_them(lab: FeatureLab) -> None:
    wants = "other_config:priority-tags="
    a, never, nonzero = ports(lab, a="", b="tag=5", c=f"tag=5 {wants}if-nonzero")
    a.send(frame(a, EVERYBODY, pcp(3, 5)), frame(a, EVERYBODY, 5))
    assert never.received(2) == [frame(a, EVERYBODY)] * 2
    assert nonzero.received(2) == [frame(a, EVERYBODY, pcp(3)), frame(a, EVERYBODY)]
    nonzero.send(frame(nonzero, EVERYBODY, pcp(2)))  # in the VLAN of the port, as without a tag
    assert a.received() == [frame(nonzero, EVERYBODY, pcp(2, 5))]


@pytest.mark.feature("VLANs", "VLANs change on the way through a patch port")
def test_vlans_through_a_patch_port(lab: FeatureLab) -> None:
    a, b = lab.host("a"), lab.host("b")
    lab.vsctl(
        "add-br br0 -- add-port br0 a tag=5 -- add-port br0 p0 tag=5 -- set interface p0 type=patch options:peer=p1",
        "-- add-br br1 -- add-port br1 b -- add-port br1 p1 tag=9 -- set interface p1 type=patch options:peer=p0",
    )
    a.send(frame(a, EVERYBODY))
    assert b.received() == [frame(a, EVERYBODY, 9)]
    b.send(frame(b, a, 9))
    assert a.received() == [frame(b, a)]


@pytest.mark.feature("VLANs", "protected ports do not reach each other")
def test_protected_ports_do_not_reach_each_other(lab: FeatureLab) -> None:
    a, b, c = ports(lab, a="protected=true", b="protected=true", c="")
    a.send(frame(a, EVERYBODY))
    assert c.received() == [frame(a, EVERYBODY)]
    c.send(frame(c, EVERYBODY))
    assert a.received() == b.received() == [frame(c, EVERYBODY)]
    b.send(frame(b, a))
    assert a.received_nothing()
