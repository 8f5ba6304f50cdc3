"""Which VLAN a frame is in when it comes in by a port, and which tags it bears when it goes out.

Rule: pure. Tags are a tuple of ints, the outermost first: TPID << 16 | TCI, with VLAN_PRESENT in the TCI.
Source: ovs-vswitchd.conf.db(5), "VLAN Configuration"; IEEE 802.1Q.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

from datapath.packet.flowkey import VLAN_PRESENT, FlowKey
from datapath.packet.headers import ETH_TYPE_VLAN

VID_MASK = 0x0FFF
PCP_MASK = 0xE000
Tags = tuple[int, ...]


class VlanMode(enum.Enum):
    """Port.vlan_mode; the values are the database's."""

    ACCESS = "access"
    TRUNK = "trunk"
    NATIVE_TAGGED = "native-tagged"
    NATIVE_UNTAGGED = "native-untagged"


# Looking a member up in its class costs more than all else in carries(), which runs for each port of a flood.
_ACCESS, _TRUNK = VlanMode.ACCESS, VlanMode.TRUNK


@dataclass(frozen=True, slots=True)
class PortVlan:
    """The VLANs of a port."""

    mode: VlanMode = VlanMode.TRUNK
    tag: int = 0  # of an access port, or the native VLAN
    trunks: frozenset[int] = frozenset()  # empty: all
    priority_tags: str = (
        "never"  # for frames without a VLAN: "never", "if-nonzero" or "always" a priority tag
    )


class Classified(NamedTuple):
    """A frame within a bridge."""

    vlan: int  # in which it is switched; 0: none
    pcp: int  # the priority it came with, in its place in a TCI
    tpid: int  # of the tag that says the VLAN
    inner: Tags  # behind that tag


def tags_of(key: FlowKey) -> Tags:
    """Return the tags of a packet."""
    if not key.vlan_tci:
        return ()
    outer = key.vlan_tpid << 16 | key.vlan_tci
    return (outer, key.cvlan_tpid << 16 | key.cvlan_tci) if key.cvlan_tci else (outer,)


def describe_tags(tags: Tags) -> str:
    """Say in words which tags a frame bears, the outermost first."""
    return " and ".join(map(_describe, tags)) if tags else "untagged"


def _describe(tag: int) -> str:
    priority = (tag & PCP_MASK) >> 13
    return f"tagged {tag & VID_MASK}" + (f" with priority {priority}" if priority else "")


def carries(port: PortVlan, vlan: int) -> bool:
    """Tell whether a port is a member of a VLAN."""
    if port.mode is _ACCESS:
        return vlan == port.tag
    if not port.trunks or vlan in port.trunks:
        return True
    return port.mode is not _TRUNK and vlan == port.tag


def classify(port: PortVlan, tags: Tags) -> Classified | None:
    """Return the VLAN of a frame that came in with these tags, or None where the port does not accept it."""
    outer = tags[0] if tags else ETH_TYPE_VLAN << 16
    vid, inner = outer & VID_MASK, tags[1:]
    if port.mode is _ACCESS:
        vlan = port.tag
        if vid:
            return None
    else:
        vlan = vid or (port.tag if port.mode is not _TRUNK else 0)
        if not carries(port, vlan):
            return None
    return Classified(vlan, outer & PCP_MASK, outer >> 16, inner)


def tags_out(port: PortVlan, frame: Classified) -> Tags:
    """Return the tags with which a frame leaves by a port that carries its VLAN."""
    vlan, pcp = frame.vlan, frame.pcp
    if port.mode is _ACCESS or (port.mode is VlanMode.NATIVE_UNTAGGED and vlan == port.tag):
        vlan = 0
    if vlan or port.priority_tags == "always" or (port.priority_tags == "if-nonzero" and pcp):
        return (frame.tpid << 16 | VLAN_PRESENT | pcp | vlan, *frame.inner)
    return frame.inner
