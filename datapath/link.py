"""Network devices of this network namespace: facts, changes, the devices behind tunnels (rtnetlink(7)).

Rule: no ioctl, as on a device that does not exist the kernel would run modprobe twice. The messages are our
own codec's: reading a device takes 20 us (pyroute2: 0.5 ms), and the first tunnel need not wait for an
import that takes 0.2 s on a fast machine and 7 s on a slow one.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass, field
from struct import Struct
from types import TracebackType
from typing import Final, NamedTuple

from datapath.netlink import attrs, message
from datapath.netlink.asking import asking
from datapath.netlink.sockets import NETLINK_ROUTE, NetlinkSocket
from datapath.provider import DatapathError

TUNNEL_MTU: Final = 65000

_RTM_NEWLINK, _RTM_DELLINK, _RTM_GETLINK = 16, 17, 18
_RTNLGRP_LINK = 1
_IFINFO = Struct("=BxHiII")  # family, device type, index, flags, change mask
_IFF_UP, _IFF_RUNNING = 0x1, 0x40
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINKINFO = 1, 3, 4, 18
_INFO_KIND, _INFO_DATA, _INFO_SLAVE_KIND = 1, 2, 4
_LINK: attrs.Policy = {
    _IFLA_ADDRESS: attrs.raw("address"),
    _IFLA_IFNAME: attrs.text("name"),
    _IFLA_MTU: attrs.u32("mtu"),
    10: attrs.u32("master"),
    _IFLA_LINKINFO: attrs.raw("info"),
    23: attrs.u64s("stats", 18),
    35: attrs.u32("carrier_changes"),
    50: attrs.u32("min_mtu"),
    51: attrs.u32("max_mtu"),
}
_LINK_INFO: attrs.Policy = {
    _INFO_KIND: attrs.text("kind"),
    _INFO_DATA: attrs.raw("data"),
    _INFO_SLAVE_KIND: attrs.text("slave_kind"),
}
_VXLAN_GBP = 23
_MONITOR_BUFFER = 1 << 20


class LinkStats(NamedTuple):
    """The first counters of struct rtnl_link_stats64, in their order."""

    rx_packets: int = 0
    tx_packets: int = 0
    rx_bytes: int = 0
    tx_bytes: int = 0
    rx_errors: int = 0
    tx_errors: int = 0
    rx_dropped: int = 0
    tx_dropped: int = 0
    multicast: int = 0
    collisions: int = 0
    rx_length_errors: int = 0
    rx_over_errors: int = 0
    rx_crc_errors: int = 0
    rx_frame_errors: int = 0
    rx_fifo_errors: int = 0
    rx_missed_errors: int = 0
    tx_aborted_errors: int = 0
    tx_carrier_errors: int = 0


@dataclass(frozen=True, slots=True)
class Link:
    """A network device."""

    ifindex: int
    name: str
    mac: str  # "aa:bb:cc:dd:ee:ff"; "" where the device has no address of 48 bits
    mtu: int
    admin_up: bool
    link_up: bool  # it is up and has a carrier, or cannot tell
    kind: str  # "veth", "openvswitch", "vxlan" ...; "" for most hardware
    master: int = 0  # ifindex of the bridge, bond or datapath it belongs to
    slave_kind: str = ""  # "openvswitch" where a kernel datapath has it
    carrier_changes: int = 0
    min_mtu: int = 0
    max_mtu: int = 0
    gbp: bool = False  # a vxlan device that knows group policies
    stats: LinkStats = field(default=LinkStats(), compare=False)


def parse_link(body: bytes) -> Link:
    """Read an RTM_NEWLINK or RTM_DELLINK without its netlink header."""
    if len(body) < _IFINFO.size:
        raise attrs.NetlinkFormatError(f"link message of {len(body)} bytes")
    _family, _type, ifindex, flags, _change = _IFINFO.unpack_from(body)
    values = attrs.parse(body, _LINK, "link", _IFINFO.size)
    info = attrs.parse(values.octets("info"), _LINK_INFO, "link info")
    address = values.octets("address")
    return Link(
        ifindex=ifindex,
        name=values.string("name", ""),
        mac=address.hex(":") if len(address) == 6 else "",
        mtu=values.integer("mtu", 0),
        admin_up=bool(flags & _IFF_UP),
        link_up=bool(flags & _IFF_RUNNING),
        kind=info.string("kind", ""),
        gbp=info.string("kind", "") == "vxlan" and _has(info.octets("data"), _VXLAN_GBP),
        master=values.integer("master", 0),
        slave_kind=info.string("slave_kind", ""),
        carrier_changes=values.integer("carrier_changes", 0),
        min_mtu=values.integer("min_mtu", 0),
        max_mtu=values.integer("max_mtu", 0),
        stats=LinkStats(*values.numbers("stats", LinkStats())),
    )


def _has(data: bytes, kind: int) -> bool:
    return any(found == kind for found, _start, _stop in attrs.attributes(data))


class Links:
    """Read and change network devices. Every method may raise DatapathError."""

    def __init__(self) -> None:
        self._socket = NetlinkSocket(NETLINK_ROUTE)

    def __enter__(self) -> Links:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def all(self) -> list[Link]:
        """List the devices."""
        answers = self._ask(message.NLM_F_DUMP, _IFINFO.pack(0, 0, 0, 0, 0), "list network devices")
        return [parse_link(answer) for answer in answers]

    def find(self, name: str) -> Link | None:
        """Find a device by its name."""
        if not name or len(name.encode()) > 15:
            return None
        body = _IFINFO.pack(0, 0, 0, 0, 0) + attrs.attr_text(_IFLA_IFNAME, name)
        return self._one(body, f"look up network device {name}")

    def find_index(self, ifindex: int) -> Link | None:
        """Find a device by its index."""
        return self._one(_IFINFO.pack(0, 0, ifindex, 0, 0), f"look up network device {ifindex}")

    def _one(self, body: bytes, what: str) -> Link | None:
        try:
            answers = self._ask(0, body, what)
        except DatapathError as error:
            if error.errno == errno.ENODEV:
                return None
            raise
        return parse_link(answers[0]) if answers else None

    def _ask(self, flags: int, body: bytes, what: str) -> list[bytes]:
        with asking(what):
            return self._socket.transact(_RTM_GETLINK, flags, body)

    def set_up(self, name: str, up: bool = True) -> None:
        """Switch a device on or off."""
        flags = _IFF_UP if up else 0
        body = _IFINFO.pack(0, 0, self._index(name), flags, _IFF_UP)
        self._change(_RTM_NEWLINK, 0, body, f"set {name} {'up' if up else 'down'}")

    def set_mtu(self, name: str, mtu: int) -> None:
        """Set a device's largest packet."""
        body = _IFINFO.pack(0, 0, self._index(name), 0, 0) + attrs.attr_u32(_IFLA_MTU, mtu)
        self._change(_RTM_NEWLINK, 0, body, f"set MTU of {name} to {mtu}")

    def set_mac(self, name: str, mac: str) -> None:
        """Set a device's hardware address."""
        address = bytes.fromhex(mac.replace(":", ""))
        body = _IFINFO.pack(0, 0, self._index(name), 0, 0) + attrs.attr(_IFLA_ADDRESS, address)
        self._change(_RTM_NEWLINK, 0, body, f"set address of {name} to {mac}")

    def delete(self, name: str) -> None:
        """Delete a device."""
        body = _IFINFO.pack(0, 0, self._index(name), 0, 0)
        self._change(_RTM_DELLINK, 0, body, f"delete network device {name}")

    def _index(self, name: str) -> int:
        link = self.find(name)
        if link is None:
            raise DatapathError(errno.ENODEV, f"look up network device {name}")
        return link.ifindex

    def create_tunnel(self, name: str, kind: str, dst_port: int, *, gbp: bool = False) -> None:
        """Make the device that sends and receives all tunnels of one kind and UDP port, and switch it on.

        The device takes the outer header from each packet's metadata (collect_metadata). One of that name and
        kind that is left over from before is replaced, as its port or its flags may be others.
        """
        device_kind = _DEVICE_KIND.get(kind, kind)
        what = f"create {kind} device {name}"
        leftover = self.find(name)
        if leftover is not None:
            if leftover.kind != device_kind:
                raise DatapathError(errno.EEXIST, what, f"there is a {leftover.kind or 'hardware'} device")
            self.delete(name)
        body = (
            _IFINFO.pack(0, 0, 0, _IFF_UP, _IFF_UP)
            + attrs.attr_text(_IFLA_IFNAME, name)
            + attrs.attr_u32(_IFLA_MTU, TUNNEL_MTU)
            + attrs.nested(
                _IFLA_LINKINFO,
                attrs.attr_text(_INFO_KIND, device_kind),
                attrs.nested(_INFO_DATA, _tunnel_settings(kind, dst_port, gbp)),
            )
        )
        self._change(_RTM_NEWLINK, message.NLM_F_CREATE | message.NLM_F_EXCL, body, what)
        self.set_mtu(
            name, TUNNEL_MTU
        )  # a gretap device is made with an MTU of its own, whatever was asked for

    def _change(self, kind: int, flags: int, body: bytes, what: str) -> None:
        with asking(what):
            self._socket.transact(kind, flags, body)


