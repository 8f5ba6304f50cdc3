"""Which VLAN a frame is in when it comes in by a port, and which tags it bears when it goes out.

Rule: pure. Tags are a tuple of ints, the outermost first: TPID << 16 | TCI, with VLAN_PRESENT in the TCI.
Source: ovs-vswitchd.conf.db(5), "VLAN Configuration"; IEEE 802.1Q.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

from datapath.packet.flowkey import VLAN_PRESENT, FlowKey
from datapath.packet.headers import ETH_TYPE_QINQ, ETH_TYPE_VLAN

VID_MASK = 0x0FFF
PCP_MASK = 0xE000
_SAYS_SOMETHING = VID_MASK | PCP_MASK
MAX_TAGS = 2  # that a key holds; what is behind them is payload
DEFAULT_LIMIT = 1  # tags that are looked at, where vlan-limit says nothing
Tags = tuple[int, ...]


class VlanMode(enum.Enum):
    """Port.vlan_mode; the values are the database's."""

    ACCESS = "access"
    TRUNK = "trunk"
    NATIVE_TAGGED = "native-tagged"
    NATIVE_UNTAGGED = "native-untagged"
    DOT1Q_TUNNEL = "dot1q-tunnel"


# Looking a member up in its class costs more than all else in carries(), which runs for each port of a flood.
_ACCESS, _TRUNK, _TUNNEL = VlanMode.ACCESS, VlanMode.TRUNK, VlanMode.DOT1Q_TUNNEL
_NATIVE_UNTAGGED = VlanMode.NATIVE_UNTAGGED


@dataclass(frozen=True, slots=True)
class PortVlan:
    """The VLANs of a port."""

    mode: VlanMode = VlanMode.TRUNK
    tag: int = 0  # of an access port, the native VLAN, or the service VLAN of a dot1q-tunnel port
    trunks: frozenset[int] = frozenset()  # empty: all
    priority_tags: str = (
        "never"  # for frames without a VLAN: "never", "if-nonzero" or "always" a priority tag
    )
    cvlans: frozenset[int] = frozenset()  # of a dot1q-tunnel port: the customers' VLANs; empty: all
    service_tpid: int = ETH_TYPE_QINQ  # of the tag that says the service VLAN elsewhere


class Classified(NamedTuple):
    """A frame within a bridge."""

    vlan: int  # in which it is switched; 0: none
    pcp: int  # the priority of the tag that says the VLAN, in its place in a TCI
    tpid: int  # of that tag; 0: it came without one, and its VLAN is 0
    inner: Tags  # behind that tag
    priority: int = 0  # of the outermost tag that it came with, in its place in a TCI


def tags_of(key: FlowKey, limit: int = MAX_TAGS) -> Tags:
    """Return the tags of a packet, or as many as are to be looked at."""
    if not key.vlan_tci:
        return ()
    outer = key.vlan_tpid << 16 | key.vlan_tci
    if key.cvlan_tci and limit > 1:
        return (outer, key.cvlan_tpid << 16 | key.cvlan_tci)
    return (outer,)


def describe_tags(tags: Tags) -> str:
    """Say in words which tags a frame bears, the outermost first."""
    return " and ".join(map(_describe, tags)) if tags else "untagged"


def _describe(tag: int) -> str:
    priority = (tag & PCP_MASK) >> 13
    return f"tagged {tag & VID_MASK}" + (f" with priority {priority}" if priority else "")


def carries(port: PortVlan, vlan: int, inner: Tags = ()) -> bool:
    """Tell whether frames of a VLAN leave by a port; `inner` are the tags behind the one that says it."""
    if port.mode is _ACCESS:
        return vlan == port.tag and not (inner and inner[0] & VID_MASK)
    if port.mode is _TUNNEL:
        return vlan == port.tag and _takes_customer(port, inner)
    return _trunks(port, vlan)


def _trunks(port: PortVlan, vlan: int) -> bool:
    if port.mode is not _TRUNK:
        if vlan == port.tag:
            return True
        if not vlan:  # what bears no tag is in the native VLAN
            return False
    return not port.trunks or vlan in port.trunks


def _takes_customer(port: PortVlan, tags: Tags) -> bool:
    return not port.cvlans or (tags[0] & VID_MASK if tags else 0) in port.cvlans


def classify(port: PortVlan, tags: Tags) -> Classified | None:
    """Return the VLAN of a frame that came in with these tags, or None where the port does not accept it."""
    outer = tags[0] if tags else 0
    vid, priority, inner = outer & VID_MASK, outer & PCP_MASK, tags[1:]
    mode = port.mode
    if mode is _TUNNEL:
        if not _takes_customer(port, tags):
            return None
        return Classified(port.tag, 0, port.service_tpid, tags, priority)
    if mode is _ACCESS:
        return None if vid else Classified(port.tag, priority, outer >> 16 or ETH_TYPE_VLAN, inner, priority)
    if mode is not _TRUNK and not vid:
        return Classified(port.tag, priority, outer >> 16 or ETH_TYPE_VLAN, inner, priority)
    return Classified(vid, priority, outer >> 16, inner, priority) if _trunks(port, vid) else None


def tags_out(port: PortVlan, frame: Classified) -> Tags:
    """Return the tags with which a frame leaves by a port that carries its VLAN.

    A tag that says neither a VLAN nor a priority goes, unless priority tags are always wanted. With priority
    tags, the first tag has the priority that the frame came with.
    """
    vlan, pcp, tpid, inner, priority = frame
    mode, priority_tags = port.mode, port.priority_tags
    goes = mode is _ACCESS or mode is _TUNNEL or (mode is _NATIVE_UNTAGGED and vlan == port.tag)
    if not inner and priority_tags == "never":  # nearly all; this runs for each port of a flood
        return () if goes or not (vlan or pcp) else (tpid << 16 | VLAN_PRESENT | pcp | vlan,)
    tags = inner
    if goes:
        if mode is _ACCESS:
            tags = ()
        if priority_tags != "never":
            tags = _with_priority(tags, priority)
    elif tpid:
        if priority_tags != "never":
            pcp = priority
        outer = tpid << 16 | VLAN_PRESENT | pcp | vlan
        tags = (outer, *inner) if inner else (outer,)
    if priority_tags == "always":
        return tags
    for tag in tags:
        if not tag & _SAYS_SOMETHING:
            return tuple(tag for tag in tags if tag & _SAYS_SOMETHING)
    return tags


def _with_priority(tags: Tags, priority: int) -> Tags:
    if tags:
        return (tags[0] & ~PCP_MASK | priority, *tags[1:])
    return (ETH_TYPE_VLAN << 16 | VLAN_PRESENT | priority,) if priority else ()
