"""Outer packets that pass by the host's stack, to be forwarded as if a bridge's port had sent them.

Rule: bytes alone; which packets, and whereto, the underlay knows. A packet is copied, so that what it was
made from may be used again at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from datapath.packet import headers as h
from datapath.userspace.cache import WINDOW
from datapath.userspace.ports import TapPort
from datapath.userspace.syscalls import Memory

_SIZE = 8 << 20  # a batch of super-frames in segments, with ample room for their headers
_IP_LEN, _IP_AT = 20, h.ETH_HEADER_LEN
_FRONT_LEN = h.VNET_LEN + h.ETH_HEADER_LEN + _IP_LEN
_AT_TOTAL, _AT_ID, _AT_CHECKSUM = (8 * (_IP_LEN - at - 2) for at in (2, 4, 10))


class Way(NamedTuple):
    """How an outer packet leaves by a bridge of ours."""

    port: TapPort  # the bridge's own, from which the packet seems to come
    front: int  # everything in front of the tunnel's header, as a number, without what differs
    ip_sum: int  # of the IP header likewise
    is_whole: bool  # DF is set, so that identifications need not differ (RFC 6864)
    differing: int  # the bits of a cache's window (cache.py) in which such packets may differ


Piece = tuple[bytes, int, int]  # octets behind the IP header, then a range of memory: its start, its length


class OuterFrames:
    """Frames with virtio headers, by the way that they take."""

    def __init__(self) -> None:
        self.memory = Memory(_SIZE)
        self._used = 0
        self._number = 0
        self._waiting: dict[int, tuple[Way, list[tuple[int, int]]]] = {}

    def put(self, way: Way, view: memoryview, pieces: Sequence[Piece], limit: int) -> int:
        """Make packets until one has more than `limit` bytes behind IP, or memory ends; return how many."""
        into, base, ip_sum, is_whole = self.memory.view, way.front, way.ip_sum, way.is_whole
        waiting = self._waiting.setdefault(id(way), (way, []))[1]
        at, last, head = self._used, -1, b""
        for count, (own, start, length) in enumerate(pieces):
            size = len(own) + length
            body = at + _FRONT_LEN + len(own)
            end = body + length
            if size > limit or end > _SIZE:
                return count
            if size != last or not is_whole:
                total, number = _IP_LEN + size, 0
                if not is_whole:
                    number = self._number = self._number + 1 & 0xFFFF
                value = (ip_sum + total + number) % 0xFFFF ^ 0xFFFF
                filled = base | total << _AT_TOTAL | number << _AT_ID | value << _AT_CHECKSUM
                head, last = filled.to_bytes(_FRONT_LEN, "big"), size
            into[at:body] = head + own
            into[body:end] = view[start : start + length]
            waiting.append((at, end - at))
            self._used = at = end
        return len(pieces)

    def take(self) -> list[tuple[Way, list[tuple[int, int]]]]:
        """Return what was put since the last time: where each virtio header begins, and its length on."""
        waiting = [several for several in self._waiting.values() if several[1]]
        self._waiting = {}
        return waiting

    def clear(self) -> None:
        """Use the memory again: all that was in it is sent."""
        self._used = 0


def differing(header_len: int) -> int:
    """Return the bits of a window in which packets of one way and a tunnel header of this length differ."""
    octets = bytearray(WINDOW)
    for at in (2, 4, 10):  # length, identification, checksum of the IP header
        octets[_IP_AT + at : _IP_AT + at + 2] = b"\xff\xff"
    front = _IP_AT + _IP_LEN + header_len
    octets[front:] = b"\xff" * (WINDOW - front)
    return int.from_bytes(octets, "big")
