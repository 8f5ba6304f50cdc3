"""Generic netlink: a family's number by its name, and the header of its messages (linux/genetlink.h)."""

from __future__ import annotations

import errno
from struct import Struct
from typing import Final, NamedTuple

from datapath.netlink import attrs
from datapath.netlink.conversation import KernelRefusal
from datapath.netlink.message import Refusal
from datapath.netlink.sockets import NetlinkSocket

HEADER: Final = Struct("=BBH")  # command, version, reserved
HEADER_LEN: Final = 4

_GENL_ID_CTRL = 16
_CTRL_CMD_GETFAMILY = 3
_CTRL_ATTR_FAMILY_NAME = 2
_FAMILY: attrs.Policy = {
    1: attrs.u16("id"),
    2: attrs.text("name"),
    3: attrs.u32("version"),
    7: attrs.raw("groups"),
}
_GROUP: attrs.Policy = {1: attrs.text("name"), 2: attrs.u32("id")}


class Family(NamedTuple):
    """A generic netlink family as this kernel numbers it."""

    id: int
    name: str
    version: int
    groups: tuple[tuple[str, int], ...]  # multicast groups: name, number

    def group(self, name: str) -> int:
        """Return a multicast group's number; KernelRefusal(ENOENT) where it has none of that name."""
        for candidate, number in self.groups:
            if candidate == name:
                return number
        raise KernelRefusal(Refusal(errno.ENOENT, f"family {self.name} has no group {name}"))


def parse_family(payload: bytes) -> Family:
    """Read a CTRL_CMD_NEWFAMILY."""
    values = attrs.parse(payload, _FAMILY, "generic netlink family", HEADER_LEN)
    groups = []
    listed = values.octets("groups")
    for _kind, start, stop in attrs.attributes(listed):
        group = attrs.parse(listed, _GROUP, "multicast group", start, stop)
        groups.append((group.string("name"), group.integer("id")))
    return Family(values.integer("id"), values.string("name"), values.integer("version", 1), tuple(groups))


def resolve(sock: NetlinkSocket, name: str) -> Family:
    """Ask for a family; KernelRefusal(ENOENT) where no module offers it (the kernel tries to load one)."""
    body = HEADER.pack(_CTRL_CMD_GETFAMILY, 1, 0) + attrs.attr_text(_CTRL_ATTR_FAMILY_NAME, name)
    answers = sock.transact(_GENL_ID_CTRL, 0, body)
    if not answers:
        raise KernelRefusal(Refusal(errno.ENOENT, f"no answer about family {name}"))
    return parse_family(answers[0])
