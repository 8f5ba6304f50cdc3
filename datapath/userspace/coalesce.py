"""TCP segments that came through a tunnel one after the other → one super-frame.

Rule: a super-frame's checksum is computed from those of its segments, not from the payload: if one was
damaged on the way, the receiver's check of the whole fails, as its check of the one would have.

The headers of segments that belong together are equal but for a few fields, so that a segment is compared
with the first one as a number: 2 us for each, where parsing it takes 20.
"""

from __future__ import annotations

import functools
import struct
from typing import NamedTuple

from datapath.packet import headers as h
from datapath.packet.checksum import ones_sum, pseudo_sum

_MAX_PAYLOAD = 65535 - 160  # of a super-frame
_MAX_SEGMENTS = 200  # of it; each is a part of the message by which it is sent
_U16, _U32 = struct.Struct("!H"), struct.Struct("!I")
_MERGEABLE = h.TCP_ACK | h.TCP_PSH
_INNER_FIELDS = ((16, 2), (18, 2), (24, 2), (38, 4), (50, 2))  # lengths, ids, checksums and seq may differ
_OUTER_FIELDS = ((2, 2), (4, 2), (10, 2))
_TCP_FLAGS_AT = 47


def may_merge(data: bytearray, at: int) -> bool:
    """Tell whether a frame, which begins here, looks as if others could continue it: TCP over IPv4."""
    return data[at + 23] == h.IPPROTO_TCP and data[at + 14] == 0x45 and data[at + 12] == 0x08


class Super(NamedTuple):
    """Frames merged: a header of its own, then the payloads where they are in memory."""

    vnet: h.Vnet
    header: bytes
    payloads: list[tuple[int, int]]  # start, length


class Run:
    """A packet from a tunnel, and those that continue it.

    A packet begins with its tunnel header (or, where `outer` is set, with the IP header in front of that);
    its frame begins `inner` bytes further on.
    """

    def __init__(self, memory: memoryview, start: int, length: int, inner: int, *, outer: bool) -> None:
        self.memory, self.start, self.length, self.inner = memory, start, length, inner
        self.payloads: list[tuple[int, int]] = []
        self.mergeable = self._prepare(outer)

    def _prepare(self, outer: bool) -> bool:
        """Take the first packet apart; false where nothing can be merged with it."""
        frame = self.memory[self.start + self.inner : self.start + self.length]
        if len(frame) < 56 or bytes(frame[12:15]) != b"\x08\x00\x45" or frame[23] != h.IPPROTO_TCP:
            return False
        if frame[20] & 0x3F or frame[21] or _U16.unpack_from(frame, 16)[0] + 14 != len(frame):
            return False
        word = _U16.unpack_from(frame, 46)[0]
        header = 34 + (word >> 12) * 4
        size = len(frame) - header
        if header < 54 or size < 2 or size & 1 or word & 0xFFF & ~_MERGEABLE or word & h.TCP_PSH:
            return False
        self.size, self.flags = size, word
        self.room = self.most = min(_MAX_PAYLOAD, size * _MAX_SEGMENTS)
        self.compared = self.inner + header
        self.seq = _U32.unpack_from(frame, 38)[0]
        self.next_seq = self.seq
        same = ones_sum(frame[34:38], ones_sum(frame[42:50], ones_sum(frame[52:header])))
        addresses = bytes(frame[26:30]), bytes(frame[30:34])
        self.same = same + pseudo_sum(*addresses, h.IPPROTO_TCP, header - 34)  # without seq and payload
        self.checksums = self.covered = 0
        self._lay_out(outer)
        self.template = int.from_bytes(self.memory[self.start : self.start + self.compared], "big")
        self.blank = self.template & ~(0xFFFFFFFF << self.at_seq)
        self._take(self.start, size, self.template, 0)
        return True

    def _lay_out(self, outer: bool) -> None:
        """Find where the fields are in the number that a header is."""
        self.mask, self.whole_mask, self.at_push, self.at_length, self.at_seq, self.at_checksum = _layout(
            self.inner, self.compared, outer
        )

    def _take(self, start: int, size: int, header: int, push: int) -> None:
        self.payloads.append((start + self.compared, size))
        self.checksums += header >> self.at_checksum & 0xFFFF ^ 0xFFFF
        self.covered += self.same + size + self.next_seq + push  # what a checksum covers beside the payload
        self.room -= size
        self.next_seq = self.next_seq + size & 0xFFFFFFFF
        self.expected = self.blank | self.next_seq << self.at_seq

    def accepts(self, start: int, length: int) -> bool:
        """Add a packet if it continues the run."""
        if not self.mergeable or not 0 < (size := length - self.compared) <= min(self.size, self.room):
            return False
        header = int.from_bytes(self.memory[start : start + self.compared], "big")
        if size == self.size and not (header ^ self.expected) & self.whole_mask:
            self._take(start, size, header, 0)
            return True
        seq = header >> self.at_seq & 0xFFFFFFFF
        if (header ^ self.template) & self.mask or seq != self.next_seq:
            return False
        if (header >> self.at_length & 0xFFFF) + 14 != length - self.inner:
            return False
        push = header >> self.at_push & h.TCP_PSH
        self._take(start, size, header, push)
        if push or size < self.size:
            self.flags |= push
            self.mergeable = False
        return True

    def merged(self) -> Super | None:
        """Return the super-frame; None where there is only the first packet."""
        if len(self.payloads) < 2:
            return None
        header = bytearray(self.memory[self.start + self.inner : self.start + self.compared])
        payload = self.most - self.room
        _U16.pack_into(header, 16, len(header) - 14 + payload)
        _U16.pack_into(header, 24, 0)
        _U16.pack_into(header, 24, ones_sum(header[14:34]) ^ 0xFFFF)
        _U16.pack_into(header, 46, self.flags)
        payload_sum = self.checksums - self.covered
        total = self.same + payload + self.seq + (self.flags & h.TCP_PSH) + payload_sum
        _U16.pack_into(header, 50, total % 0xFFFF ^ 0xFFFF)
        return Super(h.Vnet(0, h.VNET_GSO_TCPV4, len(header), self.size), bytes(header), self.payloads)


@functools.lru_cache(maxsize=256)
def _layout(inner: int, end: int, outer: bool) -> tuple[int, int, int, int, int, int]:
    """Return what is compared of a header with any segment's, with a whole one's; then shifts of fields."""
    mask = (1 << end * 8) - 1
    fields = [(inner + at, size) for at, size in _INNER_FIELDS] + list(_OUTER_FIELDS if outer else ())
    for at, size in fields:
        mask ^= (1 << size * 8) - 1 << (end - at - size) * 8
    at_push = (end - inner - _TCP_FLAGS_AT - 1) * 8
    at_length, at_seq, at_checksum = (
        (end - inner - at - size) * 8 for at, size in ((16, 2), (38, 4), (50, 2))
    )
    whole = mask | 0xFFFFFFFF << at_seq | 0xFFFF << at_length
    return mask ^ h.TCP_PSH << at_push, whole, at_push, at_length, at_seq, at_checksum
