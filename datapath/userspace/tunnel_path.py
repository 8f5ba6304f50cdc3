"""How to reach a tunnel's far end: address and control data of what is sent there, and the sockets for it.

Rule: what costs a system call or packing is done once for each outer header, and again after a few
seconds, since routes change. What does not fit the path unfragmented leaves without the DF bit, in fragments.
"""

from __future__ import annotations

import socket
import struct
import time
from typing import Final, NamedTuple

from datapath.actions import SetTunnel
from datapath.packet import headers as h
from datapath.packet.flowkey import TUN_CSUM, TUN_DONT_FRAGMENT
from datapath.userspace import syscalls
from datapath.userspace.outer import Way
from datapath.userspace.ports import enlarge_buffers
from datapath.userspace.tunnel_header import format_header, is_gre
from datapath.userspace.underlay import Underlay

_MAX_PATHS = 1024
_LIFE = 5.0  # seconds until a path's MTU is asked for again
_IP_LEN, _IPV6_LEN, _UDP_LEN = 20, 40, 8
_CMSG = struct.Struct("=Qii")
_SOCKADDR, _SOCKADDR6 = struct.Struct("=H2s4s8x"), struct.Struct("=H2sI16sI")
_INT, _U32 = struct.Struct("=i"), struct.Struct("=I")


class NoRoute(Exception):
    """The host has no way to a tunnel's far end."""


class Path(NamedTuple):
    """How to reach a tunnel's far end."""

    family: int
    name: bytes  # struct sockaddr_in or sockaddr_in6
    control: bytes
    header: bytes  # of the tunnel; b"" where each packet has its own
    header_len: int
    room: int  # for a frame in one unfragmented outer packet
    tunnel: SetTunnel  # kept, so that its id() stays its own
    summed: bool  # the header has a checksum over all that is behind it
    expires: float
    way: Way | None  # past the host's stack


class Paths:
    """The paths of one kind of tunnel and UDP port."""

    def __init__(self, kind: str, port: int, underlay: Underlay | None = None) -> None:
        self._kind, self._port, self._underlay = kind, port, underlay
        self._paths: dict[int, Path] = {}
        self._sockets: dict[tuple[int, int, bool, bool], socket.socket] = {}

    def close(self) -> None:
        """Close the sockets that were made here."""
        for sock in self._sockets.values():
            sock.close()

    def forget(self) -> None:
        """Ask again for each: something has changed."""
        self._paths.clear()

    def find(self, tunnel: SetTunnel, mark: int) -> Path:
        """Return how to reach a far end, as the host's rules for this mark say. Raises NoRoute."""
        key = id(tunnel) | mark << 64  # hashing what it holds takes 2 us
        path = self._paths.get(key)
        if path and path.expires > time.monotonic():
            return path
        if len(self._paths) >= _MAX_PATHS:
            self._paths.clear()
        path = self._paths[key] = self._make(tunnel, mark)
        return path

    def _make(self, tunnel: SetTunnel, mark: int) -> Path:
        family = tunnel.proto
        dst = tunnel.dst.to_bytes(4 if family == socket.AF_INET else 16, "big")
        header = format_header(self._kind, tunnel)
        if header is None:
            raise NoRoute
        outer = (_IP_LEN if family == socket.AF_INET else _IPV6_LEN) + (0 if is_gre(self._kind) else _UDP_LEN)
        port = 0 if is_gre(self._kind) else tunnel.tp_dst or self._port
        return Path(
            family=family,
            name=_name(family, dst, port),
            control=_control(tunnel)
            + (cmsg(socket.SOL_SOCKET, socket.SO_MARK, _U32.pack(mark)) if mark else b""),
            header=header.octets,
            header_len=header.length,
            room=_path_mtu(family, dst, mark) - outer - header.length,
            tunnel=tunnel,
            summed=is_gre(self._kind) and bool(tunnel.flags & TUN_CSUM),
            expires=time.monotonic() + _LIFE,
            way=self._underlay.way(tunnel, header.length) if self._underlay and not mark else None,
        )

    def descriptor(self, path: Path, flow: int, fits: bool, summed: bool) -> int:
        """Return the descriptor of a socket to send by, over UDP with a source port for each `flow`."""
        whole = fits and bool(path.tunnel.flags & TUN_DONT_FRAGMENT)
        if is_gre(self._kind):
            flow, summed = 0, False
        key = (path.family, flow, summed, whole)
        sock = self._sockets.get(key)
        if sock is None:
            sock = self._sockets[key] = self._open(path.family, summed, whole)
        return sock.fileno()

    def _open(self, family: int, summed: bool, whole: bool) -> socket.socket:
        flags = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        if is_gre(self._kind):
            sock = socket.socket(family, socket.SOCK_RAW | flags, h.IPPROTO_GRE)
            syscalls.receive_nothing(sock)
        else:
            sock = socket.socket(family, socket.SOCK_DGRAM | flags)
        enlarge_buffers(sock)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, syscalls.IPV6_MTU_DISCOVER, syscalls.IP_PMTUDISC_DONT)
            return sock  # over IPv6 every UDP packet has a checksum (RFC 8200, 8.1)
        discover = syscalls.IP_PMTUDISC_PROBE if whole else syscalls.IP_PMTUDISC_DONT
        sock.setsockopt(socket.IPPROTO_IP, syscalls.IP_MTU_DISCOVER, discover)
        if not is_gre(self._kind):
            sock.setsockopt(socket.SOL_SOCKET, syscalls.SO_NO_CHECK, 0 if summed else 1)
        return sock


def cmsg(level: int, kind: int, data: bytes) -> bytes:
    """Return a control message (cmsg(3))."""
    return _CMSG.pack(_CMSG.size + len(data), level, kind) + data + bytes(-len(data) % 8)


def _name(family: int, dst: bytes, port: int) -> bytes:
    wire_port = port.to_bytes(2, "big")
    if family == socket.AF_INET:
        return _SOCKADDR.pack(family, wire_port, dst)
    return _SOCKADDR6.pack(family, wire_port, 0, dst, 0)


def _control(tunnel: SetTunnel) -> bytes:
    tos, ttl = _INT.pack(tunnel.tos), _INT.pack(tunnel.ttl)
    if tunnel.proto == socket.AF_INET:
        control = cmsg(socket.IPPROTO_IP, socket.IP_TOS, tos)
        if tunnel.ttl:
            control += cmsg(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        if tunnel.src:
            source = bytes(4) + tunnel.src.to_bytes(4, "big") + bytes(4)  # struct in_pktinfo
            control += cmsg(socket.IPPROTO_IP, syscalls.IP_PKTINFO, source)
        return control
    control = cmsg(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, tos)
    if tunnel.ttl:
        control += cmsg(socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT, ttl)
    if tunnel.src:
        control += cmsg(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, tunnel.src.to_bytes(16, "big") + bytes(4))
    return control


_LEVEL: Final = {socket.AF_INET: socket.IPPROTO_IP, socket.AF_INET6: socket.IPPROTO_IPV6}
_MTU_OPTION: Final = {socket.AF_INET: syscalls.IP_MTU, socket.AF_INET6: syscalls.IPV6_MTU}


def _path_mtu(family: int, dst: bytes, mark: int) -> int:
    """Return the MTU of the way to an address. Raises NoRoute."""
    known = socket.AddressFamily(family)
    try:
        with socket.socket(known, socket.SOCK_DGRAM) as probe:
            if mark:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
            probe.connect((socket.inet_ntop(known, dst), 9))
            return probe.getsockopt(_LEVEL[known], _MTU_OPTION[known])
    except OSError as error:
        raise NoRoute from error
