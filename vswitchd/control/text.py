"""Values as the control commands print them.

Rule: pure.
"""

from __future__ import annotations


def format_mac(mac: int) -> str:
    """Format an Ethernet address."""
    return mac.to_bytes(6, "big").hex(":")
