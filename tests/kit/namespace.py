"""Network namespaces, veth pairs and addresses, made by this process alone: in the VM a program's start takes half a
second, a system call nothing.

Rule: names stand in /run/netns as those of ip-netns(8), so that its programs see the same namespaces.
Source: unshare(2), mount(2), rtnetlink(7), <linux/veth.h>.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from struct import Struct

from datapath.link import Link, Links
from datapath.netlink import attrs, message
from datapath.netlink.sockets import NETLINK_ROUTE, NetlinkSocket
from datapath.provider import DatapathError
from tests.kit.netns import inside

_PLACE = Path("/run/netns")
_CLONE_NEWNET, _MS_BIND, _MNT_DETACH = 0x40000000, 4096, 2
_RTM_NEWLINK, _RTM_NEWADDR = 16, 20
_IFINFO = Struct("=BxHiII")
_IFADDR = Struct("=BBBBI")  # family, length of the prefix, flags, scope, index
_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def namespace(name: str) -> Iterator[None]:
    """Make a namespace, whose devices send nothing of their own accord, and remove it."""
    make_namespace(name)
    try:
        yield
    finally:
        remove_namespace(name)


def make_namespace(name: str) -> None:
    """Make a namespace with its loopback up and IPv6 off."""
    _PLACE.mkdir(exist_ok=True)
    (_PLACE / name).touch(exist_ok=False)
    failure: list[OSError] = []

    def make() -> None:
        try:
            _call(_libc.unshare, _CLONE_NEWNET)
            _call(
                _libc.mount, b"/proc/thread-self/ns/net", str(_PLACE / name).encode(), b"none", _MS_BIND, None
            )
            with Links() as links:
                links.set_up("lo")
            Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")
        except OSError as error:
            failure.append(error)

    thread = threading.Thread(target=make)  # it takes the namespace along when it ends
    thread.start()
    thread.join()
    if failure:
        (_PLACE / name).unlink()
        raise failure[0]


def remove_namespace(name: str) -> None:
    """Remove a namespace; what is in it goes when nothing uses it any more."""
    with contextlib.suppress(OSError):
        while True:  # ip-netns(8) doubles what is mounted there when it shares the place
            _call(_libc.umount2, str(_PLACE / name).encode(), _MNT_DETACH)
    with contextlib.suppress(OSError):
        (_PLACE / name).unlink()


def _call(function: ctypes._NamedFuncPointer, *arguments: object) -> None:
    if function(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def join(here: str, name: str, there: str, peer: str, mac: int) -> None:
    """Connect two namespaces by a veth pair, both ends up; the peer has this address."""
    with inside(here), contextlib.closing(NetlinkSocket(NETLINK_ROUTE)) as link, Links() as links:
        with open(_PLACE / there) as target:
            body = _IFINFO.pack(0, 0, 0, 0, 0) + attrs.attr_text(3, name)
            other = (
                _IFINFO.pack(0, 0, 0, 0, 0)
                + attrs.attr_text(3, peer)
                + attrs.attr(1, mac.to_bytes(6, "big"))
                + attrs.attr_u32(28, target.fileno())
            )
            body += attrs.nested(18, attrs.attr_text(1, "veth"), attrs.nested(2, attrs.attr(1, other)))
            link.transact(_RTM_NEWLINK, message.NLM_F_CREATE | message.NLM_F_EXCL, body)
        links.set_up(name)
    with inside(there), Links() as links:
        links.set_up(peer)


def set_up(namespace: str, device: str, up: bool = True) -> None:
    """Switch a device on or off."""
    with inside(namespace), Links() as links:
        links.set_up(device, up)


def device(namespace: str, name: str) -> Link | None:
    """Look at a device."""
    with inside(namespace), Links() as links:
        return links.find(name)


def rename(namespace: str, name: str, to: str) -> None:
    """Give a device another name; it is up afterwards."""
    _change(namespace, name, attrs.attr_text(3, to))
    set_up(namespace, to)


def move(namespace: str, name: str, to: str) -> None:
    """Put a device into another namespace; it is up afterwards."""
    with open(_PLACE / to) as target:
        _change(namespace, name, attrs.attr_u32(28, target.fileno()))
    set_up(to, name)


def _change(namespace: str, name: str, attribute: bytes) -> None:
    with inside(namespace), contextlib.closing(NetlinkSocket(NETLINK_ROUTE)) as link, Links() as links:
        links.set_up(name, up=False)
        found = links.find(name)
        assert found
        link.transact(_RTM_NEWLINK, 0, _IFINFO.pack(0, 0, found.ifindex, 0, 0) + attribute)


def delete_device(namespace: str, device: str) -> None:
    """Remove a device, if it is there."""
    with inside(namespace), Links() as links, contextlib.suppress(DatapathError):
        links.delete(device)


def add_address(namespace: str, device: str, address: str) -> None:
    """Give a device an address, such as 10.0.0.1/24; IPv6 is switched on for it where it needs that."""
    interface = ipaddress.ip_interface(address)
    with inside(namespace), contextlib.closing(NetlinkSocket(NETLINK_ROUTE)) as link, Links() as links:
        found = links.find(device)
        assert found, f"no device {device}"
        family = 2
        if interface.version == 6:
            family = 10
            Path(f"/proc/sys/net/ipv6/conf/{device}/accept_dad").write_text("0")
            Path(f"/proc/sys/net/ipv6/conf/{device}/disable_ipv6").write_text("0")
        body = _IFADDR.pack(family, interface.network.prefixlen, 0, 0, found.ifindex)
        body += attrs.attr(2, interface.ip.packed) + attrs.attr(1, interface.ip.packed)
        link.transact(_RTM_NEWADDR, message.NLM_F_CREATE | message.NLM_F_EXCL, body)
