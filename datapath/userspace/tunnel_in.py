"""What comes through a tunnel: outer headers off, segments merged.

Rule: a frame stays where it was received; what is made anew (virtio headers, headers of merged frames) lies
beside.
"""

from __future__ import annotations

import ctypes
import functools
import socket
import struct
from typing import NamedTuple

from datapath.packet import headers as h
from datapath.packet.flowkey import NO_FIELDS, TUN_CSUM, FlowKey
from datapath.userspace import syscalls
from datapath.userspace.batch import Receiver
from datapath.userspace.cache import WINDOW
from datapath.userspace.coalesce import Run
from datapath.userspace.offload import offload_of
from datapath.userspace.ports import Parts
from datapath.userspace.tunnel_header import FOREIGN, is_gre, parse_header

_SLOTS_RAW, _SLOTS_UDP = 32, 8  # over UDP the kernel puts up to 64 packets into one slot
_CONTROL, _NAME = 256, 28
_FIXED = 8  # bytes of a header of VXLAN, of Geneve without options, of GRE with a key
_FRONT = 1 << 17  # ample for 8 messages of 64 segments of which none merges
_CMSG = struct.Struct("=Qii")
_SOCKADDR6 = struct.Struct("=H2s4s16s4x")  # of which struct sockaddr_in fills the first half
_MAPPED = 0xFFFF << 32  # an IPv4 address on a socket of IPv6: ::ffff:a.b.c.d

