"""Two token buckets, as RFC 2697 has one of them."""

import hypothesis.strategies as st
from hypothesis import given

from datapath.packet import headers as h
from datapath.provider import PortLimit
from datapath.userspace.policer import Policer


def frames(*lengths: int) -> list[tuple[int, int]]:
    return [(at, length + h.VNET_LEN) for at, length in enumerate(lengths)]


def test_the_burst_passes_and_then_the_rate() -> None:
    policer = Policer(PortLimit(octets=1000, burst=3000), now=10.0)
    assert policer.admit(frames(1000, 1000, 1000, 1000), 10.0) == frames(1000, 1000, 1000)
    assert policer.admit(frames(1000), 10.5) == []
    assert policer.admit(frames(1000), 11.0) == frames(1000)
    assert policer.admit(frames(1000, 1000, 1000, 1000), 99.0) == frames(1000, 1000, 1000)


def test_a_smaller_frame_passes_where_a_larger_one_does_not() -> None:
    policer = Policer(PortLimit(octets=1000, burst=1000), now=0.0)
    assert policer.admit(frames(2000, 600, 600), 0.0) == [(1, 600 + h.VNET_LEN)]


def test_packets_have_a_limit_of_their_own() -> None:
    policer = Policer(PortLimit(packets=10, packet_burst=2), now=0.0)
    assert len(policer.admit(frames(60, 9000, 60), 0.0)) == 2
    assert len(policer.admit(frames(60, 60), 0.1)) == 1


@given(
    st.integers(0, 10_000),
    st.integers(0, 10_000),
    st.integers(0, 100),
    st.integers(0, 100),
    st.lists(st.tuples(st.floats(0, 2), st.lists(st.integers(0, 2000), max_size=8)), max_size=10),
)
def test_never_more_than_burst_and_rate(
    rate: int, burst: int, packets: int, packet_burst: int, batches: list[tuple[float, list[int]]]
) -> None:
    policer = Policer(PortLimit(rate, burst, packets, packet_burst), now=0.0)
    now, octets, count = 0.0, 0, 0
    for pause, lengths in batches:
        now += pause
        taken = policer.admit(frames(*lengths), now)
        octets += sum(length - h.VNET_LEN for _, length in taken)
        count += len(taken)
        assert not rate or octets <= burst + rate * now + 1e-6
        assert not packets or count <= packet_burst + packets * now + 1e-6
