"""QoS of ports and policing of interfaces: as tc(8) shows them, and as packets feel them."""

import contextlib
import itertools
import re
import socket
from collections.abc import Iterator

import pytest

from tests.kit.feature_lab import FeatureLab, Host, frame
from tests.kit.netns import inside

NO_MODULES = dict.fromkeys(
    ("userspace", "c-userspace"), "the kernel of the machine that runs these tests has HTB alone"
)
QUEUES = (
    "-- --id=@q create qos type=linux-htb other_config:max-rate=100000000 queues:0=@a queues:3=@b",
    "-- --id=@a create queue other_config:min-rate=10000000 other_config:max-rate=50000000",
    "other_config:burst=800000 other_config:priority=5",
    "-- --id=@b create queue other_config:min-rate=1 other_config:max-rate=8000",
)


def root(lab: FeatureLab, device: str = "a") -> str:
    """The root qdisc in tc's words, without its counters."""
    lines = lab.run(f"tc qdisc show dev {device}").splitlines()
    return next((re.sub(r" refcnt \d+", "", line).strip() for line in lines if " root " in line), "")


def classes(lab: FeatureLab, device: str = "a") -> dict[str, dict[str, str]]:
    """The classes in tc's words: "rate", "ceil", "prio" ..."""
    lines = [line.split() for line in lab.run(f"tc class show dev {device}").splitlines()]
    return {line[2]: dict(itertools.pairwise(line)) for line in lines if line}


def two_hosts(lab: FeatureLab, *words: str) -> tuple[Host, Host]:
    a, b = lab.host("a"), lab.host("b")
    lab.vsctl("add-br br0 -- add-port br0 a -- add-port br0 b", *words)
    return a, b


@contextlib.contextmanager
def restarted(lab: FeatureLab) -> Iterator[None]:
    """A time without the switch, which a crash began."""
    lab.switch.process.kill()
    lab.switch.process.wait()
    try:
        yield
    finally:
        with inside(lab.namespace):
            lab.switch = lab.daemons.enter_context(lab.side.vswitchd(lab.server))


def sections(shown: str) -> set[str]:
    """The parts of qos/show, whose queues come in no order."""
    return set(shown.strip().split("\n\n"))


@pytest.mark.feature("QoS", "linux-htb: each queue is a class with its rates, burst and priority")
def test_htb_queues_are_classes(lab: FeatureLab) -> None:
    two_hosts(lab, "-- set port a qos=@q", *QUEUES)
    found = classes(lab)
    assert {h: (c["rate"], c["ceil"], c.get("prio")) for h, c in found.items()} == {
        "1:fffe": ("100Mbit", "100Mbit", None),
        "1:1": ("10Mbit", "50Mbit", "5"),
        "1:4": ("12Kbit", "12Kbit", "0"),
    }
    assert found["1:1"]["burst"] == "100000b"
    assert sections(lab.appctl("qos/show", "a")) == {
        "QoS: a linux-htb\nmax-rate: 100000000",
        "Default:\n  burst: 800000\n  priority: 5\n  min-rate: 10000000\n  max-rate: 50000000\n"
        "  tx_packets: 0\n  tx_bytes: 0\n  tx_errors: 0",
        "Queue 3:\n  burst: 12512\n  min-rate: 12000\n  tx_packets: 0\n  tx_bytes: 0\n  tx_errors: 0",
    }
    assert lab.appctl("qos/show", "b") == "QoS not configured on b\n"
    assert "QoS type: linux-htb\n" in lab.appctl("qos/show-types", "a")
    assert "no such interface" in lab.appctl("qos/show", "nobody", check=False)


