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
from datapath.userspace.bypass import Bypass
from datapath.userspace.offload import Cut, Segment, checksum_left, complete, locate, segments, vnet_at
from datapath.userspace.outer import OuterFrames, Piece, Way
from datapath.userspace.ports import Parts
from datapath.userspace.segmenter import MAX_SEGMENTS, Segmenter
from datapath.userspace.syscalls import Memory
from datapath.userspace.tunnel_header import gre_with_checksum, is_gre, numbered_header
from datapath.userspace.tunnel_path import Path, Paths, cmsg

_SOURCE_PORTS = 8  # so many flows can be told apart by what balances outer packets over links and cores
_MAX_SEGMENTS, _MAX_DATAGRAM = 64, 65507  # of one UDP_SEGMENT message
_HEADERS = 1 << 16
_U16 = struct.Struct("=H")


Place = tuple[int, int]  # where a frame's virtio header is in memory, and its length on


class Sent(NamedTuple):
    """What became of a frame."""

    packets: int
    length: int  # bytes, without outer headers
    refused: int  # packets that the kernel did not take


class TunnelSender:
    """Sends frames into the tunnels of one kind and UDP port."""

    def __init__(self, kind: str, port: int, bypass: Bypass | None = None) -> None:
        self._is_gre = is_gre(kind)
        self._sequence = 0
        self._outer = bypass.outer if bypass else None
        self._behind = True  # the host may have packets that were sent before
        self.is_held = False  # and that is why a way that passes by it is not taken
        self._paths = Paths(kind, port, bypass.underlay if bypass else None)
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
        if path.way and self._outer:
            if not self._behind:
                return self._pass(frame, address, vnet, path, path.way, self._outer)
            self.is_held = True
        self._behind = True
        flow = 0 if self._is_gre else zlib.crc32(frame[26:38]) % _SOURCE_PORTS
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

    def send_frames(self, memory: Memory, frames: list[Place], tunnel: SetTunnel, mark: int) -> Sent:
        """Send frames that lie here behind their virtio headers until flush(), in order. Raises NoRoute."""
        path = self._paths.find(tunnel, mark)
        packets = octets = refused = at = 0
        while at < len(frames):
            done = self._send_plain(path, memory, frames[at:] if at else frames)
            packets += done
            octets += sum(length for _, length in frames[at : at + done]) - done * h.VNET_LEN
            at += done
            if at < len(frames):
                start, length = frames[at]
                frame, vnet = memory.view[start + h.VNET_LEN : start + length], vnet_at(memory.bytes, start)
                sent = self.send(frame, memory.address + start + h.VNET_LEN, vnet, tunnel, mark)
                packets, octets, refused = packets + sent[0], octets + sent[1], refused + sent[2]
                at += 1
        return Sent(packets, octets, refused)

    def _send_plain(self, path: Path, memory: Memory, frames: list[Place]) -> int:
        """Send or queue frames until one that takes more than a header in front; count them."""
        if memory.bytes[frames[0][0] + 1] or path.summed or not path.header:
            return 0
        pieces = _plain(path.header, memory, frames)
        if path.way and self._outer:
            if not self._behind:
                return self._outer.put(path.way, memory.view, pieces, path.room + path.header_len)
            self.is_held = True
        self._behind = True
        base = self._headers.address
        for count, (front, start, length) in enumerate(pieces):
            at = self._used
            if at + len(front) > _HEADERS:
                return count
            self._used = at + len(front)
            self._headers.view[at : self._used] = front
            begin = frames[count][0]
            flow = 0 if self._is_gre else zlib.crc32(memory.view[begin + 36 : begin + 48]) % _SOURCE_PORTS
            queued = self._queued.get((id(path), flow))
            if queued is None:
                queued = self._queued[id(path), flow] = (path, flow, [])
            queued[2].extend((base + at, len(front), memory.address + start, length))
        return len(pieces)

    def caught_up(self) -> None:
        """Hear that the host has forwarded all that was sent so far."""
        self._behind = self.is_held = False

    def _pass(
        self, frame: memoryview, address: int, vnet: h.Vnet, path: Path, way: Way, outer: OuterFrames
    ) -> Sent:
        """Put a frame in outer packets that pass by the host; what is to be fragmented does not."""
        cut = self._cut(frame, address, vnet, path.room)
        top = path.header
        pieces = [(top + header, start, length) for header, start, length in cut.pieces]
        octets = sum([len(front) + length for front, _, length in pieces]) - len(pieces) * len(top)
        limit = path.room + len(top)
        placed = outer.put(way, cut.frame, pieces, limit)
        rest = cut._replace(pieces=cut.pieces[placed:])
        refused = len(rest.pieces)
        if any(len(front) + length > limit for front, _, length in pieces[placed:]):
            self._behind = True
            refused = self._send_raw(self._parts(rest, path), path)
        return Sent(len(pieces), octets, refused)

    def forget(self) -> None:
        """Ask for the paths again: something has changed."""
        self._paths.forget()

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


def _plain(header: bytes, memory: Memory, frames: list[Place]) -> list[Piece]:
    """Put a header in front of frames, their checksums completed, until one that has to be cut."""
    data, view = memory.bytes, memory.view
    pieces: list[Piece] = []
    for start, length in frames:
        body = start + h.VNET_LEN
        if data[start + 1]:
            break
        if data[start] & h.VNET_NEEDS_CSUM:
            at, value = checksum_left(memory, start, length)
            pieces.append((header + view[body:at] + value, at + 2, start + length - at - 2))
        else:
            pieces.append((header, body, length - h.VNET_LEN))
    return pieces


def _open_segmenter() -> Segmenter | None:
    try:
        return Segmenter()
    except OSError:
        return None
