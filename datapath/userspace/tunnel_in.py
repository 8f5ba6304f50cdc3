"""What comes through a tunnel: outer headers off, segments merged.

Rule: a frame stays where it was received; what is made anew (virtio headers, headers of merged frames) lies beside.
"""

from __future__ import annotations

import ctypes
import functools
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

from datapath.packet import headers as h
from datapath.packet.flowkey import NO_FIELDS, FlowKey
from datapath.userspace import syscalls
from datapath.userspace.batch import Receiver
from datapath.userspace.cache import WINDOW
from datapath.userspace.coalesce import Piece, Super, coalesce
from datapath.userspace.offload import offload_of
from datapath.userspace.ports import Parts
from datapath.userspace.tunnel_header import parse_header

_SLOTS = 8
_CONTROL, _NAME = 128, 16
_FRONT = 1 << 17  # ample for 8 messages of 64 segments, none of which merges
_CMSG = struct.Struct("=Qii")
_SOCKADDR = struct.Struct("=H2s4s8x")


class Arrival(NamedTuple):
    """A frame that came through a tunnel, or several merged into one; valid until the next receive()."""

    metadata: FlowKey  # the outer header
    vnet: h.Vnet
    window: memoryview  # the first bytes, and what happens to be behind them
    length: int
    parts: Parts  # the first begins with the virtio header

    def frame(self) -> bytes:
        """Return the frame in one piece."""
        parts = self.parts
        pieces = (ctypes.string_at(parts[at], parts[at + 1]) for at in range(0, len(parts), 2))
        return b"".join(pieces)[h.VNET_LEN :]


class TunnelReceiver:
    """Takes frames from the socket of one kind of tunnel."""

    def __init__(self, kind: str, port: int) -> None:
        self.malformed = 0
        self._kind, self._port = kind, port
        self._receiver = Receiver(_SLOTS, control=_CONTROL, name=_NAME)
        self._front = syscalls.Memory(_FRONT)
        self._used = 0

    def receive(self, descriptor: int) -> list[Arrival]:
        """Take waiting packets, unpacked and merged. Raises OSError."""
        lengths = self._receiver.receive(descriptor)
        arrivals: list[Arrival] = []
        run: list[Piece] = []
        came = NO_FIELDS
        self._used = 0
        for slot, length in enumerate(lengths):
            for metadata, piece in self._unpack(slot, length):
                if metadata is not came:
                    arrivals += self._merge(came, run)
                    run, came = [], metadata
                run.append(piece)
        arrivals += self._merge(came, run)
        return arrivals

    def _unpack(self, slot: int, length: int) -> Iterator[tuple[FlowKey, Piece]]:
        """Take one message from the socket apart: a packet, or several that the kernel put together."""
        start = self._receiver.starts[slot]
        if self._kind == "gre":
            outer, step = self._outer_gre(start)
            start += step
            length, size = length - step, length
        else:
            outer, size = self._outer_udp(slot)
        view = self._receiver.memory.view
        for at in range(start, start + length, size or max(length, 1)):
            end = min(at + (size or length), start + length)
            header = parse_header(self._kind, view[at:end])
            if header is None or end - at - header.length < h.ETH_HEADER_LEN:
                self.malformed += 1
                continue
            piece = Piece(at + header.length, end - at - header.length)
            yield _metadata(*outer, self._port, header.tun_id, header.flags), piece

    def _outer_gre(self, start: int) -> tuple[tuple[int, int, int, int, int], int]:
        """Parse the IP header in front; return source, destination, tos, ttl, 0, and its length."""
        first, tos, _, _, _, ttl, _, _, src, dst = h.IPV4.unpack_from(self._receiver.memory.bytes, start)
        return (src, dst, tos, ttl, 0), (first & 15) * 4

    def _outer_udp(self, slot: int) -> tuple[tuple[int, int, int, int, int], int]:
        """Parse what came beside a message; return the same with the source port, and the segments' size or 0."""
        _, port, address = _SOCKADDR.unpack_from(self._receiver.name(slot))
        control = self._receiver.control(slot)
        dst = tos = ttl = size = at = 0
        while at + _CMSG.size <= len(control):
            length, level, kind = _CMSG.unpack_from(control, at)
            data = control[at + _CMSG.size : at + length]
            if level == syscalls.SOL_UDP:
                size = int.from_bytes(data, "little")
            elif kind == syscalls.IP_PKTINFO:
                dst = int.from_bytes(data[8:12], "big")
            elif kind == socket.IP_TTL:
                ttl = data[0]
            elif kind == socket.IP_TOS:
                tos = data[0]
            at += max(length + 7 & ~7, _CMSG.size)
        return (int.from_bytes(address, "big"), dst, tos, ttl, int.from_bytes(port, "big")), size

    def _merge(self, metadata: FlowKey, run: list[Piece]) -> Iterator[Arrival]:
        """Merge frames of one tunnel where they continue each other, and put a virtio header in front."""
        memory = self._receiver.memory
        first = 0
        for unit in coalesce(memory.view, run):
            start = run[first].start
            if isinstance(unit, Super):
                vnet, header, payloads = unit
            else:
                vnet, header, payloads = offload_of(memory.view[start : start + unit.length]), b"", [unit]
            first += len(payloads)
            front = h.VNET.pack(*vnet) + header
            parts = [self._front.address + self._used, len(front)]
            self._front.view[self._used : self._used + len(front)] = front
            self._used += len(front)
            for payload in payloads:
                parts += (memory.address + payload.start, payload.length)
            length = sum(parts[1::2]) - h.VNET_LEN
            yield Arrival(metadata, vnet, memory.view[start : start + WINDOW], length, parts)


@functools.lru_cache(maxsize=1024)  # equal headers give the same object: frames that may be merged have one
def _metadata(
    src: int, dst: int, tos: int, ttl: int, tp_src: int, tp_dst: int, tun_id: int, flags: int
) -> FlowKey:
    return FlowKey(
        tun_proto=socket.AF_INET,
        tun_id=tun_id,
        tun_src=src,
        tun_dst=dst,
        tun_tos=tos,
        tun_ttl=ttl,
        tun_flags=flags,
        tun_tp_src=tp_src,
        tun_tp_dst=tp_dst,
    )