@pytest.mark.feature("QoS", "a change of one queue leaves the others and their counters")
def test_a_change_of_one_queue_leaves_the_others(lab: FeatureLab) -> None:
    a, b = two_hosts(lab, "-- set port a qos=@q", *QUEUES)
    b.send(*[frame(b, a)] * 5)
    assert len(a.received(5)) == 5
    queue = lab.get("qos", lab.get("port", "a", "qos"), "queues:3")
    lab.vsctl(f"set queue {queue} other_config:max-rate=80000")
    assert classes(lab)["1:4"]["ceil"] == "80Kbit"
    assert "tx_packets: 5\n" in lab.appctl("qos/show", "a")
    lab.vsctl(f"remove qos {lab.get('port', 'a', 'qos')} queues 3")
    assert "1:4" not in classes(lab)
    assert "tx_packets: 5\n" in lab.appctl("qos/show", "a")


@pytest.mark.feature("QoS", "a packet's priority chooses its queue")
def test_a_packets_priority_chooses_the_queue(lab: FeatureLab) -> None:
    two_hosts(lab, "-- set port br0 qos=@q", *QUEUES)
    lab.run("ip link set br0 up")
    with inside(lab.namespace), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind(("br0", 0))
        for priority, count in ((0, 2), (0x10004, 3)):
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, priority)
            for _ in range(count):
                sender.send(frame(0x0200_0000_0001, 0x0200_0000_0002))
    found = {part.split(":")[0]: part for part in sections(lab.appctl("qos/show", "br0"))}
    assert "tx_packets: 2\n" in found["Default"]
    assert "tx_packets: 3\n" in found["Queue 3"]


@pytest.mark.feature(
    "QoS",
    "rates beyond 34 Gbit/s",
    differs=dict.fromkeys(("c-userspace", "c-kernel"), "3.1 has 32 bits for bytes a second"),
)
def test_large_rates_are_those_asked_for(lab: FeatureLab) -> None:
    two_hosts(
        lab,
        "-- set port a qos=@q -- --id=@q create qos type=linux-htb other_config:max-rate=40000000000",
        "queues:1=@a -- --id=@a create queue other_config:min-rate=36000000000",
    )
    found = classes(lab)
    assert found["1:fffe"]["rate"] == "40Gbit"
    assert (found["1:2"]["rate"], found["1:2"]["ceil"]) == ("36Gbit", "40Gbit")


@pytest.mark.feature("QoS", "without max-rate, a device's own speed")
def test_without_a_limit_the_speed_of_the_device_counts(lab: FeatureLab) -> None:
    two_hosts(lab, "-- set port a qos=@q -- --id=@q create qos type=linux-htb")
    found = classes(lab)
    assert {h: (c["rate"], c["ceil"]) for h, c in found.items()} == {
        "1:fffe": ("10Gbit", "10Gbit"),
        "1:1": ("12Kbit", "10Gbit"),
    }


@pytest.mark.feature("QoS", "QoS goes when it is asked for no more, linux-noop leaves what is there")
def test_qos_goes_when_nobody_asks_for_it(lab: FeatureLab) -> None:
    two_hosts(lab, "-- set port a qos=@q", *QUEUES)
    lab.vsctl("clear port a qos")
    assert "htb" not in root(lab)
    assert lab.appctl("qos/show", "a") == "QoS not configured on a\n"
    lab.vsctl("set port a qos=@q -- --id=@q create qos type=linux-noop")
    lab.run("tc qdisc add dev a root handle 7: tbf rate 1mbit burst 10k latency 50ms")
    lab.vsctl("set interface a external_ids:x=y")
    assert root(lab).startswith("qdisc tbf 7:")
    lab.vsctl("set port a qos=@q -- --id=@q create qos type=linux-htb")
    assert root(lab).startswith("qdisc htb 1:")


@pytest.mark.feature(
    "QoS",
    "a qdisc that somebody else made stays on a port without QoS",
    differs=dict.fromkeys(("c-userspace", "c-kernel"), "it removes what it finds"),
)
def test_foreign_qdiscs_stay(lab: FeatureLab) -> None:
    lab.host("a")
    lab.run("tc qdisc add dev a root handle 7: tbf rate 1mbit burst 10k latency 50ms")
    lab.vsctl("add-br br0 -- add-port br0 a")
    lab.vsctl("set interface a external_ids:x=y")
    assert root(lab).startswith("qdisc tbf 7:")


