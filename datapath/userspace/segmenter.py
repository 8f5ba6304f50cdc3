"""Super-frames cut by the kernel, for tunnels.

Python needs 13 us to cut and checksum one segment of 1400 bytes (offload.py), the kernel 2: so a
super-frame is sent out of a TAP device without offloads, in a network namespace that nobody else sees, and
a packet socket on the same device catches the segments. The device itself drops them, since nobody reads
it. All of it happens within the call that sends: transmission, segmentation and capture are synchronous.

Rule: where this cannot be had (no right to make a namespace), offload.segments() does the same.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import threading
from contextlib import suppress

from datapath.packet import headers as h
from datapath.userspace import syscalls
from datapath.userspace.batch import Message, Receiver
from datapath.userspace.offload import Cut, Segment
from datapath.userspace.ports import enlarge_buffers

_CLONE_NEWNET = 0x40000000
_DEVICE = b"cut0"
_IFF_UP, _IFF_NOARP = 0x1, 0x80
MAX_SEGMENTS = 128


class Segmenter:
    """A device that cuts. Raises OSError where the system does not allow it."""

    def __init__(self) -> None:
        failure: list[OSError] = []

        def prepare() -> None:  # in a thread, since a thread that has left its namespace is of no further use
            try:
                self._open()
            except OSError as error:
                failure.append(error)

        thread = threading.Thread(target=prepare)
        thread.start()
        thread.join()
        if failure:
            raise failure[0]
        self._receiver = Receiver(MAX_SEGMENTS)
        self._message = Message(2)
        self._header = syscalls.Memory(h.VNET_LEN)

    def _open(self) -> None:
        if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        with suppress(OSError), open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w") as file:
            file.write("1")
        self._tap = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        flags = syscalls.IFF_TAP | syscalls.IFF_NO_PI
        fcntl.ioctl(self._tap, syscalls.TUNSETIFF, struct.pack("16sH22x", _DEVICE, flags))
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            fcntl.ioctl(control, syscalls.SIOCSIFTXQLEN, struct.pack("16si20x", _DEVICE, 1))
            fcntl.ioctl(control, syscalls.SIOCSIFFLAGS, struct.pack("16sH22x", _DEVICE, _IFF_UP | _IFF_NOARP))
        self._out = socket.socket(socket.AF_PACKET, kind, 0)
        self._out.setsockopt(syscalls.SOL_PACKET, syscalls.PACKET_VNET_HDR, 1)
        self._out.bind((_DEVICE.decode(), 0))
        self._caught = socket.socket(socket.AF_PACKET, kind, 0)
        enlarge_buffers(self._caught)
        self._caught.bind((_DEVICE.decode(), syscalls.ETH_P_ALL))

    def cut(self, address: int, length: int, vnet: h.Vnet, size: int) -> Cut:
        """Cut the frame at this address into segments of `size` bytes of payload; valid until the next call.

        There may be at most MAX_SEGMENTS of them.
        """
        h.VNET.pack_into(self._header.bytes, 0, *vnet._replace(gso_size=size))
        pieces: list[Segment] = []
        if self._message.send(self._out.fileno(), [self._header.address, h.VNET_LEN, address, length]):
            lengths = self._receiver.receive(self._caught.fileno())
            pieces = [
                Segment(b"", start, length)
                for start, length in zip(self._receiver.starts, lengths, strict=False)
            ]
        return Cut(self._receiver.memory.view, self._receiver.memory.address, pieces)

    def close(self) -> None:
        """Close device and sockets; the namespace goes with them."""
        self._out.close()
        self._caught.close()
        os.close(self._tap)
