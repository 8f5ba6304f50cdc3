"""What a datapath does to a packet: the OVS_ACTION_ATTR_* of the kernel's openvswitch.h as immutable values."""

from __future__ import annotations

from typing import NamedTuple

from datapath.packet.flowkey import FlowKey


class Output(NamedTuple):
    """Send the packet, as it is now, out of a port of the datapath."""

    port: int


class Userspace(NamedTuple):
    """Send the packet to the daemon as an OVS_PACKET_CMD_ACTION upcall."""

    pid: int  # netlink port id; ignored by a datapath that dispatches per CPU
    userdata: bytes = b""


class SetTunnel(NamedTuple):
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


class PushVlan(NamedTuple):
    """Put an 802.1Q or 802.1ad tag in front of what is there."""

    tpid: int
    tci: int  # with VLAN_PRESENT


class PopVlan(NamedTuple):
    """Take the outermost tag away."""


class SetFields(NamedTuple):
    """Overwrite the fields that `mask` names by those of `value` (OVS_ACTION_ATTR_SET_MASKED)."""

    value: FlowKey
    mask: FlowKey


class Recirc(NamedTuple):
    """Look the packet up once more under another recirc_id."""

    recirc_id: int


class Opaque(NamedTuple):
    """An action that this program passes on without looking into it."""

    type: int  # OVS_ACTION_ATTR_*
    payload: bytes


Action = Output | Userspace | SetTunnel | PushVlan | PopVlan | SetFields | Recirc | Opaque
Actions = tuple[Action, ...]  # empty: drop