@pytest.mark.feature("QoS", "a type that there is not changes nothing")
def test_an_unknown_type_changes_nothing(lab: FeatureLab) -> None:
    two_hosts(lab, "-- set port a qos=@q -- --id=@q create qos type=egress-policer other_config:cir=1000")
    assert "noqueue" in root(lab)
    assert "egress-policer" not in lab.appctl("qos/show", "a")


@pytest.mark.feature("QoS", "linux-hfsc: each queue is a class with its curves", not_on=NO_MODULES)
def test_hfsc_queues_are_classes(lab: FeatureLab) -> None:
    two_hosts(
        lab,
        "-- set port a qos=@q -- --id=@q create qos type=linux-hfsc other_config:max-rate=100000000",
        "queues:0=@a queues:3=@b -- --id=@b create queue other_config:max-rate=8000000",
        "-- --id=@a create queue other_config:min-rate=10000000 other_config:max-rate=50000000",
    )
    words = lab.run("tc class show dev a")
    assert "1:fffe parent 1: sc m1 0bit d 0us m2 100Mbit ul m1 0bit d 0us m2 100Mbit" in words
    assert "1:1 parent 1:fffe sc m1 0bit d 0us m2 10Mbit ul m1 0bit d 0us m2 50Mbit" in words
    assert "1:4 parent 1:fffe sc m1 0bit d 0us m2 8bit ul m1 0bit d 0us m2 8Mbit" in words
    assert sections(lab.appctl("qos/show", "a")) == {
        "QoS: a linux-hfsc\nmax-rate: 100000000",
        "Default:\n  min-rate: 10000000\n  max-rate: 50000000\n  tx_packets: 0\n  tx_bytes: 0\n  tx_errors: 0",
        "Queue 3:\n  min-rate: 8\n  max-rate: 8000000\n  tx_packets: 0\n  tx_bytes: 0\n  tx_errors: 0",
    }


@pytest.mark.feature(
    "QoS", "linux-sfq, linux-codel, linux-fq_codel, linux-netem: defaults", not_on=NO_MODULES
)
def test_qdiscs_without_classes_have_their_defaults(lab: FeatureLab) -> None:
    two_hosts(lab)
    for type_, tc_words, shown in (
        (
            "sfq",
            "limit 127p quantum 1500b depth 127 divisor 1024 perturb 10sec",
            "quantum: 1500\nperturb: 10",
        ),
        ("codel", "limit 10240p target 5ms interval 100ms", "limit: 10240\ninterval: 100000\ntarget: 5000"),
        (
            "fq_codel",
            "limit 10240p flows 1024 quantum 1514 target 5ms interval 1e+03ms memory_limit 32Mb ecn drop_batch 64",
            "limit: 10240\nquantum: 1514\nflows: 1024\ninterval: 1000000\ntarget: 5000",
        ),
        ("netem", "limit 1000", "limit: 1000\nloss: 0\nlatency: 0"),
    ):
        lab.vsctl(f"set port a qos=@q -- --id=@q create qos type=linux-{type_}")
        assert root(lab) == f"qdisc {type_} 1: root {tc_words}"
        assert lab.appctl("qos/show", "a") == f"QoS: a linux-{type_}\n{shown}\n"


@pytest.mark.feature(
    "QoS", "a qdisc without classes goes that nobody asks for after a restart", not_on=NO_MODULES
)
def test_a_qdisc_goes_whose_qos_went_while_the_switch_was_down(lab: FeatureLab) -> None:
    two_hosts(lab, "-- set port a qos=@q -- --id=@q create qos type=linux-netem other_config:limit=77")
    assert root(lab).startswith("qdisc netem 1:")
    with restarted(lab):
        lab.vsctl("--no-wait clear port a qos")
    lab.wait_until(lambda: "netem" not in root(lab), "the qdisc is gone")


