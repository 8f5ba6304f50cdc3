"""What a plan does about network devices: addresses, MTUs, and devices that are not the same any more."""

from dataclasses import replace

from datapath.link import Link
from datapath.provider import Vport, VportSpec
from switching.tunnel import TunnelConfig
from switching.vlan import PortVlan
from vswitchd.config.desired import Desired, DesiredBridge, DesiredInterface, DesiredPort
from vswitchd.plan import Actual, ActualDatapath, AddPort, DeletePort, SetMac, SetMtu, plan

LOW, HIGH = "00:16:3e:00:00:01", "00:16:3e:00:00:02"
LOCAL = "0a:00:00:00:00:01"


def link(name: str, ifindex: int, mac: str = HIGH, mtu: int = 1500) -> Link:
    return Link(ifindex, name, mac, mtu, True, True, "")


def bridge(*interfaces: DesiredInterface, type: str = "system", hwaddr: str = "") -> Desired:
    local = DesiredInterface("br0", "br0", "internal")
    ports = [DesiredPort(i.name, i.name, PortVlan(), (i,)) for i in (local, *interfaces)]
    return Desired("uuid", (DesiredBridge("b5e0d4ff-6a8c", "br0", type, tuple(ports), hwaddr),))


def actual(*links: Link, type: str = "system", **indexes: int) -> Actual:
    kinds = {"br0": "internal", "i1": "internal"}
    ports = {
        name: Vport(number, name, kinds.get(name, "system"), ifindex)
        for number, (name, ifindex) in enumerate(indexes.items(), 1)
    }
    return Actual({type: ActualDatapath("ovs", ports)}, {each.name: each for each in links})


ETH0 = DesiredInterface("eth0", "eth0", "system")
ETH1 = DesiredInterface("eth1", "eth1", "system")


def test_bridge_takes_the_lowest_address_of_its_devices() -> None:
    there = actual(link("br0", 1), link("eth0", 2, LOW), link("eth1", 3), br0=1, eth0=2, eth1=3)
    assert plan(bridge(ETH0, ETH1), there) == (SetMac("system", "br0", LOW),)


def test_local_addresses_of_devices_are_not_taken() -> None:
    there = actual(link("br0", 1, LOCAL), link("eth0", 2, "02:00:00:00:00:01"), br0=1, eth0=2)
    assert plan(bridge(ETH0), there) == ()


def test_bridge_gives_back_the_address_of_a_device_that_has_gone() -> None:
    (step,) = plan(bridge(), actual(link("br0", 1, LOW), br0=1))
    assert isinstance(step, SetMac)
    assert int(step.mac[:2], 16) & 3 == 2
    assert plan(bridge(), actual(link("br0", 1, step.mac), br0=1)) == ()


def test_configured_address_comes_first() -> None:
    wanted = "02:00:00:00:00:99"
    there = actual(link("br0", 1), link("eth0", 2, LOW), br0=1, eth0=2)
    assert plan(bridge(ETH0, hwaddr=wanted), there) == (SetMac("system", "br0", wanted),)


def test_internal_ports_get_the_smallest_mtu_of_the_devices() -> None:
    there = actual(
        link("br0", 1, LOW), link("eth0", 2, LOW, 9000), link("eth1", 3, LOW, 1400), br0=1, eth0=2, eth1=3
    )
    assert plan(bridge(ETH0, ETH1), there) == (SetMtu("system", "br0", 1400),)


def test_mtu_of_an_internal_port_alone_is_its_users_business() -> None:
    assert plan(bridge(), actual(link("br0", 1, LOCAL, mtu=9000), br0=1)) == ()


def test_requested_mtu_is_set_on_its_port_and_followed_by_the_others() -> None:
    i1 = DesiredInterface("i1", "i1", "internal", mtu=1300)
    there = actual(link("br0", 1), link("i1", 2), br0=1, i1=2)
    assert set(plan(bridge(i1), there)) == {SetMtu("system", "br0", 1300), SetMtu("system", "i1", 1300)}


def test_device_that_came_again_as_another_is_attached_anew() -> None:
    there = actual(link("br0", 1, LOW), link("eth0", 7, LOW), br0=1, eth0=2)
    assert plan(bridge(ETH0), there) == (
        DeletePort("system", "eth0", 2),
        AddPort("system", VportSpec("eth0", "system")),
    )


def test_port_whose_kind_changed_is_made_anew() -> None:
    wanted = bridge(DesiredInterface("i1", "i1", "system"))
    there = actual(link("br0", 1, HIGH), link("i1", 2), br0=1, i1=2)
    assert plan(wanted, there) == (
        DeletePort("system", "i1", 2),
        AddPort("system", VportSpec("i1", "system")),
    )


def test_a_vxlan_device_is_made_anew_for_group_policies() -> None:
    vxlan = TunnelConfig("vxlan", 1, dst_port=4789, gbp=True)
    wanted = bridge(DesiredInterface("t0", "t0", "vxlan", tunnel=vxlan))
    spec = VportSpec("vxlan_sys_4789", "vxlan", 4789, gbp=True)
    ports = {"br0": Vport(1, "br0", "internal", 1), spec.name: Vport(2, spec.name, "vxlan", 9, 4789)}
    for gbp, expected in ((True, ()), (False, (DeletePort("system", spec.name, 2), AddPort("system", spec)))):
        device = replace(link(spec.name, 9), gbp=gbp)
        there = Actual(
            {"system": ActualDatapath("ovs", ports)}, {"br0": link("br0", 1, LOCAL), spec.name: device}
        )
        assert plan(wanted, there) == expected
