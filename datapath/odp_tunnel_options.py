"""The options of tunnel headers as text: geneve({class=...}), vxlan(gbp(...)), erspan(...).

Rule: pure. An option is an OVS_TUNNEL_KEY_ATTR_* with its payload, as a SetTunnel has it, and in a key a mask
of as many bytes; what is malformed in there is written as it can be, never raised.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from struct import Struct
from typing import Final

from datapath import odp_values as v
from datapath.netlink import uapi
from datapath.netlink.attrs import NetlinkFormatError, attr_u32, attributes
from datapath.odp_values import Kind, OdpTextError
from datapath.packet.erspan import Erspan, from_attribute, to_attribute

_GENEVE: Final = Struct(">HBB")  # class, type, length in words; then data (RFC 8926, 3.5)
_GENEVE_LENGTH: Final = 0x1F  # the bits of the length; its mask has all of them
_BYTE: Final = 0xFF
_GBP: Final = 1  # OVS_VXLAN_EXT_GBP: id in the low half, flags in the third byte
_HOST_U32: Final = Struct("=I")
_GENEVE_TEXT = re.compile(r"\{([^{}]*)\}")
_CLASS, _TYPE, _ID, _FLAGS = v.hexa(16), v.hexa(8), v.decimal(16), v.hexa(8)
_GENEVE_FIELDS: Final = {"class": _CLASS, "type": _TYPE, "len": v.decimal(8)}
_VERSION, _INDEX, _DIRECTION, _HWID = v.decimal(8), v.hexa(32), v.decimal(1), v.hexa(6)
_WORDS: Final = {"idx": "idx", "direction": "dir", "hwid": "hwid"}
_FIELD_FORMATS: Final[dict[str, Callable[[int], str]]] = {
    "idx": v.hexadecimal,
    "direction": str,
    "hwid": v.hexadecimal,
}
_NAMES: Final = frozenset(("geneve", "vxlan", "erspan"))


def is_option(name: str) -> bool:
    """Tell whether NAME(...) within a tunnel is an option."""
    return name in _NAMES


def format_option(kind: int, payload: bytes, mask: bytes | None = None, *, verbose: bool = False) -> str:
    """Write one option: all of it, or what `mask` looks at; with `verbose` what it does not, too."""
    bits = bytes([0xFF]) * len(payload) if mask is None else mask
    if kind == uapi.OVS_TUNNEL_GENEVE_OPTS:
        return f"geneve({_format_geneve(payload, bits, verbose=verbose)})"
    if kind == uapi.OVS_TUNNEL_VXLAN_OPTS:
        return f"vxlan(gbp({_format_gbp(payload, bits, verbose=verbose)}))"
    return f"erspan({_format_erspan(payload, mask, verbose=verbose)})"


def _item(name: str, kind: Kind, value: int, mask: int, *, verbose: bool) -> list[str]:
    bits = mask & kind.ones
    return [f"{name}={kind.format_masked(value & kind.ones, bits)}"] if bits or verbose else []


def _format_geneve(payload: bytes, mask: bytes, *, verbose: bool) -> str:
    text, at = "", 0
    while at + _GENEVE.size <= len(payload):
        class_, type_, words = _GENEVE.unpack_from(payload, at)
        class_mask, type_mask, words_mask = _GENEVE.unpack_from(mask, at)
        length = 4 * (words & _GENEVE_LENGTH)
        start, at = at + _GENEVE.size, at + _GENEVE.size + length
        data = int.from_bytes(payload[start:at], "big")
        bits = int.from_bytes(mask[start:at], "big")
        parts = _item("class", _CLASS, class_, class_mask, verbose=verbose)
        parts += _item("type", _TYPE, type_, type_mask, verbose=verbose)
        length_mask = _BYTE if words_mask & _GENEVE_LENGTH == _GENEVE_LENGTH else words_mask
        parts += _item("len", v.decimal(8), length, length_mask, verbose=verbose)
        if length and (bits or verbose):
            parts.append(v.hexa(8 * length).format_masked(data, bits))
        text += f"{{{','.join(parts)}}}"
    return text


def _gbp_of(payload: bytes) -> int:
    try:
        found = {kind: payload[start:stop] for kind, start, stop in attributes(payload)}
    except NetlinkFormatError:
        return 0
    word = found.get(_GBP, b"")
    return int(_HOST_U32.unpack(word)[0]) if len(word) == _HOST_U32.size else 0


def _format_gbp(payload: bytes, mask: bytes, *, verbose: bool) -> str:
    value = _gbp_of(payload)
    bits = _HOST_U32.unpack(mask[4:8])[0] if len(mask) == 2 * _HOST_U32.size else 0
    parts = _item("id", _ID, value & 0xFFFF, bits & 0xFFFF, verbose=verbose)
    return ",".join(parts + _item("flags", _FLAGS, value >> 16 & 0xFF, bits >> 16 & 0xFF, verbose=verbose))


def _format_erspan(payload: bytes, mask: bytes | None, *, verbose: bool) -> str:
    """Write the version, and what it has; in a key always with masks, as Open vSwitch does."""
    found = from_attribute(payload)
    if found is None:
        return ""
    shown = ("idx",) if found.version == 1 else ("direction", "hwid")
    if mask is None:
        texts = (f"{_WORDS[name]}={_FIELD_FORMATS[name](getattr(found, name))}" for name in shown)
        return ",".join((f"ver={found.version}", *texts))
    bits = from_attribute(payload[:4] + mask[4:]) or Erspan(found.version)
    parts = _item("ver", _VERSION, found.version, mask[0], verbose=verbose)
    for name in shown:
        value, looked_at = getattr(found, name), getattr(bits, name)
        if looked_at or verbose or name == "idx":
            parts.append(f"{_WORDS[name]}={_FIELD_FORMATS[name](value)}/{v.hexadecimal(looked_at)}")
    return ",".join(parts)


def parse_option(name: str, arguments: str) -> tuple[int, bytes, bytes]:
    """Read one option: attribute, payload, mask; OdpTextError where it is malformed."""
    if name == "geneve":
        return uapi.OVS_TUNNEL_GENEVE_OPTS, *_parse_geneve(arguments)
    if name == "vxlan":
        return uapi.OVS_TUNNEL_VXLAN_OPTS, *_parse_gbp(arguments)
    return uapi.OVS_TUNNEL_ERSPAN_OPTS, *_parse_erspan(arguments)


def _parse_geneve(arguments: str) -> tuple[bytes, bytes]:
    payload, mask, at = b"", b"", 0
    while at < len(arguments):
        match = _GENEVE_TEXT.match(arguments, at)
        if match is None:
            raise OdpTextError(arguments[at:])
        *items, last = (item.strip() for item in match[1].split(","))
        data = "" if "=" in last else last
        given = _numbers(",".join(items if data else [*items, last]), _GENEVE_FIELDS)
        (class_, class_mask), (type_, type_mask) = given.get("class", (0, 0)), given.get("type", (0, 0))
        length = given.get("len", (0, 0))[0]
        if length % 4 or length > 4 * _GENEVE_LENGTH or (data and not length):
            raise OdpTextError(arguments[at:], "an option has up to 124 bytes, four at a time")
        value, bits = v.hexa(8 * length).parse_masked(data) if data else (0, 0)
        payload += _GENEVE.pack(class_, type_, length // 4) + value.to_bytes(length, "big")
        mask += _GENEVE.pack(class_mask, type_mask, _GENEVE_LENGTH) + bits.to_bytes(length, "big")
        at = match.end()
    return payload, mask


def _parse_gbp(arguments: str) -> tuple[bytes, bytes]:
    items = v.split_items(arguments)
    if len(items) != 1 or items[0][0] != "gbp" or items[0][1] is None:
        raise OdpTextError(arguments)
    given = _numbers(items[0][1], {"id": _ID, "flags": _FLAGS})
    (id_, id_mask), (flags, flags_mask) = given.get("id", (0, 0)), given.get("flags", (0, 0))
    return attr_u32(_GBP, id_ | flags << 16), attr_u32(_GBP, id_mask | flags_mask << 16)


def _parse_erspan(arguments: str) -> tuple[bytes, bytes]:
    given = _numbers(arguments, {"ver": _VERSION, "idx": _INDEX, "dir": _DIRECTION, "hwid": _HWID})
    version, version_mask = given.get("ver", (0, 0))
    if version not in (1, 2):
        raise OdpTextError(arguments, "ERSPAN has version 1 or 2")
    values, masks = (
        to_attribute(Erspan(version, *(given.get(name, (0, 0))[at] for name in ("idx", "dir", "hwid"))))
        for at in (0, 1)
    )
    return values, _HOST_U32.pack(version_mask) + masks[4:]


def _numbers(arguments: str, kinds: dict[str, Kind]) -> dict[str, tuple[int, int]]:
    given = {}
    for item, inner in v.split_items(arguments):
        name, equals, text = item.partition("=")
        if inner is not None or not equals or name not in kinds:
            raise OdpTextError(item)
        given[name] = kinds[name].parse_masked(text)
    return given
