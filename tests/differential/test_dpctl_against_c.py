"""dpctl/* of both daemons, and normalize-actions of both tools: the same words, complaints and exit statuses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from dpctl import commands
from dpctl.targets import Targets
from tests.kit.peers import C_BIN, Daemon, c_ovsdb_server, c_vswitchd, our_vswitchd

pytestmark = pytest.mark.peer
DP = "dummy@ovs-dummy"
LINES = f"""
dump-dps
set-if {DP} nosuch,type=internal
set-if {DP} nosuch
add-if {DP} x1,type=foo
add-if {DP}
add-if nosuch i1
set-if nosuch i1
del-if nosuch i1
del-if {DP} nosuch other
del-if {DP} 99
add-dp nosuch@foo
add-dp {DP}
add-dp dummy@d2
show dummy@d2 dummy@nosuch
del-dp dummy@d2
del-dp dummy@d2
dump-dps foo
dump-flows nosuch
dump-flows {DP} filter=foo
dump-flows {DP} type=foo
dump-flows {DP} type=tc
dump-flows {DP} pmd=3
mod-flow {DP} in_port(1),eth(),eth_type(0x1235) 2
del-flow {DP} in_port(1),eth(),eth_type(0x1235)
del-flow {DP} ufid:00000000-0000-0000-0000-000000000001
del-flow {DP} foo
get-flow {DP} ufid:00000000-0000-0000-0000-000000000001
add-flow {DP} foo 1
add-flow {DP} in_port(foo),eth(),eth_type(0x1234) 1
add-flow {DP} in_port(1),eth(),eth_type(0x1234) foo
add-flow {DP} ufid:5,in_port(1) 1
del-flows {DP}
cache-get-size {DP}
cache-set-size {DP} masks-cache 5
parse-actions ct(nat(src=::1:0)) set(tunnel(dst=1.1.1.1,ttl=4,vxlan(gbp(id=5,flags=0x8))))
parse-actions foo
get-flow
""".strip().splitlines()
KEYS = [
    "in_port(1)",
    "in_port(1),eth(),eth_type(0x1234)",
    "in_port(1),eth(src=02:00:00:00:00:01),eth_type(0x8100),vlan(vid=5,pcp=1),encap(eth_type(0x1234))",
    "recirc_id(5),ct_state(+est-new),ct_tuple4(src=1.2.3.4),in_port(1),eth(),eth_type(0x0800),ipv4(proto=17),udp()",
    "ct_tuple6(src=::1,proto=6,tp_src=7),in_port(1),eth(),eth_type(0x86dd),ipv6(proto=58),icmpv6(type=135),nd()",
    "tunnel(src=1.1.1.1,dst=2.2.2.2,ttl=64,geneve({class=0xff,type=0x80,len=4,0xa}),flags(df)),in_port(1),eth(),"
    "eth_type(0x8847),mpls(label=5,tc=1,ttl=3,bos=1)",
    "tunnel(dst=2.2.2.2,ttl=64,vxlan(gbp(id=10,flags=0x8)),flags(df)),in_port(1),eth(),eth_type(0x1234)",
    "in_port(1),eth(),eth_type(0x0806),arp(op=1)",
]  # fmt: skip


@pytest.fixture(scope="module")
def switches() -> Iterator[tuple[Daemon, Daemon]]:
    options = ("--enable-dummy", "--disable-system")
    with (
        c_ovsdb_server() as first,
        c_ovsdb_server() as second,
        c_vswitchd(first, *options) as theirs,
        our_vswitchd(second, *options) as ours,
    ):
        for switch in (theirs, ours):
            switch.run(C_BIN / "ovs-vsctl", "--no-wait", "init")
            words = "--timeout=20 add-br br0 -- set bridge br0 datapath_type=dummy"
            switch.run(C_BIN / "ovs-vsctl", *words.split())
        yield theirs, ours


def outcome(switch: Daemon, line: str) -> tuple[int, str, str]:
    command, *words = line.split()
    call = (C_BIN / "ovs-appctl", "-t", switch.control, f"dpctl/{command}")
    done = switch.run(*call, *words, check=False)
    complaints = done.stderr.replace(str(switch.control), "CONTROL")
    return done.returncode, re.sub(r"hit:\d+ missed:\d+", "..", done.stdout), complaints


def test_daemons_answer_alike(switches: tuple[Daemon, Daemon]) -> None:
    theirs, ours = ([outcome(switch, line) for line in LINES] for switch in switches)
    assert [pair for pair in zip(LINES, ours, theirs, strict=True) if pair[1] != pair[2]] == []


@pytest.mark.parametrize("key", KEYS)
def test_a_normalized_flow_is_written_alike(key: str, switches: tuple[Daemon, Daemon]) -> None:
    theirs = switches[0].run(C_BIN / "ovs-dpctl", "normalize-actions", key, "5,push_vlan(vid=7,pcp=2),6")
    ours = commands.run(Targets({}), ["normalize-actions", key, "5,push_vlan(vid=7,pcp=2),6"])
    assert ours.replace("5\n", "5") == theirs.stdout + "\n"


def test_our_daemon_answers_with_json(switches: tuple[Daemon, Daemon]) -> None:
    (shown,) = json.loads(switches[1].appctl("dpctl/show", DP, "--format=json"))
    assert (shown["name"], shown["ports"][0]["type"]) == (DP, "dummy-internal")
    assert json.loads(switches[1].appctl("dpctl/dump-flows", "-m", "-f", "json", DP)) == []
