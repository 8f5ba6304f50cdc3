"""What dpctl/* shows of a datapath with traffic."""

import re

import pytest

from tests.kit.feature_lab import FeatureLab, Host, frame

_COUNTERS = r"packets:\d+, bytes:\d+, used:(?:never|[\d.]+s)"


def mac(host: Host) -> str:
    return host.mac.to_bytes(6, "big").hex(":")


def two_that_talk(lab: FeatureLab) -> tuple[Host, Host]:
    a, b = lab.host("a"), lab.host("b")
    lab.vsctl("add-br br0 -- add-port br0 a -- add-port br0 b")
    for _ in range(2):  # for the flow of one station known to another
        a.send(frame(a, b))
        assert b.received() == [frame(a, b)]
        b.send(frame(b, a))
        assert a.received() == [frame(b, a)]
        lab.settle()
    return a, b


def ports(lab: FeatureLab) -> dict[str, str]:
    return dict(re.findall(r"  port (\d+): (\S+)", lab.dpctl("show")))


@pytest.mark.feature("Datapath tool", "dump-flows, get-flow: a megaflow is the same text, brief and whole")
def test_a_flow_is_shown_in_open_vswitchs_words(lab: FeatureLab) -> None:
    a, b = two_that_talk(lab)
    number = {name: port for port, name in ports(lab).items()}
    addresses = rf"eth\(src={mac(a)},dst={mac(b)}\),eth_type\(0x88b5\), "
    kind = "" if lab.side.is_kernel else r"packet_type\(ns=0,id=0\),"
    brief = rf"recirc_id\(0\),in_port\({number['a']}\),{kind}{addresses}{_COUNTERS}, actions:{number['b']}"
    lines = lab.dpctl("dump-flows").splitlines()
    assert [line for line in lines if re.fullmatch(brief, line)], lines
    assert ("flow-dump from the main thread:" in lines) == (not lab.side.is_kernel)
    tracked = r"skb_mark\(0/0\),ct_state\(0/0\),ct_zone\(0/0\),ct_mark\(0/0\),ct_label\(0/0\),"
    if lab.side.is_kernel:
        fields = rf"recirc_id\(0\),dp_hash\(0/0\),skb_priority\(0/0\),in_port\(a\),{tracked}"
    else:
        fields = rf"skb_priority\(0/0\),{tracked}recirc_id\(0\),dp_hash\(0/0\),in_port\(a\),{kind}"
    whole = rf"(ufid:[0-9a-f-]+), {fields}{addresses}{_COUNTERS}, dp:ovs, actions:b(?:, dp-extra-info:.*)?"
    lines = lab.dpctl("dump-flows", "-m").splitlines()
    found = [match for line in lines if (match := re.fullmatch(whole, line))]
    assert found, lines
    assert re.fullmatch(f"{brief}(?:, dp-extra-info:.*)?\n", lab.dpctl("get-flow", found[0][1]))
    assert re.fullmatch(f"{whole}\n", lab.dpctl("get-flow", "-m", found[0][1]))


@pytest.mark.feature("Datapath tool", "dump-flows filter=: only flows that could match such packets")
def test_flows_are_chosen_by_a_filter(lab: FeatureLab) -> None:
    a, b = two_that_talk(lab)
    shown = lab.dpctl("dump-flows", f"filter=dl_src={mac(a)}")
    assert f"src={mac(a)}" in shown
    assert f"src={mac(b)}" not in shown
    assert "packets:" not in lab.dpctl("dump-flows", "filter=dl_src=02:00:00:00:00:77")


@pytest.mark.feature(
    "Datapath tool",
    "add-flow: connections are tracked (ct)",
    differs={"userspace": "refused as not supported, as are all actions that are not done there"},
)
def test_connections_are_tracked(lab: FeatureLab) -> None:
    lab.host("a")
    lab.vsctl("add-br br0 -- add-port br0 a")
    number = {name: port for port, name in ports(lab).items()}["a"]
    refusal = lab.appctl(
        "dpctl/add-flow", f"in_port({number}),eth_type(0x0800),ipv4()", "ct(commit),1", check=False
    )
    assert refusal in ("", "ovs-vswitchd: updating flow table (Operation not supported)\n")
    assert refusal == ""
