"""What only the kernel's datapath does: tunnels as devices, datapaths that outlive a daemon, every kind of key."""

import contextlib
import errno
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from datapath.actions import Clone, Hash, Output, Recirc, SetTunnel, Trunc, Userspace
from datapath.kernel import KernelDatapath, KernelProvider
from datapath.link import LinkMonitor, Links
from datapath.odp_parse import parse_key
from datapath.odp_text import format_key
from datapath.packet.build import build
from datapath.packet.flowkey import TUN_KEY, FlowKey
from datapath.provider import (
    DEFAULT_TUNNEL_PORT,
    TUNNEL_KINDS,
    DatapathError,
    Execute,
    FlowPut,
    Upcall,
    VportSpec,
    tunnel_vport_name,
)
from dpctl import commands
from dpctl.targets import Targets
from tests.kit.netns import run

NAME = "t-dp"
KEYS = [
    "recirc_id(0),in_port(1),eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),eth_type(0x0800),"
    "ipv4(src=10.0.0.1,dst=10.0.0.0/255.0.0.0,proto=17,tos=0/0x3,ttl=64,frag=no),udp(src=0/0xff00,dst=7)",
    "recirc_id(0),in_port(2),eth(src=02:00:00:00:00:01),eth_type(0x8100),vlan(vid=5,pcp=0),"
    "encap(eth_type(0x0800),ipv4(proto=6,frag=first),tcp(src=80),tcp_flags(+syn-ack))",
    "recirc_id(0),in_port(3),eth(),eth_type(0x88a8),vlan(vid=5,pcp=0),encap(eth_type(0x8100),vlan(vid=6,pcp=1),"
    "encap(eth_type(0x0806),arp(sip=1.2.3.4,op=1/0xff,sha=02:00:00:00:00:01)))",
    "recirc_id(0x12),in_port(1),eth(),eth_type(0x86dd),ipv6(src=fe80::1,dst=fe80::/ffff::,label=0x5,proto=58,"
    "tclass=0x2,hlimit=255,frag=no),icmpv6(type=135,code=0),nd(target=fe80::2,sll=02:00:00:00:00:03)",
    "recirc_id(0),in_port(1),eth(),eth_type(0x8847),mpls(label=100,tc=3,ttl=64,bos=1)",
    "recirc_id(0),in_port(4),eth(src=02:00:00:00:00:00/ff:00:00:00:00:00),eth_type(0/0xffff)",
    "recirc_id(0),skb_priority(0x3),tunnel(tun_id=0x5,src=1.1.1.1,dst=2.2.2.2,ttl=64,flags(-df-csum+key)),"
    "in_port(1),skb_mark(0x5/0xff),eth(),eth_type(0x0800),ipv4(proto=1,frag=no),icmp(type=8,code=0)",
    "recirc_id(0),tunnel(ipv6_src=fe80::1,ipv6_dst=fe80::2,flags(-df)),in_port(9),eth(),eth_type(0x1234)",
    "recirc_id(0),in_port(7),eth(),eth_type(0x0800),ipv4(proto=132,frag=no),sctp(src=1,dst=2)",
    "recirc_id(0),in_port(8),eth(),eth_type(0x0800),ipv4(proto=1,frag=later)",
    "recirc_id(0),in_port(9),eth(),eth_type(0x0800),ipv4(frag=no)",
]


@pytest.fixture
def datapath() -> Iterator[KernelDatapath]:
    provider = KernelProvider()
    datapath = provider.create(NAME)
    try:
        yield datapath
    finally:
        datapath.close()
        with contextlib.suppress(DatapathError):
            provider.delete(NAME)


def test_every_kind_of_key_is_accepted_and_comes_back(datapath: KernelDatapath) -> None:
    for number, text in enumerate(KEYS):
        key, mask = parse_key(text)
        datapath.put_flow(FlowPut(number.to_bytes(16, "big"), key, mask, (Output(1),)))
    found = {flow.ufid: format_key(flow.key, flow.mask) for flow in datapath.flows()}
    assert [found[number.to_bytes(16, "big")] for number in range(len(KEYS))] == KEYS


def test_ovs_dpctl_of_open_vswitch_prints_the_same(datapath: KernelDatapath) -> None:
    for number, text in enumerate(KEYS[:5] + KEYS[6:]):
        key, mask = parse_key(text)
        datapath.put_flow(FlowPut(number.to_bytes(16, "big"), key, mask, (Output(1),)))
    targets = Targets({"system": KernelProvider()})
    for words in (["dump-flows"], ["-m", "dump-flows"], ["show"], ["dump-dps"]):
        theirs = subprocess.run(
            ["/usr/bin/ovs-dpctl", *words], capture_output=True, text=True, check=True
        ).stdout
        theirs = theirs.replace("key32(00 00/00 00),", "")  # a field that version 3.1 does not know either
        assert sorted(commands.run(targets, words).splitlines()) == sorted(theirs.splitlines())


def test_tunnels_are_devices_that_come_and_go_with_their_ports(datapath: KernelDatapath) -> None:
    with Links() as links:
        for kind in TUNNEL_KINDS:
            dst_port = DEFAULT_TUNNEL_PORT[kind]
            spec = VportSpec(tunnel_vport_name(kind, dst_port), kind, dst_port)
            run("ip", "link", "add", spec.name, "type", "gretap", "external", check=kind == "gre")
            if kind != "gre":
                run("ip", "link", "del", spec.name, check=False)
            port = datapath.add_port(spec)
            assert (port.kind, port.dst_port) == (kind, dst_port)
            link = links.find(spec.name)
            assert link
            assert (link.admin_up, link.mtu, link.slave_kind) == (True, 65000, "openvswitch")
            with pytest.raises(DatapathError) as caught:
                datapath.add_port(spec)
            assert caught.value.errno == errno.EEXIST
        again = KernelProvider().open(NAME)
        assert [port.kind for port in again.ports()] == ["internal", *TUNNEL_KINDS]
        again.close()
        datapath.delete_port(1)
        assert links.find("gre_sys") is None
        KernelProvider().delete(NAME)
        assert links.find("vxlan_sys_4789") is None


