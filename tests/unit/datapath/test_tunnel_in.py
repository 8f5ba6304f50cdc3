"""GRE packets as a raw socket gives them: unpacked one by one, whatever the packet before was like."""

import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from datapath.packet import headers as h
from datapath.packet.build import build
from datapath.packet.checksum import checksum, pseudo_sum
from datapath.packet.flowkey import TUN_CSUM, TUN_KEY, FlowKey
from datapath.userspace.offload import complete, locate, split
from datapath.userspace.tunnel_header import gre_with_checksum
from datapath.userspace.tunnel_in import Frames, Merged, TunnelReceiver

FRAME = bytes.fromhex("020000000002 020000000001 88b5") + bytes(46)
KEYED = struct.pack("!HHI", 0x2000, 0x6558, 5)
SUMMED = struct.pack("!HHI", 0x8000, 0x6558, 0)


class Arrival(NamedTuple):
    """A frame, as it is handed on."""

    metadata: FlowKey
    vnet: h.Vnet
    frame: bytes


class Tunnel:
    """A receiver, and the socket that its packets are put into."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.receiver = TunnelReceiver("gre", 0)

    def receive(self, *payloads: bytes) -> list[Arrival]:
        for payload in payloads:
            header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, 47, 0)
            self.far.send(header + bytes((172, 31, 0, 1, 172, 31, 0, 2)) + payload)
        arrivals: list[Arrival] = []
        for came in self.receiver.receive(self.near.fileno()):
            if isinstance(came, Merged):
                arrivals.append(Arrival(came.metadata, came.vnet, came.frame()))
            else:
                arrivals += [self._kept(came, *frame) for frame in came.frames]
        return arrivals

    def _kept(self, came: Frames, start: int, length: int) -> Arrival:
        octets = bytes(self.receiver.memory.view[start : start + length])
        vnet = h.Vnet._make(h.VNET.unpack_from(octets))
        return Arrival(came.metadata, vnet, octets[h.VNET_LEN :])


@pytest.fixture
def tunnel() -> Iterator[Tunnel]:
    made = Tunnel()
    yield made
    made.near.close()
    made.far.close()


def test_packets_with_the_same_header_are_unpacked_each(tunnel: Tunnel) -> None:
    frames = [FRAME[:14] + bytes((n,)) * 46 for n in range(3)]
    arrivals = tunnel.receive(*(KEYED + frame for frame in frames))
    assert [arrival.frame for arrival in arrivals] == frames
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
    assert [arrival.frame for arrival in arrivals] == [FRAME, FRAME]
    assert tunnel.receiver.malformed == 1


def test_a_packet_with_another_key_is_of_another_tunnel(tunnel: Tunnel) -> None:
    arrivals = tunnel.receive(KEYED + FRAME, KEYED[:7] + b"\6" + FRAME)
    assert [arrival.metadata.tun_id for arrival in arrivals] == [5, 6]


def test_frames_between_segments_keep_their_place(tunnel: Tunnel) -> None:
    payload = bytes(range(250)) * 12
    large = build(FlowKey(eth_type=h.ETH_TYPE_IP, ip_proto=h.IPPROTO_TCP, tcp_flags=h.TCP_ACK), payload)
    layout = locate(large)
    assert layout
    vnet = h.Vnet(0, h.VNET_GSO_TCPV4, layout.payload, 1000)
    segments = split(large, vnet)
    came = tunnel.receive(*(KEYED + frame for frame in (FRAME, *segments, FRAME, segments[0], FRAME)))
    assert [arrival.frame for arrival in came] == [FRAME, large, FRAME, segments[0], FRAME]
    assert [arrival.vnet.gso_size for arrival in came] == [0, 1000, 0, 0, 0]


def test_a_checksum_that_was_left_stays_left(tunnel: Tunnel) -> None:
    frame = build(FlowKey(eth_type=h.ETH_TYPE_IP, ip_proto=h.IPPROTO_UDP, ip_src=1, ip_dst=2), b"payload")
    pseudo = pseudo_sum(frame[26:30], frame[30:34], h.IPPROTO_UDP, len(frame) - 34)
    left = frame[:40] + pseudo.to_bytes(2, "big") + frame[42:]
    whole, unfinished = tunnel.receive(KEYED + frame, KEYED + left)
    assert whole.vnet == h.NO_VNET
    assert (unfinished.vnet.csum_start, unfinished.vnet.csum_offset) == (34, 6)
    assert complete(unfinished.frame, unfinished.vnet) == frame
