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
from datapath.userspace.offload import is_complete, offload_of
from datapath.userspace.ports import Parts
from datapath.userspace.syscalls import Memory
from datapath.userspace.tunnel_header import FOREIGN, is_gre, parse_header

_SLOTS_RAW, _SLOTS_UDP = 32, 8  # over UDP the kernel puts up to 64 packets into one slot
_CONTROL, _NAME = 256, 28
_FIXED = 8  # bytes of a header of VXLAN, of Geneve without options, of GRE with a key
_BESIDE = 8192  # for the headers of 64 packets in one slot, beside what they carry
_IP_LEN = 20
_VARYING = sum((1 << size * 8) - 1 << (_IP_LEN - at - size) * 8 for at, size in ((2, 2), (4, 2), (10, 2)))
_SAME = (1 << (_IP_LEN + _FIXED) * 8) - 1 ^ _VARYING << _FIXED * 8  # no length, identification, checksum
_CMSG = struct.Struct("=Qii")
_SOCKADDR6 = struct.Struct("=H2s4s16s4x")  # of which struct sockaddr_in fills the first half
_MAPPED = 0xFFFF << 32  # an IPv4 address on a socket of IPv6: ::ffff:a.b.c.d

Place = tuple[int, int]  # where something begins in memory, and its length
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
    frames: list[Place]  # in TunnelReceiver.memory, from the virtio header on


class TunnelReceiver:
    """Takes frames from the socket of one kind of tunnel."""

    def __init__(self, kind: str, port: int, family: int = socket.AF_INET) -> None:
        self.malformed = 0
        self._kind, self._port = kind, port
        self._is_gre = is_gre(kind)
        self._has_ip = self._is_gre and family == socket.AF_INET  # packets come with their IP header
        slots = _SLOTS_RAW if self._is_gre else _SLOTS_UDP
        self._receiver = Receiver(slots, control=_CONTROL, name=_NAME)
        self.memory = Memory(2 * slots * (SLOT + _BESIDE))  # of what was received, and of what was accepted
        self._from = self._receiver.memory
        self._used = 0
        # The last headers seen, where packets with the same ones need no second look: 8 µs a packet, not 10.
        self._known: tuple[Outer, bytes] | None = None
        self._header, self._metadata = 0, NO_FIELDS  # and what they say
        self._word = 0  # the same headers and the IP header in front as a number, where that is to be had
        # The last that came beside a message, and what it says.
        self._beside: tuple[bytes, bytes, Outer, int] = b"", b"", (0, 0, 0, 0, 0, 0), 0
        self._arrivals: list[Merged | Frames] = []
        self._open: Frames | None = None  # the last of them, where frames can be added
        self._run_metadata = NO_FIELDS  # of the packets that are looked at

    def receive(self, descriptor: int) -> list[Merged | Frames]:
        """Take waiting packets, unpacked and merged. Raises OSError."""
        lengths = self._receiver.receive(descriptor)
        self._used = 0
        self._from = self._receiver.memory
        return self._take(list(zip(self._receiver.starts, lengths, strict=False)))

    def accept(self, memory: Memory, packets: list[Place]) -> list[Merged | Frames]:
        """Take IPv4 packets that lie in other memory, likewise, beside what was accepted before."""
        self._from = memory
        return self._take(packets)

    def release(self) -> None:
        """Use the memory again for what is accepted next."""
        self._used = 0

    def _take(self, packets: list[Place]) -> list[Merged | Frames]:
        self._arrivals, self._open = [], None
        take = self._take_with_ip if self._has_ip else self._take_beside
        run = take(packets)
        if run:
            self._finish(run)
        return self._arrivals

    def _take_with_ip(self, packets: list[Place]) -> Run | None:
        """Take packets that have their IP header; return the run that the last one belongs to."""
        view, run = self._from.view, None
        for start, length in packets:
            if run:
                if run.accepts(start, length):  # which compares outer headers as well
                    continue
                self._finish(run)
                run = None
            word = int.from_bytes(view[start : start + _IP_LEN + _FIXED], "big") & _SAME
            if word == self._word and length >= _IP_LEN + self._header + h.ETH_HEADER_LEN:
                inner = _IP_LEN + self._header
            else:
                skip = (view[start] & 15) * 4
                inner = self._unpack(self._outer_ip(start), start, length, skip)
                self._word = word if inner and self._known and skip == _IP_LEN else 0
            if inner:
                run = self._begin(start, length, inner, outer=True)
        return run

    def _take_beside(self, packets: list[Place]) -> Run | None:
        """Take packets whose IP header came beside them, several of one size in each message; likewise."""
        run: Run | None = None
        came: Outer | None = None
        for slot, (start, length) in enumerate(packets):
            outer, size = self._outer(slot)
            size = size or max(length, 1)
            for at in range(start, start + length, size):
                room = min(size, start + length - at)
                if run:
                    if outer == came and run.accepts(at, room):
                        continue
                    self._finish(run)
                    run = None
                if inner := self._unpack(outer, at, room, 0):
                    run, came = self._begin(at, room, inner, outer=False), outer
        return run

    def _begin(self, start: int, length: int, inner: int, *, outer: bool) -> Run | None:
        """Begin a run with a packet, if it is of those that are merged, and keep it else."""
        self._run_metadata = self._metadata
        if may_merge(self._from.bytes, start + inner):
            return Run(self._from.view, start, length, inner, outer=outer)
        self._keep(start + inner, length - inner)
        return None

    def _unpack(self, outer: Outer, start: int, length: int, skip: int) -> int:
        """Take the headers of a packet off; return where its frame begins, 0 where there is none for us."""
        memory = self._from
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

    def _outer(self, slot: int) -> tuple[Outer, int]:
        """Parse what came beside a message, if it is not the same as last time."""
        name, control = self._receiver.name(slot), self._receiver.control(slot)
        if self._beside[0] != name or self._beside[1] != control:
            self._beside = name, control, *self._outer_beside(name, control)
        return self._beside[2:]

    def _outer_ip(self, start: int) -> Outer:
        _, tos, _, _, _, ttl, _, _, src, dst = h.IPV4.unpack_from(self._from.bytes, start)
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

    def _finish(self, run: Run) -> None:
        """Take what a run has become, with a virtio header in front."""
        start = run.start + run.inner
        merged = run.merged()
        if merged is None:
            self._keep(start, run.length - run.inner)
            return
        received = self._from
        front = h.VNET.pack(*merged.vnet) + merged.header
        parts = [self.memory.address + self._used, len(front)]
        self.memory.view[self._used : self._used + len(front)] = front
        self._used += len(front)
        for payload, size in merged.payloads:
            parts += (received.address + payload, size)
        octets = sum(parts[1::2]) - h.VNET_LEN
        window = received.view[start : start + WINDOW]
        self._arrivals.append(Merged(self._run_metadata, merged.vnet, window, octets, parts))
        self._open = None

    def _keep(self, start: int, length: int) -> None:
        """Copy a frame behind a virtio header, beside the one before where that came by the same tunnel."""
        frame = self._from.view[start : start + length]
        vnet = h.NO_VNET if is_complete(self._from.bytes, start, length) else offload_of(frame)
        at, view = self._used, self.memory.view
        middle = at + h.VNET_LEN
        end = self._used = middle + length
        view[at:middle] = _NO_OFFLOAD if vnet is h.NO_VNET else h.VNET.pack(*vnet)
        view[middle:end] = frame
        last = self._open
        if last is None or last.metadata is not self._run_metadata:
            last = self._open = Frames(self._run_metadata, [])
            self._arrivals.append(last)
        last.frames.append((at, end - at))


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
