"""The Internet checksum (RFC 1071) and its incremental update (RFC 1624)."""

from __future__ import annotations

import struct

_PSEUDO4 = struct.Struct("!4s4sHH")
_PSEUDO6 = struct.Struct("!16s16sII")


_MASKS = {bits: (1 << bits) - 1 for bits in (6144, 3072, 1536, 768)}  # all whole words


def ones_sum(data: bytes | bytearray | memoryview, start: int = 0) -> int:
    """Return `start` plus the sum of the 16-bit words of `data`, folded; an odd last byte is padded.

    The value of a base-65536 number modulo 65535 is the ones' complement sum of its digits, so that one
    division of a big integer does it. Long data is folded first: 5 us for 1448 bytes, against 9 us without
    (from_bytes alone takes 3.3) and 28 us for sum() over an array of shorts.
    """
    number = int.from_bytes(data, "big")
    if len(data) & 1:
        number <<= 8
    if 160 < len(data) <= 1536:
        for bits, mask in _MASKS.items():
            number = (number >> bits) + (number & mask)
    if not number and not start:
        return 0
    return (number + start) % 0xFFFF or 0xFFFF


def checksum(data: bytes | bytearray | memoryview, start: int = 0) -> int:
    """Return the checksum field of a header that covers `data`; `start` is the sum of a pseudo header."""
    return ones_sum(data, start) ^ 0xFFFF


def update(field: int, old: int, new: int) -> int:
    """Return the checksum `field` after the data it covers changed from `old` to `new`.

    Both are numbers of whole 16-bit words in big-endian order, as wide as they like (RFC 1624, equation 3).
    """
    total = (field ^ 0xFFFF) + (0xFFFF - old % 0xFFFF) + new % 0xFFFF
    return (total % 0xFFFF or 0xFFFF) ^ 0xFFFF


def update_partial(field: int, old: int, new: int) -> int:
    """Return a field that holds a plain sum (of a pseudo header, for offload) after the same change."""
    return (field + (0xFFFF - old % 0xFFFF) + new % 0xFFFF) % 0xFFFF


def pseudo_sum(src: bytes, dst: bytes, proto: int, length: int) -> int:
    """Sum the pseudo header of TCP or UDP over IPv4 (4-byte addresses) or IPv6 (16 bytes)."""
    pack = _PSEUDO4 if len(src) == 4 else _PSEUDO6
    return ones_sum(
        pack.pack(src, dst, proto, length) if pack is _PSEUDO4 else pack.pack(src, dst, length, proto)
    )
