"""Group addresses that a bridge treats apart.

Rule: pure; constants alone.
"""

from __future__ import annotations

from typing import Final

# Groups that a bridge does not forward (ovs-vswitchd.conf.db(5), forward-bpdu): IEEE 802.1's own, EDP, EAPS,
# and Cisco's spanning tree, discovery and trunking protocols.
RESERVED: Final = frozenset(
    {
        *range(0x0180C2000000, 0x0180C2000010),
        *(0x00E02B000000, 0x00E02B000004, 0x00E02B000006),
        *(0x01000C000000, 0x01000CCCCCCC, 0x01000CCCCCCD, 0x01000CCDCDCD),
        *range(0x01000CCCCCC0, 0x01000CCCCCD0),
    }
)
