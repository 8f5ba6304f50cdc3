"""ovs-dpctl and Open vSwitch's on one datapath: the same texts, whoever made the flows, and the same connections."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from datapath.kernel import KernelProvider
from dpctl import commands
from dpctl.errors import DpctlError
from dpctl.targets import Targets
from tests.kit.netns import inside, namespaces, run, veth

HERE, LEFT, RIGHT = (f"t-dpctl-{os.getpid()}-{name}" for name in ("switch", "left", "right"))
UDP = "eth(),eth_type(0x0800),ipv4(proto=17,frag=no),udp()"
FLOWS = [
    ("in_port(1),eth(),eth_type(0x0806),arp()", "2"),
    ("recirc_id(0xff),in_port(1),eth(src=02:00:00:00:00:01/ff:00:00:00:00:ff),eth_type(0x1234)", "drop"),
    (f"recirc_id(1),{UDP}", "trunc(100),2,hash(l4(7)),recirc(0x5)"),
    (f"recirc_id(2),in_port(1),{UDP}", "push_vlan(vid=7,pcp=2),2,pop_vlan,1"),
    (f"recirc_id(3),in_port(1),{UDP}", "push_mpls(label=100,tc=3,ttl=64,bos=1,eth_type=0x8847),2"),
    (
        "recirc_id(4),in_port(1),eth(),eth_type(0x8847),mpls(label=100,tc=3,ttl=64,bos=1)",
        "pop_mpls(eth_type=0x800),1",
    ),
    (f"recirc_id(5),in_port(1),{UDP}", "ct(commit,zone=5,mark=0x3/0xff,label=0x7/0xff),2,ct_clear"),
    (f"recirc_id(6),in_port(1),{UDP}", "ct(force_commit,mark=0x5/0xffffffff,nat(src=10.0.0.1-10.0.0.9:50-99)),2"),
    (f"recirc_id(7),in_port(1),{UDP}", "ct(commit,nat(dst=10.0.0.1:80)),ct(nat),2"),
    (f"recirc_id(8),in_port(1),{UDP}", "sample(sample=50.0%,actions(1,2)),clone(push_vlan(vid=1,pcp=0),1),2"),
    (f"recirc_id(9),in_port(1),{UDP}", "check_pkt_len(size=200,gt(1),le(drop))"),
    (f"recirc_id(10),in_port(1),{UDP}", "userspace(pid=5,userdata(0011223344556677),actions),1"),
    (f"recirc_id(11),in_port(1),{UDP}", "userspace(pid=5,controller(reason=1,dont_send=0,continuation=1,recirc_id=4,"
     "rule_cookie=0x5,controller_id=0,max_len=65535))"),
    (f"recirc_id(12),in_port(1),{UDP}", "set(ipv4(src=1.2.3.4,tos=0x3/0x3,ttl=5)),set(udp(src=7)),set(skb_mark(0x5/0xf)),"
     "set(eth(src=02:00:00:00:00:05)),set(skb_priority(0x7)),2"),
    (f"recirc_id(13),in_port(1),{UDP}", "set(tunnel(tun_id=0x5,src=1.1.1.1,dst=2.2.2.2,ttl=64,tp_dst=4789,"
     "flags(df|csum|key))),2"),
    (f"recirc_id(14),in_port(1),{UDP}", "set(tunnel(tun_id=0x5,dst=2.2.2.2,ttl=64,"
     "geneve({class=0xff,type=0x80,len=4,0xa}{class=0,type=0x1,len=0}),flags(df|key))),2"),
    (f"recirc_id(15),in_port(1),{UDP}", "set(tunnel(tun_id=0x5,dst=2.2.2.2,ttl=64,vxlan(gbp(id=10,flags=0x8)),"
     "flags(key))),2"),
    (f"recirc_id(16),in_port(1),{UDP}", "set(tunnel(tun_id=0x5,ipv6_src=fe80::1,ipv6_dst=fe80::2,tos=0x1,ttl=64,"
     "flags(key))),2"),
    (f"recirc_id(17),in_port(1),{UDP}", "push_nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x5,si=255,c1=0x1,c2=0x2,c3=0x3,"
     "c4=0x4),2"),
    ("recirc_id(18),ct_state(+trk+est-inv),ct_zone(0x5),ct_mark(0x1/0xff),ct_label(0x3/0xf),in_port(1),eth(),"
     "eth_type(0x0800),ipv4(src=10.0.0.0/255.0.0.0,frag=no)", "1"),
    ("recirc_id(19),in_port(1),eth(),eth_type(0x8100),vlan(vid=5,pcp=0),encap(eth_type(0x0800),"
     "ipv4(proto=6,tos=0/0x3,frag=no),tcp(src=80/0xff00),tcp_flags(+syn-ack))", "pop_vlan,2"),
    ("recirc_id(20),in_port(1),eth(),eth_type(0x88a8),vlan(vid=5,pcp=0),encap(eth_type(0x8100),vlan(vid=6/0xff,pcp=1/0x4),"
     "encap(eth_type(0x0800),ipv4(frag=later)))", "2"),
    ("recirc_id(21),tunnel(tun_id=0x5,src=1.1.1.1,dst=2.2.2.2,ttl=64,flags(-df-csum+key)),in_port(1),eth(),"
     "eth_type(0x0800),ipv4(proto=1,frag=no),icmp(type=8,code=0)", "set(ipv4(ttl=1)),2"),
    ("recirc_id(22),tunnel(ipv6_src=fe80::1,ipv6_dst=fe80::2,tos=0x4/0xfc,ttl=64,flags(-df)),in_port(1),eth(),"
     "eth_type(0x86dd),ipv6(src=fe80::/ffff::,proto=58,hlimit=255,frag=no),icmpv6(type=135,code=0),"
     "nd(target=fe80::2,sll=02:00:00:00:00:03)", "set(ipv6(dst=::1,label=0x5,hlimit=3)),2"),
    ("recirc_id(23),in_port(1),eth(),eth_type(0x0800),ipv4(proto=132,frag=first),sctp(src=1,dst=2)", "set(sctp(src=5)),2"),
    ("recirc_id(24),dp_hash(0x5/0xf),in_port(1),eth(),eth_type(0x0800),ipv4(frag=no)", "meter(1),2"),
    ("recirc_id(26),tunnel(tun_id=0x5,src=1.1.1.1,dst=2.2.2.2,ttl=64,tp_dst=6081,geneve({class=0xff,type=0x80,len=4,0xa}"
     "{class=0xff/0xf,type=0x1,len=8,0x102030405060708/0xff00ff00ff00ff00}),flags(df|key)),in_port(1),eth(),"
     "eth_type(0x1234)", "2"),
    ("recirc_id(27),tunnel(tun_id=0x5,dst=2.2.2.2,ttl=64,geneve({class=0xff/0,type=0x80/0,len=4,0xa/0}),flags(-df+key)),"
     "in_port(1),eth(),eth_type(0x1234)", "2"),
    ("recirc_id(28),tunnel(tun_id=0x5,dst=2.2.2.2,ttl=64,vxlan(gbp(id=10/0xf,flags=0x8)),flags(-df+key)),in_port(1),eth(),"
     "eth_type(0x1234)", "2"),
    ("recirc_id(29),tunnel(tun_id=0x5,dst=2.2.2.2,ttl=64,erspan(ver=1,idx=0x7/0xff),flags(-df+key)),in_port(1),eth(),"
     "eth_type(0x1234)", "2"),
    ("recirc_id(30),tunnel(tun_id=0x5,dst=2.2.2.2,ttl=64,erspan(ver=2,dir=1,hwid=0xf/0xf),flags(-df+key)),in_port(1),eth(),"
     "eth_type(0x1234)", "set(tunnel(dst=2.2.2.2,ttl=64,erspan(ver=2,dir=1,hwid=0xf),flags(df))),2"),
    ("recirc_id(31),in_port(1),ct_state(+est),ct_tuple4(src=1.2.3.4,dst=5.6.0.0/255.255.0.0,proto=6,tp_src=80),eth(),"
     "eth_type(0x0800),ipv4(frag=no)", "1"),
    ("recirc_id(32),in_port(1),ct_state(+est),ct_tuple6(src=::2/::ffff,proto=6,tp_dst=5),eth(),eth_type(0x86dd),"
     "ipv6(frag=no)", "1"),
    ("recirc_id(33),in_port(1),eth(),eth_type(0x894f),nsh(mdtype=1,np=3,spi=0x5/0xff,si=255/0xf,c1=0x1/0x3,c4=7)", "1"),
    ("recirc_id(34),in_port(1),eth(),eth_type(0x894f),nsh(mdtype=2,np=3)", "pop_nsh(),1"),
    ("recirc_id(25),skb_priority(0x1),in_port(1),skb_mark(0x5/0xff),eth(),eth_type(0x0800),ipv4(dst=1.2.3.4,frag=no)", "1"),
]  # fmt: skip
# It prints these, and adds no flow with them.
UNREADABLE_IN_C = re.compile(r"hash\(|recirc\(|push_mpls|pop_mpls| drop$|nsh\(|geneve|gbp|erspan")


@pytest.fixture(scope="module")
def here() -> Iterator[None]:
    """A namespace with a datapath, whose ports 1 and 2 lead to two hosts."""
    run("modprobe", "nf_conntrack_netlink")
    with namespaces(HERE, LEFT, RIGHT):
        for number, (host, name) in enumerate(((LEFT, "p1"), (RIGHT, "p2")), 1):
            veth(HERE, name, host, "eth0", f"10.0.0.{number}/24")
        with inside(HERE):
            ours("add-dp", "dp0", "p1", "p2")
            try:
                yield
            finally:
                ours("del-dp", "dp0")


@pytest.fixture
def no_flows(here: None) -> Iterator[None]:
    yield
    ours("del-flows", "dp0")


def ours(*words: str) -> str:
    return commands.run(Targets({"system": KernelProvider()}), words)


def outcome(*words: str) -> str:
    try:
        return ours(*words)
    except DpctlError as error:
        return f"{error.output}{error.hint}{error.text('ovs-dpctl')}"


def theirs(*words: str) -> str:
    """What ovs-dpctl prints, without its log."""
    command = ["ovs-dpctl", "-voff", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


def bare(dump: str) -> list[str]:
    """The lines of a dump, without what changes between two dumps and what the C tool 3.1 has no name for."""
    text = re.sub(r"used:\d+\.\d+s", "used:..", dump)
    text = re.sub(r",key32\([^)]*\)", "", re.sub(r"ufid:\S+ ", "", text))
    return sorted(text.splitlines())


def test_flows_look_the_same_whichever_tool_made_them_and_whichever_shows_them(
    no_flows: None, tmp_path: Path
) -> None:
    for key, actions in FLOWS:
        ours("add-flow", "dp0", key, actions)
    for options in ([], ["-m"], ["-m", "--no-names"], ["--names"]):
        dump = bare(ours("dump-flows", *options, "dp0"))
        assert dump == bare(theirs("dump-flows", *options, "dp0"))
        assert len(dump) == len(FLOWS)
    ours("del-flows", "dp0")
    readable = [f"{line}\n" for line in map(" ".join, FLOWS) if not UNREADABLE_IN_C.search(line)]
    (tmp_path / "flows").write_text("".join(readable))
    assert theirs("add-flows", "dp0", str(tmp_path / "flows")) == ""
    dump = bare(ours("dump-flows", "dp0"))
    assert dump == bare(theirs("dump-flows", "dp0"))
    assert len(dump) == len(readable)


def test_what_is_printed_is_read_by_both_tools(no_flows: None, tmp_path: Path) -> None:
    for key, actions in FLOWS:
        if not UNREADABLE_IN_C.search(f"{key} {actions}") and "ct_tuple6" not in key:
            ours("add-flow", "dp0", key, actions)
    everything = ("-m", "--no-names")  # the C tool does not fill in the headers that the kernel wants
    printed = bare(ours("dump-flows", *everything, "dp0"))
    ours("del-flows", "dp0")
    lines = [re.sub(r", packets:.*actions:", " ", line) + "\n" for line in printed]
    for tool, part in ((ours, lines[::2]), (theirs, lines[1::2])):
        (tmp_path / "flows").write_text("".join(part))
        assert tool("add-flows", "dp0", str(tmp_path / "flows")) == ""
    assert bare(theirs("dump-flows", *everything, "dp0")) == printed


def test_a_flow_of_the_other_tool_is_changed_and_removed(no_flows: None) -> None:
    """It has no identifier in the kernel: its key is its name."""
    key = "in_port(1),eth(src=02:00:00:00:00:01/02:00:00:00:00:00),eth_type(0x1234)"
    assert theirs("add-flow", "dp0", key, "1") == ""
    assert ours("mod-flow", "-s", "dp0", key, "2") == "packets:0, bytes:0, used:never\n"
    assert "actions:2" in theirs("dump-flows", "dp0")
    assert outcome("mod-flow", "--clear", "dp0", key, "1") == ""
    assert "actions:1" in theirs("dump-flows", "dp0")
    assert ours("del-flow", "-s", "dp0", key) == "packets:0, bytes:0, used:never\n"
    assert theirs("dump-flows", "dp0") == ""


@contextlib.contextmanager
def connections() -> Iterator[None]:
    """Let a ping, a TCP connection and a UDP packet pass through the tracker, in three zones."""
    for here, there in ((1, 2), (2, 1)):
        ours("add-flow", "dp0", f"in_port({here}),eth(),eth_type(0x0806),arp()", str(there))
        for protocol, zone in ((1, 5), (6, 0), (17, 9)):
            commit = "commit,mark=0x3/0xff,label=0x7," if here == 1 else ""
            key = f"in_port({here}),eth(),eth_type(0x0800),ipv4(proto={protocol},frag=no)"
            ours("add-flow", "dp0", key, f"ct({commit}zone={zone}),{there}")
    run("ping", "-c", "1", "-W", "5", "10.0.0.2", namespace=LEFT)
    with contextlib.ExitStack() as stack:
        with inside(RIGHT):
            server = stack.enter_context(socket.create_server(("10.0.0.2", 8000)))
        with inside(LEFT):
            stack.enter_context(socket.create_connection(("10.0.0.2", 8000), timeout=30))
            sender = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sender.sendto(b"?", ("10.0.0.2", 53))
        stack.enter_context(server.accept()[0])
        yield


def without_times(text: str) -> list[str]:
    return sorted(re.sub(r"timeout=\d+", "timeout=..", text).splitlines())


def test_connections_are_shown_counted_limited_and_ended_as_by_open_vswitch(no_flows: None) -> None:
    ours("flush-conntrack")
    with connections():
        run("ping", "-c", "1", "-W", "5", "10.0.0.2", namespace=LEFT)
        for options in ([], ["-m"], ["-s"], ["-m", "-s"]):
            dumps = [without_times(show("dump-conntrack", *options)) for show in (ours, theirs)]
            assert dumps[0] == dumps[1]
        assert "tcp,orig=(src=10.0.0.1,dst=10.0.0.2," in "".join(dumps[0])
        assert (
            "zone=5" in ours("dump-conntrack", "dp0", "zone=5") == theirs("dump-conntrack", "dp0", "zone=5")
        )
        for words in (["ct-stats-show"], ["-m", "ct-stats-show"], ["ct-stats-show", "zone=9"]):
            assert ours(*words) == theirs(*words)
        assert "TCP: 1" in ours("ct-stats-show")
        theirs("ct-set-limits", "default=100", "zone=5,limit=50")
        for words in (["ct-get-limits"], ["ct-get-limits", "zone=5,7"]):
            assert "limit=50" in ours(*words) == theirs(*words)
        ours("ct-del-limits", "zone=5")
        ours("ct-set-limits", "default=0", "zone=6,limit=4")
        assert ours("ct-get-limits") == theirs("ct-get-limits") == "default limit=0\nzone=6,limit=4,count=0\n"
        theirs("ct-del-limits", "zone=6")
        ours("flush-conntrack", "zone=9", "ct_nw_dst=10.0.0.2")
        assert "udp" not in theirs("dump-conntrack")
        assert outcome("flush-conntrack", "zone=5", "ct_nw_src=10.0.0.1,ct_nw_proto=1") == ""
        assert "icmp" not in theirs("dump-conntrack")
        assert "tcp" in theirs("dump-conntrack")
        ours("flush-conntrack")
        assert theirs("dump-conntrack") == ""


COMMANDS = [
    "dump-dps", "show nosuch", "cache-get-size", "cache-set-size dp0 masks-cache 512",
    "cache-set-size dp0 masks-cache 100", "cache-set-size dp0 foo 1", "set-if dp0 p1,type=foo",
    "set-if dp0 p1,port_no=7", "set-if dp0 nosuch", "add-if dp0 nosuch", "add-if dp0 p1",
    "del-if dp0 nosuch", "del-if dp0 77", "add-dp dp0", "del-dp nosuch", "get-flow dp0 ufid:00000000-0000-0000-0000-000000000001",
    "dump-flows filter=foo", "dump-flows dp0 type=ovs", "del-flow dp0 in_port(1),eth(),eth_type(0x1234)", "dump-flows dp0 filter=tcp,tp_src=1,nw_src=1.2.3",
    "set-if dp0 p1,foo=bar", "add-if dp0 nosuch,type=", "get-flow dp0 foo", "del-flow dp0 foo",
    "del-flow dp0 ufid:00000000-0000-0000-0000-000000000001", "mod-flow dp0 in_port(1),eth(),eth_type(0x1234) 2", "add-flow dp0 foo 1", "add-flow dp0 in_port(1),eth(),eth_type(0x1234) foo",
    "ct-bkts", "offload-stats-show", "ct-get-maxconns", "ct-set-maxconns 5", "ipf-set-enabled v4",
    "ipf-get-status", "ct-get-tcp-seq-chk",
]  # fmt: skip


def test_counters_of_ports_are_those_of_open_vswitch(no_flows: None) -> None:
    for device in ("p1", "p2"):  # so that nothing is counted between the two
        run("ip", "link", "set", device, "down", namespace=HERE)
    try:
        ours_, theirs_ = ours("show", "dp0", "-s"), theirs("show", "dp0", "-s")
    finally:
        for device in ("p1", "p2"):
            run("ip", "link", "set", device, "up", namespace=HERE)
    assert "overruns:0 frame:0" in ours_
    assert ours_ == theirs_


def test_answers_are_those_of_open_vswitch(no_flows: None) -> None:
    answers = [(line, outcome(*line.split()), theirs(*line.split())) for line in COMMANDS]
    assert [answer for answer in answers if answer[1] != answer[2]] == []
