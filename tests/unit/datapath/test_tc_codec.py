"""Values → messages → values, and what the kernel's structures say of them."""

import hypothesis.strategies as st
from hypothesis import given, settings

from datapath.tc import codec
from datapath.tc.values import (
    MAX_U32,
    Codel,
    Discipline,
    FqCodel,
    Hfsc,
    HfscClass,
    Htb,
    HtbClass,
    Netem,
    Police,
    QueueClass,
    QueueStats,
    Sfq,
    codel_asked,
    codel_time,
    microseconds_to_ticks,
    ticks_to_microseconds,
    to_octets,
    to_ticks,
)

number = st.integers(0, MAX_U32)
rate = st.integers(125, 1 << 37)
DISCIPLINES = st.one_of(
    st.just(Htb()),
    st.just(Hfsc()),
    st.builds(Sfq, st.integers(0, 1 << 30), number),
    st.builds(Netem, number, number, number, number),
    st.builds(Codel, number, number, number),
    st.builds(FqCodel, number, number, number, number, number),
)
CLASSES = st.one_of(
    st.builds(HtbClass, rate, rate, number, number, st.integers(0, 7)), st.builds(HfscClass, number, number)
)


@settings(max_examples=20)
@given(DISCIPLINES)
def test_a_qdisc_is_read_as_it_was_written(discipline: Discipline) -> None:
    assert codec.decode_qdisc(codec.encode_qdisc(7, discipline)) == discipline


@settings(max_examples=20)
@given(st.integers(1, 0xFFFE), CLASSES)
def test_a_class_is_read_as_it_was_written(minor: int, queue: QueueClass) -> None:
    assert codec.decode_class(codec.encode_class(7, minor, queue)) == (minor, queue, QueueStats(0, 0, 0))


@settings(max_examples=20)
@given(
    st.builds(
        Police, st.integers(0, 1 << 37), number, st.integers(0, 1 << 40), st.integers(0, 1 << 40)
    ).filter(lambda police: police.rate or police.packets)
)
def test_a_limit_is_read_as_it_was_written(police: Police) -> None:
    found = codec.decode_police(codec.encode_police(7, 0xFFFFFFF2, police))
    assert found == Police(
        police.rate,
        police.burst if police.rate else 0,
        police.packets,
        police.packet_burst if police.packets else 0,
    )


def test_a_class_names_its_parent() -> None:
    body = codec.encode_class(7, 0xFFFE, HtbClass(1500, 1500, 1, 1, 0))
    assert body[8:16].hex() == "feff0100" + "ffffffff"
    body = codec.encode_class(7, 3, HfscClass(1, 1))
    assert body[8:16].hex() == "03000100" + "feff0100"


def test_a_qdisc_or_filter_of_another_kind_is_none_of_ours() -> None:
    body = codec.encode_qdisc(7, Htb()).replace(b"htb\0", b"tbf\0")
    assert codec.decode_qdisc(body) is None
    body = codec.encode_police(7, 0xFFFFFFF2, Police(1000, 10))
    other_priority = body[:16] + (0x00030300).to_bytes(4, "little") + body[20:]
    assert codec.decode_police(other_priority) is None


@given(st.integers(1, 1 << 24), rate)
def test_a_burst_is_at_least_what_was_asked_for(octets: int, at: int) -> None:
    ticks = to_ticks(octets, at)
    assert ticks == MAX_U32 or to_octets(ticks, at) >= octets


@given(st.integers(0, 10_000_000))
def test_times_are_shown_as_asked_for_or_one_less(time: int) -> None:
    assert codel_asked(codel_time(time)) in (time, time - 1)
    assert 0 <= time - ticks_to_microseconds(microseconds_to_ticks(time)) <= 1
