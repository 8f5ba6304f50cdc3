"""What the commands answer with --format=json, on datapaths in memory."""

from __future__ import annotations

import json
from typing import Any

import pytest

from datapath.fake import FakeProvider
from dpctl import commands
from dpctl.errors import DpctlError
from dpctl.options import take_options
from dpctl.targets import Targets
from tests.kit.connections import PING, TCP, UDP, Tracker, tracked

UFID = "12345678-1234-1234-1234-123456789abc"


@pytest.fixture
def targets() -> Targets:
    provider = FakeProvider()
    return Targets({"dummy": provider}, "dummy", {("dummy", "dp0"): provider.create("dp0")})


def answer(targets: Targets, *words: str) -> Any:
    return json.loads(commands.run(targets, [*words, "--format=json"]))


def test_datapaths_and_their_ports(targets: Targets) -> None:
    commands.run(targets, ["add-if", "dp0", "p1", "v1,type=vxlan,dst_port=4800"])
    assert answer(targets, "dump-dps") == ["dummy@dp0"]
    (shown,) = answer(targets, "show")
    assert shown["name"] == "dummy@dp0"
    assert shown["lookups"] == {"hit": 0, "missed": 0, "lost": 0}
    assert shown["ports"] == [
        {"number": 0, "name": "dp0", "type": "dummy-internal"},
        {"number": 1, "name": "p1", "type": "system"},
        {"number": 2, "name": "vxlan_sys_4800", "type": "vxlan", "dst_port": 4800},
    ]
    (shown,) = answer(targets, "-s", "show", "dp0")
    assert shown["ports"][1]["statistics"]["rx_packets"] == 0
    assert answer(targets, "cache-get-size") == {"dummy@dp0": {}}


def test_a_flow_as_a_whole_and_taken_apart(targets: Targets) -> None:
    commands.run(targets, ["add-if", "dp0", "p1"])
    key = (
        "tunnel(tun_id=0x5,dst=1.1.1.1,geneve({class=0x1,type=0x2,len=4,0xa}),flags(-df)),in_port(1),eth(),"
        "eth_type(0x8100),vlan(vid=7,pcp=0),encap(eth_type(0x0800),ipv4(src=10.0.0.0/255.0.0.0))"
    )
    commands.run(targets, ["add-flow", f"ufid:{UFID} {key}", "pop_vlan,set(eth(dst=02:00:00:00:00:01)),1"])
    (flow,) = answer(targets, "dump-flows")
    assert flow["ufid"] == UFID
    assert flow["match"].startswith("tunnel(tun_id=0x5,")
    assert flow["fields"]["tunnel"] == {
        "tun_id": "0x5",
        "dst": "1.1.1.1",
        "geneve": "{class=0x1,type=0x2,len=4,0xa}",
        "flags": "-df+key",
    }
    assert flow["fields"]["vlan"] == {"vid": "7", "pcp": "0"}
    assert flow["fields"]["encap"] == {"eth_type": "0x0800", "ipv4": {"src": "10.0.0.0/255.0.0.0"}}
    assert flow["fields"]["in_port"] == "1"
    assert flow["actions"] == ["pop_vlan", "set(eth(dst=02:00:00:00:00:01))", "1"]
    assert (flow["packets"], flow["bytes"], flow["used"], flow["tcp_flags"]) == (0, 0, None, "")
    assert answer(targets, "get-flow", f"ufid:{UFID}", "-m")["fields"]["in_port"] == "p1"
    assert answer(targets, "dump-flows", "filter=arp") == []


def test_connections() -> None:
    targets = tracked(Tracker(UDP, PING, TCP))
    udp, ping, tcp = answer(targets, "dump-conntrack")
    assert udp["protocol"] == "udp"
    assert udp["orig"] == {"src": "10.0.0.1", "dst": "10.0.0.2", "sport": 40001, "dport": 53}
    assert ping["orig"] == {"src": "10.0.0.1", "dst": "10.0.0.2", "id": 188, "type": 8, "code": 0}
    assert (ping["zone"], ping["mark"], ping["labels"]) == (5, 3, "0x7")
    assert tcp["state"] == "ESTABLISHED"
    assert tcp["orig"]["packets"] == 3
    assert tcp["helper"] == "ftp"
    assert "SEEN_REPLY" in tcp["status"]
    counted = answer(targets, "ct-stats-show", "-m")
    assert counted == {
        "total": 3,
        "TCP": 1,
        "UDP": 1,
        "ICMP": 1,
        "other": 0,
        "tcp_states": {"ESTABLISHED": 1},
    }
    commands.run(targets, ["ct-set-limits", "default=9", "zone=5,limit=3"])
    assert answer(targets, "ct-get-limits") == {
        "default": 9,
        "zones": [{"zone": 5, "limit": 3, "count": 0}],
    }


def test_other_commands_answer_with_lines_or_nothing(targets: Targets) -> None:
    assert answer(targets, "parse-actions", "1 2", "drop") == ["1,2", "drop"]
    assert commands.run(targets, ["-f", "json", "del-flows"]) == ""
    assert commands.run(targets, ["dump-dps", "-fjson", "--pretty"]) == '[\n  "dummy@dp0"\n]\n'


@pytest.mark.parametrize(
    "words", [["-f", "xml"], ["--format"], ["-f"], ["--pretty"], ["--pretty", "-f", "text"]]
)
def test_formats_that_there_are_none_of(words: list[str]) -> None:
    with pytest.raises(DpctlError):
        take_options(words)
