"""The hash by which bonds spread stations over their members, that of Open vSwitch: `bond/hash` prints it.

Rule: pure. Source: MurmurHash3 (32 bits, Austin Appleby, public domain), of two words and a length of 8.
"""

from __future__ import annotations

_ONES = 0xFFFFFFFF


def hash_mac(mac: int, vlan: int, basis: int) -> int:
    """Hash an Ethernet address and a VLAN to 32 bits."""
    word = vlan << 48 | mac
    return _finish(_add(_add(basis & _ONES, word & _ONES), word >> 32) ^ 8)


def _rotated(word: int, by: int) -> int:
    return (word << by | word >> 32 - by) & _ONES


def _add(total: int, word: int) -> int:
    mixed = _rotated(word * 0xCC9E2D51 & _ONES, 15) * 0x1B873593 & _ONES
    return (_rotated(total ^ mixed, 13) * 5 + 0xE6546B64) & _ONES


def _finish(total: int) -> int:
    total = (total ^ total >> 16) * 0x85EBCA6B & _ONES
    total = (total ^ total >> 13) * 0xC2B2AE35 & _ONES
    return total ^ total >> 16
