"""What ovs-appctl prints of a switch: the C daemon's words and ours for the same configuration and commands."""

import re
from collections.abc import Iterator

import pytest

from tests.kit.peers import C_BIN, Daemon, c_ovsdb_server, c_vswitchd, our_vswitchd

pytestmark = pytest.mark.peer

CONFIGURATION = (
    "add-br br0 -- set bridge br0 datapath_type=dummy",
    "add-br br1 -- set bridge br1 datapath_type=dummy",
    "add-port br0 i1 -- set interface i1 type=internal ofport_request=5",
    "add-port br0 g1 -- set interface g1 type=gre options:remote_ip=10.0.0.1 options:key=5 ofport_request=6",
    "add-port br0 g2 -- set interface g2 type=gre options:remote_ip=10.0.0.2 options:tos=inherit "
    "options:ttl=inherit options:csum=true ofport_request=7",
    "add-port br0 v1 -- set interface v1 type=vxlan options:remote_ip=flow options:key=flow "
    "options:dst_port=8472 ofport_request=8",
    "add-port br0 v2 -- set interface v2 type=vxlan options:remote_ip=10.0.0.2 options:in_key=1 "
    "options:out_key=2 options:df_default=false options:local_ip=10.0.0.9 ofport_request=9",
    "add-port br0 p1 -- set interface p1 type=patch options:peer=p2 ofport_request=10",
    "add-port br1 p2 -- set interface p2 type=patch options:peer=p1 ofport_request=11",
    "add-br br2 -- set bridge br2 datapath_type=dummy",
    "add-port br2 d1 -- set interface d1 type=internal ofport_request=1",
    "add-port br2 d2 tag=10 -- set interface d2 type=internal ofport_request=2",
    "add-port br2 d3 trunks=20,30 -- set interface d3 type=internal ofport_request=3",
)
BROKEN = {
    "b1": "type=gre",
    "b2": "type=gre options:remote_ip=nonsense",
    "b3": "type=gre options:remote_ip=10.0.0.1 options:key=5",
    "b4": "type=patch",
    "b5": "type=patch options:peer=b5",
    "b6": "type=nosuch",
    "b7": "type=vxlan options:remote_ip=224.0.0.1",
}


@pytest.fixture(scope="module")
def switches() -> Iterator[tuple[Daemon, Daemon]]:
    with c_ovsdb_server() as first, c_ovsdb_server() as second:
        for server in (first, second):
            server.run(C_BIN / "ovs-vsctl", "--no-wait", "init")
        with c_vswitchd(first, "--enable-dummy") as theirs, our_vswitchd(second, "--enable-dummy") as ours:
            for switch in (theirs, ours):
                for line in CONFIGURATION:
                    switch.run(C_BIN / "ovs-vsctl", "--timeout=20", *line.split())
            yield theirs, ours


def both(switches: tuple[Daemon, Daemon], *command: str) -> tuple[str, str]:
    theirs, ours = (switch.appctl(*command, check=False) for switch in switches)
    return theirs, ours


def without_datapath_numbers(text: str) -> str:
    return re.sub(r"/\d+:", "/N:", text)


def test_ports_are_shown_alike(switches: tuple[Daemon, Daemon]) -> None:
    theirs, ours = both(switches, "dpif/show")
    assert without_datapath_numbers(ours) == without_datapath_numbers(theirs)


def test_stations_are_shown_alike(switches: tuple[Daemon, Daemon]) -> None:
    for command in (
        ("fdb/show", "br0"),
        ("fdb/add", "br0", "i1", "0", "00:11:22:33:44:55"),
        ("fdb/add", "br0", "br0", "7", "00:11:22:33:44:66"),
        ("fdb/show", "br0"),
        ("fdb/stats-show", "br0"),
        ("fdb/del", "br0", "7", "00:11:22:33:44:66"),
        ("fdb/flush", "br0"),
        ("fdb/show", "br0"),
        ("fdb/flush",),
        ("ofproto/list",),
    ):
        theirs, ours = both(switches, *command)
        if command[0] == "ofproto/list":
            theirs = "".join(sorted(theirs.splitlines(keepends=True)))
        assert ours == theirs, command


