"""The network below tunnels, where a bridge of ours has the host's address in it.

There an outer packet would go through the host's stack only to come back by a TAP, and one that comes would
be written to a TAP only to be read from a socket: two system calls and a look-up for each. So IPv4 packets
of GRE pass by the stack, as they do in Open vSwitch's datapath in userspace.

Rule: the kernel is asked for each decision (route, source, neighbour, whether a packet is taken) and tells
when one may have changed; nothing passes by a host that has rules for packets (host_rules).
"""

from __future__ import annotations

import errno
import select
from collections.abc import Callable
from ipaddress import IPv4Address
from struct import Struct
from typing import Final

from datapath.actions import SetTunnel
from datapath.link import Links
from datapath.netlink.sockets import NETLINK_ROUTE, NetlinkSocket
from datapath.packet import headers as h
from datapath.packet.checksum import ones_sum
from datapath.packet.flowkey import TUN_CSUM, TUN_DONT_FRAGMENT
from datapath.provider import DatapathError
from datapath.route import Routes
from datapath.userspace.host_rules import ABSENT, NETLINK_NETFILTER, NETLINK_XFRM, is_silent
from datapath.userspace.outer import Way, differing
from datapath.userspace.ports import TapPort

_AF_INET = 2
_GROUPS: Final = (
    (NETLINK_ROUTE, (1, 3, 4, 5, 7, 8)),  # RTNLGRP_: LINK, NEIGH, TC, IPV4_IFADDR, IPV4_ROUTE, IPV4_RULE
    (NETLINK_XFRM, (4,)),  # XFRMNLGRP_POLICY
    (NETLINK_NETFILTER, (7,)),  # NFNLGRP_NFTABLES
)
_IP_FLAG_DF = 0x4000
_FRONT = Struct(f"!{h.VNET_LEN}x6s6sHBBHHHBBHII")  # virtio header, Ethernet, IPv4


class Underlay:
    """Asks the kernel about ways, and hears of changes."""

    def __init__(self, taps: Callable[[], list[TapPort]]) -> None:
        self._taps = taps
        self._routes, self._links = Routes(), Links()
        self._changes: list[NetlinkSocket] = []
        self._any = select.epoll()
        try:
            for protocol, groups in _GROUPS:
                self._follow(protocol, groups)
        except BaseException:
            self.close()
            raise

    def _follow(self, protocol: int, groups: tuple[int, ...]) -> None:
        try:
            changes = NetlinkSocket(protocol)
        except OSError as error:
            if error.errno in ABSENT:  # a kernel that has nothing of the kind
                return
            raise
        self._changes.append(changes)
        for group in groups:
            changes.join(group)
        self._any.register(changes.fileno(), select.EPOLLIN)

    def fileno(self) -> int:
        """Return the descriptor that is readable when something may have changed."""
        return self._any.fileno()

    def drain(self) -> None:
        """Read over what was told: that something was is enough."""
        for changes in self._changes:
            _read_over(changes)

    def close(self) -> None:
        """Close the sockets."""
        self._any.close()
        for changes in self._changes:
            changes.close()
        self._routes.close()
        self._links.close()

    def way(self, tunnel: SetTunnel, header_len: int) -> Way | None:
        """Find how packets of a GRE tunnel leave by a bridge of ours; None: through the host's stack."""
        if tunnel.proto != _AF_INET or tunnel.flags & TUN_CSUM or not tunnel.ttl:
            return None
        to, source = IPv4Address(tunnel.dst), IPv4Address(tunnel.src) if tunnel.src else None
        route = self._routes.way(to, source, tunnel.tos)
        port = self._tap(route.ifindex) if route else None
        source = source or (IPv4Address(int(route.source)) if route and route.source else None)
        if route is None or port is None or source is None:
            return None
        neighbour = self._routes.neighbour(route.gateway or to, route.ifindex)
        mac = self._mac(route.ifindex)
        if neighbour is None or not mac or not is_silent(route.ifindex):
            return None
        if neighbour.is_stale:
            self._routes.use(neighbour)
        is_whole = bool(tunnel.flags & TUN_DONT_FRAGMENT)
        octets = _FRONT.pack(
            bytes.fromhex(neighbour.mac.replace(":", "")), mac, h.ETH_TYPE_IP, 0x45, tunnel.tos, 0, 0,
            _IP_FLAG_DF if is_whole else 0, tunnel.ttl, h.IPPROTO_GRE, 0, int(source), tunnel.dst,
        )  # fmt: skip
        ip_sum = ones_sum(octets[h.VNET_LEN + h.ETH_HEADER_LEN :])
        return Way(port, int.from_bytes(octets, "big"), ip_sum, is_whole, differing(header_len))

    def takes(self, port: TapPort, header: bytes) -> bool:
        """Tell whether the host would take packets of GRE that come to a bridge's port with such headers.

        `header` is Ethernet and IPv4 without options.
        """
        ifindex = port.vport.ifindex
        if self._mac(ifindex) != header[:6]:
            return False
        tos, source, to = header[15], IPv4Address(header[26:30]), IPv4Address(header[30:34])
        return self._routes.is_taken(to, source, tos, ifindex) and is_silent(ifindex)

    def _tap(self, ifindex: int) -> TapPort | None:
        return next((tap for tap in self._taps() if tap.vport.ifindex == ifindex), None)

    def _mac(self, ifindex: int) -> bytes:
        """Return the address of a device that is up, else nothing."""
        try:
            link = self._links.find_index(ifindex)
        except DatapathError:
            return b""
        return bytes.fromhex(link.mac.replace(":", "")) if link and link.admin_up else b""


def _read_over(changes: NetlinkSocket) -> None:
    while True:
        try:
            if not changes.receive_nowait():
                return
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
