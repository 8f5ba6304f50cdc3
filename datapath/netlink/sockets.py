"""Netlink sockets: the thin shell around conversations, and the receiving of what nobody asked for.

Rule: a request and its answers have a socket of their own, so that neither upcalls nor notifications get
between them.
"""

from __future__ import annotations

import errno
import os
import socket
from struct import Struct
from typing import Final

from datapath.netlink.conversation import Conversation, Interrupted, KernelRefusal
from datapath.netlink.message import Refusal

NETLINK_ROUTE: Final = socket.NETLINK_ROUTE
NETLINK_GENERIC: Final = 16

_SOL_NETLINK = 270
_NETLINK_ADD_MEMBERSHIP, _NETLINK_CAP_ACK, _NETLINK_EXT_ACK = 1, 10, 11
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_BUFFER_LEN = 1 << 17  # an upcall of 64 kB with its key; a part of a dump is at most 32 kB
_SEND_BUFFER = 1 << 20
_ATTEMPTS = 5  # a table that changes while it is dumped is read again
_ANSWER_TIMEOUT = Struct("@ll").pack(
    10, 0
)  # struct timeval: the kernel answers at once, apart from loading a module and waiting for RCU


class NetlinkSocket:
    """A bound netlink socket."""

    def __init__(self, protocol: int, *, receive_buffer: int = 0) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._buffer = memoryview(bytearray(_BUFFER_LEN))
        self._seq = 0
        self._set_option(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
        self._set_option(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        self._set_option(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _SEND_BUFFER)
        if receive_buffer:
            self._set_option(socket.SOL_SOCKET, _SO_RCVBUFFORCE, receive_buffer)
        self._socket.bind((0, 0))
        # not settimeout(), which makes recv_into() wait even with MSG_DONTWAIT
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _ANSWER_TIMEOUT)
        self.pid: int = self._socket.getsockname()[0]  # by which the kernel addresses this socket

    def _set_option(self, level: int, option: int, value: int) -> None:
        """Set an option that an old kernel or a user without privileges may lack: all work without them."""
        try:
            self._socket.setsockopt(level, option, value)
        except OSError as error:
            if error.errno not in (errno.ENOPROTOOPT, errno.EPERM):
                raise

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def join(self, group: int) -> None:
        """Receive the notifications of a multicast group."""
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, group)

    def send(self, data: bytes) -> None:
        """Send one datagram of any number of requests. OSError(ENOBUFS or EMSGSIZE) where it is too large."""
        self._socket.send(data)

    def receive_nowait(self) -> bytes:
        """Return one datagram, b"" when none waits. OSError(ENOBUFS): some were lost."""
        try:
            # 0.4 us on the way into a buffer that stays; recv() maps and unmaps 128 kB for every call
            length = self._socket.recv_into(self._buffer, 0, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return b""
        return bytes(self._buffer[:length])

    def transact(self, kind: int, flags: int, payload: bytes) -> list[bytes]:
        """Send one request, return the payloads of its answers; KernelRefusal where it is refused."""
        for attempt in range(_ATTEMPTS):
            self._seq = self._seq % 0xFFFFFFFF + 1
            conversation = Conversation(self._seq, kind, flags, payload)
            try:
                self._converse(conversation)
            except Interrupted:
                if attempt + 1 < _ATTEMPTS:
                    continue
                raise KernelRefusal(Refusal(errno.EAGAIN, "the table keeps changing")) from None
            return conversation.answers
        raise AssertionError("the loop returns or raises")

    def _converse(self, conversation: Conversation) -> None:
        self._socket.send(conversation.request())
        while not conversation.finished:
            try:
                length = self._socket.recv_into(self._buffer)
            except BlockingIOError:
                raise KernelRefusal(Refusal(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))) from None
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                conversation.overrun()
            else:
                conversation.feed(bytes(self._buffer[:length]))
