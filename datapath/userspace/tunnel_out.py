"""What goes into a tunnel: super-frames cut to fit the path, headers in front, sent through the host's stack.

Rule: few system calls: small frames wait for flush(), and leave together. Over UDP a super-frame's segments,
and frames of one flow and length, are one message (UDP_SEGMENT, udp(7)); over GRE each is one of a sendmmsg.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from datapath.actions import SetTunnel
from datapath.packet import headers as h
from datapath.packet.flowkey import TUN_CSUM
from datapath.userspace import syscalls
from datapath.userspace.batch import Message, Sender
from datapath.userspace.offload import Cut, Segment, complete, locate, segments
from datapath.userspace.ports import Parts
from datapath.userspace.segmenter import MAX_SEGMENTS, Segmenter
from datapath.userspace.tunnel_header import gre_with_checksum, is_gre, numbered_header
from datapath.userspace.tunnel_path import Path, Paths, cmsg

_SOURCE_PORTS = 8  # so many flows can be told apart by what balances outer packets over links and cores
_MAX_SEGMENTS, _MAX_DATAGRAM = 64, 65507  # of one UDP_SEGMENT message
_HEADERS = 1 << 16
_U16 = struct.Struct("=H")


class Sent(NamedTuple):
    """What became of a frame."""

    packets: int
    length: int  # bytes, without outer headers
    refused: int  # packets that the kernel did not take


class TunnelSender:
    """Sends frames into the tunnels of one kind and UDP port."""

    def __init__(self, kind: str, port: int) -> None:
        self._is_gre = is_gre(kind)
        self._sequence = 0
        self._paths = Paths(kind, port)
        self._message = Message(2 * _MAX_SEGMENTS)
        self._batch = Sender(_MAX_SEGMENTS, parts=2)
        self._segmenter = _open_segmenter()
        self._headers = syscalls.Memory(_HEADERS)
        self._used = 0  # bytes of it, by what is queued
        self._queued: dict[tuple[int, int], tuple[Path, int, Parts]] = {}

    def close(self) -> None:
        """Close the sockets that were made here."""
        self._paths.close()
        if self._segmenter:
            self._segmenter.close()

    def send(self, frame: memoryview, address: int, vnet: h.Vnet, tunnel: SetTunnel, mark: int = 0) -> Sent:
        """Send a frame, which lies at this address until flush(), to a tunnel's far end. Raises NoRoute."""
        path = self._paths.find(tunnel, mark)
        flow = zlib.crc32(frame[26:38]) % _SOURCE_PORTS
        if not vnet.gso_type and not path.summed:
            return self._queue(frame, address, vnet, path, flow)
        refused = self.flush()
        cut = self._cut(frame, address, vnet, path.room)
        parts = self._parts(cut, path)
        if self._is_gre:
            refused += self._send_raw(parts, path)
        else:
            refused += self._send_udp(parts, path, flow)
        return Sent(len(cut.pieces), sum(len(p.header) + p.length for p in cut.pieces), refused)

    def _queue(self, frame: memoryview, address: int, vnet: h.Vnet, path: Path, flow: int) -> Sent:
        """Keep a frame for flush()."""
        header = path.header or self._numbered(path)
        start = 0
        if vnet.flags & h.VNET_NEEDS_CSUM:
            start = vnet.csum_start + vnet.csum_offset + 2
            header += complete(bytes(frame), vnet)[:start]
        at = self._used
        refused = 0
        if at + len(header) > _HEADERS:
            refused, at = self.flush(), 0
        self._headers.view[at : at + len(header)] = header
        self._used = at + len(header)
        queue = self._queued.setdefault((id(path), flow), (path, flow, []))[2]
        queue += (self._headers.address + at, len(header), address + start, len(frame) - start)
        return Sent(1, len(frame), refused)

    def flush(self) -> int:
        """Send what is queued; return how many frames the kernel refused."""
        refused = 0
        for path, flow, parts in self._queued.values():
            if self._is_gre:
                refused += self._send_raw(parts, path)
            else:
                refused += self._send_by_length(parts, path, flow)
        self._queued.clear()
        self._used = 0
        return refused

    def _send_by_length(self, parts: Parts, path: Path, flow: int) -> int:
        """Send frames of one flow over UDP, runs of equal length together; return how many were refused."""
        refused = first = size = 0
        for at in range(0, len(parts), 4):
            length = parts[at + 1] + parts[at + 3]
            if length != size:
                refused += self._send_udp(parts[first:at], path, flow)
                first, size = at, length
        return refused + self._send_udp(parts[first:], path, flow)

    def _cut(self, frame: memoryview, address: int, vnet: h.Vnet, room: int) -> Cut:
        """Do to a frame what its offload header asks for."""
        if vnet.gso_type:
            layout = locate(frame)
            if layout is None:
                return Cut(frame, address, [])
            udp = layout.proto == h.IPPROTO_UDP
            size = vnet.gso_size if udp else min(vnet.gso_size, room - layout.payload)
            if self._segmenter and (layout.end - layout.payload) <= size * MAX_SEGMENTS:
                return self._segmenter.cut(address, len(frame), vnet, size)
            return Cut(frame, address, list(segments(frame, vnet, room)))
        if vnet.flags & h.VNET_NEEDS_CSUM:
            front = vnet.csum_start + vnet.csum_offset + 2
            header = complete(bytes(frame), vnet)[:front]
            return Cut(frame, address, [Segment(header, front, len(frame) - front)])
        return Cut(frame, address, [Segment(b"", 0, len(frame))])

    def _numbered(self, path: Path) -> bytes:
        self._sequence += 1
        return numbered_header(path.tunnel, self._sequence - 1)

    def _send_raw(self, parts: Parts, path: Path) -> int:
        """Send frames over IP itself, those apart that are to be fragmented; return how many were refused."""
        limit = path.room + path.header_len
        sizes = [parts[at + 1] + parts[at + 3] for at in range(0, len(parts), 4)]
        if max(sizes, default=0) <= limit:
            return self._batch.send(
                self._paths.descriptor(path, 0, fits=True, summed=False), parts, path.name, path.control
            )
        refused = 0
        for number, size in enumerate(sizes):
            descriptor = self._paths.descriptor(path, 0, fits=size <= limit, summed=False)
            group = parts[4 * number : 4 * number + 4]
            refused += self._batch.send(descriptor, group, path.name, path.control)
        return refused

    def _send_udp(self, parts: Parts, path: Path, flow: int) -> int:
        """Send frames of equal lengths, as many at once as the kernel takes; return how many it refused."""
        if not parts:
            return 0
        summed = bool(path.tunnel.flags & TUN_CSUM)
        size = parts[1] + parts[3]
        fits = size <= path.room + path.header_len
        if len(parts) == 4 or not fits:  # what does not fit is for the host to fragment
            descriptor = self._paths.descriptor(path, flow, fits, summed)
            return self._batch.send(descriptor, parts, path.name, path.control)
        refused = 0
        descriptor = self._paths.descriptor(
            path, flow, fits, summed=True
        )  # what is segmented is also checksummed
        at_once = 4 * max(min(_MAX_SEGMENTS, _MAX_DATAGRAM // size), 1)
        control = path.control + cmsg(syscalls.SOL_UDP, syscalls.UDP_SEGMENT, _U16.pack(size))
        for first in range(0, len(parts), at_once):
            group = parts[first : first + at_once]
            if not self._message.send(descriptor, group, path.name, control):
                refused += self._batch.send(descriptor, group, path.name, path.control)
        return refused

    def _parts(self, cut: Cut, path: Path) -> Parts:
        """Lay out tunnel headers, what a piece has of its own behind them, and the rest of each frame."""
        fronts = [(path.header or self._numbered(path)) + piece.header for piece in cut.pieces]
        if path.summed:
            bodies = [
                piece.header + cut.frame[piece.start : piece.start + piece.length] for piece in cut.pieces
            ]
            tops = [gre_with_checksum(path.header, body) for body in bodies]
            fronts = [top + piece.header for top, piece in zip(tops, cut.pieces, strict=True)]
        joined = b"".join(fronts)
        self._headers.view[: len(joined)] = joined
        parts: Parts = []
        at = self._headers.address
        for front, piece in zip(fronts, cut.pieces, strict=True):
            parts += (at, len(front), cut.address + piece.start, piece.length)
            at += len(front)
        return parts


def _open_segmenter() -> Segmenter | None:
    try:
        return Segmenter()
    except OSError:
        return None
