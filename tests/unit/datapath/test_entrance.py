"""Which packets on their way to the host are taken for a tunnel, and in which order."""

from typing import cast

import pytest

from datapath.packet import headers as h
from datapath.packet.checksum import checksum
from datapath.provider import Vport
from datapath.userspace.entrance import Entrance
from datapath.userspace.ports import Port, TapPort
from datapath.userspace.syscalls import Memory
from datapath.userspace.underlay import Underlay

SLOT = 256
GRE = bytes.fromhex("2000655800000005") + bytes(60)


def packet(
    payload: bytes = GRE,
    *,
    vnet: h.Vnet = h.NO_VNET,
    first: int = 0x45,
    fragment: int = 0,
    proto: int = 47,
    tos: int = 0,
) -> bytes:
    """A frame behind its virtio header, as it is in a queue."""
    header = bytearray.fromhex("45000000000100004000 0000 ac1f0001 ac1f0002")
    header[0], header[1], header[9] = first, tos, proto
    header[2:4] = (20 + len(payload)).to_bytes(2, "big")
    header[6:8] = fragment.to_bytes(2, "big")
    header[10:12] = checksum(header).to_bytes(2, "big")
    return h.VNET.pack(*vnet) + bytes.fromhex("020000000002 020000000001 0800") + bytes(header) + payload


class Tap(TapPort):
    """A port without a device: a queue and counters."""

    def __init__(self) -> None:
        Port.__init__(self, Vport(0, "br1", "internal", 7), 0)


class Host:
    """What the host says, and how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.answer = True

    def takes(self, port: TapPort, header: bytes) -> bool:
        self.asked.append(header)
        return self.answer


class Rig:
    def __init__(self) -> None:
        self.host, self.memory, self.port = Host(), Memory(SLOT * 32), Tap()
        self.entrance = Entrance(cast(Underlay, self.host))
        self.entrance.is_behind = False

    def taken(self, *packets: bytes) -> list[int]:
        """Queue packets; which of them were taken. The others are still queued, in order."""
        self.port.queue = []
        for number, octets in enumerate(packets):
            self.memory.view[number * SLOT : number * SLOT + len(octets)] = octets
            self.port.queue += (self.memory.address + number * SLOT, len(octets))
        taken = self.entrance.take(self.port, self.memory)
        numbers = [start // SLOT for start, _ in taken]
        for number, (start, length) in zip(numbers, taken, strict=True):
            total = int.from_bytes(packets[number][26:28], "big")
            assert (start % SLOT, length) == (24, total)
        left = [(address - self.memory.address) // SLOT for address in self.port.queue[::2]]
        assert left == [number for number in range(len(packets)) if number not in numbers]
        return numbers


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_packets_of_one_header_are_asked_for_once(rig: Rig) -> None:
    other = packet(tos=8)
    assert rig.taken(packet(), packet(GRE + b"x"), other, packet(proto=6)) == [0, 1, 2]
    assert len(rig.host.asked) == 2
    assert rig.port.tx_packets == 3
    rig.host.answer = False
    assert rig.taken(packet()) == [0]
    rig.entrance.forget()
    assert rig.taken(packet()) == []


@pytest.mark.parametrize(
    "left",
    [
        packet(fragment=0x2000),
        packet(fragment=1),
        packet(first=0x46),
        packet(bytes.fromhex("2000 88be") + GRE[4:]),
        packet(vnet=h.Vnet(h.VNET_NEEDS_CSUM, 0, 0, 0, 60, 16)),
        packet(vnet=h.Vnet(0, h.VNET_GSO_TCPV4, 60, 20)),
        packet()[:-61],
        packet()[:34] + b"\xff\xff" + packet()[36:],
    ],
    ids=["first", "later", "options", "ERSPAN", "unfinished", "super", "short", "damaged"],
)
def test_what_the_host_has_to_look_at_stays_with_it_and_what_follows_too(rig: Rig, left: bytes) -> None:
    assert rig.taken(packet(), left, packet()) == [0]
    assert rig.taken(packet()) == []
    rig.entrance.is_behind = False
    assert rig.taken(packet(), packet()) == [0, 1]


def test_nothing_overtakes_what_came_before_the_first(rig: Rig) -> None:
    assert Entrance(cast(Underlay, rig.host)).is_behind


def test_df_makes_no_difference(rig: Rig) -> None:
    assert rig.taken(packet(), packet(fragment=0x4000)) == [0, 1]
    assert len(rig.host.asked) == 1


def test_frames_in_other_memory_stay(rig: Rig) -> None:
    elsewhere = Memory(SLOT)
    elsewhere.view[: len(packet())] = packet()
    rig.port.queue = [elsewhere.address, len(packet())]
    assert rig.entrance.take(rig.port, rig.memory) == []
    assert rig.port.queue == [elsewhere.address, len(packet())]
