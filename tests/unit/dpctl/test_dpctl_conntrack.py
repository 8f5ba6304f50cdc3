"""The commands on connections: texts as ovs-dpctl 3.1 has them, on a tracker in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from datapath.conntrack import Connection, SctpState
from datapath.fake import FakeProvider
from dpctl import commands
from dpctl.errors import DpctlError
from dpctl.targets import Targets
from tests.kit.connections import PING, PING6, TCP, UDP, Tracker, tracked


@pytest.fixture
def tracker() -> Tracker:
    return Tracker(UDP, PING6, PING, TCP)


@pytest.fixture
def targets(tracker: Tracker) -> Targets:
    return tracked(tracker)


def failure(targets: Targets, *words: str) -> str:
    with pytest.raises(DpctlError) as caught:
        commands.run(targets, words)
    return caught.value.text("").removeprefix(": ").rstrip("\n")


def test_connections_are_listed(targets: Targets) -> None:
    assert commands.run(targets, ["dump-conntrack"]) == (
        "udp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=40001,dport=53),"
        "reply=(src=10.0.0.2,dst=10.0.0.1,sport=53,dport=40001),zone=9\n"
        "icmpv6,orig=(src=::1,dst=::2,id=190,type=128,code=0),reply=(src=::2,dst=::1,id=190,type=129,code=0),zone=6\n"
        "icmp,orig=(src=10.0.0.1,dst=10.0.0.2,id=188,type=8,code=0),"
        "reply=(src=10.0.0.2,dst=10.0.0.1,id=188,type=0,code=0),zone=5,mark=3,labels=0x7\n"
        "tcp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=40000,dport=80),"
        "reply=(src=10.0.0.2,dst=10.0.0.77,sport=80,dport=40000),protoinfo=(state=ESTABLISHED),helper=ftp\n"
    )


def test_more_and_statistics_add_what_they_add(
    targets: Targets, tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    assert commands.run(targets, ["-m", "-s", "dump-conntrack", "zone=5"]) == (
        "icmp,orig=(src=10.0.0.1,dst=10.0.0.2,id=188,type=8,code=0),"
        "reply=(src=10.0.0.2,dst=10.0.0.1,id=188,type=0,code=0),"
        "id=8,zone=5,status=SEEN_REPLY|CONFIRMED,timeout=5,mark=3,labels=0x7\n"
    )
    tracker.listed = [replace(TCP, start=0, parent=UDP.orig)]
    assert commands.run(targets, ["-ms", "dump-conntrack"]).rstrip("\n") == (
        "tcp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=40000,dport=80,packets=3,bytes=180),"
        "reply=(src=10.0.0.2,dst=10.0.0.77,sport=80,dport=40000),id=10,status=SEEN_REPLY|ASSURED|CONFIRMED,timeout=300,"
        "protoinfo=(state_orig=ESTABLISHED,state_reply=ESTABLISHED,wscale_orig=7,wscale_reply=7,"
        "flags_orig=WINDOW_SCALE|SACK_PERM,flags_reply=WINDOW_SCALE|SACK_PERM),helper=ftp,"
        "parent=(src=10.0.0.1,dst=10.0.0.2,sport=40001,dport=53)"
    )
    tracker.listed = [replace(UDP, orig=UDP.orig._replace(proto=132), protocol=SctpState(4, 1, 2))]
    assert "sctp,orig=" in (shown := commands.run(targets, ["dump-conntrack"]))
    assert "protoinfo=(state=ESTABLISHED,vtag_orig=1,vtag_reply=2)" in shown


def test_a_time_stamp_has_milliseconds(targets: Targets) -> None:
    assert ",start=2023-11-1" in (shown := commands.run(targets, ["-s", "dump-conntrack", "zone=0"]))
    assert ".123," in shown


def test_connections_are_counted(targets: Targets) -> None:
    counted = commands.run(targets, ["ct-stats-show"])
    assert counted == "Connections Stats:\n    Total: 4\n  TCP: 1\n  UDP: 1\n  ICMP: 1\n"
    assert (
        commands.run(targets, ["ct-stats-show", "zone=5"]) == "Connections Stats:\n    Total: 1\n  ICMP: 1\n"
    )
    states = "    Conn per TCP states:\n\t  [ESTABLISHED]=1\n"
    assert states in commands.run(targets, ["-m", "ct-stats-show", "dp0"])


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ([], []),
        (["zone=5"], [UDP, PING6, TCP]),
        (["dp0", "zone=9"], [PING6, PING, TCP]),
        (["ct_nw_proto=6"], [UDP, PING6, PING]),
        (["", "ct_nw_dst=10.0.0.77"], [UDP, PING6, PING]),
        (["zone=6", "ct_nw_src=10.0.0.1"], [UDP, PING6, PING, TCP]),
        (["zone=9", "ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_nw_proto=17,ct_tp_src=40001,ct_tp_dst=53"],
         [PING6, PING, TCP]),
        (["zone=5", "ct_nw_src=10.0.0.1,ct_nw_proto=1,icmp_id=188"], [UDP, PING6, TCP]),
        (["ct_ipv6_dst=::2"], [UDP, PING, TCP]),
    ],
)  # fmt: skip
def test_connections_are_ended(
    targets: Targets, tracker: Tracker, words: list[str], left: list[Connection]
) -> None:
    assert commands.run(targets, ["flush-conntrack", *words]) == ""
    assert tracker.listed == left


def test_limits_are_set_shown_and_deleted(targets: Targets) -> None:
    assert commands.run(targets, ["ct-get-limits"]) == "default limit=0\n"
    commands.run(targets, ["ct-set-limits", "default=10", "zone=1,limit=5", "zone=2,limit=7"])
    assert commands.run(targets, ["ct-get-limits", "zone=1,5"]) == (
        "default limit=10\nzone=1,limit=5,count=0\nzone=5,limit=10,count=0\n"
    )
    commands.run(targets, ["ct-del-limits", "dp0", "zone=1,2"])
    assert commands.run(targets, ["ct-get-limits"]) == "default limit=10\n"


UNSUPPORTED = "(Operation not supported)"
INVALID = "(Invalid argument)"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("dump-conntrack zone=x", f"datapath not found {INVALID}"),
        ("ct-set-limits", "'ct-set-limits' command requires at least 1 arguments"),
        ("ct-set-limits foo", f"field foo missing value {INVALID}"),
        ("ct-set-limits zone=1", f"failed to parse zone limit {INVALID}"),
        ("ct-set-limits zone=70000,limit=1", f"failed to parse field zone {INVALID}"),
        ("ct-set-limits default=x", f"invalid default limit {INVALID}"),
        ("ct-set-limits zone=1,limit=5 default=3", f"invalid zone limit field: default {INVALID}"),
        ("ct-get-limits zone=x", f"invalid zone {INVALID}"),
        ("ct-get-limits zone=", f"invalid zone {INVALID}"),
        ("ct-del-limits foo", f"invalid argument foo {INVALID}"),
        ("flush-conntrack foo=1", f"invalid conntrack tuple field: foo {INVALID}"),
        ("flush-conntrack ct_nw_src=x", f"failed to parse field ct_nw_src {INVALID}"),
        (
            "flush-conntrack ct_nw_src=1.1.1.1,ct_ipv6_dst=::1",
            f"the L3 protocol does not match ::1 {INVALID}",
        ),
        ("flush-conntrack icmp_id=1", f"invalid L4 fields {INVALID}"),
        ("flush-conntrack zone=x", f"failed to parse zone {INVALID}"),
        ("flush-conntrack zone=5 a b c", f"field a missing value {INVALID}"),
        (
            "flush-conntrack ct_nw_src=1.1.1.1,ct_nw_dst=1.1.1.2,ct_nw_proto=17,ct_tp_src=1,ct_tp_dst=2",
            "failed to flush conntrack (No such file or directory)",
        ),
        ("offload-stats-show", f"retrieving offload statistics {UNSUPPORTED}"),
        ("ct-bkts gt=x", f"datapath not found {INVALID}"),
        ("ct-get-maxconns", f"maxconns could not be retrieved {UNSUPPORTED}"),
        ("ct-set-maxconns dp0 x", f"maxconns missing or malformed {INVALID}"),
        ("ct-set-maxconns dp0", f"maxconns missing or malformed {INVALID}"),
        ("ct-set-maxconns 5", f"ct set maxconns failed {UNSUPPORTED}"),
        ("ipf-set-enabled v5", f"parameter missing: 'v4' for IPv4 or 'v6' for IPv6 {INVALID}"),
        ("ipf-set-disabled dp0 v6", f"disabling fragmentation reassembly failed {UNSUPPORTED}"),
        ("ipf-set-min-frag v4 x", f"parameter missing for minimum fragment size {INVALID}"),
        (
            "ipf-set-min-frag v4 9",
            f"requested minimum fragment size too small; see documentation {UNSUPPORTED}",
        ),
        ("ipf-set-max-nfrags x", f"parameter missing for maximum fragments {INVALID}"),
        ("cache-set-size dp0 foo 512", "Setting caches not supported (Operation not supported)"),
        ("cache-set-size dp0 masks-cache x", f"size is malformed {INVALID}"),
    ],
)
def test_what_cannot_be_done_is_said_as_ovs_dpctl_does(targets: Targets, words: str, text: str) -> None:
    assert failure(targets, *words.split()) == text


def test_buckets_are_of_another_tracker(targets: Targets) -> None:
    for words in (["ct-bkts"], ["ct-bkts", "dp0", "gt=1"]):
        assert commands.run(targets, words) == "Command is available for UserSpace ConnTracker only.\n"


def test_a_datapath_without_a_tracker_says_so() -> None:
    provider = FakeProvider()
    provider.create("dp0")
    without = Targets({"dummy": provider}, "dummy")
    assert failure(without, "dump-conntrack") == f"starting conntrack dump {UNSUPPORTED}"
    assert failure(without, "flush-conntrack") == f"failed to flush conntrack {UNSUPPORTED}"
