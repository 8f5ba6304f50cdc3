"""The userspace datapath among real hosts: namespaces that ping and transfer through it."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from datapath.actions import Output, PopVlan, PushVlan, SetTunnel
from datapath.packet.flowkey import TUN_CSUM, TUN_KEY, FlowKey
from datapath.provider import DEFAULT_TUNNEL_PORT, Datapath, FlowPut, VportSpec, tunnel_vport_name
from tests.kit.learning import MASK, LearningSwitch
from tests.kit.netns import inside, namespaces, run, veth
from tests.kit.traffic import pings, transfer, userspace_datapath

pytestmark = pytest.mark.netns
SWITCH, ONE, TWO = (f"F-{part}-{os.getpid()}" for part in ("sw", "h1", "h2"))


@pytest.fixture
def hosts() -> Iterator[Datapath]:
    """Two hosts, connected to ports p1 and p2 of a datapath."""
    with namespaces(SWITCH, ONE, TWO):
        veth(SWITCH, "p1", ONE, "e0", "10.9.0.1/24")
        veth(SWITCH, "p2", TWO, "e0", "10.9.0.2/24")
        with userspace_datapath(SWITCH) as opened:
            with inside(SWITCH):
                opened.add_port(VportSpec("p1", "system"))
                opened.add_port(VportSpec("p2", "system"))
            yield opened


def test_two_hosts_reach_each_other(hosts: Datapath) -> None:
    with LearningSwitch(hosts, [1, 2]):
        assert " 0% packet loss" in pings(ONE, "10.9.0.2")
        assert "+" not in pings(ONE, "10.9.0.2", "-s", "4000")  # no duplicates, no errors; in fragments
        transfer(ONE, TWO, "10.9.0.2")


def test_tagged_hosts_reach_each_other(hosts: Datapath) -> None:
    """Each host tags what its device vl sends and untags what comes, super-frames too; the switch passes tags on."""
    any_port = FlowKey(in_port=0xFFFFFFFF, eth_type=0xFFFF)
    with ExitStack() as stack:
        for host, address in ((ONE, "10.9.5.1/24"), (TWO, "10.9.5.2/24")):
            tagging = stack.enter_context(userspace_datapath(host, "vl"))
            with inside(host):
                tagging.add_port(VportSpec("e0", "system"))
            run("ip", "-n", host, "link", "set", "vl", "up")
            run("ip", "-n", host, "addr", "add", address, "dev", "vl")
            for number, eth_type in enumerate((0x0800, 0x0806)):
                key = FlowKey(in_port=0, eth_type=eth_type)
                actions = (PushVlan(0x8100, 0x1005), Output(1))
                tagging.put_flow(FlowPut(bytes((number, *range(15))), key, any_port, actions))
                key = FlowKey(in_port=1, eth_type=eth_type, vlan_tci=0x1005)
                mask = any_port._replace(vlan_tci=0x1FFF)
                tagging.put_flow(FlowPut(bytes((number + 8, *range(15))), key, mask, (PopVlan(), Output(0))))
        switch = stack.enter_context(LearningSwitch(hosts, [1, 2]))
        assert " 0% packet loss" in pings(ONE, "10.9.5.2")
        transfer(ONE, TWO, "10.9.5.2")
        assert any(upcall.key.vlan_tci == 0x1005 for upcall in switch.upcalls)


def test_an_internal_port_is_the_host_itself(hosts: Datapath) -> None:
    run("ip", "-n", SWITCH, "link", "set", "t-dp", "up")
    run("ip", "-n", SWITCH, "addr", "add", "10.9.0.3/24", "dev", "t-dp")
    with LearningSwitch(hosts, [0, 1, 2]):
        assert " 0% packet loss" in pings(SWITCH, "10.9.0.1")
        assert " 0% packet loss" in pings(TWO, "10.9.0.3")
        transfer(SWITCH, ONE, "10.9.0.1")
        transfer(ONE, SWITCH, "10.9.0.3")


def test_the_host_does_not_hear_what_comes_in_by_a_port(hosts: Datapath) -> None:
    """Else it would answer for its own addresses, and take packets for the bridge twice."""
    run("ip", "-n", SWITCH, "link", "set", "t-dp", "up")
    run("ip", "-n", SWITCH, "link", "set", "t-dp", "address", run_mac("p1"))
    run("ip", "-n", SWITCH, "addr", "add", "10.9.0.3/24", "dev", "t-dp")
    with LearningSwitch(hosts, [0, 1, 2]):
        summary = pings(ONE, "10.9.0.3")
        assert " 0% packet loss" in summary
        assert "duplicates" not in summary
        assert run_mac("p1") in run("ip", "-n", ONE, "neigh", "show", "10.9.0.3")
    before = run("ip", "-s", "-n", SWITCH, "link", "show", "p1")
    assert before
    with inside(SWITCH):
        hosts.delete_port(1)
    assert "bpf" not in run("tc", "filter", "show", "dev", "p1", "ingress", namespace=SWITCH)


def run_mac(device: str) -> str:
    return run("ip", "netns", "exec", SWITCH, "cat", f"/sys/class/net/{device}/address").strip()


@contextmanager
def tunnelled(kind: str, flags: int) -> Iterator[None]:
    """Two hosts with a bridge each, br2, joined by a tunnel over a network of MTU 1500."""
    with namespaces(ONE, TWO), ExitStack() as stack:
        veth(ONE, "eth1", TWO, "eth1", "172.31.0.2/24")
        run("ip", "-n", ONE, "addr", "add", "172.31.0.1/24", "dev", "eth1")
        for host, here, far in ((ONE, "10.8.0.1/24", "172.31.0.2"), (TWO, "10.8.0.2/24", "172.31.0.1")):
            opened = stack.enter_context(userspace_datapath(host, "br2"))
            port = DEFAULT_TUNNEL_PORT[kind]
            with inside(host):
                opened.add_port(VportSpec(tunnel_vport_name(kind, port), kind, port))
            run("ip", "-n", host, "link", "set", "br2", "up")
            run("ip", "-n", host, "addr", "add", here, "dev", "br2")
            address = int.from_bytes(socket.inet_aton(far), "big")
            tunnel = SetTunnel(dst=address, tun_id=5, flags=flags)
            switch = LearningSwitch(opened, [0, 1], {1: tunnel}, mask=MASK._replace(tun_id=(1 << 64) - 1))
            stack.enter_context(switch)
        yield


@pytest.mark.parametrize("flags", [TUN_KEY, TUN_KEY | TUN_CSUM])
@pytest.mark.parametrize("kind", ["gre", "vxlan", "geneve"])
def test_tunnels_join_two_hosts(kind: str, flags: int) -> None:
    with tunnelled(kind, flags):
        assert " 0% packet loss" in pings(ONE, "10.8.0.2")
        assert " 0% packet loss" in pings(
            TWO, "10.8.0.1", "-s", "1472"
        )  # full frames: outer packets in fragments
        transfer(ONE, TWO, "10.8.0.2")


def test_a_device_that_goes_away_does_not_end_the_forwarding(hosts: Datapath) -> None:
    veth(SWITCH, "p3", TWO, "e3")
    with inside(SWITCH):
        three = hosts.add_port(VportSpec("p3", "system")).port_no
    with LearningSwitch(hosts, [1, 2, three]):
        run("ip", "-n", SWITCH, "link", "del", "p3")
        assert " 0% packet loss" in pings(ONE, "10.9.0.2")
        with inside(SWITCH):
            hosts.delete_port(three)
        run("ip", "-n", SWITCH, "link", "set", "p2", "down")
        run("ip", "-n", SWITCH, "link", "set", "p2", "up")
        assert " 0% packet loss" in pings(ONE, "10.9.0.2")


def test_an_internal_device_that_is_deleted_does_not_end_the_forwarding(hosts: Datapath) -> None:
    with inside(SWITCH):
        number = hosts.add_port(VportSpec("t-int", "internal")).port_no
    run("ip", "-n", SWITCH, "link", "del", "t-int")
    with LearningSwitch(hosts, [1, 2]):
        assert " 0% packet loss" in pings(ONE, "10.9.0.2")
    hosts.delete_port(number)


def test_forwarding_goes_on_beside_a_busy_thread(hosts: Datapath) -> None:
    with LearningSwitch(hosts, [1, 2]):
        assert " 0% packet loss" in pings(ONE, "10.9.0.2")
        stop = threading.Event()
        burner = threading.Thread(target=lambda: burn(stop))
        burner.start()
        try:
            assert " 0% packet loss" in pings(ONE, "10.9.0.2")
        finally:
            stop.set()
            burner.join()


def burn(stop: threading.Event) -> None:
    while not stop.is_set():
        sum(range(1000))


def test_close_takes_thread_and_devices_away() -> None:
    with namespaces(SWITCH):
        with userspace_datapath(SWITCH) as opened:
            with inside(SWITCH):
                opened.add_port(VportSpec("t-tap", "tap"))
            assert "t-dp" in run("ip", "-n", SWITCH, "-br", "link")
            assert any(thread.name == "forward t-dp" for thread in threading.enumerate())
        assert not any(thread.name == "forward t-dp" for thread in threading.enumerate())
        deadline = time.monotonic() + 5
        while "F-" in (links := run("ip", "-n", SWITCH, "-br", "link")):
            assert time.monotonic() < deadline, links
            time.sleep(0.01)
