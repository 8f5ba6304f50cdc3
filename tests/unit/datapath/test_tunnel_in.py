"""GRE packets as a raw socket gives them: unpacked one by one, whatever the packet before was like."""

import socket
import struct
from collections.abc import Iterator

import pytest

from datapath.packet.checksum import checksum
from datapath.packet.flowkey import TUN_CSUM, TUN_KEY
from datapath.userspace.tunnel_header import gre_with_checksum
from datapath.userspace.tunnel_in import Arrival, TunnelReceiver

FRAME = bytes.fromhex("020000000002 020000000001 88b5") + bytes(46)
KEYED = struct.pack("!HHI", 0x2000, 0x6558, 5)
SUMMED = struct.pack("!HHI", 0x8000, 0x6558, 0)


class Tunnel:
    """A receiver, and the socket that its packets are put into."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.receiver = TunnelReceiver("gre", 0)

    def receive(self, *payloads: bytes) -> list[Arrival]:
        for payload in payloads:
            header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, 47, 0)
            self.far.send(header + bytes((172, 31, 0, 1, 172, 31, 0, 2)) + payload)
        return self.receiver.receive(self.near.fileno())


@pytest.fixture
def tunnel() -> Iterator[Tunnel]:
    made = Tunnel()
    yield made
    made.near.close()
    made.far.close()


def test_packets_with_the_same_header_are_unpacked_each(tunnel: Tunnel) -> None:
    frames = [FRAME[:14] + bytes((n,)) * 46 for n in range(3)]
    arrivals = tunnel.receive(*(KEYED + frame for frame in frames))
    assert [arrival.frame() for arrival in arrivals] == frames
    assert {a.metadata for a in arrivals} == {arrivals[0].metadata}
    metadata = arrivals[0].metadata
    assert (metadata.tun_id, metadata.tun_flags, metadata.tun_ttl) == (5, TUN_KEY, 64)
    assert (metadata.tun_src, metadata.tun_dst) == (0xAC1F0001, 0xAC1F0002)


def test_a_checksum_is_verified_in_every_packet(tunnel: Tunnel) -> None:
    good = gre_with_checksum(SUMMED, FRAME)
    assert checksum(good + FRAME) == 0
    (arrival,) = tunnel.receive(good + FRAME, good + FRAME[:-1] + b"\1")
    assert arrival.metadata.tun_flags == TUN_CSUM
    assert tunnel.receiver.malformed == 1


@pytest.mark.parametrize("length", [0, 3, 4, 7, 8, 21])
def test_a_packet_cut_short_is_dropped_also_behind_a_whole_one(tunnel: Tunnel, length: int) -> None:
    arrivals = tunnel.receive(KEYED + FRAME, (KEYED + FRAME)[:length], KEYED + FRAME)
    assert [arrival.frame() for arrival in arrivals] == [FRAME, FRAME]
    assert tunnel.receiver.malformed == 1


def test_a_packet_with_another_key_is_of_another_tunnel(tunnel: Tunnel) -> None:
    arrivals = tunnel.receive(KEYED + FRAME, KEYED[:7] + b"\6" + FRAME)
    assert [arrival.metadata.tun_id for arrival in arrivals] == [5, 6]
