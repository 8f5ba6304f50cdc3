"""Tunnel ports: sockets in the host's stack, which routes the outer packets.

Rule: over UDP one socket serves both families; over IP itself there is one for each, behind one descriptor
to wait on. A host without IPv6 has the ports of IPv4.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
from typing import Final

from datapath.actions import SetTunnel
from datapath.packet import headers as h
from datapath.provider import DEFAULT_TUNNEL_PORT, DatapathError, Vport, VportSpec
from datapath.userspace import syscalls
from datapath.userspace.bypass import Bypass
from datapath.userspace.ports import Port, enlarge_buffers
from datapath.userspace.syscalls import Memory
from datapath.userspace.tunnel_header import is_gre
from datapath.userspace.tunnel_in import Frames, Merged, TunnelReceiver
from datapath.userspace.tunnel_out import TunnelSender
from datapath.userspace.tunnel_path import NoRoute

_NO_IPV6: Final = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


class TunnelPort(Port):
    """All tunnels of one kind and UDP port."""

    def __init__(self, spec: VportSpec, port_no: int, bypass: Bypass | None = None) -> None:
        port = spec.dst_port or DEFAULT_TUNNEL_PORT[spec.kind]
        self._sockets = _open(spec, port)
        self._epoll = select.epoll()
        for sock in self._sockets:
            self._epoll.register(sock, select.EPOLLIN)
        descriptor = self._sockets[0].fileno() if len(self._sockets) == 1 else self._epoll.fileno()
        super().__init__(Vport(port_no, spec.name, spec.kind, 0, port), descriptor)
        self._receivers = [
            (sock.fileno(), TunnelReceiver(spec.kind, port, sock.family)) for sock in self._sockets
        ]
        self._sender = TunnelSender(spec.kind, port, bypass)

    def receive(self) -> list[tuple[Memory, list[Merged | Frames]]]:
        """Take waiting frames, with the memory that those are in which are not merged. Raises OSError."""
        came = [
            (receiver.memory, arrivals)
            for descriptor, receiver in self._receivers
            if (arrivals := receiver.receive(descriptor))
        ]
        self.rx_errors = sum(receiver.malformed for _, receiver in self._receivers)
        return came

    def accept(self, memory: Memory, packets: list[tuple[int, int]]) -> tuple[Memory, list[Merged | Frames]]:
        """Take IPv4 packets of GRE that did not come by a socket, likewise; valid until release()."""
        _, receiver = self._receivers[0]
        arrivals = receiver.accept(memory, packets)
        self.rx_errors = sum(receiver.malformed for _, receiver in self._receivers)
        return receiver.memory, arrivals

    def release(self) -> None:
        """Forget what was accepted: all of it is sent."""
        self._receivers[0][1].release()

    @property
    def is_held(self) -> bool:
        """Whether frames go through the host only because it may have some that were sent before."""
        return self._sender.is_held

    def caught_up(self) -> None:
        """Hear that the host has none of them."""
        self._sender.caught_up()

    def forget_paths(self) -> None:
        """Ask for the ways to far ends again: something has changed."""
        self._sender.forget()

    def encapsulate(
        self, frame: memoryview, address: int, vnet: h.Vnet, tunnel: SetTunnel, mark: int = 0
    ) -> None:
        """Send a frame, which lies at this address, to a tunnel's far end; `mark` is of the outer packet."""
        try:
            sent = self._sender.send(frame, address, vnet, tunnel, mark)
        except NoRoute:
            self.tx_errors += 1
        else:
            self.count_sent(*sent)

    def encapsulate_frames(
        self, memory: Memory, frames: list[tuple[int, int]], tunnel: SetTunnel, mark: int
    ) -> None:
        """Send several, which lie here behind their virtio headers until flush(), likewise."""
        try:
            sent = self._sender.send_frames(memory, frames, tunnel, mark)
        except NoRoute:
            self.tx_errors += len(frames)
        else:
            self.count_sent(*sent)

    def flush(self) -> None:
        """Send what was kept to be sent together."""
        self.tx_dropped += self._sender.flush()

    def close(self) -> None:
        """Close the sockets."""
        self._epoll.close()
        for sock in self._sockets:
            sock.close()
        self._sender.close()


def _open(spec: VportSpec, port: int) -> list[socket.socket]:
    """Open the sockets that a kind of tunnel is received by. Raises DatapathError."""
    sockets: list[socket.socket] = []
    try:
        if not is_gre(spec.kind):
            try:
                return [_open_udp(socket.AF_INET6, port)]
            except OSError as error:
                if error.errno not in _NO_IPV6:
                    raise
                return [_open_udp(socket.AF_INET, port)]
        if not spec.kind.startswith("ip6"):
            sockets.append(_open_raw(socket.AF_INET))
            with contextlib.suppress(OSError):
                sockets.append(_open_raw(socket.AF_INET6))
        else:
            sockets.append(_open_raw(socket.AF_INET6))
    except OSError as error:
        for sock in sockets:
            sock.close()
        number = error.errno or errno.EIO
        raise DatapathError(number, f"add port {spec.name}", os.strerror(number)) from error
    return sockets


def _open_raw(family: socket.AddressFamily) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, h.IPPROTO_GRE)
    try:
        enlarge_buffers(sock)
        if family == socket.AF_INET6:
            _ask_for_outer_header6(sock)
    except OSError:
        sock.close()
        raise
    return sock


def _open_udp(family: socket.AddressFamily, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        enlarge_buffers(sock)
        for option in (syscalls.IP_PKTINFO, syscalls.IP_RECVTTL, syscalls.IP_RECVTOS):
            sock.setsockopt(socket.IPPROTO_IP, option, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            sock.setsockopt(syscalls.SOL_UDP, syscalls.UDP_NO_CHECK6_RX, 1)
            _ask_for_outer_header6(sock)
        sock.setsockopt(syscalls.SOL_UDP, syscalls.UDP_GRO, 1)
        sock.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port))
    except OSError:
        sock.close()
        raise
    return sock


def _ask_for_outer_header6(sock: socket.socket) -> None:
    for option in (socket.IPV6_RECVPKTINFO, socket.IPV6_RECVHOPLIMIT, socket.IPV6_RECVTCLASS):
        sock.setsockopt(socket.IPPROTO_IPV6, option, 1)
