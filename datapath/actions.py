"""What a datapath does to a packet: the OVS_ACTION_ATTR_* of the kernel's openvswitch.h as immutable values.

Rule: two actions are equal only if they are of the same kind, so that tuples of actions can be compared and
hashed.
"""

from __future__ import annotations

from dataclasses import dataclass

from datapath.packet.flowkey import FlowKey


@dataclass(frozen=True, slots=True)
class Output:
    """Send the packet, as it is now, out of a port of the datapath."""

    port: int


@dataclass(frozen=True, slots=True)
class Userspace:
    """Send the packet to the daemon as an OVS_PACKET_CMD_ACTION upcall."""

    pid: int  # netlink port id; ignored by a datapath that dispatches per CPU
    userdata: bytes = b""


@dataclass(frozen=True, slots=True)
class SetTunnel:
    """The outer header with which a tunnel port shall send the packet; a source of 0 leaves it to routing."""

    dst: int
    src: int = 0
    proto: int = 2  # AF_INET or AF_INET6
    tun_id: int = 0
    tos: int = 0
    ttl: int = 64
    flags: int = 0  # TUN_* of flowkey
    tp_src: int = 0
    tp_dst: int = 0


@dataclass(frozen=True, slots=True)
class PushVlan:
    """Put an 802.1Q or 802.1ad tag in front of what is there."""

    tpid: int
    tci: int  # with VLAN_PRESENT


@dataclass(frozen=True, slots=True)
class PopVlan:
    """Take the outermost tag away."""


@dataclass(frozen=True, slots=True)
class SetFields:
    """Overwrite the fields that `mask` names by those of `value` (OVS_ACTION_ATTR_SET_MASKED)."""

    value: FlowKey
    mask: FlowKey


@dataclass(frozen=True, slots=True)
class Recirc:
    """Look the packet up once more under another recirc_id."""

    recirc_id: int


@dataclass(frozen=True, slots=True)
class Opaque:
    """An action that this program passes on without looking into it."""

    type: int  # OVS_ACTION_ATTR_*
    payload: bytes


Action = Output | Userspace | SetTunnel | PushVlan | PopVlan | SetFields | Recirc | Opaque
Actions = tuple[Action, ...]  # empty: drop
