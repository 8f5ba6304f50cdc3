"""What comes through a tunnel: outer headers off, segments merged.

Rule: what was merged stays where it was received, with a header of its own beside. A frame that is alone is
copied behind a virtio header, so that it is forwarded in batches as a device's frames are: the copy takes
0.1 us, a system call for each frame 1.5.
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
from datapath.userspace.batch import SLOT, Receiver
from datapath.userspace.cache import WINDOW
from datapath.userspace.coalesce import Run, may_merge
from datapath.userspace.offload import offload_of
from datapath.userspace.ports import Parts
from datapath.userspace.tunnel_header import FOREIGN, is_gre, parse_header

_SLOTS_RAW, _SLOTS_UDP = 32, 8  # over UDP the kernel puts up to 64 packets into one slot
_CONTROL, _NAME = 256, 28
_FIXED = 8  # bytes of a header of VXLAN, of Geneve without options, of GRE with a key
_BESIDE = 8192  # for the headers of 64 packets in one slot, beside what they carry
_IP_LEN = 20
_VARYING = sum((1 << size * 8) - 1 << (_IP_LEN - at - size) * 8 for at, size in ((2, 2), (4, 2), (10, 2)))
_SAME = (1 << _IP_LEN * 8) - 1 ^ _VARYING  # an IP header without length, identification and checksum
_CMSG = struct.Struct("=Qii")
_SOCKADDR6 = struct.Struct("=H2s4s16s4x")  # of which struct sockaddr_in fills the first half
_MAPPED = 0xFFFF << 32  # an IPv4 address on a socket of IPv6: ::ffff:a.b.c.d

Outer = tuple[int, int, int, int, int, int]  # family, source, destination, tos, ttl, source port


class Merged(NamedTuple):
    """Frames that came through a tunnel, merged into one; valid until the next receive()."""

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


class Frames(NamedTuple):
    """Frames that came through a tunnel one after the other; valid until the next receive()."""

    metadata: FlowKey  # the outer header of each
    frames: list[
        tuple[int, int]
    ]  # where each virtio header begins in TunnelReceiver.memory, and its length on


class TunnelReceiver:
    """Takes frames from the socket of one kind of tunnel."""

    def __init__(self, kind: str, port: int, family: int = socket.AF_INET) -> None:
        self.malformed = 0
        self._kind, self._port = kind, port
        self._is_gre = is_gre(kind)
        self._has_ip = self._is_gre and family == socket.AF_INET  # packets come with their IP header
        slots = _SLOTS_RAW if self._is_gre else _SLOTS_UDP
        self._receiver = Receiver(slots, control=_CONTROL, name=_NAME)
        self.memory = syscalls.Memory(slots * (SLOT + _BESIDE))
        self._used = 0
        # The last headers seen, where packets with the same ones need no second look: 8 µs a packet, not 10.
        self._known: tuple[Outer, bytes] | None = None
        self._header, self._metadata = 0, NO_FIELDS  # and what they say
        self._ip: tuple[int, Outer, int] = (
            0,
            (0, 0, 0, 0, 0, 0),
            0,
        )  # the last IP header, what it says, its length
        self._beside: tuple[bytes, bytes, Outer, int] = b"", b"", (0, 0, 0, 0, 0, 0), 0  # likewise

    def receive(self, descriptor: int) -> list[Merged | Frames]:
        """Take waiting packets, unpacked and merged. Raises OSError."""
        lengths = self._receiver.receive(descriptor)
        arrivals: list[Merged | Frames] = []
        view, data, starts = self._receiver.memory.view, self._receiver.memory.bytes, self._receiver.starts
        run: Run | None = None
        came, metadata = None, NO_FIELDS
        self._used = 0
        for slot, length in enumerate(lengths):
            start = starts[slot]
            outer, skip, size = self._outer(slot, start, length)
            for at in range(start, start + length, size):
                room = min(size, start + length - at)
                if run:
                    if outer == came and run.accepts(at, room):
                        continue
                    self._finish(run, metadata, arrivals)
                    run = None
                inner = self._unpack(outer, at, room, skip)
                if not inner:
                    continue
                if may_merge(data, at + inner):
                    run, metadata, came = Run(view, at, room, inner, outer=bool(skip)), self._metadata, outer
                else:
                    self._keep(at + inner, room - inner, self._metadata, arrivals)
        if run:
            self._finish(run, metadata, arrivals)
        return arrivals

    def _unpack(self, outer: Outer, start: int, length: int, skip: int) -> int:
        """Take the headers of a packet off; return where its frame begins, 0 where there is none for us."""
        memory = self._receiver.memory
        front = bytes(memory.view[start + skip : start + skip + _FIXED])
        known = self._known
        if known is None or known[1] != front or known[0] != outer:
            header = parse_header(self._kind, memory.view[start + skip : start + length])
            if header is FOREIGN:
                return 0
            if header is None or length - skip - header.length < h.ETH_HEADER_LEN:
                self.malformed += 1
                return 0
            self._header = header.length
            self._metadata = _metadata(*outer, self._port, header.tun_id, header.flags)
            # A checksum has to be verified in each packet; over UDP the host has done it.
            again = header.length <= _FIXED and not header.flags & TUN_CSUM
            self._known = (outer, front) if again else None
        elif length - skip < self._header + h.ETH_HEADER_LEN:
            self.malformed += 1
            return 0
        return skip + self._header

    def _outer(self, slot: int, start: int, length: int) -> tuple[Outer, int, int]:
        """Parse what is outside the tunnel header; return it, its length, the size of each packet here."""
        if self._has_ip:
            word = int.from_bytes(self._receiver.memory.view[start : start + _IP_LEN], "big") & _SAME
            if word != self._ip[0]:
                self._ip = word, self._outer_ip(start), (word >> _IP_LEN * 8 - 8 & 15) * 4
            return self._ip[1], self._ip[2], max(length, 1)
        name, control = self._receiver.name(slot), self._receiver.control(slot)
        if self._beside[0] != name or self._beside[1] != control:
            self._beside = name, control, *self._outer_beside(name, control)
        return self._beside[2], 0, self._beside[3] or max(length, 1)

    def _outer_ip(self, start: int) -> Outer:
        _, tos, _, _, _, ttl, _, _, src, dst = h.IPV4.unpack_from(self._receiver.memory.bytes, start)
        return socket.AF_INET, src, dst, tos, ttl, 0

    def _outer_beside(self, name: bytes, control: bytes) -> tuple[Outer, int]:
        """Parse what came beside a message; the size is 0 where the kernel put nothing together."""
        family, port, v4, v6 = _SOCKADDR6.unpack_from(name)
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

    def _finish(self, run: Run, metadata: FlowKey, arrivals: list[Merged | Frames]) -> None:
        """Take what a run has become, with a virtio header in front."""
        start = run.start + run.inner
        merged = run.merged()
        if merged is None:
            self._keep(start, run.length - run.inner, metadata, arrivals)
            return
        received = self._receiver.memory
        front = h.VNET.pack(*merged.vnet) + merged.header
        parts = [self.memory.address + self._used, len(front)]
        self.memory.view[self._used : self._used + len(front)] = front
        self._used += len(front)
        for payload, size in merged.payloads:
            parts += (received.address + payload, size)
        octets = sum(parts[1::2]) - h.VNET_LEN
        arrivals.append(Merged(metadata, merged.vnet, received.view[start : start + WINDOW], octets, parts))

    def _keep(self, start: int, length: int, metadata: FlowKey, arrivals: list[Merged | Frames]) -> None:
        """Copy a frame behind a virtio header, beside the one before where that came by the same tunnel."""
        frame = self._receiver.memory.view[start : start + length]
        vnet = offload_of(frame)
        at, view = self._used, self.memory.view
        middle = at + h.VNET_LEN
        end = self._used = middle + length
        view[at:middle] = _NO_OFFLOAD if vnet is h.NO_VNET else h.VNET.pack(*vnet)
        view[middle:end] = frame
        last = arrivals[-1] if arrivals else None
        if isinstance(last, Frames) and last.metadata is metadata:
            last.frames.append((at, end - at))
        else:
            arrivals.append(Frames(metadata, [(at, end - at)]))


_NO_OFFLOAD = bytes(h.VNET_LEN)


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
