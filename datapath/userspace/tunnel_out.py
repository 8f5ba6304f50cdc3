"""What goes into a tunnel: super-frames cut to fit the path, headers in front, sent through the host's stack.

Rule: few system calls: small frames wait for flush(), and leave together. Over UDP a super-frame's segments,
and frames of one flow and length, are one message (UDP_SEGMENT, udp(7)); over GRE each is one of a sendmmsg.
"""

from __future__ import annotations

import socket
import struct
import time
import zlib
from typing import NamedTuple

from datapath.actions import SetTunnel
from datapath.packet import headers as h
from datapath.packet.flowkey import TUN_CSUM
from datapath.userspace import syscalls
from datapath.userspace.batch import Message, Sender
from datapath.userspace.offload import Cut, Segment, complete, locate, segments
from datapath.userspace.ports import Parts, enlarge_buffers
from datapath.userspace.segmenter import MAX_SEGMENTS, Segmenter
from datapath.userspace.tunnel_header import format_header, gre_with_checksum

_SOURCE_PORTS = 8  # so many flows can be told apart by what balances outer packets over links and cores
_MAX_SEGMENTS, _MAX_DATAGRAM = 64, 65507  # of one UDP_SEGMENT message
_MAX_PATHS = 1024
_HEADERS = 1 << 16
_PATH_LIFE = 5.0  # seconds until a path's MTU is asked for again
_IP_UDP_LEN, _IP_LEN = 28, 20
_CMSG = struct.Struct("=Qii")
_SOCKADDR = struct.Struct("=H2s4s8x")
_INT, _U16 = struct.Struct("=i"), struct.Struct("=H")


class NoRoute(Exception):
    """The host has no way to a tunnel's far end, or that has no IPv4 address."""


class Sent(NamedTuple):
    """What became of a frame."""

    packets: int
    length: int  # bytes, without outer headers
    refused: int  # packets that the kernel did not take


class _Path(NamedTuple):
    """How to reach a tunnel's far end."""

    name: bytes  # struct sockaddr_in
    control: bytes
    header: bytes  # of the tunnel
    room: int  # for a frame in one unfragmented outer packet
    tunnel: SetTunnel  # kept, so that its id() stays its own
    summed: bool  # the header has a checksum over all that is behind it
    expires: float