def test_a_datapath_outlives_the_daemon_and_gives_its_upcalls_to_the_next(datapath: KernelDatapath) -> None:
    datapath.add_port(VportSpec("t-int", "internal"))
    datapath.listen()
    key, mask = parse_key(KEYS[-1])
    datapath.put_flow(FlowPut(bytes(16), key, mask, ()))
    datapath.close()
    again = KernelProvider().open(NAME)
    try:
        (descriptor,) = again.listen()
        assert [port.name for port in again.ports()] == [NAME, "t-int"]
        assert again.flow(bytes(16))
        again.run(
            [Execute(build(FlowKey(eth_type=0x88B5)), FlowKey(in_port=0), (Userspace(0xFFFFFFFF, b"hello"),))]
        )
        assert again.count_refusals() == 0
        deadline = time.monotonic() + 5
        upcalls: list[Upcall] = []
        while not upcalls and time.monotonic() < deadline:
            upcalls = again.upcalls(descriptor)
        assert [upcall.userdata for upcall in upcalls] == [b"hello"]
    finally:
        again.close()


def test_operations_that_are_refused_are_counted(datapath: KernelDatapath) -> None:
    key, mask = parse_key(KEYS[-1])
    put = FlowPut(bytes(16), key, mask, ())
    too_long = Execute(bytes(70000), key, ())
    datapath.run([put, put, too_long])
    assert datapath.count_refusals() == 2


def test_a_packet_leaves_by_a_tunnel_with_the_outer_header_that_was_set(datapath: KernelDatapath) -> None:
    run("ip", "link", "add", "t-u0", "type", "veth", "peer", "name", "t-u1")
    try:
        run("sh", "-c", "ip link set t-u0 up; ip link set t-u1 up; ip addr add 10.1.0.1/24 dev t-u0")
        run("ip", "neigh", "add", "10.1.0.2", "lladdr", "02:00:00:00:00:09", "dev", "t-u0")
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800)) as wire:
            wire.bind(("t-u1", 0x0800))
            wire.settimeout(5)
            port = datapath.add_port(VportSpec("vxlan_sys_4789", "vxlan", 4789))
            frame = build(FlowKey(eth_type=0x88B5, eth_src=0x020000000001, eth_dst=0x020000000002), bytes(46))
            tunnel = SetTunnel(dst=0x0A010002, src=0x0A010001, tun_id=9, flags=TUN_KEY, ttl=33, tos=8)
            datapath.run([Execute(frame, FlowKey(in_port=0), (tunnel, Output(port.port_no)))])
            sent = wire.recv(2000)
        ip = sent[14:34]
        assert (ip[1], ip[8], ip[9], ip[16:20]) == (8, 33, 17, bytes((10, 1, 0, 2)))
        assert sent[36:38] == (4789).to_bytes(2, "big")
        assert sent[46:49] == b"\0\0\x09"
        assert sent[50 : 50 + len(frame)] == frame
    finally:
        run("ip", "link", "del", "t-u0")


def test_what_is_cut_in_a_clone_stays_so_when_it_comes_again_and_nothing_else_is(
    datapath: KernelDatapath,
) -> None:
    with contextlib.ExitStack() as stack:
        wires = []
        for name in ("t-c", "t-w"):
            run("ip", "link", "add", f"{name}0", "type", "veth", "peer", "name", f"{name}1")
            stack.callback(run, "ip", "link", "del", f"{name}0")
            run("sh", "-c", f"ip link set {name}0 up; ip link set {name}1 up")
            wires.append(stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW)))
            wires[-1].bind((f"{name}1", 0x88B5))
            wires[-1].settimeout(5)
        cut, whole = (datapath.add_port(VportSpec(name, "system")).port_no for name in ("t-c0", "t-w0"))
        key, mask = parse_key("recirc_id(9),in_port(0),eth(),eth_type(0x88b5)")
        datapath.put_flow(FlowPut(bytes(16), key, mask, (Output(cut),)))
        frame = build(FlowKey(eth_type=0x88B5, eth_src=0x020000000001, eth_dst=0x020000000002), bytes(186))
        actions = (Clone((Trunc(64), Hash(), Recirc(9))), Output(whole))
        datapath.run([Execute(frame, FlowKey(in_port=0), actions)])
        assert [wire.recv(2000) for wire in wires] == [frame[:64], frame]


def test_the_monitor_tells_of_changed_devices() -> None:
    monitor = LinkMonitor()
    run("ip", "link", "add", "t-m0", "type", "veth", "peer", "name", "t-m1")
    with Links() as links:
        monitor.changes_nowait()
        links.set_mtu("t-m0", 1400)
        links.set_up("t-m0")
        links.set_mac("t-m0", "02:00:00:00:00:07")
        assert monitor.changes_nowait() == (frozenset({"t-m0"}), False)
        found = links.find("t-m0")
        assert found
        assert (found.mtu, found.admin_up, found.mac, found.kind) == (1400, True, "02:00:00:00:00:07", "veth")
        assert links.find_index(found.ifindex) == found
        links.delete("t-m0")
        assert monitor.changes_nowait().names >= {"t-m0"}
        with pytest.raises(DatapathError):
            links.delete("t-m0")
    monitor.close()
