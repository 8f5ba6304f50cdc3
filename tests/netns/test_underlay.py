"""GRE packets that pass by the host's stack, where a bridge has the host's address; and where they may not."""

import json
import os
import select
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from datapath.netlink import attrs
from datapath.userspace.host_rules import is_silent
from datapath.userspace.underlay import Underlay
from tests.kit.netns import inside, namespaces, run, veth
from tests.kit.peers import our_ovsdb_server, our_vswitchd, wait_until
from tests.kit.traffic import pings, transfer

pytestmark = pytest.mark.netns
ONE, TWO, RULED = (f"U-{part}-{os.getpid()}" for part in ("1", "2", "r"))
FAR = "10.8.0.2"
POLICY = "src 10.0.0.1/32 dst 10.0.0.2/32 dir out"


@pytest.fixture(scope="module")
def hosts() -> Iterator[None]:
    """Two hosts with a switch each: br1 has the network and the host's address, br2 is joined by GRE."""
    with namespaces(ONE, TWO), ExitStack() as stack:
        veth(ONE, "eth1", TWO, "eth1")
        for host, number, far in ((ONE, 1, 2), (TWO, 2, 1)):
            with inside(host):
                server = stack.enter_context(our_ovsdb_server())
                stack.enter_context(our_vswitchd(server))
            bridge = "-- add-br {0} -- set bridge {0} datapath_type=netdev"
            words = f"{bridge.format('br1')} -- add-port br1 eth1 {bridge.format('br2')} -- add-port br2 t0"
            options = f"options:remote_ip=172.31.0.{far} options:key=5"
            server.run(
                "ovs-vsctl", "--timeout=20", *f"{words} -- set interface t0 type=gre {options}".split()
            )
            for device, address in (("br1", f"172.31.0.{number}/24"), ("br2", f"10.8.0.{number}/24")):
                run("ip", "-n", host, "link", "set", device, "up")
                run("ip", "-n", host, "addr", "add", address, "dev", device)
        yield


def through_host(namespace: str, what: Callable[[], object]) -> int:
    """How many packets the host's own br1 sends and receives meanwhile."""

    def count() -> int:
        stats = json.loads(run("ip", "-n", namespace, "-s", "-j", "link", "show", "br1"))[0]["stats64"]
        return int(stats["rx"]["packets"]) + int(stats["tx"]["packets"])

    before = count()
    what()
    return count() - before


def reaches() -> None:
    assert " 0% packet loss" in pings(ONE, FAR, "-c", "40", "-i", "0.01")


def passes_by() -> bool:
    """Whether 40 packets each way do not pass the host's stack, though it may have to resolve addresses."""
    return max(through_host(ONE, reaches), through_host(TWO, reaches)) < 30


def test_packets_of_a_tunnel_pass_by_the_host(hosts: None) -> None:
    reaches()
    wait_until(passes_by, "packets pass by the host")
    assert through_host(TWO, lambda: transfer(ONE, TWO, FAR)) < 1000  # of some 6,000
    # what is to be fragmented is left to the host, as is what comes in fragments
    assert " 0% packet loss" in pings(ONE, FAR, "-s", "1472")
    assert through_host(ONE, lambda: pings(ONE, FAR, "-s", "1472")) >= 8


def test_traffic_control_of_the_host_is_not_passed_by(hosts: None) -> None:
    wait_until(passes_by, "packets pass by the host")
    run("tc", "qdisc", "add", "dev", "br1", "root", "handle", "7:", "htb", namespace=ONE)
    try:
        wait_until(lambda: through_host(ONE, reaches) >= 80, "the host sees the packets")
    finally:
        run("tc", "qdisc", "del", "dev", "br1", "root", namespace=ONE)
    wait_until(passes_by, "packets pass by the host again")


def test_what_is_not_for_the_host_is_not_taken(hosts: None) -> None:
    wait_until(passes_by, "packets pass by the host")
    run("ip", "-n", TWO, "addr", "del", "172.31.0.2/24", "dev", "br1")
    try:
        assert " 100% packet loss" in pings(ONE, FAR, "-W", "1")
    finally:
        run("ip", "-n", TWO, "addr", "add", "172.31.0.2/24", "dev", "br1")
    reaches()
    wait_until(passes_by, "packets pass by the host again")


def test_a_far_end_with_another_hardware_address_is_found(hosts: None) -> None:
    wait_until(passes_by, "packets pass by the host")
    run("ip", "-n", TWO, "link", "set", "br1", "address", "02:00:00:00:77:02")
    run("ip", "-n", ONE, "neigh", "flush", "dev", "br1")
    reaches()
    wait_until(passes_by, "packets pass by the host again")
    assert "02:00:00:00:77:02" in run("ip", "-n", ONE, "neigh", "show", "172.31.0.2")


def test_a_host_with_rules_for_packets_is_not_silent() -> None:
    with namespaces(RULED), inside(RULED):
        run("ip", "link", "add", "d0", "type", "veth", "peer", "d1")
        index = socket.if_nametoindex("d0")
        assert is_silent(index)
        run("tc", "qdisc", "add", "dev", "d0", "clsact")
        assert not is_silent(index)
        run("tc", "qdisc", "del", "dev", "d0", "clsact")
        assert is_silent(index)
        run("ip", "xfrm", "policy", "add", *POLICY.split(), "action", "block")
        assert not is_silent(index)
        run("ip", "xfrm", "policy", "flush")
        assert is_silent(index)
        add_table("t")
        assert not is_silent(index)


def test_a_rule_of_the_host_is_heard_of() -> None:
    def is_heard() -> bool:
        return bool(select.select([underlay], [], [], 2)[0])

    with namespaces(RULED), inside(RULED), closing(Underlay(list)) as underlay:
        underlay.drain()
        assert not select.select([underlay], [], [], 0)[0]
        run("ip", "xfrm", "policy", "add", *POLICY.split(), "action", "block")
        assert is_heard()
        underlay.drain()
        add_table("t")
        assert is_heard()


def add_table(name: str) -> None:
    """Add a table to nf_tables (libnftnl's batch; nfnetlink.h, nf_tables.h)."""
    batch = struct.pack("=BBH", 0, 0, socket.htons(10))
    body = struct.pack("=BBH", socket.AF_INET, 0, 0) + attrs.attr_text(1, name)
    parts = ((0x10, 1, batch), (10 << 8, 0x405, body), (0x11, 1, batch))
    message = b"".join(
        struct.pack("=IHHII", 16 + len(part), kind, flags, number, 0) + part
        for number, (kind, flags, part) in enumerate(parts)
    )
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as netfilter:
        netfilter.bind((0, 0))
        netfilter.send(message)
        netfilter.settimeout(5)
        answer = netfilter.recv(4096)
    assert struct.unpack_from("=i", answer, 16)[0] == 0
