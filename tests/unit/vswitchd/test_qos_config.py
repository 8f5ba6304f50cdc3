"""Rows of QoS, Queue and Interface → what is asked for."""

from vswitchd.config.qos import (
    NO_POLICING,
    Policing,
    QosConfig,
    QueueConfig,
    read_policing,
    read_qos,
    wants_qos,
)
from vswitchd.rows import Tables


def tables(
    type_: str, queues: dict[int | float | bool | str, int | float | bool | str], **settings: str
) -> Tables:
    return {
        "Port": {"p": {"name": "eth0", "qos": frozenset({"q"})}, "p2": {"name": "eth1", "qos": frozenset()}},
        "QoS": {
            "q": {
                "type": type_,
                "queues": queues,
                "other_config": {k.replace("_", "-"): v for k, v in settings.items()},
            }
        },
        "Queue": {
            "a": {"dscp": frozenset(), "other_config": {"min-rate": "100", "priority": "x", "burst": "-1"}}
        },
    }


def test_queues_and_settings_are_numbers() -> None:
    warnings: list[str] = []
    found = read_qos(tables("linux-htb", {3: "a", 4: "gone"}, max_rate="8000", other="x"), warnings)
    assert found == {
        "eth0": QosConfig("linux-htb", {"max-rate": 8000}, {0: QueueConfig(), 3: QueueConfig(min_rate=100)})
    }
    assert not warnings


def test_a_type_without_queues_has_none() -> None:
    assert read_qos(tables("linux-sfq", {3: "a"}), []) == {"eth0": QosConfig("linux-sfq")}


def test_an_unknown_type_manages_nothing_and_says_so() -> None:
    warnings: list[str] = []
    assert read_qos(tables("egress-policer", {}), warnings) == {"eth0": QosConfig("linux-noop")}
    assert warnings == ["port eth0: QoS type egress-policer is not supported, its queueing is left as it is"]
    assert not read_qos(tables("", {}), [])


def test_a_queue_beyond_the_last_is_left_out() -> None:
    warnings: list[str] = []
    found = read_qos(tables("linux-hfsc", {61440: "a", 61439: "a"}), warnings)
    assert set(found["eth0"].queues) == {0, 61439}
    assert warnings == ["port eth0: queue 61440 is not used, numbers end at 61439"]


def test_bursts_of_policing_have_defaults() -> None:
    def policing(rate: int, burst: int, packets: int, packet_burst: int) -> Policing:
        row = {"rate": rate, "burst": burst, "kpkts_rate": packets, "kpkts_burst": packet_burst}
        return read_policing({f"ingress_policing_{name}": value for name, value in row.items()})

    assert policing(0, 5, 0, 5) is NO_POLICING
    assert policing(100, 0, 0, 0) == Policing(100, 8000)
    assert policing(0, 0, 7, 0) == Policing(0, 0, 7, 16)
    assert policing(100, 10, 7, 3) == Policing(100, 10, 7, 3)


def test_what_takes_traffic_control_is_known_before_it_is_read() -> None:
    assert wants_qos("QoS", {"type": "linux-htb"})
    assert wants_qos("Interface", {"ingress_policing_kpkts_rate": 5})
    assert not wants_qos("Interface", {"ingress_policing_kpkts_rate": 0})
    assert not wants_qos("Port", {"qos": frozenset[str]()})
