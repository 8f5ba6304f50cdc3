"""Network devices of this network namespace: facts, changes, the devices behind tunnels (rtnetlink(7)).

Rule: facts are read with our own codec, 10 us a device, as a switch with many ports asks often; changes are
rare and go through pyroute2, which is imported only then (0.2 s). No ioctl: on a device that does not exist
the kernel would run modprobe twice for each.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from struct import Struct
from types import TracebackType
from typing import TYPE_CHECKING, Final, NamedTuple

from datapath.netlink import attrs, message
from datapath.netlink.conversation import KernelRefusal
from datapath.netlink.sockets import NETLINK_ROUTE, NetlinkSocket
from datapath.provider import DatapathError

if TYPE_CHECKING:
    from pyroute2 import IPRoute

TUNNEL_MTU: Final = 65000

_RTM_NEWLINK, _RTM_DELLINK, _RTM_GETLINK = 16, 17, 18
_RTNLGRP_LINK = 1
_IFINFO = Struct("=BxHiII")  # family, device type, index, flags, change mask
_IFF_UP, _IFF_RUNNING = 0x1, 0x40
_IFLA_IFNAME, _IFLA_EXT_MASK, _EXT_MASK_SKIP_STATS = 3, 29, 8
_LINK: attrs.Policy = {
    1: attrs.raw("address"),
    _IFLA_IFNAME: attrs.text("name"),
    4: attrs.u32("mtu"),
    10: attrs.u32("master"),
    18: attrs.raw("info"),
    23: attrs.u64s("stats", 12),
    35: attrs.u32("carrier_changes"),
    50: attrs.u32("min_mtu"),
    51: attrs.u32("max_mtu"),
}
_LINK_INFO: attrs.Policy = {1: attrs.text("kind"), 4: attrs.text("slave_kind")}
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
    link_resets: int = 0  # changes of the carrier
    min_mtu: int = 0
    max_mtu: int = 0
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
        master=values.integer("master", 0),
        slave_kind=info.string("slave_kind", ""),
        link_resets=values.integer("carrier_changes", 0),
        min_mtu=values.integer("min_mtu", 0),
        max_mtu=values.integer("max_mtu", 0),
        stats=LinkStats(*values.numbers("stats", LinkStats())),
    )


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
        try:
            return self._socket.transact(_RTM_GETLINK, flags, body)
        except KernelRefusal as refusal:
            raise DatapathError(refusal.errno, what, refusal.text) from None
        except OSError as error:
            raise DatapathError(error.errno or errno.EIO, what) from None

    def set_up(self, name: str, up: bool = True) -> None:
        """Switch a device on or off."""
        with _Route(f"set {name} {'up' if up else 'down'}") as route:
            route.link("set", index=self._index(name), state="up" if up else "down")

    def set_mtu(self, name: str, mtu: int) -> None:
        """Set a device's largest packet."""
        with _Route(f"set MTU of {name}") as route:
            route.link("set", index=self._index(name), mtu=mtu)

    def set_mac(self, name: str, mac: str) -> None:
        """Set a device's hardware address."""
        with _Route(f"set address of {name}") as route:
            route.link("set", index=self._index(name), address=mac)

    def delete(self, name: str) -> None:
        """Delete a device."""
        with _Route(f"delete network device {name}") as route:
            route.link("del", index=self._index(name))

    def _index(self, name: str) -> int:
        link = self.find(name)
        if link is None:
            raise DatapathError(errno.ENODEV, f"look up network device {name}")
        return link.ifindex

    def create_tunnel(self, name: str, kind: str, dst_port: int) -> None:
        """Make the device that sends and receives all tunnels of one kind and UDP port, and switch it on.

        The device takes the outer header from each packet's metadata (collect_metadata). One of that name and
        kind that is left over from before is replaced, as its port or its flags may be others.
        """
        leftover = self.find(name)
        if leftover is not None:
            if leftover.kind != _DEVICE_KIND[kind]:
                raise DatapathError(errno.EEXIST, f"create {kind} device {name}", f"a {leftover.kind} device")
            self.delete(name)
        with _Route(f"create {kind} device {name}") as route:
            route.link(
                "add", ifname=name, kind=_DEVICE_KIND[kind], mtu=TUNNEL_MTU, **_settings(kind, dst_port)
            )
            # once more: a gretap device is made with an MTU of its own whatever was asked for
            route.link("set", index=self._index(name), state="up", mtu=TUNNEL_MTU)


_DEVICE_KIND: Final = {"gre": "gretap", "vxlan": "vxlan", "geneve": "geneve"}


def _settings(kind: str, dst_port: int) -> dict[str, int | bool]:
    if kind == "gre":
        return {"gre_collect_metadata": True}
    if kind == "vxlan":
        return {
            "vxlan_port": dst_port,
            "vxlan_collect_metadata": True,
            "vxlan_learning": False,
            "vxlan_udp_zero_csum6_rx": True,
        }
    return {"geneve_port": dst_port, "geneve_collect_metadata": True, "geneve_udp_zero_csum6_rx": True}


class _Route:
    """A pyroute2 socket for a few changes, its errors made DatapathErrors that say `what` was done."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> IPRoute:
        from pyroute2 import IPRoute  # 0.2 s: not where nothing is changed

        self._route = IPRoute()
        return self._route

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._route.close()
        from pyroute2 import NetlinkError

        if isinstance(error, NetlinkError):
            text = str(error.args[1]) if len(error.args) > 1 else ""
            raise DatapathError(
                error.code, self._what, "" if text == os.strerror(error.code) else text
            ) from None


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
    for notification in messages:
        if notification.type in (_RTM_NEWLINK, _RTM_DELLINK):
            yield parse_link(notification.payload).name
