"""Which VLAN a frame is in when it comes in by a port, and which tag it bears when it goes out.

Rule: pure; a tag is a TCI as a FlowKey has it, with VLAN_PRESENT, and 0 is no tag.
Source: ovs-vswitchd.conf.db(5), "VLAN Configuration"; IEEE 802.1Q.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from datapath.packet.flowkey import VLAN_PRESENT

VID_MASK = 0x0FFF
PCP_MASK = 0xE000


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


def carries(port: PortVlan, vlan: int) -> bool:
    """Tell whether a port is a member of a VLAN."""
    if port.mode is _ACCESS:
        return vlan == port.tag
    if not port.trunks or vlan in port.trunks:
        return True
    return port.mode is not _TRUNK and vlan == port.tag


def input_vlan(port: PortVlan, tci: int) -> int | None:
    """Return the VLAN of a frame that came in with this tag, or None where the port does not accept it."""
    vid = tci & VID_MASK
    if port.mode is _ACCESS:
        return None if vid else port.tag
    vlan = vid or (port.tag if port.mode is not _TRUNK else 0)
    return vlan if carries(port, vlan) else None


def output_tci(port: PortVlan, vlan: int, pcp: int) -> int:
    """Return the tag for a frame of this VLAN; `pcp` is the priority it came with, in its place in a TCI."""
    if port.mode is _ACCESS or (port.mode is VlanMode.NATIVE_UNTAGGED and vlan == port.tag):
        vlan = 0
    if vlan:
        return VLAN_PRESENT | pcp | vlan
    if port.priority_tags == "always" or (port.priority_tags == "if-nonzero" and pcp):
        return VLAN_PRESENT | pcp
    return 0
