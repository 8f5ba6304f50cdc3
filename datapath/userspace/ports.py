"""Ports with a network device behind them: packet sockets and TAPs.

Rule: frames begin with a virtio header, in memory that lies still; a port receives them into a Receiver's
slots and sends them from where they are. Only the thread that forwards uses a port once it is attached.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import struct
from abc import ABC, abstractmethod

from datapath.packet import headers as h
from datapath.provider import DatapathError, Vport, VportSpec, VportStats
from datapath.userspace import syscalls
from datapath.userspace.batch import Message, Receiver, Sender
from datapath.userspace.isolate import Isolation
from datapath.userspace.policer import Policer

Parts = list[int]  # address, length, address, length ...
_BUFFER = 4 << 20  # the default of 208 kB holds three super-frames


class Port(ABC):
    """A port of the datapath, its queue and its counters."""

    def __init__(self, vport: Vport, descriptor: int) -> None:
        self.vport = vport
        self.descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        self.queue: Parts = []  # whole frames to send with the next flush()
        self.rx_packets = self.rx_bytes = self.rx_errors = self.rx_dropped = 0
        self.tx_packets = self.tx_bytes = self.tx_errors = self.tx_dropped = 0

    def stats(self) -> VportStats:
        """Return the counters as they are now."""
        return VportStats(
            self.rx_packets,
            self.tx_packets,
            self.rx_bytes,
            self.tx_bytes,
            self.rx_errors,
            self.tx_errors,
            self.rx_dropped,
            self.tx_dropped,
        )

    def count_sent(self, packets: int, length: int, refused: int) -> None:
        """Count frames handed to the kernel; `length` is without virtio headers.

        Which ones of several were refused is not known: they count with the mean length.
        """
        self.tx_packets += packets - refused
        self.tx_bytes += length * max(packets - refused, 0) // max(packets, 1)
        self.tx_dropped += refused

    def has_waiting(self) -> bool:
        """Tell whether frames wait to be received."""
        return bool(self._poll.poll(0))

    @abstractmethod
    def close(self) -> None:
        """Detach from the device, and remove it if it was made for the port."""


class DevicePort(Port):
    """A port whose frames come from a device and go to one."""

    policer: Policer | None = None  # what limits the frames that come

    def admit(self, frames: list[tuple[int, int]], now: float) -> list[tuple[int, int]]:
        """Return those frames that the port's limit lets in; the others are counted as dropped."""
        if self.policer is None:
            return frames
        taken = self.policer.admit(frames, now)
        self.rx_dropped += len(frames) - len(taken)
        return taken

    @abstractmethod
    def receive(self, receiver: Receiver) -> list[tuple[int, int]]:
        """Take waiting frames: where each begins in the receiver's memory, and its length. Raises OSError."""

    @abstractmethod
    def send(self, message: Message, parts: Parts) -> None:
        """Send one frame of several parts, the first of which begins with a virtio header."""

    @abstractmethod
    def flush(self, sender: Sender) -> None:
        """Send what is in the queue."""


class PacketPort(DevicePort):
    """A device that was there before, opened with a packet socket (packet(7))."""

    def __init__(self, spec: VportSpec, port_no: int) -> None:
        self._socket, ifindex = _open_packet_socket(spec.name)
        super().__init__(Vport(port_no, spec.name, spec.kind, ifindex), self._socket.fileno())
        self._isolation = Isolation(spec.name, ifindex)

    def receive(self, receiver: Receiver) -> list[tuple[int, int]]:
        """Take waiting frames."""
        return receiver.receive_frames(self.descriptor)

    def send(self, message: Message, parts: Parts) -> None:
        """Send one frame."""
        refused = 0 if message.send(self.descriptor, parts) else 1
        self.count_sent(1, sum(parts[1::2]) - h.VNET_LEN, refused)

    def flush(self, sender: Sender) -> None:
        """Send what is in the queue."""
        queue = self.queue
        refused = sender.send(self.descriptor, queue)
        packets = len(queue) // 2
        self.count_sent(packets, sum(queue[1::2]) - packets * h.VNET_LEN, refused)
        queue.clear()

    def close(self) -> None:
        """Close the socket and give the device back to the host."""
        self._socket.close()
        self._isolation.release()


