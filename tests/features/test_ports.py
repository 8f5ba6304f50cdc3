"""Ports and the devices behind them: kinds, numbers, addresses, sizes, and devices that come and go."""

import contextlib
from collections.abc import Iterator

import pytest

from tests.kit import namespace as ns
from tests.kit.feature_lab import IN_VM, FeatureLab, Host, frame
from tests.kit.wire import Wire

LOCAL_MAC = 0x02AA_0000_0001  # of devices of the switch's namespace
ERROR_PATIENCE = 20.0 if IN_VM else 3.0  # seconds, in vain on one side
KEEPS_GONE_DEVICES = {
    "c-userspace": "a device that is gone stays the port's, without an error, and none of its name takes its place"
}


def two_on_a_bridge(lab: FeatureLab) -> tuple[Host, Host]:
    a, b = lab.host("a"), lab.host("b")
    lab.vsctl("add-br br0 -- add-port br0 a -- add-port br0 b")
    return a, b


@contextlib.contextmanager
def wire_of(lab: FeatureLab, device: str) -> Iterator[Wire]:
    """The switch's own end of an internal port or a tap."""
    ns.set_up(lab.namespace, device)
    wire = Wire(lab.namespace, device)
    try:
        yield wire
    finally:
        wire.close()


def forwards(lab: FeatureLab, a: Host, b: Host) -> bool:
    """Whether frames pass now, in both directions; what is on its way from before is taken away."""
    a.wire.drain()
    b.wire.drain()
    lab.settle()
    a.send(frame(a, b))
    there = frame(a, b) in b.received(1)
    b.send(frame(b, a))
    return there and frame(b, a) in a.received(1)


def error_of(lab: FeatureLab, interface: str) -> str:
    return lab.get("interface", interface, "error").strip('"')


def wait_for(lab: FeatureLab, interface: str, column: str, value: str) -> None:
    lab.wait_until(
        lambda: lab.get("interface", interface, column).strip('"') == value,
        f"{column} of {interface} is {value}",
    )


def wait_for_error(lab: FeatureLab, interface: str) -> None:
    lab.wait_until(lambda: error_of(lab, interface) != "[]", f"{interface} has an error", ERROR_PATIENCE)
    assert lab.get("interface", interface, "ofport") == "-1"


def wait_for_work(lab: FeatureLab, interface: str) -> None:
    lab.wait_until(
        lambda: lab.get("interface", interface, "ofport") not in ("-1", "[]"), f"{interface} works"
    )
    assert error_of(lab, interface) == "[]"


@pytest.mark.feature("Ports", "internal ports are devices of the switch's machine")
def test_internal_ports_are_devices(lab: FeatureLab) -> None:
    a = lab.host("a")
    lab.vsctl("add-br br0 -- add-port br0 a -- add-port br0 i0 -- set interface i0 type=internal")
    for device, mac in (("br0", LOCAL_MAC), ("i0", LOCAL_MAC + 1)):
        with wire_of(lab, device) as wire:
            wire.send(frame(mac, a))
            assert a.received() == [frame(mac, a)]
            a.send(frame(a, mac))
            assert frame(a, mac) in wire.received(1)
    lab.vsctl("del-port br0 i0")
    assert ns.device(lab.namespace, "i0") is None
    lab.vsctl("del-br br0")
    assert ns.device(lab.namespace, "br0") is None


@pytest.mark.feature(
    "Ports",
    "a tap is a device of the switch's machine",
    differs={"c-kernel": "nothing passes the tap: the switch does not read what the module sends there"},
)
def test_a_tap_is_a_device(lab: FeatureLab) -> None:
    a = lab.host("a")
    lab.vsctl("add-br br0 -- add-port br0 a -- add-port br0 t0 -- set interface t0 type=tap")
    with wire_of(lab, "t0") as wire:
        wire.send(frame(LOCAL_MAC, a))
        assert a.received() == [frame(LOCAL_MAC, a)]
        a.send(frame(a, LOCAL_MAC))
        lab.wait_until(lambda: frame(a, LOCAL_MAC) in wire.drain(), "the frame came out of the tap")
    lab.vsctl("del-port br0 t0")
    lab.wait_until(lambda: ns.device(lab.namespace, "t0") is None, "the tap is gone")