_DEVICE_KIND: Final = {"gre": "gretap", "ip6gre": "ip6gretap"}  # others are of the name of the kind of tunnel

# linux/if_tunnel.h and linux/if_link.h
_GRE_COLLECT_METADATA = 18
_VXLAN_LEARNING, _VXLAN_PORT, _VXLAN_UDP_ZERO_CSUM6_RX, _VXLAN_COLLECT_METADATA = 7, 15, 20, 25
_GENEVE_PORT, _GENEVE_COLLECT_METADATA, _GENEVE_UDP_ZERO_CSUM6_RX = 5, 6, 10


def _tunnel_settings(kind: str, dst_port: int, gbp: bool) -> bytes:
    """Encode IFLA_INFO_DATA; UDP ports are in network order there."""
    port = dst_port.to_bytes(2, "big")
    if kind == "vxlan":
        return (
            attrs.attr_u8(_VXLAN_LEARNING, 0)
            + attrs.attr_u8(_VXLAN_COLLECT_METADATA, 1)
            + attrs.attr_u8(_VXLAN_UDP_ZERO_CSUM6_RX, 1)
            + attrs.attr(_VXLAN_PORT, port)
            + (attrs.attr(_VXLAN_GBP) if gbp else b"")
        )
    if kind != "geneve":
        return attrs.attr(_GRE_COLLECT_METADATA)
    return (
        attrs.attr(_GENEVE_COLLECT_METADATA)
        + attrs.attr_u8(_GENEVE_UDP_ZERO_CSUM6_RX, 1)
        + attrs.attr(_GENEVE_PORT, port)
    )


