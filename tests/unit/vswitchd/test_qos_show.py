"""qos/show, in the words of Open vSwitch 3.1."""

from datapath.tc.values import Htb, QueueStats, Shaping
from vswitchd.config.qos import QosConfig, QueueConfig
from vswitchd.control.qos import format_qos
from vswitchd.qos_plan import shaping_of


def shown(type_: str, **settings: int) -> str:
    config = QosConfig(type_, {name.replace("_", "-"): value for name, value in settings.items()})
    return format_qos("a", shaping_of(config, 1500, 0), {})


def test_queues_have_counters() -> None:
    queues = {0: QueueConfig(priority=2), 3: QueueConfig(max_rate=8000)}
    shaping = shaping_of(QosConfig("linux-htb", {"max-rate": 8_000_000}, queues), 1500, 0)
    assert format_qos("a", shaping, {1: QueueStats(packets=5, octets=300, drops=1)}) == (
        "QoS: a linux-htb\nmax-rate: 8000000\n\n"
        "Default:\n  burst: 12512\n  priority: 2\n  min-rate: 12000\n  max-rate: 8000000\n"
        "  tx_packets: 5\n  tx_bytes: 300\n  tx_errors: 1\n\n"
        "Queue 3:\n  burst: 12512\n  min-rate: 12000\n  tx_packets: 0\n  tx_bytes: 0\n  tx_errors: 0\n"
    )


def test_settings_are_shown_as_asked_for() -> None:
    assert shown("linux-netem", latency=5000, limit=77, loss=30) == (
        "QoS: a linux-netem\nlimit: 77\nloss: 30\nlatency: 5000\n"
    )
    assert shown("linux-codel", target=4000, interval=90_000, limit=100) == (
        "QoS: a linux-codel\nlimit: 100\ninterval: 90000\ntarget: 4000\n"
    )
    assert shown("linux-fq_codel", flows=64) == (
        "QoS: a linux-fq_codel\nlimit: 10240\nquantum: 1514\nflows: 64\ninterval: 1000000\ntarget: 5000\n"
    )
    assert shown("linux-sfq") == "QoS: a linux-sfq\nquantum: 1500\nperturb: 10\n"


def test_a_qdisc_whose_classes_were_refused_is_shown_without_them() -> None:
    assert format_qos("a", Shaping(Htb()), {}) == "QoS: a linux-htb\n"
