"""What a datapath does to a packet: the OVS_ACTION_ATTR_* of the kernel's openvswitch.h as immutable values.

Rule: two actions are equal only if they are of the same kind, so that tuples of actions can be compared and
hashed.
"""

from __future__ import annotations

from dataclasses import dataclass

from datapath.packet.flowkey import FlowKey

TunnelOptions = tuple[tuple[int, bytes], ...]  # OVS_TUNNEL_KEY_ATTR_{GENEVE,VXLAN,ERSPAN}_OPTS with payload


@dataclass(frozen=True, slots=True)
class Output:
    """Send the packet, as it is now, out of a port of the datapath."""

    port: int


@dataclass(frozen=True, slots=True)
class Userspace:
    """Send the packet to the daemon as an OVS_PACKET_CMD_ACTION upcall."""

    pid: int  # netlink port id; ignored by a datapath that dispatches per CPU
    userdata: bytes = b""
    tunnel_port: int | None = None  # the upcall tells what outer header this port would send with
    actions: bool = False  # the upcall brings the actions of the flow along


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
    options: TunnelOptions = ()


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
class Trunc:
    """The next Output or Userspace sends at most so many bytes of the frame."""

    max_len: int


HASH_L4 = 0
HASH_SYM_L4 = 1  # the same for both directions; known to datapaths in user space alone


@dataclass(frozen=True, slots=True)
class Hash:
    """Compute a hash of the packet's connection into dp_hash, for the look-up that a Recirc begins."""

    algorithm: int = HASH_L4
    basis: int = 0


@dataclass(frozen=True, slots=True)
class PushMpls:
    """Put a label stack entry in front of the network header."""

    lse: int
    eth_type: int  # 0x8847 or 0x8848


@dataclass(frozen=True, slots=True)
class PopMpls:
    """Take the outermost label stack entry away; what is behind it is of `eth_type`."""

    eth_type: int


@dataclass(frozen=True, slots=True)
class AddMpls:
    """Put a label stack entry in front of the Ethernet header, or of the network header without one."""

    lse: int
    eth_type: int
    flags: int = 0  # 1: behind the Ethernet header, as PushMpls does


@dataclass(frozen=True, slots=True)
class PushEth:
    """Put an Ethernet header in front of a packet that has none."""

    src: int
    dst: int


@dataclass(frozen=True, slots=True)
class PopEth:
    """Take the Ethernet header away."""


@dataclass(frozen=True, slots=True)
class PushNsh:
    """Put a Network Service Header (RFC 8300) in front of the packet."""

    flags: int
    ttl: int
    mdtype: int  # 1: four words of context; 2: records of variable length
    np: int
    path_hdr: int  # service path identifier << 8 | service index
    context: bytes = b""  # 16 bytes with mdtype 1


@dataclass(frozen=True, slots=True)
class PopNsh:
    """Take the Network Service Header away."""


@dataclass(frozen=True, slots=True)
class Meter:
    """Drop the packet if this meter says so."""

    id: int


@dataclass(frozen=True, slots=True)
class Nat:
    """How Ct translates addresses. Without `kind`: as the connection was translated when it was committed."""

    kind: str = ""  # "src" or "dst"
    proto: int = 2  # AF_INET or AF_INET6 of the addresses
    addr_min: int | None = None
    addr_max: int | None = None
    port_min: int | None = None
    port_max: int | None = None
    persistent: bool = False
    proto_hash: bool = False
    proto_random: bool = False


@dataclass(frozen=True, slots=True)
class Ct:
    """Send the packet through the connection tracker."""

    commit: bool = False
    force: bool = False  # commit, and end a connection of the other direction
    zone: int = 0
    mark: tuple[int, int] | None = None  # value and mask
    labels: tuple[int, int] | None = None  # value and mask, 128 bits
    helper: str = ""
    nat: Nat | None = None
    eventmask: int | None = None
    timeout: str = ""  # name of a policy


@dataclass(frozen=True, slots=True)
class CtClear:
    """Forget what the connection tracker said of the packet."""


@dataclass(frozen=True, slots=True)
class Clone:
    """Carry actions out on a copy."""

    actions: Actions = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """Carry actions out on a copy of some packets."""

    probability: int  # of 0xffffffff
    actions: Actions = ()


@dataclass(frozen=True, slots=True)
class CheckPktLen:
    """Carry one of two lists of actions out, by the packet's length."""

    length: int
    greater: Actions = ()
    less_equal: Actions = ()


@dataclass(frozen=True, slots=True)
class DecTtl:
    """Count the IP header's TTL down; one whose TTL was 1 or 0 gets `expired` and nothing more."""

    expired: Actions = ()


@dataclass(frozen=True, slots=True)
class Opaque:
    """An action that this program passes on without looking into it."""

    type: int  # OVS_ACTION_ATTR_*
    payload: bytes


Action = (
    Output
    | Userspace
    | SetTunnel
    | PushVlan
    | PopVlan
    | SetFields
    | Recirc
    | Trunc
    | Hash
    | PushMpls
    | PopMpls
    | AddMpls
    | PushEth
    | PopEth
    | PushNsh
    | PopNsh
    | Meter
    | Ct
    | CtClear
    | Clone
    | Sample
    | CheckPktLen
    | DecTtl
    | Opaque
)
Actions = tuple[Action, ...]  # empty: drop
