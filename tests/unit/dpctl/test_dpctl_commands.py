"""The commands of ovs-dpctl on a datapath in memory; texts as ovs-dpctl 3.1 has them."""

from dataclasses import replace
from pathlib import Path

import pytest

from datapath.fake import FakeProvider
from datapath.odp_values import OdpTextError
from datapath.packet.flowkey import FlowKey
from datapath.provider import Datapath, VportSpec
from dpctl import commands
from dpctl.errors import DpctlError
from dpctl.filter import parse_filter
from dpctl.targets import Targets

KEY = "recirc_id(0),in_port(1),eth(),eth_type(0x1234)"
SHOWN = "recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth_type(0x1234)"  # outside of the kernel
THREAD = "flow-dump from the main thread:\n"
UFID = "ufid:12345678-1234-1234-1234-123456789abc"


@pytest.fixture
def targets() -> Targets:
    provider = FakeProvider()
    datapath: Datapath = provider.create("dp0")
    return Targets({"dummy": provider}, "dummy", {("dummy", "dp0"): datapath})


def failure(targets: Targets, *words: str) -> str:
    with pytest.raises(DpctlError) as caught:
        commands.run(targets, words)
    return caught.value.text("ovs-dpctl")


def test_show_lists_ports(targets: Targets) -> None:
    commands.run(targets, ["add-if", "dp0", "p1", "i0,type=internal,port_no=7"])
    assert commands.run(targets, ["dump-dps"]) == "dummy@dp0\n"
    text = commands.run(targets, ["show"])
    assert text.startswith("dummy@dp0:\n  lookups: hit:0 missed:0 lost:0\n  flows: 0\n")
    assert text.endswith("  port 0: dp0 (dummy-internal)\n  port 1: p1\n  port 7: i0 (dummy-internal)\n")
    assert "    RX packets:0 errors:0 dropped:0" in commands.run(targets, ["-s", "show", "dp0"])


def test_a_flow_is_added_changed_shown_and_removed(targets: Targets) -> None:
    commands.run(targets, ["add-flow", f"{UFID} {KEY}", "1,2"])
    shown = f"{SHOWN}, packets:0, bytes:0, used:never, actions:1,2\n"
    assert commands.run(targets, ["dump-flows", "dp0"]) == THREAD + shown
    assert commands.run(targets, ["get-flow", UFID]) == shown
    assert commands.run(targets, ["mod-flow", "-s", KEY, "3"]) == "packets:0, bytes:0, used:never\n"
    assert commands.run(targets, ["dump-flows", "-m"]).startswith(f"{THREAD}{UFID}, skb_priority(0/0),")
    assert commands.run(targets, ["del-flow", "--stat", KEY]) == "packets:0, bytes:0, used:never\n"
    assert commands.run(targets, ["dump-flows"]) == ""


def test_mod_flow_makes_a_flow_only_when_it_may(targets: Targets) -> None:
    assert (
        failure(targets, "mod-flow", KEY, "1")
        == "ovs-dpctl: updating flow table (No such file or directory)\n"
    )
    commands.run(targets, ["mod-flow", "--may-create", KEY, "1"])
    assert SHOWN in commands.run(targets, ["dump-flows"])


def test_a_filter_shows_flows_that_could_match(targets: Targets) -> None:
    commands.run(targets, ["add-if", "dp0", "p1"])
    tcp = "recirc_id(0),in_port(1),eth(),eth_type(0x0800),ipv4(proto=6,frag=no),tcp(src=100/0xff00)"
    commands.run(targets, ["add-flow", tcp, "1"])
    commands.run(targets, ["add-flow", KEY, "1"])
    for wanted in ("tcp,tp_src=100", "tcp", "in_port=p1,ip", "dl_type=0x800,nw_src=10.0.0.0/8"):
        assert commands.run(targets, ["dump-flows", f"filter={wanted}"]).count("packets:") == 1, wanted
    assert commands.run(targets, ["dump-flows", "filter=tcp,tp_src=4000"]) == ""
    assert commands.run(targets, ["dump-flows", "filter=in_port(1)"]).count("packets:") == 2
    assert "Failed to parse filter" in failure(targets, "dump-flows", "filter=bogus")