@pytest.mark.feature(
    "QoS",
    "settings of a qdisc without classes change",
    not_on=NO_MODULES,
    differs={"c-kernel": "it shows the new settings but leaves the old ones in the kernel"},
)
def test_settings_change(lab: FeatureLab) -> None:
    two_hosts(lab)
    for type_, change, tc_words in (
        ("sfq", "perturb=20 other_config:quantum=3000", "quantum 3000b depth 127 divisor 1024 perturb 20sec"),
        ("codel", "target=4000 other_config:limit=100", "limit 100p target 4ms interval 100ms"),
        ("fq_codel", "flows=64 other_config:quantum=2000", "flows 64 quantum 2000"),
        ("netem", "latency=5000 other_config:loss=30", "limit 1000 delay 5ms loss 30%"),
    ):
        lab.vsctl(f"set port a qos=@q -- --id=@q create qos type=linux-{type_}")
        lab.vsctl(f"set qos {lab.get('port', 'a', 'qos')} other_config:{change}")
        assert tc_words in root(lab)


@pytest.mark.feature("QoS", "linux-netem loses packets", not_on=NO_MODULES)
def test_netem_loses_packets(lab: FeatureLab) -> None:
    a, b = two_hosts(lab, "-- set port a qos=@q -- --id=@q create qos type=linux-netem other_config:loss=100")
    a.send(frame(a, b))
    assert b.received() == [frame(a, b)]
    b.send(*[frame(b, a)] * 5)
    assert a.received_nothing()


@pytest.mark.feature(
    "QoS",
    "ingress_policing_rate and its burst limit bytes",
    not_on={"c-userspace": NO_MODULES["c-userspace"]},
)
def test_policing_limits_bytes(lab: FeatureLab) -> None:
    a, b = two_hosts(lab, "-- set interface a ingress_policing_rate=8 ingress_policing_burst=80")
    payload = bytes(986)
    a.send(*[frame(a, b, payload=payload)] * 40)
    assert 9 <= len(b.received(20, timeout=2.0)) <= 15
    lab.vsctl("set interface a ingress_policing_rate=0")
    if lab.side.is_kernel:
        assert "ffff:" not in lab.run("tc qdisc show dev a")
    a.send(*[frame(a, b, payload=payload)] * 40)
    assert len(b.received(40)) == 40


@pytest.mark.feature("QoS", "ingress_policing_kpkts_rate and its burst limit packets", not_on=NO_MODULES)
def test_policing_limits_packets(lab: FeatureLab) -> None:
    two_hosts(lab, "-- set interface a ingress_policing_kpkts_rate=5 ingress_policing_kpkts_burst=2")
    words = lab.run("tc filter show dev a ingress")
    assert "pref 1 matchall" in words
    assert "pkts_rate 5000 pkts_burst 2000" in words
    lab.vsctl("set interface a ingress_policing_kpkts_burst=0")
    assert "pkts_rate 5000 pkts_burst 16000" in lab.run("tc filter show dev a ingress")


@pytest.mark.feature("QoS", "defaults, and rates beyond 34 Gbit/s", not_on=NO_MODULES)
def test_policing_bursts(lab: FeatureLab) -> None:
    two_hosts(lab, "-- set interface a ingress_policing_rate=1000")
    assert "rate 1Mbit burst 1000Kb" in lab.run("tc filter show dev a ingress")
    lab.vsctl("set interface a ingress_policing_burst=100")
    assert "rate 1Mbit burst 12800b" in lab.run("tc filter show dev a ingress")


@pytest.mark.feature(
    "QoS",
    "limits of bytes and of packets together, and beyond 34 Gbit/s",
    not_on=NO_MODULES,
    differs={"c-kernel": "the kernel refuses its filter, and nothing is limited"},
)
def test_policing_by_bytes_and_packets(lab: FeatureLab) -> None:
    two_hosts(lab, "-- set interface a ingress_policing_rate=40000000 ingress_policing_kpkts_rate=5")
    words = lab.run("tc filter show dev a ingress")
    assert re.search(r"action order 1: +police 0x\w+ rate 40Gbit .* action drop/pipe", words)
    assert re.search(
        r"action order 2: +police .* pkts_rate 5000 pkts_burst 16000 action drop/continue", words
    )
