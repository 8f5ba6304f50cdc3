"""The options of tunnel headers as text: geneve({class=...}), vxlan(gbp(...)), erspan(...).

Rule: pure. An option is an OVS_TUNNEL_KEY_ATTR_* with its payload, as a SetTunnel has it; what is malformed
in there is written as it can be, never raised.
"""

from __future__ import annotations

import re
from struct import Struct
from typing import Final

from datapath import odp_values as v
from datapath.netlink import uapi
from datapath.netlink.attrs import NetlinkFormatError, attr_u32, attributes
from datapath.odp_values import OdpTextError
from datapath.packet.erspan import Erspan, from_attribute, to_attribute

_GENEVE: Final = Struct(">HBB")  # class, type, length in words; then data (RFC 8926, 3.5)
_GBP: Final = 1  # OVS_VXLAN_EXT_GBP: id in the low half, flags in the third byte
_HOST_U32: Final = Struct("=I")
_GENEVE_TEXT = re.compile(r"\{class=(\w+),type=(\w+),len=(\d+)(?:,(\w+))?\}")
_NAMES: Final = frozenset(("geneve", "vxlan", "erspan"))


def is_option(name: str) -> bool:
    """Tell whether NAME(...) within a tunnel is an option."""
    return name in _NAMES


def format_option(kind: int, payload: bytes) -> str:
    """Write one option."""
    if kind == uapi.OVS_TUNNEL_GENEVE_OPTS:
        return f"geneve({_format_geneve(payload)})"
    if kind == uapi.OVS_TUNNEL_VXLAN_OPTS:
        return f"vxlan(gbp({_format_gbp(payload)}))"
    return f"erspan({_format_erspan(payload)})"


def _format_geneve(payload: bytes) -> str:
    text, at = "", 0
    while at + _GENEVE.size <= len(payload):
        class_, type_, words = _GENEVE.unpack_from(payload, at)
        length = 4 * (words & 0x1F)
        data = payload[at + _GENEVE.size : at + _GENEVE.size + length]
        head = f"class={v.hexadecimal(class_)},type={v.hexadecimal(type_)},len={length}"
        text += f"{{{head},{v.hexadecimal(int.from_bytes(data, 'big'))}}}" if data else f"{{{head}}}"
        at += _GENEVE.size + length
    return text


def _format_gbp(payload: bytes) -> str:
    try:
        found = {kind: payload[start:stop] for kind, start, stop in attributes(payload)}
    except NetlinkFormatError:
        found = {}
    word = found.get(_GBP, b"")
    value = _HOST_U32.unpack(word)[0] if len(word) == _HOST_U32.size else 0
    return f"id={value & 0xFFFF},flags={v.hexadecimal(value >> 16 & 0xFF)}"


def _format_erspan(payload: bytes) -> str:
    found = from_attribute(payload)
    if found is None:
        return ""
    if found.version == 1:
        return f"ver=1,idx=0x{found.idx:x}"
    return f"ver={found.version},dir={found.direction},hwid=0x{found.hwid:x}"


def parse_option(name: str, arguments: str) -> tuple[int, bytes]:
    """Read one option; OdpTextError where it is malformed."""
    if name == "geneve":
        return uapi.OVS_TUNNEL_GENEVE_OPTS, _parse_geneve(arguments)
    if name == "vxlan":
        return uapi.OVS_TUNNEL_VXLAN_OPTS, _parse_gbp(arguments)
    return uapi.OVS_TUNNEL_ERSPAN_OPTS, _parse_erspan(arguments)


def _parse_geneve(arguments: str) -> bytes:
    payload, at = b"", 0
    while at < len(arguments):
        match = _GENEVE_TEXT.match(arguments, at)
        if match is None:
            raise OdpTextError(arguments[at:])
        class_, type_, length = (
            v.hexa(bits).parse_masked(match[n])[0] for n, bits in ((1, 16), (2, 8), (3, 8))
        )
        if length % 4 or length > 4 * 0x1F or (length and match[4] is None):
            raise OdpTextError(arguments[at:], "an option has up to 124 bytes, four at a time")
        data = v.hexa(8 * length).parse_masked(match[4])[0] if length else 0
        payload += _GENEVE.pack(class_, type_, length // 4) + data.to_bytes(length, "big")
        at = match.end()
    return payload


def _parse_gbp(arguments: str) -> bytes:
    items = v.split_items(arguments)
    if len(items) != 1 or items[0][0] != "gbp" or items[0][1] is None:
        raise OdpTextError(arguments)
    given = _numbers(items[0][1], {"id": 16, "flags": 8})
    return attr_u32(_GBP, given.get("id", 0) | given.get("flags", 0) << 16)


def _parse_erspan(arguments: str) -> bytes:
    given = _numbers(arguments, {"ver": 8, "idx": 20, "dir": 1, "hwid": 6})
    version = given.get("ver")
    if version not in (1, 2):
        raise OdpTextError(arguments, "ERSPAN has version 1 or 2")
    return to_attribute(Erspan(version, given.get("idx", 0), given.get("dir", 0), given.get("hwid", 0)))


def _numbers(arguments: str, widths: dict[str, int]) -> dict[str, int]:
    given = {}
    for item, inner in v.split_items(arguments):
        name, equals, text = item.partition("=")
        if inner is not None or not equals or name not in widths:
            raise OdpTextError(item)
        given[name] = v.hexa(widths[name]).parse_masked(text)[0]
    return given