@pytest.mark.parametrize("command", ["fdb/show", "fdb/flush", "fdb/stats-show", "dpif/dump-flows"])
def test_missing_bridge_is_refused_alike(switches: tuple[Daemon, Daemon], command: str) -> None:
    errors = []
    for switch in switches:
        done = switch.run(C_BIN / "ovs-appctl", "-t", switch.control, command, "nobr", check=False)
        errors.append((done.returncode, done.stderr.splitlines()[0]))
    assert errors[1] == errors[0]


def errors_of(switch: Daemon) -> dict[str, str]:
    """Add the broken interfaces; return what the daemon writes about each."""
    for name, settings in BROKEN.items():
        line = f"--timeout=20 add-port br0 {name} -- set interface {name} {settings}"
        switch.run(C_BIN / "ovs-vsctl", *line.split(), check=False)
    get = ("get", "interface")
    return {name: switch.run(C_BIN / "ovs-vsctl", *get, name, "ofport", "error").stdout for name in BROKEN}


def test_broken_interfaces_have_the_same_errors(switches: tuple[Daemon, Daemon]) -> None:
    theirs, ours = map(errors_of, switches)
    assert ours == theirs


FLOWS = (
    "in_port=1,arp",
    "in_port=1,arp,arp_spa=1.2.3.4,arp_tpa=1.2.3.5,arp_op=1,arp_sha=00:00:00:00:00:09",
    "in_port=1,rarp",
    "in_port=1,icmp,nw_src=1.2.3.4",
    "in_port=1,icmp6,icmpv6_type=135,nd_target=fe80::2",
    "in_port=1,tcp6,ipv6_src=fe80::1,tp_dst=80",
    "in_port=1,udp,nw_tos=4,nw_ttl=7,nw_ecn=2",
    "in_port=1,tcp,tcp_src=3,nw_dst=9.9.9.9",
    "in_port=1,ip,nw_proto=47",
    "in_port=1,ip,nw_frag=first",
    "in_port=1,sctp,sctp_src=4",
    "in_port=1,dl_type=0x88cc",
    "in_port=1,mpls,mpls_label=7",
    "in_port=1,dl_vlan=20,dl_vlan_pcp=3,ip",
    "in_port=1,vlan_tci=0x1014,ip",
    "in_port=2,dl_vlan=10,ip",
    "in_port=2,ip",
    "in_port=3,ip",
    "in_port=3,dl_vlan=30,ip",
    "in_port=LOCAL,ip",
    "in_port=d2",
    "in_port=9",
    "in_port=1,pkt_mark=5,skb_priority=3,ct_state=est|trk,ct_zone=4,ct_mark=6",
    "in_port=1,dl_dst=01:80:c2:00:00:00",
)
ODP_FLOWS = (
    "in_port(d2),eth(src=00:00:00:00:00:05,dst=00:00:00:00:00:02),eth_type(0x0800),"
    "ipv4(src=1.2.3.4,dst=5.6.7.8,proto=6,tos=0,ttl=64,frag=no),tcp(src=1,dst=2),tcp_flags(syn|ack)",
    "in_port(d1),eth(src=00:00:00:00:00:05,dst=00:00:00:00:00:02),eth_type(0x8100),vlan(vid=20,pcp=1),"
    "encap(eth_type(0x0900))",
)


def traced(text: str) -> tuple[str, list[str], set[str]]:
    """Take from a trace what the packet is, the bridges it entered, and the ports it leaves by."""
    flow, actions = (re.search(f"^{name}: (.*)$", text, re.M) for name in ("Flow", "Datapath actions"))
    assert flow, text
    assert actions, text
    ports = {word for word in actions[1].split(",") if re.fullmatch(r"br2|d\d", word)}
    return flow[1], re.findall(r"^bridge.*$", text, re.M), ports


