"""Headers that a FlowKey holds whole, in one field each: tunnel options, a connection's first tuple.

Rule: pure. Few packets have them, so they cost every other key one 0. The low bits tell what the others mean;
in a mask they are all ones where there is one, which makes masking and comparing right whatever it is.
"""

from __future__ import annotations

import socket
from typing import Final

_KIND_BITS: Final = 8
_LENGTH_BITS: Final = 16
_OPTIONS_HEADER_BITS: Final = _KIND_BITS + _LENGTH_BITS
OPTIONS_HEADER: Final = (1 << _OPTIONS_HEADER_BITS) - 1
TUPLE_HEADER: Final = 0xFF
_TUPLE_HEADER_BITS: Final = 8
TUPLE_LEN: Final[dict[int, int]] = {
    socket.AF_INET: 13,
    socket.AF_INET6: 37,
}  # bytes: addresses, two ports, the protocol


def pack_options(kind: int, payload: bytes) -> int:
    """Return tun_options of an OVS_TUNNEL_KEY_ATTR_*_OPTS with its payload."""
    number = int.from_bytes(payload, "big")
    return number << _OPTIONS_HEADER_BITS | len(payload) << _KIND_BITS | kind


def unpack_options(options: int) -> tuple[int, bytes]:
    """Return attribute type and payload of a key's tun_options."""
    kind, length = options & (1 << _KIND_BITS) - 1, options >> _KIND_BITS & (1 << _LENGTH_BITS) - 1
    return kind, options_mask(options, length)


def options_mask(mask: int, length: int) -> bytes:
    """Return the bits of `length` bytes of payload that a mask looks at."""
    return (mask >> _OPTIONS_HEADER_BITS & (1 << 8 * length) - 1).to_bytes(length, "big")


def pack_tuple(family: int, payload: bytes) -> int:
    """Return ct_tuple of an OVS_KEY_ATTR_CT_ORIG_TUPLE_*; `payload` may be padded."""
    return int.from_bytes(payload[: TUPLE_LEN[family]], "big") << _TUPLE_HEADER_BITS | family


def tuple_payload(value: int, family: int) -> bytes:
    """Return struct ovs_key_ct_tuple_ipv4 or _ipv6, padded, of a key's ct_tuple or a mask over one."""
    length = TUPLE_LEN[family]
    return (value >> _TUPLE_HEADER_BITS & (1 << 8 * length) - 1).to_bytes(length, "big") + bytes(3)
