"""Settings of bridges, and conventions of ovs-vsctl about them."""

from __future__ import annotations

import pytest

from tests.kit import namespace as ns
from tests.kit.feature_lab import FeatureLab, Host, frame

DOT1Q = 0x8100 << 16
UNKNOWN = 0x02AA_0000_0001


def trunk_and_access(lab: FeatureLab, setting: str) -> tuple[Host, Host]:
    """Make a trunk port and an access port of VLAN 10 with this value of priority-tags."""
    trunk, access = lab.host("t"), lab.host("a")
    lab.vsctl(f"add-br br0 -- add-port br0 t -- add-port br0 a tag=10 -- set port a {setting}")
    return trunk, access


@pytest.mark.feature("VLANs", "priority-tags=if-nonzero: a priority leaves in a tag of VLAN 0")
def test_priorities_leave_in_a_tag_where_they_are_not_zero(lab: FeatureLab) -> None:
    trunk, access = trunk_and_access(lab, "other_config:priority-tags=if-nonzero")
    trunk.send(frame(trunk, access, DOT1Q | 5 << 13 | 10), frame(trunk, access, 10))
    assert access.received(2) == [frame(trunk, access, DOT1Q | 5 << 13), frame(trunk, access)]
    access.send(frame(access, trunk, DOT1Q | 3 << 13))
    assert trunk.received() == [frame(access, trunk, DOT1Q | 3 << 13 | 10)]


@pytest.mark.feature("VLANs", "a fake bridge is a VLAN of its parent")
def test_a_fake_bridge_is_a_vlan_of_its_parent(lab: FeatureLab) -> None:
    trunk, a, b, c = (lab.host(name) for name in "tabc")
    lab.vsctl("add-br br0 -- add-port br0 t -- add-port br0 b -- add-port br0 c tag=20")
    server = lab.server
    server.run(
        "/usr/bin/ovs-vsctl", "--timeout=30", "add-br", "fake", "br0", "20", "--", "add-port", "fake", "a"
    )
    assert lab.vsctl("br-to-parent fake").strip() == "br0"
    assert lab.vsctl("br-to-vlan fake").strip() == "20"
    assert lab.vsctl("list-ports fake").split() == ["a", "c"]  # the access ports of that VLAN
    a.send(frame(a, UNKNOWN))
    assert trunk.received() == [frame(a, UNKNOWN, 20)]
    assert b.received() == [frame(a, UNKNOWN, 20)]
    assert c.received() == [frame(a, UNKNOWN)]
    trunk.send(frame(trunk, a, 20))
    assert a.received() == [frame(trunk, a)]
    assert ns.device(lab.namespace, "fake") is not None
    lab.vsctl("del-br fake")
    lab.wait_until(lambda: ns.device(lab.namespace, "fake") is None, "the fake bridge's device goes")


@pytest.mark.feature("Ports", "disable-in-band and other settings without a meaning here do no harm")
def test_settings_without_a_meaning_do_no_harm(lab: FeatureLab) -> None:
    a, b = lab.host("a"), lab.host("b")
    lab.vsctl(
        "add-br br0 -- add-port br0 a -- add-port br0 b",
        "-- set bridge br0 other_config:disable-in-band=true other_config:in-band-queue=1 fail_mode=standalone",
        "other_config:nonsense=1 -- set interface a other_config:nonsense=1 options:nonsense=1",
    )
    a.send(frame(a, b))
    assert b.received() == [frame(a, b)]
    assert lab.get("interface", "a", "error") == "[]"
    assert (
        lab.get("bridge", "br0", "other_config")
        == '{disable-in-band="true", in-band-queue="1", nonsense="1"}'
    )


@pytest.mark.feature("Ports", "a bridge has the lowest address of its devices, until hwaddr says otherwise")
def test_the_address_of_a_bridge(lab: FeatureLab) -> None:
    for name, address in (("a", "00:16:3e:00:00:07"), ("b", "00:16:3e:00:00:05"), ("c", "")):
        lab.host(name)
        if address:  # without it has a local one, which is no candidate
            lab.run(f"ip link set dev {name} address {address}")

    def becomes(address: str) -> None:
        lab.wait_until(
            lambda: lab.get("interface", "br0", "mac_in_use").strip('"') == address, f"it is {address}"
        )
        device = ns.device(lab.namespace, "br0")
        assert device
        assert device.mac == address

    lab.vsctl("add-br br0 -- add-port br0 a -- add-port br0 b -- add-port br0 c")
    becomes("00:16:3e:00:00:05")
    lab.vsctl(r"set bridge br0 other_config:hwaddr=\"0a:00:00:00:00:05\"")
    becomes("0a:00:00:00:00:05")
    lab.vsctl("remove bridge br0 other_config hwaddr")
    becomes("00:16:3e:00:00:05")
    mirrored = "-- --id=@m create mirror name=m select_all=true output_port=@b -- set bridge br0 mirrors=@m"
    lab.vsctl(f"-- --id=@b get port b {mirrored}")  # where a mirror goes is no port of the bridge's own
    becomes("00:16:3e:00:00:07")
    lab.vsctl("clear bridge br0 mirrors -- del-port a -- del-port b")
    lab.wait_until(lambda: lab.get("interface", "br0", "mac_in_use")[:9] != '"00:16:3e', "it is a local one")
