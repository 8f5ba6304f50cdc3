"""What goes into a tunnel: super-frames cut to fit the path, headers in front, sent through the host's stack.

Rule: few system calls: over UDP one for all segments of a super-frame (UDP_SEGMENT, udp(7)), over GRE one for each.
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
from datapath.userspace.batch import Message
from datapath.userspace.offload import Segment, complete, segments
from datapath.userspace.ports import Parts, enlarge_buffers
from datapath.userspace.tunnel_header import format_header, gre_with_checksum

_SOURCE_PORTS = 8  # so many flows can be told apart by what balances outer packets over links and cores
_MAX_SEGMENTS, _MAX_DATAGRAM = 64, 65507  # of one UDP_SEGMENT message
_MAX_PATHS = 1024
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
    expires: float


class TunnelSender:
    """Sends frames into the tunnels of one kind and UDP port."""

    def __init__(self, kind: str, port: int, raw: socket.socket) -> None:
        self._kind, self._port = kind, port
        self._raw = raw  # what GRE is sent by
        self._senders: dict[tuple[int, bool], socket.socket] = {}
        self._message = Message(2 * _MAX_SEGMENTS)
        self._headers = syscalls.Memory(1 << 16)
        self._paths: dict[SetTunnel, _Path] = {}

    def close(self) -> None:
        """Close the sockets that were made here."""
        for sock in self._senders.values():
            sock.close()

    def send(self, frame: memoryview, address: int, vnet: h.Vnet, tunnel: SetTunnel) -> Sent:
        """Send a frame, which lies at this address, to a tunnel's far end. Raises NoRoute."""
        path = self._path(tunnel)
        if vnet.gso_type:
            pieces = list(segments(frame, vnet, path.room))
        elif vnet.flags & h.VNET_NEEDS_CSUM:
            front = vnet.csum_start + vnet.csum_offset + 2
            pieces = [Segment(complete(bytes(frame), vnet)[:front], front, len(frame) - front)]
        else:
            pieces = [Segment(b"", 0, len(frame))]
        if self._kind == "gre":
            sent = sum(self._send_gre(frame, address, piece, path) for piece in pieces)
        else:
            sent = self._send_udp(frame, address, pieces, path, tunnel)
        return Sent(len(pieces), sum(len(p.header) + p.length for p in pieces), len(pieces) - sent)

    def _send_gre(self, frame: memoryview, address: int, piece: Segment, path: _Path) -> bool:
        header = path.header
        if len(header) > 4:
            header = gre_with_checksum(header, piece.header + frame[piece.start : piece.start + piece.length])
        header += piece.header
        self._headers.view[: len(header)] = header
        parts = [self._headers.address, len(header), address + piece.start, piece.length]
        return self._message.send(self._raw.fileno(), parts, path.name, path.control)

    def _send_udp(
        self, frame: memoryview, address: int, pieces: list[Segment], path: _Path, tunnel: SetTunnel
    ) -> int:
        """Send segments, as many at once as the kernel takes; return how many it took."""
        if not pieces:
            return 0
        entropy = zlib.crc32(frame[26:38]) % _SOURCE_PORTS
        size = len(path.header) + len(pieces[0].header) + pieces[0].length
        at_once = min(_MAX_SEGMENTS, _MAX_DATAGRAM // size) if size <= path.room + len(path.header) else 1
        sent = 0
        for first in range(0, len(pieces), max(at_once, 1)):
            group = pieces[first : first + max(at_once, 1)]
            parts = self._parts(address, group, path.header)
            control, summed = path.control, bool(tunnel.flags & TUN_CSUM)
            if len(group) > 1:  # the kernel segments only what it also checksums
                control, summed = (
                    control + _cmsg(syscalls.SOL_UDP, syscalls.UDP_SEGMENT, _U16.pack(size)),
                    True,
                )
            descriptor = self._sender(entropy, summed).fileno()
            if self._message.send(descriptor, parts, path.name, control):
                sent += len(group)
            elif len(group) > 1:  # a device without checksum offload: one by one then
                sent += sum(
                    self._message.send(descriptor, parts[at : at + 4], path.name, path.control)
                    for at in range(0, len(parts), 4)
                )
        return sent

    def _parts(self, address: int, group: list[Segment], tunnel_header: bytes) -> Parts:
        """Lay headers and payloads out one behind the other."""
        headers = b"".join([tunnel_header + piece.header for piece in group])
        self._headers.view[: len(headers)] = headers
        parts: Parts = []
        at = self._headers.address
        for piece in group:
            length = len(tunnel_header) + len(piece.header)
            parts += (at, length, address + piece.start, piece.length)
            at += length
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
        path = self._paths.get(tunnel)
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
        path = _Path(name, control, header, mtu - outer - len(header), time.monotonic() + _PATH_LIFE)
        self._paths[tunnel] = path
        return path


def _cmsg(level: int, kind: int, data: bytes) -> bytes:
    return _CMSG.pack(_CMSG.size + len(data), level, kind) + data + bytes(-len(data) % 8)
