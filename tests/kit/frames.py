"""Frames with tags.

Rule: a tag is TPID << 16 | TCI; without a TPID it is one of 802.1Q.
"""

from __future__ import annotations

from datapath.packet.build import vlan_tag
from datapath.packet.headers import ETH_ADDRS_LEN, ETH_TYPE_VLAN


def tagged(plain: bytes, *tags: int) -> bytes:
    """Put tags into a frame, the outermost first."""
    words = b"".join(vlan_tag(tag >> 16 or ETH_TYPE_VLAN, tag & 0xFFFF) for tag in tags)
    return plain[:ETH_ADDRS_LEN] + words + plain[ETH_ADDRS_LEN:]
