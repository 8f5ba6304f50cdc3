"""A network device for the switch alone: what comes in there must not reach the host's own stack as well.

Without this the host would answer ARP for its addresses on every port, and take each packet for the bridge
twice if the bridge has the port's Ethernet address, which is the rule.

Rule: packet sockets see a frame before traffic control does, so a filter on ingress that drops everything
leaves them all they need. The filter is one classic BPF instruction; a kernel without cls_bpf gets sysctls
instead, which keep the host from answering for addresses of other devices. Both are undone when the port
goes. Sources: linux/rtnetlink.h, linux/pkt_sched.h, linux/pkt_cls.h; ip-sysctl in the kernel's
documentation.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from contextlib import suppress
from typing import Final

_RTM_NEWQDISC: Final = 36
_RTM_NEWTFILTER: Final = 44
_RTM_DELTFILTER: Final = 45
_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_EXCL, _NLM_F_CREATE = 1, 4, 0x200, 0x400
_TC_H_CLSACT: Final = 0xFFFFFFF1
_TC_H_INGRESS_FILTERS: Final = 0xFFFFFFF2
_TCA_KIND, _TCA_OPTIONS = 1, 2
_TCA_BPF_OPS_LEN, _TCA_BPF_OPS, _TCA_BPF_FLAGS = 4, 5, 8
_TCA_BPF_FLAG_ACT_DIRECT: Final = 1
_RETURN_SHOT: Final = struct.pack("=HBBI", 0x06, 0, 0, 2)  # BPF_RET | BPF_K with TC_ACT_SHOT
_PRIORITY: Final = 0xC0DE  # of our filter: by this it is found again
_ANY_PROTOCOL: Final = socket.htons(0x0003)
_HEADER: Final = struct.Struct("=IHHII")
_TCMSG: Final = struct.Struct("=BxxxiIII")

_SYSCTLS: Final = (  # with the values that keep a device from speaking for the host
    ("ipv4", "arp_ignore", "1"),
    ("ipv4", "rp_filter", "1"),
    ("ipv6", "disable_ipv6", "1"),
)


class Isolation:
    """One device, kept from the host's stack until release()."""

    def __init__(self, name: str, ifindex: int) -> None:
        self._ifindex = ifindex
        self._sysctls: dict[str, str] = {}
        self.filtered = _filter(ifindex)
        if not self.filtered:
            self._set_sysctls(name)

    def release(self) -> None:
        """Give the device back to the host; one that is gone needs nothing."""
        if self.filtered:
            with suppress(OSError):
                _request(_RTM_DELTFILTER, 0, _tcmsg(self._ifindex, _TC_H_INGRESS_FILTERS))
        for path, value in self._sysctls.items():
            with suppress(OSError), open(path, "w") as file:
                file.write(value)

    def _set_sysctls(self, name: str) -> None:
        for family, key, value in _SYSCTLS:
            path = f"/proc/sys/net/{family}/conf/{name}/{key}"
            with suppress(OSError):
                with open(path) as file:
                    self._sysctls[path] = file.read()
                with open(path, "w") as file:
                    file.write(value)


def _filter(ifindex: int) -> bool:
    """Install the filter; false where this kernel cannot."""
    create = _NLM_F_CREATE | _NLM_F_EXCL
    try:
        _request(_RTM_NEWQDISC, create, _qdisc(ifindex))
    except OSError as error:
        if error.errno != errno.EEXIST:
            return False
    options = (
        _attribute(_TCA_BPF_OPS_LEN, struct.pack("=H", 1))
        + _attribute(_TCA_BPF_OPS, _RETURN_SHOT)
        + _attribute(_TCA_BPF_FLAGS, struct.pack("=I", _TCA_BPF_FLAG_ACT_DIRECT))
    )
    body = _tcmsg(ifindex, _TC_H_INGRESS_FILTERS) + _attribute(_TCA_KIND, b"bpf\0")
    try:
        _request(_RTM_NEWTFILTER, create, body + _attribute(_TCA_OPTIONS, options))
    except OSError as error:
        return error.errno == errno.EEXIST  # left by a process that was killed
    return True


def _qdisc(ifindex: int) -> bytes:
    return _TCMSG.pack(0, ifindex, 0xFFFF0000, _TC_H_CLSACT, 0) + _attribute(_TCA_KIND, b"clsact\0")


def _tcmsg(ifindex: int, parent: int) -> bytes:
    return _TCMSG.pack(0, ifindex, 0, parent, _PRIORITY << 16 | _ANY_PROTOCOL)


def _attribute(kind: int, payload: bytes) -> bytes:
    length = 4 + len(payload)
    return struct.pack("=HH", length, kind) + payload + bytes(-length % 4)


def _request(kind: int, flags: int, body: bytes) -> None:
    """Send one request of rtnetlink and read its acknowledgement. Raises OSError."""
    header = _HEADER.pack(_HEADER.size + len(body), kind, _NLM_F_REQUEST | _NLM_F_ACK | flags, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as netlink:
        netlink.send(header + body)
        reply = netlink.recv(8192)
    number = -int(struct.unpack_from("=i", reply, _HEADER.size)[0])
    if number:
        raise OSError(number, os.strerror(number))