@pytest.mark.feature("Ports", "a chain of bridges is one datapath flow")
def test_a_chain_of_five_bridges_is_one_flow(lab: FeatureLab) -> None:
    a, b = lab.host("a"), lab.host("b")
    commands = ["add-br br0 -- add-port br0 a"]
    for n in range(4):
        commands.append(
            f"add-br br{n + 1}"
            f" -- add-port br{n} r{n} -- set interface r{n} type=patch options:peer=l{n + 1}"
            f" -- add-port br{n + 1} l{n + 1} -- set interface l{n + 1} type=patch options:peer=r{n}"
        )
    for command in [*commands, "add-port br4 b tag=7"]:
        lab.vsctl(command)
    lab.vsctl("set port r1 tag=7 -- set port l2 tag=7 -- set port a tag=7")
    for _ in range(2):
        assert forwards(lab, a, b)
    source = f"src={a.mac.to_bytes(6, 'big').hex(':')}"
    assert len([line for line in lab.dpctl("dump-flows").splitlines() if source in line]) == 1


@pytest.mark.feature("Ports", "a patch port whose peer is missing, or is another's, carries nothing")
def test_a_patch_port_without_its_peer_carries_nothing(lab: FeatureLab) -> None:
    a, b = two_on_a_bridge(lab)
    c = lab.host("c")
    lab.vsctl(
        "add-br br1 -- add-port br1 c",
        "-- add-port br0 p0 -- set interface p0 type=patch options:peer=p1",
        "-- add-port br1 p1 -- set interface p1 type=patch options:peer=elsewhere",
    )
    a.send(frame(a, c))
    assert b.received() == [frame(a, c)]
    assert c.received_nothing()
    lab.vsctl("set interface p1 options:peer=p0")
    assert forwards(lab, a, c)


@pytest.mark.feature("Ports", "mtu_request changes a device's MTU, and internal ports follow the smallest")
def test_internal_ports_have_the_smallest_mtu_unless_another_is_asked_for(lab: FeatureLab) -> None:
    lab.host("a")
    lab.vsctl("add-br br0 -- add-port br0 a -- add-port br0 i0 -- set interface i0 type=internal")
    lab.vsctl("set interface a mtu_request=1400")
    for name in ("a", "br0", "i0"):
        wait_for(lab, name, "mtu", "1400")
    lab.vsctl("set interface i0 mtu_request=1300")
    for name, mtu in (("a", 1400), ("i0", 1300)):
        wait_for(lab, name, "mtu", str(mtu))
        device = ns.device(lab.namespace, name)
        assert device
        assert device.mtu == mtu


@pytest.mark.feature("Ports", "the mac column and other_config:hwaddr are the addresses of internal ports")
def test_addresses_that_are_asked_for(lab: FeatureLab) -> None:
    lab.vsctl("add-br br0 -- add-port br0 i0 -- set interface i0 type=internal")
    lab.vsctl(
        r"set interface i0 mac=\"02:00:00:aa:bb:cc\"",
        r"-- set bridge br0 other_config:hwaddr=\"02:00:00:aa:bb:dd\"",
    )
    for name, address in (("i0", "02:00:00:aa:bb:cc"), ("br0", "02:00:00:aa:bb:dd")):
        wait_for(lab, name, "mac_in_use", address)
        device = ns.device(lab.namespace, name)
        assert device
        assert device.mac == address
    lab.wait_until(
        lambda: lab.get("bridge", "br0", "datapath_id").strip('"') == "0000020000aabbdd",
        "the bridge's id follows its address",
    )


@pytest.mark.feature("Ports", "external_ids and lldp are kept as they are")
def test_columns_of_others_are_left_alone(lab: FeatureLab) -> None:
    a, b = two_on_a_bridge(lab)
    ids = '{attached-mac="02:00:00:00:00:01", iface-id=vif-1, iface-status=active, vm-id=vm-1}'
    lab.vsctl(
        r"set interface a external_ids:iface-id=vif-1 external_ids:attached-mac=\"02:00:00:00:00:01\"",
        "external_ids:vm-id=vm-1 external_ids:iface-status=active lldp:enable=true",
        "-- set bridge br0 external_ids:bridge-id=mine -- br-set-external-id br0 other 1",
    )
    assert forwards(lab, a, b)
    lab.vsctl("del-port br0 b -- add-port br0 b")
    assert lab.get("interface", "a", "external_ids") == ids
    assert lab.get("interface", "a", "lldp") == '{enable="true"}'
    assert lab.get("bridge", "br0", "external_ids") == '{bridge-id=mine, other="1"}'
    assert error_of(lab, "a") == "[]"