@pytest.mark.parametrize(
    ("text", "values", "masks"),
    [
        ("tcp6,tcp_dst=80/0xf0", {"eth_type": 0x86DD, "ip_proto": 6, "tp_dst": 80}, {"tp_dst": 0xF0}),
        ("dl_vlan=5,dl_vlan_pcp=3", {"vlan_tci": 0x7005}, {"vlan_tci": 0xFFFF}),
        (
            "ct_state=+trk-new,ct_zone=7",
            {"ct_state": 0x20, "ct_zone": 7},
            {"ct_state": 0x21, "ct_zone": 0xFFFF},
        ),
        ("ip,nw_ecn=1,ip_dscp=2", {"eth_type": 0x0800, "ip_tos": 9}, {"ip_tos": 0xFF}),
        ("ipv6_dst=fe80::/16", {"ip_dst": 0xFE80 << 112}, {"ip_dst": 0xFFFF << 112}),
        ("in_port=p1,nw_frag=later", {"in_port": 1, "ip_frag": 2}, {"in_port": 0xFFFFFFFF}),
        (
            "mpls,mpls_label=5,mpls_bos=1",
            {"eth_type": 0x8847, "mpls_lse0": 0x5100},
            {"mpls_lse0": 0xFFFFF100},
        ),
        ("eth_type(0x0806)", {"eth_type": 0x0806}, {"eth_type": 0xFFFF}),
    ],
)
def test_a_filter_is_read_as_a_key_and_a_mask(
    text: str, values: dict[str, int], masks: dict[str, int]
) -> None:
    key, mask = parse_filter(text, {"p1": 1})
    assert key == FlowKey(**values)
    assert {name: getattr(mask, name) for name in masks} == masks


@pytest.mark.parametrize(
    "text", ["foo", "foo=1", "tcp=1", "nw_src", "nw_src=foo", "dl_vlan=x", "ct_state=+foo"]
)
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(OdpTextError):
        parse_filter(text, {})


def test_flows_come_from_files(targets: Targets, tmp_path: Path) -> None:
    other = KEY.replace("0x1234", "0x1235")
    file = tmp_path / "flows"
    file.write_text(f"add {KEY} 2\n# none\n\nmodify {KEY} 3\n{other} 2\ndelete {KEY}\nbogus(1) 2\n")
    assert failure(targets, "add-flows", "dp0", str(file)) == (
        "ovs-dpctl: parsing flow key (syntax error at bogus(1)) (Invalid argument)\n"
        "ovs-dpctl: Failed parsing line number 7, skipped!\n"
    )
    assert SHOWN.replace("0x1234", "0x1235") in commands.run(targets, ["dump-flows"])
    file.write_text(f"{other}\n")
    commands.run(targets, ["del-flows", "dp0", str(file)])
    assert commands.run(targets, ["dump-flows"]) == ""


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("", "missing command name; use --help for help"),
        ("bogus", "unknown command 'bogus'; use --help for help"),
        ("add-if dp0", "'add-if' command requires at least 2 arguments"),
        ("--read-only add-dp dp9", "'add-dp' command does not work in read only mode"),
        ("show nosuch", "opening datapath nosuch failed (No such device)"),
        ("show foo@dp0", "opening datapath foo@dp0 failed (Address family not supported by protocol)"),
        ("dump-flows nosuch", "datapath not found (Invalid argument)"),
        ("add-dp dp0", "add_dp (File exists)"),
        ("del-dp dp1", "opening datapath (No such device)"),
        (
            "add-if dp0 x,type=foo",
            "x: failed to open network device (Address family not supported by protocol)",
        ),
        ("add-if dp0 x,port_no=abc", 'x: "abc" is no number for port_no'),
        ("del-if dp0 nope", "no port named nope"),
        ("del-if dp0 99", "deleting port 99 from dp0 failed (No such device)"),
        ("get-flow dp0 foo", "parsing flow ufid"),
        (f"get-flow dp0 {UFID}", "getting flow (No such file or directory)"),
        ("add-flow in_port(1),eth( 1", "parsing flow key (syntax error at eth() (Invalid argument)"),
        (f"add-flow {KEY} foo", "parsing actions (Invalid argument)"),
        ("add-flows dp0 /nosuch", 'Opening file "/nosuch" failed (No such file or directory)'),
        ("show --foo", "unrecognized option '--foo'"),
    ],
)
def test_what_cannot_be_done_is_said_as_ovs_dpctl_does(targets: Targets, words: str, text: str) -> None:
    assert failure(targets, *words.split()) == f"ovs-dpctl: {text}\n"


def test_settings_of_a_device_are_accepted_where_it_has_some(targets: Targets) -> None:
    commands.run(
        targets, ["add-if", "dp0", "v1,type=vxlan,remote_ip=1.2.3.4,key=5", "i0,type=internal,foo=bar"]
    )
    assert "vxlan_sys_4789 (vxlan: packet_type=ptap)" in commands.run(targets, ["show"])
    assert commands.run(targets, ["set-if", "dp0", "vxlan_sys_4789,remote_ip=1.2.3.5,key="]) == ""
    assert failure(targets, "set-if", "dp0", "i0,foo=baz", "i0,type=tap") == (
        "ovs-dpctl: i0: arguments provided to device that is not configurable\n"
        "ovs-dpctl: i0: can't change type from internal to tap\n"
    )
    assert commands.run(targets, ["add-if", "dp0", "p1,type=,port_no="]) == ""  # as if they were not there


