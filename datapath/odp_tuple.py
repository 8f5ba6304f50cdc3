"""ct_tuple4(...) and ct_tuple6(...) of keys: the first tuple of the connection that a packet belongs to.

Rule: pure. Open vSwitch writes the ports of one as tp_src and of the other as src_port, and reads tp_src
alone; here both are read.
"""

from __future__ import annotations

import socket
from typing import Final, NamedTuple

from datapath import odp_values as v
from datapath.odp_values import Kind, OdpTextError
from datapath.packet.packed import TUPLE_HEADER


class _Part(NamedTuple):
    name: str
    kind: Kind
    shift: int  # within ct_tuple


_NAME_OF: Final[dict[int, str]] = {socket.AF_INET: "ct_tuple4", socket.AF_INET6: "ct_tuple6"}


def _parts(address: Kind, src: str, dst: str) -> tuple[_Part, ...]:
    return (
        _Part("src", address, 48 + address.bits),
        _Part("dst", address, 48),
        _Part("proto", v.decimal(8), 8),
        _Part(src, v.decimal(16), 32),
        _Part(dst, v.decimal(16), 16),
    )


_PARTS: Final[dict[int, tuple[_Part, ...]]] = {
    socket.AF_INET: _parts(v.IPV4, "tp_src", "tp_dst"),
    socket.AF_INET6: _parts(v.IPV6, "src_port", "dst_port"),
}
_ALSO_READ: Final = {"tp_src": "src_port", "tp_dst": "dst_port"}


def format_tuple(value: int, mask: int, *, verbose: bool) -> str:
    """Write a FlowKey's ct_tuple; "" where there is none, or nothing of it is looked at."""
    family = value & TUPLE_HEADER
    if family not in _NAME_OF or not (mask or verbose):
        return ""
    written = []
    for part in _PARTS[family]:
        bits = mask >> part.shift & part.kind.ones
        if bits or verbose:
            text = part.kind.format_masked(value >> part.shift & part.kind.ones, bits)
            written.append(f"{part.name}={text}")
    return f"{_NAME_OF[family]}({','.join(written)})"


def parse_ipv4(arguments: str) -> tuple[int, int]:
    """Read what is within ct_tuple4(): a ct_tuple and its mask; OdpTextError where it is malformed."""
    return _parse(socket.AF_INET, arguments)


def parse_ipv6(arguments: str) -> tuple[int, int]:
    """Read what is within ct_tuple6() likewise."""
    return _parse(socket.AF_INET6, arguments)


def _parse(family: int, arguments: str) -> tuple[int, int]:
    parts = {part.name: part for part in _PARTS[family]}
    value, mask = family, TUPLE_HEADER
    for item, inner in v.split_items(arguments):
        word, equals, text = item.partition("=")
        part = parts.get(word) or parts.get(_ALSO_READ.get(word, ""))
        if inner is not None or not equals or part is None:
            raise OdpTextError(item)
        number, bits = part.kind.parse_masked(text)
        value |= number << part.shift
        mask |= bits << part.shift
    return value, mask