Outer = tuple[int, int, int, int, int, int]  # family, source, destination, tos, ttl, source port


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

    def __init__(self, kind: str, port: int, family: int = socket.AF_INET) -> None:
        self.malformed = 0
        self._kind, self._port = kind, port
        self._is_gre = is_gre(kind)
        self._has_ip = self._is_gre and family == socket.AF_INET  # packets come with their IP header
        self._receiver = Receiver(_SLOTS_RAW if self._is_gre else _SLOTS_UDP, control=_CONTROL, name=_NAME)
        self._front = syscalls.Memory(_FRONT)
        self._used = 0
        # The last headers seen, where packets with the same ones need no second look: 8 µs a packet, not 10.
        self._known: tuple[Outer, bytes] | None = None
        self._header, self._metadata = 0, NO_FIELDS  # and what they say

    def receive(self, descriptor: int) -> list[Arrival]:
        """Take waiting packets, unpacked and merged. Raises OSError."""
        lengths = self._receiver.receive(descriptor)
        arrivals: list[Arrival] = []
        run: Run | None = None
        came, metadata = None, NO_FIELDS
        self._used = 0
        for slot, length in enumerate(lengths):
            outer, size = self._outer(slot, length)
            start = self._receiver.starts[slot]
            for at in range(start, start + length, size):
                room = min(size, start + length - at)
                if run and outer == came and run.accepts(at, room):
                    continue
                if run:
                    arrivals.append(self._arrival(run, metadata))
                run, metadata = self._begin(outer, at, room)
                came = outer
        if run:
            arrivals.append(self._arrival(run, metadata))
        return arrivals

    def _begin(self, outer: Outer, start: int, length: int) -> tuple[Run | None, FlowKey]:
        """Take a packet apart that continues no other."""
        memory = self._receiver.memory
        skip = (memory.bytes[start] & 15) * 4 if self._has_ip else 0
        front = bytes(memory.view[start + skip : start + skip + _FIXED])
        if self._known != (outer, front):
            header = parse_header(self._kind, memory.view[start + skip : start + length])
            if header is FOREIGN:
                return None, NO_FIELDS
            if header is None or length - skip - header.length < h.ETH_HEADER_LEN:
                self.malformed += 1
                return None, NO_FIELDS
            self._header = header.length
            self._metadata = _metadata(*outer, self._port, header.tun_id, header.flags)
            # A checksum has to be verified in each packet; over UDP the host has done it.
            again = header.length <= _FIXED and not header.flags & TUN_CSUM
            self._known = (outer, front) if again else None
        elif length - skip < self._header + h.ETH_HEADER_LEN:
            self.malformed += 1
            return None, NO_FIELDS
        return Run(memory.view, start, length, skip + self._header, outer=bool(skip)), self._metadata

    def _outer(self, slot: int, length: int) -> tuple[Outer, int]:
        """Parse what is outside the tunnel header; return it, and the size of each packet put together."""
        if self._has_ip:
            return self._outer_ip(self._receiver.starts[slot]), max(length, 1)
        outer, size = self._outer_beside(slot)
        return outer, size or max(length, 1)

    def _outer_ip(self, start: int) -> Outer:
        _, tos, _, _, _, ttl, _, _, src, dst = h.IPV4.unpack_from(self._receiver.memory.bytes, start)
        return socket.AF_INET, src, dst, tos, ttl, 0

    def _outer_beside(self, slot: int) -> tuple[Outer, int]:
        """Parse what came beside a message; the size is 0 where the kernel put nothing together."""
        family, port, v4, v6 = _SOCKADDR6.unpack_from(self._receiver.name(slot))
        control = self._receiver.control(slot)
        dst = tos = ttl = size = at = 0
        while at + _CMSG.size <= len(control):
            length, level, kind = _CMSG.unpack_from(control, at)
            data = control[at + _CMSG.size : at + length]
            if level == syscalls.SOL_UDP:
                size = int.from_bytes(data, "little")
            elif level == socket.IPPROTO_IPV6:
                if kind == socket.IPV6_PKTINFO:
                    dst = int.from_bytes(data[:16], "big")
                elif kind == socket.IPV6_HOPLIMIT:
                    ttl = data[0]
                elif kind == socket.IPV6_TCLASS:
                    tos = data[0]
            elif kind == syscalls.IP_PKTINFO:
                dst = int.from_bytes(data[8:12], "big")
            elif kind == socket.IP_TTL:
                ttl = data[0]
            elif kind == socket.IP_TOS:
                tos = data[0]
            at += max(length + 7 & ~7, _CMSG.size)
        if family == socket.AF_INET:
            src = int.from_bytes(v4, "big")
        else:
            src = int.from_bytes(v6, "big")
            if src >> 32 == _MAPPED >> 32:
                family, src, dst = socket.AF_INET, src & 0xFFFFFFFF, dst & 0xFFFFFFFF
        source_port = 0 if self._is_gre else int.from_bytes(port, "big")
        return (family, src, dst, tos, ttl, source_port), size

    def _arrival(self, run: Run, metadata: FlowKey) -> Arrival:
        """Put a virtio header in front of what a run has become."""
        memory, start, length = self._receiver.memory, run.start + run.inner, run.length - run.inner
        if merged := run.merged():
            vnet, header, payloads = merged
        else:
            vnet, header = offload_of(memory.view[start : start + length]), b""
            payloads = [(start, length)]
        front = h.VNET.pack(*vnet) + header
        parts = [self._front.address + self._used, len(front)]
        self._front.view[self._used : self._used + len(front)] = front
        self._used += len(front)
        for payload, size in payloads:
            parts += (memory.address + payload, size)
        octets = sum(parts[1::2]) - h.VNET_LEN
        return Arrival(metadata, vnet, memory.view[start : start + WINDOW], octets, parts)


@functools.lru_cache(maxsize=1024)  # equal headers give the same object: frames that may be merged have one
def _metadata(
    family: int, src: int, dst: int, tos: int, ttl: int, tp_src: int, tp_dst: int, tun_id: int, flags: int
) -> FlowKey:
    return FlowKey(
        tun_proto=int(family),
        tun_id=tun_id,
        tun_src=src,
        tun_dst=dst,
        tun_tos=tos,
        tun_ttl=ttl,
        tun_flags=flags,
        tun_tp_src=tp_src,
        tun_tp_dst=tp_dst,
    )