def test_packets_are_traced_alike(switches: tuple[Daemon, Daemon]) -> None:
    for flow in (f"dl_src=00:00:00:00:00:09,{fields}" for fields in FLOWS):  # an address that nobody sends to
        theirs, ours = both(switches, "ofproto/trace", "br2", flow, "--names")
        assert traced(ours) == traced(theirs), flow
    for flow in ODP_FLOWS:
        theirs, ours = both(switches, "ofproto/trace", "ovs-dummy", flow, "--names")
        assert traced(ours) == traced(theirs), flow


def test_megaflows_are_written_alike(switches: tuple[Daemon, Daemon]) -> None:
    for flow in ("in_port=1,arp", "in_port=1,tcp", "in_port=LOCAL,udp6", "in_port=1,dl_type=0x88cc"):
        answers = both(switches, "ofproto/trace", "br2", flow)
        theirs, ours = (re.findall("^Megaflow: .*", answer, re.M) for answer in answers)
        assert ours == theirs


def test_generated_packets_teach_the_bridges(switches: tuple[Daemon, Daemon]) -> None:
    for flow in (
        ("in_port=2,dl_src=00:00:00:00:07:01,dl_dst=00:00:00:00:07:02", "-generate"),
        ("in_port=1,dl_vlan=10,dl_src=00:00:00:00:07:02,dl_dst=00:00:00:00:07:01", "-generate"),
        ("in_port=2,dl_src=00:00:00:00:07:01,dl_dst=00:00:00:00:07:02",),
        ("in_port=2", "0000000007020000000007010800" + "00" * 46),
    ):
        theirs, ours = both(switches, "ofproto/trace", "br2", flow[0], "--names", *flow[1:])
        assert traced(ours) == traced(theirs), flow


@pytest.mark.parametrize(
    "arguments",
    [
        ("br2", "foo=9"),
        ("nobr", "in_port=1"),
        ("br2", "in_port=1", "ffff"),
        ("br2", "in_port=1,tcp", "--foo"),
        ("br2", "in_port=1,tcp,nw_src=1.2.3.0/24"),
        ("br2",),
        ("ovs-nothing", "in_port(1),eth(src=00:00:00:00:00:05,dst=00:00:00:00:00:02),eth_type(0x0900)"),
    ],
)
def test_what_cannot_be_traced_is_refused_alike(
    switches: tuple[Daemon, Daemon], arguments: tuple[str, ...]
) -> None:
    answers = []
    for switch in switches:
        done = switch.run(
            C_BIN / "ovs-appctl", "-t", switch.control, "ofproto/trace", *arguments, check=False
        )
        answers.append((done.returncode, done.stderr.splitlines()[0]))
    assert answers[1] == answers[0]


BONDS = (
    "add-br br0 -- set bridge br0 datapath_type=dummy",
    "add-bond br0 ab p1 p2 bond_mode=active-backup -- set port ab other_config:bond-primary=p2",
    "add-bond br0 slb p3 p4 bond_mode=balance-slb bond_updelay=100 bond_downdelay=200 "
    "-- set port slb other_config:bond-hash-basis=7 other_config:all-members-active=true",
    "add-bond br0 tcp p5 p6 bond_mode=balance-tcp -- set port tcp other_config:bond-rebalance-interval=0",
)


@pytest.fixture(scope="module")
def bonds() -> Iterator[tuple[Daemon, Daemon]]:
    with c_ovsdb_server() as first, c_ovsdb_server() as second:
        for server in (first, second):
            server.run(C_BIN / "ovs-vsctl", "--no-wait", "init")
        with (
            c_vswitchd(first, "--enable-dummy=override") as theirs,
            our_vswitchd(second, "--enable-dummy=override") as ours,
        ):
            for switch in (theirs, ours):
                for line in BONDS:
                    switch.run(C_BIN / "ovs-vsctl", "--timeout=20", *line.split())
                for port, member in (("slb", "p3"), ("tcp", "p5")):
                    switch.appctl("bond/set-active-member", port, member)
            yield theirs, ours


def bond_text(text: str) -> str:
    """What does not depend on the moment, on made-up addresses and on the number that recirculation has."""
    return re.sub(r"next rebalance: \d+|mac: [\da-f:]{17}|ID : \d+", "X", text)


