"""GRE, VXLAN and Geneve ports: sockets in the host's stack, which routes the outer packets."""

from __future__ import annotations

import errno
import os
import socket

from datapath.actions import SetTunnel
from datapath.packet import headers as h
from datapath.provider import DEFAULT_TUNNEL_PORT, DatapathError, Vport, VportSpec
from datapath.userspace import syscalls
from datapath.userspace.ports import Port, enlarge_buffers
from datapath.userspace.tunnel_in import Arrival, TunnelReceiver
from datapath.userspace.tunnel_out import NoRoute, TunnelSender


class TunnelPort(Port):
    """All tunnels of one kind and UDP port."""

    def __init__(self, spec: VportSpec, port_no: int) -> None:
        port = spec.dst_port or DEFAULT_TUNNEL_PORT[spec.kind]
        self._socket = _open(spec, port)
        super().__init__(Vport(port_no, spec.name, spec.kind, 0, port), self._socket.fileno())
        self._receiver = TunnelReceiver(spec.kind, port)
        self._sender = TunnelSender(spec.kind, port, self._socket)

    def receive(self) -> list[Arrival]:
        """Take waiting frames. Raises OSError."""
        arrivals = self._receiver.receive(self.descriptor)
        self.rx_errors = self._receiver.malformed
        return arrivals

    def encapsulate(self, frame: memoryview, address: int, vnet: h.Vnet, tunnel: SetTunnel) -> None:
        """Send a frame, which lies at this address, to a tunnel's far end."""
        try:
            sent = self._sender.send(frame, address, vnet, tunnel)
        except NoRoute:
            self.tx_errors += 1
        else:
            self.count_sent(*sent)

    def flush(self) -> None:
        """Send what was kept to be sent together."""
        self.tx_dropped += self._sender.flush()

    def close(self) -> None:
        """Close the sockets."""
        self._socket.close()
        self._sender.close()


def _open(spec: VportSpec, port: int) -> socket.socket:
    """Open the socket that a kind of tunnel is received by, and GRE is sent by too."""
    flags = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    if spec.kind == "gre":
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW | flags, h.IPPROTO_GRE)
    else:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | flags)
    try:
        enlarge_buffers(sock)
        sock.setsockopt(socket.IPPROTO_IP, syscalls.IP_MTU_DISCOVER, syscalls.IP_PMTUDISC_DONT)
        if spec.kind != "gre":
            for option in (syscalls.IP_PKTINFO, syscalls.IP_RECVTTL, syscalls.IP_RECVTOS):
                sock.setsockopt(socket.IPPROTO_IP, option, 1)
            sock.setsockopt(syscalls.SOL_UDP, syscalls.UDP_GRO, 1)
            sock.bind(("0.0.0.0", port))
    except OSError as error:
        sock.close()
        number = error.errno or errno.EIO
        raise DatapathError(number, f"add port {spec.name}", os.strerror(number)) from error
    return sock