@pytest.mark.feature(
    "Ports", "a device may appear after its port, go, and come back", differs=KEEPS_GONE_DEVICES
)
def test_a_device_appears_goes_and_comes_back(lab: FeatureLab) -> None:
    a = lab.host("a")
    lab.vsctl("add-br br0 -- add-port br0 a")
    lab.vsctl("add-port br0 late", check=False)
    assert "could not open network device late (No such device)" in error_of(lab, "late")
    b = lab.host("late")
    for _ in range(2):
        wait_for_work(lab, "late")
        assert forwards(lab, a, b)
        ns.delete_device(lab.namespace, "late")
        wait_for_error(lab, "late")
        b.wire.close()
        ns.join(lab.namespace, "late", b.namespace, "eth0", b.mac)
        b.wire = Wire(b.namespace, "eth0")
    wait_for_work(lab, "late")
    assert forwards(lab, a, b)


@pytest.mark.feature(
    "Ports",
    "a device that is renamed is gone, and another of its name is the port's",
    differs=KEEPS_GONE_DEVICES,
)
def test_a_device_is_renamed(lab: FeatureLab) -> None:
    a, b = two_on_a_bridge(lab)
    c = lab.host("c")
    assert forwards(lab, a, b)
    ns.rename(lab.namespace, "b", "was-b")
    wait_for_error(lab, "b")
    ns.rename(lab.namespace, "c", "b")
    wait_for_work(lab, "b")
    assert forwards(lab, a, c)
    assert b.received_nothing()
    ns.delete_device(lab.namespace, "was-b")


@pytest.mark.feature(
    "Ports", "a device that moves to another namespace is gone until it is back", differs=KEEPS_GONE_DEVICES
)
def test_a_device_moves_to_another_namespace_and_back(lab: FeatureLab) -> None:
    a, b = two_on_a_bridge(lab)
    assert forwards(lab, a, b)
    with ns.namespace(f"{lab.namespace}-away"):
        ns.move(lab.namespace, "b", f"{lab.namespace}-away")
        wait_for_error(lab, "b")
        ns.move(f"{lab.namespace}-away", "b", lab.namespace)
        wait_for_work(lab, "b")
        assert forwards(lab, a, b)


@pytest.mark.feature("Ports", "one port that two bridges want is on one of them, and nothing else suffers")
def test_one_port_on_two_bridges(lab: FeatureLab) -> None:
    a, b = two_on_a_bridge(lab)
    c, d = lab.host("c"), lab.host("d")
    lab.vsctl("add-br br1 -- add-port br1 c -- add-port br1 d")
    port = lab.get("port", "b", "_uuid")
    lab.vsctl(f"add bridge br1 ports {port}", check=False)
    assert forwards(lab, c, d)
    assert lab.get("interface", "c", "error") == "[]"
    lab.vsctl(f"remove bridge br1 ports {port}")
    wait_for_work(lab, "b")
    assert forwards(lab, a, b)


@pytest.mark.feature("Ports", "ofport_request gives a free number, and a number stays while its port does")
def test_numbers_of_ports(lab: FeatureLab) -> None:
    for name in "abc":
        lab.host(name)
    lab.vsctl("add-br br0 -- add-port br0 a -- set interface a ofport_request=77 -- add-port br0 b")
    assert lab.get("interface", "br0", "ofport") == "65534"
    assert lab.get("interface", "a", "ofport") == "77"
    second = lab.get("interface", "b", "ofport")
    lab.vsctl("add-port br0 c -- set interface c ofport_request=77")
    assert lab.get("interface", "a", "ofport") == "77"
    assert lab.get("interface", "b", "ofport") == second
    assert lab.get("interface", "c", "ofport") not in ("77", second)
    lab.vsctl("set interface b ofport_request=5")
    wait_for(lab, "b", "ofport", "5")


@pytest.mark.feature(
    "Ports", "a device that comes back has a number of its own, the next one", differs=KEEPS_GONE_DEVICES
)
def test_a_device_that_comes_back_has_another_number(lab: FeatureLab) -> None:
    for name in "abc":
        lab.host(name)
    lab.vsctl("add-br br0 -- add-port br0 a -- add-port br0 b -- add-port br0 c")
    before = {name: lab.get("interface", name, "ofport") for name in "abc"}
    assert sorted(before.values()) == ["1", "2", "3"]
    b = lab.hosts["b"]
    ns.delete_device(lab.namespace, "b")
    wait_for_error(lab, "b")
    b.wire.close()
    ns.join(lab.namespace, "b", b.namespace, "eth0", b.mac)
    b.wire = Wire(b.namespace, "eth0")
    wait_for_work(lab, "b")
    assert {name: lab.get("interface", name, "ofport") for name in "abc"} == before | {"b": "4"}
