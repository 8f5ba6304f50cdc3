"""What is asked for and what is there → steps."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from datapath.tc.control import (
    DeleteClass,
    DeleteRoot,
    SetClass,
    SetRoot,
    StartPolicing,
    StopPolicing,
    TcStep,
)
from datapath.tc.values import ROOT_CLASS, HfscClass, HtbClass, Netem, Police, Shaping, to_octets
from vswitchd.config.qos import TYPES, Policing, QosConfig, QueueConfig
from vswitchd.qos_plan import plan_policing, plan_shaping, police_of, shaping_of

MTU = 1500
QUEUES = st.builds(
    QueueConfig, st.integers(0, 1 << 40), st.integers(0, 1 << 40), st.integers(0, 1 << 24), st.integers(0, 9)
)
SETTINGS = st.dictionaries(
    st.sampled_from(["max-rate", "latency", "limit", "loss", "flows", "perturb", "quantum"]),
    st.integers(0, 1 << 36),
)
KINDS = sorted(type_ for type_ in TYPES if TYPES[type_])


@st.composite
def configs(draw: st.DrawFn) -> QosConfig:
    type_ = draw(st.sampled_from(KINDS))
    queues = {}
    if type_ in ("linux-htb", "linux-hfsc"):
        queues = {0: QueueConfig()} | draw(st.dictionaries(st.integers(0, 0xEFFF), QUEUES, max_size=3))
    return QosConfig(type_, draw(SETTINGS), queues)


def carried_out(before: Shaping | None, steps: list[TcStep]) -> Shaping | None:
    """What the kernel makes of steps; it refuses what cannot be."""
    now = before
    for step in steps:
        match step:
            case DeleteRoot():
                now = None
            case SetRoot(discipline, is_there):
                assert is_there == (now is not None)
                assert now is None or now.discipline.kind == discipline.kind
                now = Shaping(discipline, now.classes if now else {})
            case SetClass(minor, queue):
                assert now is not None
                now = Shaping(now.discipline, {**now.classes, minor: queue})
            case DeleteClass(minor):
                assert now is not None
                now = Shaping(now.discipline, {m: q for m, q in now.classes.items() if m != minor})
            case _:
                raise AssertionError(step)
    return now


@given(configs(), configs())
def test_the_steps_lead_there_and_then_there_are_none(first: QosConfig, then: QosConfig) -> None:
    before, wanted = shaping_of(first, MTU, 0), shaping_of(then, MTU, 0)
    assert carried_out(before, plan_shaping(wanted, before, is_there=True)) == wanted
    assert carried_out(None, plan_shaping(wanted, None, is_there=False)) == wanted
    assert not plan_shaping(wanted, wanted, is_there=True)


@given(configs(), st.integers(68, 9000), st.integers(0, 1 << 37))
def test_a_class_can_send_and_is_within_its_limits(config: QosConfig, mtu: int, speed: int) -> None:
    shaping = shaping_of(config, mtu, speed)
    for queue in shaping.classes.values():
        assert 1 <= queue.rate <= queue.ceil <= max(shaping.classes[ROOT_CLASS].ceil, 1)
        if isinstance(queue, HtbClass) and queue.burst < 0xFFFFFFFF:
            assert to_octets(queue.burst, queue.rate) > mtu


def test_a_change_of_one_queue_touches_one_class() -> None:
    before = shaping_of(QosConfig("linux-htb", {}, {0: QueueConfig(), 1: QueueConfig()}), MTU, 0)
    after = shaping_of(QosConfig("linux-htb", {}, {0: QueueConfig(), 1: QueueConfig(priority=3)}), MTU, 0)
    assert plan_shaping(after, before, is_there=True) == [SetClass(2, after.classes[2])]


def test_another_qdisc_goes_only_where_qos_is_asked_for() -> None:
    wanted = shaping_of(QosConfig("linux-netem", {"latency": 64}), MTU, 0)
    assert plan_shaping(wanted, None, is_there=True) == [
        DeleteRoot(),
        SetRoot(Netem(latency=1000, jitter=0, limit=1000, loss=0), is_there=False),
    ]


def test_htb_and_hfsc_have_the_rates_of_the_c_switch() -> None:
    queues = {0: QueueConfig(), 3: QueueConfig(min_rate=1, max_rate=8000)}
    htb = shaping_of(QosConfig("linux-htb", {"max-rate": 100_000_000}, queues), MTU, 0)
    assert [(q.rate, q.ceil) for _, q in sorted(htb.classes.items())] == [
        (1500, 12_500_000),
        (1500, 1500),
        (12_500_000, 12_500_000),
    ]
    hfsc = shaping_of(QosConfig("linux-hfsc", {}, queues), MTU, 1_000_000_000)
    assert hfsc.classes == {
        1: HfscClass(1, 125_000_000),
        4: HfscClass(1, 1000),
        ROOT_CLASS: HfscClass(125_000_000, 125_000_000),
    }


@pytest.mark.parametrize(("type_", "setting"), [("linux-fq_codel", "flows"), ("linux-sfq", "perturb")])
def test_what_the_kernel_cannot_change_is_made_anew(type_: str, setting: str) -> None:
    few, many = (shaping_of(QosConfig(type_, {setting: n}), MTU, 0) for n in (8, 16))
    assert plan_shaping(many, few, is_there=True) == [
        DeleteRoot(),
        SetRoot(many.discipline, is_there=False),
    ]


def test_limits_of_what_comes() -> None:
    assert police_of(Policing()) is None
    police = police_of(Policing(kbits=1000, kbits_burst=8000, kpackets=5, kpackets_burst=16))
    assert police is not None
    assert (police.rate, police.packets) == (125_000, 5000)
    assert to_octets(police.packet_burst, police.packets) == 16_000
    assert to_octets(police.burst, police.rate) == 1_024_000
    assert plan_policing(police, police) == []
    assert plan_policing(police, Police(1)) == [StopPolicing(), StartPolicing(police)]
    assert plan_policing(None, police) == [StopPolicing()]