def _open_packet_socket(name: str) -> tuple[socket.socket, int]:
    what = f"add port {name}"
    try:
        ifindex = socket.if_nametoindex(name)
    except OSError as error:
        raise DatapathError(errno.ENODEV, what) from error
    if name == "lo":
        raise DatapathError(errno.EINVAL, what, "a loopback device cannot be a port")
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)
    try:
        sock.setsockopt(syscalls.SOL_PACKET, syscalls.PACKET_VNET_HDR, 1)
        sock.setsockopt(syscalls.SOL_PACKET, syscalls.PACKET_AUXDATA, 1)
        sock.setsockopt(syscalls.SOL_PACKET, syscalls.PACKET_IGNORE_OUTGOING, 1)
        enlarge_buffers(sock)
        membership = struct.pack("=iHH8s", ifindex, syscalls.PACKET_MR_PROMISC, 0, b"")
        sock.setsockopt(syscalls.SOL_PACKET, syscalls.PACKET_ADD_MEMBERSHIP, membership)
        sock.bind((name, syscalls.ETH_P_ALL))
    except OSError as error:
        sock.close()
        raise DatapathError(error.errno or errno.EIO, what, os.strerror(error.errno or 0)) from error
    return sock, ifindex


def enlarge_buffers(sock: socket.socket) -> None:
    """Give a socket room for many super-frames, beyond the system's limit."""
    for option in (syscalls.SO_RCVBUFFORCE, syscalls.SO_SNDBUFFORCE):
        sock.setsockopt(socket.SOL_SOCKET, option, _BUFFER)


class TapPort(DevicePort):
    """A TAP device that lives as long as the port: an internal port, or one for a guest."""

    def __init__(self, spec: VportSpec, port_no: int) -> None:
        descriptor = _open_tap(spec.name)
        super().__init__(Vport(port_no, spec.name, spec.kind, socket.if_nametoindex(spec.name)), descriptor)

    def receive(self, receiver: Receiver) -> list[tuple[int, int]]:
        """Take waiting frames."""
        return receiver.read_frames(self.descriptor)

    def send(self, message: Message, parts: Parts) -> None:
        """Send one frame."""
        refused = 0 if message.write(self.descriptor, parts) else 1
        self.count_sent(1, sum(parts[1::2]) - h.VNET_LEN, refused)

    def flush(self, sender: Sender) -> None:
        """Send what is in the queue, one call for each frame."""
        queue, descriptor = self.queue, self.descriptor
        refused = length = 0
        for at in range(0, len(queue), 2):
            written = syscalls.write(descriptor, queue[at], queue[at + 1])
            if written < 0:
                refused += 1
            else:
                length += written - h.VNET_LEN
        self.count_sent(len(queue) // 2, length, refused)
        queue.clear()

    def close(self) -> None:
        """Close the descriptor, with which the device goes."""
        os.close(self.descriptor)


def _open_tap(name: str) -> int:
    what = f"add port {name}"
    if not name or len(name.encode()) > 15:
        raise DatapathError(errno.EINVAL, what, "a device's name has 1 to 15 bytes")
    flags = syscalls.IFF_TAP | syscalls.IFF_NO_PI | syscalls.IFF_VNET_HDR
    descriptor = -1
    try:
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(descriptor, syscalls.TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
        try:
            fcntl.ioctl(descriptor, syscalls.TUNSETOFFLOAD, syscalls.TUN_F_ALL_TCP | syscalls.TUN_F_UDP)
        except OSError:  # a kernel that segments UDP before we see it
            fcntl.ioctl(descriptor, syscalls.TUNSETOFFLOAD, syscalls.TUN_F_ALL_TCP)
    except OSError as error:
        if descriptor >= 0:
            os.close(descriptor)
        number = errno.EEXIST if error.errno in (errno.EINVAL, errno.EBUSY) else error.errno or errno.EIO
        raise DatapathError(number, what, os.strerror(number)) from error
    return descriptor