class TunnelSender:
    """Sends frames into the tunnels of one kind and UDP port."""

    def __init__(self, kind: str, port: int, raw: socket.socket) -> None:
        self._kind, self._port = kind, port
        self._raw = raw  # what GRE is sent by
        self._senders: dict[tuple[int, bool], socket.socket] = {}
        self._message = Message(2 * _MAX_SEGMENTS)
        self._batch = Sender(_MAX_SEGMENTS, parts=2)
        self._segmenter = _open_segmenter()
        self._headers = syscalls.Memory(_HEADERS)
        self._used = 0  # bytes of it, by what is queued
        self._queued: dict[tuple[int, int], tuple[_Path, int, Parts]] = {}
        self._paths: dict[int, _Path] = {}

    def close(self) -> None:
        """Close the sockets that were made here."""
        for sock in self._senders.values():
            sock.close()
        if self._segmenter:
            self._segmenter.close()

    def send(self, frame: memoryview, address: int, vnet: h.Vnet, tunnel: SetTunnel) -> Sent:
        """Send a frame, which lies at this address until flush(), to a tunnel's far end. Raises NoRoute."""
        path = self._path(tunnel)
        flow = zlib.crc32(frame[26:38]) % _SOURCE_PORTS
        if not vnet.gso_type and not path.summed:
            return self._queue(frame, address, vnet, path, flow)
        refused = self.flush()
        cut = self._cut(frame, address, vnet, path.room)
        parts = self._parts(cut, path)
        if self._kind == "gre":
            refused += self._batch.send(self._raw.fileno(), parts, path.name, path.control)
        else:
            refused += self._send_udp(parts, path, flow)
        return Sent(len(cut.pieces), sum(len(p.header) + p.length for p in cut.pieces), refused)

    def _queue(self, frame: memoryview, address: int, vnet: h.Vnet, path: _Path, flow: int) -> Sent:
        """Keep a frame for flush()."""
        header = path.header
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
            if self._kind == "gre":
                refused += self._batch.send(self._raw.fileno(), parts, path.name, path.control)
            else:
                refused += self._send_by_length(parts, path, flow)
        self._queued.clear()
        self._used = 0
        return refused

    def _send_by_length(self, parts: Parts, path: _Path, flow: int) -> int:
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

    def _send_udp(self, parts: Parts, path: _Path, flow: int) -> int:
        """Send frames of equal lengths, as many at once as the kernel takes; return how many it refused."""
        if len(parts) <= 4:
            descriptor = self._sender(flow, bool(path.tunnel.flags & TUN_CSUM)).fileno()
            return self._batch.send(descriptor, parts, path.name, path.control)
        descriptor = self._sender(flow, True).fileno()  # the kernel segments only what it also checksums
        refused, size = 0, parts[1] + parts[3]
        at_once = 4 * max(min(_MAX_SEGMENTS, _MAX_DATAGRAM // size), 1)
        control = path.control + _cmsg(syscalls.SOL_UDP, syscalls.UDP_SEGMENT, _U16.pack(size))
        for first in range(0, len(parts), at_once):
            group = parts[first : first + at_once]
            fits = size <= path.room + len(path.header)  # what does not is for the host to fragment
            if not (fits and self._message.send(descriptor, group, path.name, control)):
                refused += self._batch.send(descriptor, group, path.name, path.control)
        return refused

    def _parts(self, cut: Cut, path: _Path) -> Parts:
        """Lay out tunnel headers, what a piece has of its own behind them, and the rest of each frame."""
        fronts = [path.header + piece.header for piece in cut.pieces]
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

    def _sender(self, entropy: int, summed: bool) -> socket.socket:
        """Return a socket with a source port of its own."""
        sock = self._senders.get((entropy, summed))
        if sock is None:
            sock = socket.socket(
                socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            )
            enlarge_buffers(sock)
            sock.setsockopt(socket.IPPROTO_IP, syscalls.IP_MTU_DISCOVER, syscalls.IP_PMTUDISC_DONT)
            sock.setsockopt(socket.SOL_SOCKET, syscalls.SO_NO_CHECK, 0 if summed else 1)
            self._senders[entropy, summed] = sock
        return sock

    def _path(self, tunnel: SetTunnel) -> _Path:
        """Return how to reach a far end. Raises NoRoute."""
        path = self._paths.get(id(tunnel))  # hashing what it holds takes 2 us
        if path and path.expires > time.monotonic():
            return path
        if tunnel.proto != socket.AF_INET:
            raise NoRoute
        dst = tunnel.dst.to_bytes(4, "big")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((socket.inet_ntoa(dst), 9))
                mtu = probe.getsockopt(socket.IPPROTO_IP, syscalls.IP_MTU)
            except OSError as error:
                raise NoRoute from error
        header = format_header(self._kind, tunnel)
        summed = self._kind == "gre" and bool(tunnel.flags & TUN_CSUM)
        outer = _IP_LEN if self._kind == "gre" else _IP_UDP_LEN
        control = _cmsg(socket.IPPROTO_IP, socket.IP_TOS, _INT.pack(tunnel.tos))
        if tunnel.ttl:
            control += _cmsg(socket.IPPROTO_IP, socket.IP_TTL, _INT.pack(tunnel.ttl))
        if tunnel.src:
            source = bytes(4) + tunnel.src.to_bytes(4, "big") + bytes(4)  # struct in_pktinfo
            control += _cmsg(socket.IPPROTO_IP, syscalls.IP_PKTINFO, source)
        port = 0 if self._kind == "gre" else tunnel.tp_dst or self._port
        name = _SOCKADDR.pack(socket.AF_INET, port.to_bytes(2, "big"), dst)
        if len(self._paths) >= _MAX_PATHS:
            self._paths.clear()
        path = _Path(
            name, control, header, mtu - outer - len(header), tunnel, summed, time.monotonic() + _PATH_LIFE
        )
        self._paths[id(tunnel)] = path
        return path


def _open_segmenter() -> Segmenter | None:
    try:
        return Segmenter()
    except OSError:
        return None


def _cmsg(level: int, kind: int, data: bytes) -> bytes:
    return _CMSG.pack(_CMSG.size + len(data), level, kind) + data + bytes(-len(data) % 8)
