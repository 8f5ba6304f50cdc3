"""System calls that move frames in batches, and the constants that the socket module lacks.

They go through ctypes.PyDLL, which keeps the interpreter's lock: every call here is non-blocking and short,
and a thread that lets go of the lock beside a busy one waits 5 ms (sys.getswitchinterval) to have it back
each time. Sources: linux/if_packet.h, linux/if_tun.h, linux/udp.h, linux/in.h; struct mmsghdr of
recvmmsg(2).
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from typing import Final

ETH_P_ALL: Final = 0x0003
SOL_PACKET: Final = 263
PACKET_ADD_MEMBERSHIP: Final = 1
PACKET_AUXDATA: Final = 8
PACKET_VNET_HDR: Final = 15
PACKET_IGNORE_OUTGOING: Final = 23
PACKET_MR_PROMISC: Final = 1
TP_STATUS_VLAN_VALID: Final = 0x10
TP_STATUS_VLAN_TPID_VALID: Final = 0x40

SIOCSIFFLAGS: Final = 0x8914
SIOCSIFTXQLEN: Final = 0x8943
SO_NO_CHECK: Final = 11
SO_ATTACH_FILTER: Final = 26
SO_SNDBUFFORCE: Final = 32
SO_RCVBUFFORCE: Final = 33

TUNSETIFF: Final = 0x400454CA
TUNSETOFFLOAD: Final = 0x400454D0
IFF_TAP: Final = 0x0002
IFF_NO_PI: Final = 0x1000
IFF_VNET_HDR: Final = 0x4000
TUN_F_ALL_TCP: Final = 0x01 | 0x02 | 0x04 | 0x08  # CSUM, TSO4, TSO6, TSO_ECN
TUN_F_UDP: Final = 0x20 | 0x40  # USO4, USO6: Linux 6.2

SOL_UDP: Final = 17
UDP_SEGMENT: Final = 103
UDP_GRO: Final = 104
UDP_NO_CHECK6_RX: Final = 102

IP_MTU_DISCOVER: Final = 10
IP_PMTUDISC_DONT: Final = 0
IP_PMTUDISC_DO: Final = 2
IP_PMTUDISC_PROBE: Final = 3  # set DF, whatever is known of the path
IP_RECVTTL: Final = 12
IP_RECVTOS: Final = 13
IP_MTU: Final = 14
IP_PKTINFO: Final = 8
IPV6_MTU_DISCOVER: Final = 23
IPV6_MTU: Final = 24

MSG_DONTWAIT: Final = 0x40

IOVEC: Final = struct.Struct("=QQ")  # base, length
MSGHDR: Final = struct.Struct(
    "=QIIQQQQii"
)  # name, its length, -, iov, their number, control, its length, flags, -
MMSGHDR: Final = struct.Struct("=QIIQQQQiiII")  # msghdr; bytes transferred, -

_libc = ctypes.PyDLL(None, use_errno=True)
recvmmsg = _libc.recvmmsg
recvmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p]
sendmmsg = _libc.sendmmsg
sendmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]
read = _libc.read
read.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
read.restype = ctypes.c_ssize_t
write = _libc.write
write.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
write.restype = ctypes.c_ssize_t
writev = _libc.writev
writev.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
writev.restype = ctypes.c_ssize_t


_REJECT_ALL: Final = bytearray(struct.pack("=HBBI", 0x06, 0, 0, 0))  # struct sock_filter: return 0 octets
_reject_pinned = (ctypes.c_char * len(_REJECT_ALL)).from_buffer(_REJECT_ALL)


def receive_nothing(sock: socket.socket) -> None:
    """Let a raw socket be for sending alone: what comes in for its protocol is not queued on it (bpf(4))."""
    program = struct.pack("@HP", 1, ctypes.addressof(_reject_pinned))  # struct sock_fprog
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def last_error(what: str) -> OSError:
    """Return the error of the call that just returned -1."""
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), what)


class Memory:
    """Memory with a fixed address, for the kernel to read and write."""

    def __init__(self, size: int) -> None:
        self.bytes = bytearray(size)
        self._pinned = (ctypes.c_char * size).from_buffer(self.bytes)  # also keeps the bytearray from moving
        self.address = ctypes.addressof(self._pinned)
        self.view = memoryview(self.bytes)