def test_a_vxlan_device_knows_group_policies_where_they_are_asked_for(
    targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[VportSpec] = []
    datapath = targets.opened["dummy", "dp0"]
    monkeypatch.setattr(datapath, "add_port", asked.append)
    commands.run(targets, ["add-if", "dp0", "v1,type=vxlan,exts=gbp,dst_port=4800,port_no=7"])
    assert asked == [VportSpec("vxlan_sys_4800", "vxlan", 4800, 7, gbp=True)]


def test_a_daemon_counts_words_in_words_of_its_own(targets: Targets) -> None:
    assert failure(replace(targets, in_daemon=True), "add-dp") == (
        '"dpctl/add-dp" command requires at least 1 arguments\n'
    )


def test_where_reading_a_key_stopped_is_told(targets: Targets) -> None:
    key = "in_port(1),eth(),foo(5),eth_type(0x1234)"
    assert "(syntax error at foo(5),eth_type(0x1234)) (Inv" in failure(targets, "add-flow", key, "1")
    assert failure(targets, "del-flow", key) == (
        "ovs-dpctl: syntax error at foo(5),eth_type(0x1234) (Invalid argument)\n"
    )


def test_without_a_name_there_must_be_one_datapath(targets: Targets) -> None:
    targets.providers["dummy"].create("dp1")
    assert failure(targets, "dump-flows") == (
        "ovs-dpctl: multiple datapaths, specify one\novs-dpctl: datapath not found (Invalid argument)\n"
    )


def test_a_datapath_that_is_open_already_stays_open(targets: Targets) -> None:
    commands.run(targets, ["show"])
    assert commands.run(targets, ["show"])


def test_one_bad_port_does_not_keep_the_others_out(targets: Targets) -> None:
    failure(targets, "add-if", "dp0", "p1,type=foo", "p2")
    assert "p2" in commands.run(targets, ["show"])


@pytest.mark.parametrize(
    ("actions", "lines"),
    [
        ("1,1,2", ["no vlan: no mpls: 1,1,2"]),
        ("drop", ["no vlan: no mpls: drop"]),
        ("push_vlan(vid=1,pcp=0),1,pop_vlan,2", ["no vlan: no mpls: 2", "vlan(vid=1,pcp=0): no mpls: 1"]),
        (
            "2,push_vlan(vid=1,pcp=3),1,push_vlan(vid=5,pcp=0),3,pop_vlan,4",
            [
                "no vlan: no mpls: 2",
                "vlan(vid=5,pcp=0): vlan(vid=1,pcp=3): no mpls: 3",
                "vlan(vid=1,pcp=3): no mpls: 1,4",
            ],
        ),
        (
            "push_mpls(label=5,tc=0,ttl=3,bos=1,eth_type=0x8847),x",
            ["no vlan: mpls(label=5,tc=0,ttl=3): x"],
        ),
    ],
)
def test_actions_are_grouped_by_tags_and_labels(targets: Targets, actions: str, lines: list[str]) -> None:
    answer = commands.run(targets, ["normalize-actions", KEY, actions, "x=7"])
    whole = KEY.replace("eth()", "eth(src=00:00:00:00:00:00,dst=00:00:00:00:00:00)")
    assert answer.splitlines() == [f"input flow: {whole}", *lines]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["foo", "1"], "odp_flow_key_from_string (syntax error at foo) (Invalid argument)"),
        ([KEY, "foo"], "odp_actions_from_string (Invalid argument)"),
        ([KEY, "1", "2"], "2: expected NAME=NUMBER"),
        ([KEY], "'normalize-actions' command requires at least 2 arguments"),
    ],
)
def test_what_cannot_be_grouped_is_refused(targets: Targets, words: list[str], text: str) -> None:
    assert failure(targets, "normalize-actions", *words) == f"ovs-dpctl: {text}\n"


def test_flows_are_chosen_by_type_in_the_daemon_and_by_thread(targets: Targets) -> None:
    commands.run(targets, ["add-flow", KEY, "1"])
    for word, shown in (("pmd=-1", 1), ("pmd=1", 0)):
        assert commands.run(targets, ["dump-flows", word]).count("packets:") == shown
    assert "Use 'ovs-appctl dpctl/dump-flows' instead" in failure(targets, "dump-flows", "type=ovs")
    daemon = replace(targets, in_daemon=True)
    for word, shown in (
        ("type=ovs,tc", 1),
        ("type=all", 1),
        ("type=non-offloaded", 1),
        ("type=offloaded", 0),
    ):
        assert commands.run(daemon, ["dump-flows", word]).count("packets:") == shown
    assert failure(daemon, "dump-flows", "type=foo") == (
        "ovs-dpctl: Failed to parse type (foo) (Invalid argument)\n"
    )