class LinkChanges(NamedTuple):
    """Which devices changed since the last look."""

    names: frozenset[str]
    lost: bool  # more changed than the kernel had room to tell: look at all


class LinkMonitor:
    """Tells which devices came, went or changed. Its descriptor becomes readable when some did."""

    def __init__(self) -> None:
        self._socket = NetlinkSocket(NETLINK_ROUTE, receive_buffer=_MONITOR_BUFFER)
        self._socket.join(_RTNLGRP_LINK)

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def changes_nowait(self) -> LinkChanges:
        """Take all that was told so far, without blocking."""
        names: set[str] = set()
        lost = False
        while True:
            try:
                datagram = self._socket.receive_nowait()
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                lost = True
                continue
            if not datagram:
                return LinkChanges(frozenset(names), lost)
            names.update(_changed_names(message.messages(datagram)))


def _changed_names(messages: Iterable[message.Message]) -> Iterable[str]:
    """Read the names alone: a device that comes is reported four times, and then asked for."""
    for notification in messages:
        if notification.type in (_RTM_NEWLINK, _RTM_DELLINK):
            body = notification.payload
            for kind, start, stop in attrs.attributes(body, _IFINFO.size):
                if kind == _IFLA_IFNAME:
                    yield body[start:stop].split(b"\0", 1)[0].decode("utf-8", "replace")
                    break
