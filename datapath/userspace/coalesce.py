"""TCP segments that came through a tunnel one after the other → one super-frame.

Rule: a super-frame's checksum is computed from those of its segments, not from the payload: if one was
damaged on the way, the receiver's check of the whole fails, as its check of the one would have.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from datapath.packet import headers as h
from datapath.packet.checksum import ones_sum, pseudo_sum

MAX_FRAME = 65535
_U16, _U32 = struct.Struct("!H"), struct.Struct("!I")
_MAY_DIFFER = h.TCP_PSH  # the only flag in which segments that are merged may differ
_MERGEABLE = h.TCP_ACK | h.TCP_PSH


class Piece(NamedTuple):
    """A frame in memory."""

    start: int
    length: int


class Super(NamedTuple):
    """Frames merged: a header of its own, then the payloads where they are in memory."""

    vnet: h.Vnet
    header: bytes
    payloads: list[Piece]


class _Candidate(NamedTuple):
    """A plain TCP-over-IPv4 segment, taken apart."""

    same: bytes  # what must be equal in all segments of one super-frame
    seq: int
    flags: int
    payload: Piece
    unsummed: int  # the complement of the checksum: the sum of everything it covers
    covered: int  # the sum of the headers it covers


def coalesce(memory: memoryview, pieces: Sequence[Piece]) -> list[Piece | Super]:
    """Merge neighbours where they continue each other; everything else is returned as it came, in order."""
    done: list[Piece | Super] = []
    run: list[tuple[Piece, _Candidate]] = []
    for piece in pieces:
        candidate = _candidate(memory[piece.start : piece.start + piece.length], piece.start)
        if run and not (candidate and _continues(run, candidate)):
            done.append(_merged(memory, run))
            run = []
        if candidate is None:
            done.append(piece)
        else:
            run.append((piece, candidate))
    if run:
        done.append(_merged(memory, run))
    return done


def _candidate(frame: memoryview, start: int) -> _Candidate | None:
    if len(frame) < 55 or bytes(frame[12:15]) != b"\x08\x00\x45" or frame[23] != h.IPPROTO_TCP:
        return None
    if frame[20] & 0x3F or frame[21] or _U16.unpack_from(frame, 16)[0] + 14 != len(frame):
        return None
    word = _U16.unpack_from(frame, 46)[0]
    payload = 34 + (word >> 12) * 4
    if payload < 54 or payload >= len(frame) or payload & 1 or word & 0xFFF & ~_MERGEABLE:
        return None
    same = bytes(frame[:16]) + bytes(frame[22:24]) + bytes(frame[26:38]) + bytes(frame[42:46])
    same += bytes(frame[48:50]) + bytes(frame[52:payload]) + bytes((payload,))
    size = len(frame) - 34
    covered = pseudo_sum(bytes(frame[26:30]), bytes(frame[30:34]), h.IPPROTO_TCP, size)
    unsummed = _U16.unpack_from(frame, 50)[0] ^ 0xFFFF
    covered = ones_sum(frame[34:50], covered) + ones_sum(frame[52:payload])
    seq = _U32.unpack_from(frame, 38)[0]
    return _Candidate(
        same, seq, word & 0xFFF, Piece(start + payload, len(frame) - payload), unsummed, covered
    )


def _continues(run: list[tuple[Piece, _Candidate]], candidate: _Candidate) -> bool:
    first, last = run[0][1], run[-1][1]
    return (
        candidate.same == first.same
        and candidate.seq == (last.seq + last.payload.length) & 0xFFFFFFFF
        and last.payload.length == first.payload.length
        and candidate.payload.length <= first.payload.length
        and not last.payload.length & 1
        and not last.flags & h.TCP_PSH
        and (len(run) + 2) * first.payload.length < MAX_FRAME - 128
    )


def _merged(memory: memoryview, run: list[tuple[Piece, _Candidate]]) -> Piece | Super:
    piece, first = run[0]
    if len(run) == 1:
        return piece
    last = run[-1][1]
    payloads = [candidate.payload for _, candidate in run]
    header = bytearray(memory[piece.start : first.payload.start])
    length = len(header) - 14 + sum(payload.length for payload in payloads)
    _U16.pack_into(header, 16, length)
    _U16.pack_into(header, 24, 0)
    _U16.pack_into(header, 24, ones_sum(header[14:34]) ^ 0xFFFF)
    _U16.pack_into(header, 46, first.flags | last.flags | (len(header) - 34) << 10)
    _U16.pack_into(header, 50, 0)
    payload_sum = sum(0xFFFF - candidate.covered % 0xFFFF + candidate.unsummed for _, candidate in run)
    shared = pseudo_sum(bytes(header[26:30]), bytes(header[30:34]), h.IPPROTO_TCP, length - 20)
    _U16.pack_into(header, 50, ones_sum(header[34:], shared + payload_sum) ^ 0xFFFF)
    vnet = h.Vnet(0, h.VNET_GSO_TCPV4, len(header), first.payload.length)
    return Super(vnet, bytes(header), payloads)
