"""Packets that pass by the host's stack: their headers, and where they stop."""

import socket
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapath.packet import headers as h
from datapath.packet.checksum import checksum, ones_sum
from datapath.userspace.cache import WINDOW
from datapath.userspace.outer import OuterFrames, Way, differing
from datapath.userspace.ports import TapPort

FRONT = bytes(h.VNET_LEN) + bytes.fromhex("020000000002 020000000001 0800")
IP = (
    bytes.fromhex("45040000 0000 0000 402f 0000")
    + socket.inet_aton("172.31.0.1")
    + socket.inet_aton("172.31.0.2")
)
HEADER = bytes.fromhex("2000655800000005")
PORT = cast(TapPort, object())


def way(ip: bytes = IP, *, is_whole: bool = False) -> Way:
    front = int.from_bytes(FRONT + ip, "big")
    return Way(PORT, front, ones_sum(ip), is_whole, differing(len(HEADER)))


@pytest.fixture
def outer() -> OuterFrames:
    return OuterFrames()


def packets(outer: OuterFrames) -> list[bytes]:
    """What is behind the Ethernet header of each."""
    view = outer.memory.view
    return [
        bytes(view[start + len(FRONT) : start + length])
        for _, frames in outer.take()
        for start, length in frames
    ]


@given(st.lists(st.tuples(st.binary(max_size=40), st.integers(0, 1400)), min_size=1, max_size=5))
def test_each_has_its_length_its_number_and_its_checksum(several: list[tuple[bytes, int]]) -> None:
    outer = OuterFrames()
    body = bytes(range(256)) * 6
    pieces = [(HEADER + own, 3, length) for own, length in several]
    assert outer.put(way(), memoryview(body), pieces, 1480) == len(pieces)
    made = packets(outer)
    for packet, (own, length) in zip(made, several, strict=True):
        assert packet[20:] == HEADER + own + body[3 : 3 + length]
        assert int.from_bytes(packet[2:4], "big") == len(packet)
        assert checksum(packet[:20]) == 0
        assert packet[:2] + packet[6:10] + packet[12:20] == IP[:2] + IP[6:10] + IP[12:]
    numbers = [packet[4:6] for packet in made]
    assert len(set(numbers)) == len(numbers)


def test_a_packet_that_is_never_cut_needs_no_number(outer: OuterFrames) -> None:
    ip = IP[:6] + b"\x40\0" + IP[8:]
    assert outer.put(way(ip, is_whole=True), memoryview(b"x"), [(HEADER, 0, 1)] * 2, 1480) == 2
    assert {packet[4:8] for packet in packets(outer)} == {b"\0\0\x40\0"}


def test_it_stops_at_what_is_too_long_and_where_memory_ends(outer: OuterFrames) -> None:
    body = memoryview(bytes(60000))
    assert outer.put(way(), body, [(HEADER, 0, 100), (HEADER, 0, 101), (HEADER, 0, 100)], 108) == 1
    assert len(packets(outer)) == 1
    many = [(HEADER, 0, 60000)] * 150
    placed = outer.put(way(), body, many, 65000)
    assert 64 < placed < 150
    assert outer.put(way(), body, many, 65000) == 0
    outer.clear()
    assert outer.put(way(), body, many, 65000) >= placed


def test_what_differs_is_what_is_filled_in_and_what_is_carried() -> None:
    bits = differing(8).to_bytes(WINDOW, "big")
    assert [at for at, octet in enumerate(bits) if octet] == [16, 17, 18, 19, 24, 25, *range(42, WINDOW)]