@pytest.mark.parametrize("bond", ["ab", "slb", "tcp", "nosuch"])
def test_bonds_are_shown_alike(bonds: tuple[Daemon, Daemon], bond: str) -> None:
    theirs, ours = both(bonds, "bond/show", bond)
    assert bond_text(ours) == bond_text(theirs)


@pytest.mark.parametrize(
    "command",
    [
        "bond/hash 50:54:00:00:00:01",
        "bond/hash 50:54:00:00:00:01 10 7",
        "bond/hash 50:54:00:00:00:01 99999",
        "bond/hash nonsense",
        "bond/hash 50:54:00:00:00:01 5 x",
        "bond/migrate ab 5 p1",
        "bond/migrate slb 300 p3",
        "bond/migrate slb 5 p9",
        "bond/migrate nosuch 5 p9",
        "bond/set-active-member slb p9",
        "bond/set-active-slave slb p9",
        "bond/set-active-member slb p3",
        "bond/enable-member slb p9",
        "bond/disable-slave slb p9",
        "bond/enable-member slb p4",
    ],
)
def test_commands_on_bonds_answer_alike(bonds: tuple[Daemon, Daemon], command: str) -> None:
    theirs, ours = both(bonds, *command.split())
    assert ours == theirs


def test_bonds_are_listed_alike(bonds: tuple[Daemon, Daemon]) -> None:
    def rows(text: str) -> list[tuple[str, ...]]:
        head, *lines = text.splitlines()
        fields = [line.split("\t") for line in lines]
        return sorted([(head,), *((f[0], f[1], ",".join(sorted(f[3].split(", ")))) for f in fields)])

    theirs, ours = both(bonds, "bond/list")
    assert rows(ours) == rows(theirs)


@pytest.mark.parametrize(
    "command",
    [
        ("upcall/disable-ufid",),
        ("upcall/enable-ufid",),
        ("upcall/disable-megaflows",),
        ("upcall/enable-megaflows",),
        ("upcall/set-flow-limit", "5000"),
        ("revalidator/pause",),
        ("revalidator/resume",),
        ("revalidator/wait",),
        ("revalidator/purge",),
        ("dpif/set-dp-features", "br0", "recirc", "true"),
        ("dpif/set-dp-features", "br0", "recirc"),
        ("dpif/set-dp-features", "br0", "recirc", "maybe"),
        ("dpif/set-dp-features", "br0", "max_vlan_headers", "x"),
        ("dpif/set-dp-features", "br0", "nosuch", "true"),
        ("dpif/set-dp-features", "nobr", "recirc", "true"),
        ("dpif/show-dp-features", "nobr"),
        ("bridge/reconnect", "br0"),
        ("bridge/reconnect", "nobr"),
        ("bridge/dump-flows", "nobr"),
        ("coverage/read-counter", "nosuch"),
    ],
    ids=" ".join,
)
def test_commands_are_answered_alike(switches: tuple[Daemon, Daemon], command: tuple[str, ...]) -> None:
    answers = []
    for switch in switches:
        done = switch.run(C_BIN / "ovs-appctl", "-t", switch.control, *command, check=False)
        answers.append((done.returncode, done.stdout, done.stderr.splitlines()[:1]))
    assert answers[1] == answers[0]


def test_features_of_a_datapath_have_the_same_names(switches: tuple[Daemon, Daemon]) -> None:
    theirs, ours = both(switches, "dpif/show-dp-features", "br0")
    assert re.sub(": .*", "", ours) == re.sub(": .*", "", theirs)


def test_upcalls_are_shown_in_the_same_form(switches: tuple[Daemon, Daemon]) -> None:
    theirs, ours = both(switches, "upcall/show")
    assert re.sub(r"\d+", "N", ours) == re.sub(r"\d+", "N", theirs)


def test_the_flow_of_a_bridge_is_shown_in_the_same_form(switches: tuple[Daemon, Daemon]) -> None:
    for options in ((), ("--offload-stats",)):
        theirs, ours = both(switches, "bridge/dump-flows", *options, "br2")
        assert re.sub(r"\d+", "N", ours) == re.sub(r"\d+", "N", theirs.splitlines()[0] + "\n")
