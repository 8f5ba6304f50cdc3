"""Userdata of userspace actions as Open vSwitch's daemon writes it, as text: sFlow(...), controller(...).

Rule: pure. Userdata of another length or type is no cookie: it is written in hexadecimal. Which bridge a
cookie belongs to stands in it and is not written, so reading the text back gives a cookie of no bridge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct, pack_into, unpack_from
from typing import Final, NamedTuple

from datapath.odp_values import OdpTextError, hexadecimal, number

COOKIE_LEN: Final = (
    48  # struct user_action_cookie: type, OpenFlow port, UUID of the bridge, and 24 bytes by type
)
_TYPE: Final = Struct("=H")
_SLOW_PATH_REASONS: Final = ("cfm", "bfd", "lacp", "stp", "lldp", "action", "match")
_DIRECTIONS: Final = {1: "ingress", 2: "egress"}
_DIRECTION_AT: Final = 44


class Field(NamedTuple):
    """NAME=NUMBER within a cookie."""

    name: str
    at: int
    layout: str
    format: Callable[[int], str] = str


class _Kind(NamedTuple):
    type: int
    fields: tuple[Field, ...]


_VLAN: Final = Field("vlan", 24, ">H")
_REASON: Final = Field("reason", 28, "=I")
_KINDS: Final[Mapping[str, _Kind]] = {
    "sFlow": _Kind(1, (Field("output", 28, "=I"),)),
    "slow_path": _Kind(2, ()),
    "flow_sample": _Kind(
        3,
        (
            Field("probability", 24, "=H"),
            Field("collector_set_id", 28, "=I"),
            Field("obs_domain_id", 32, "=I"),
            Field("obs_point_id", 36, "=I"),
            Field("output_port", 40, "=I"),
        ),
    ),
    "ipfix": _Kind(4, (Field("output_port", 24, "=I"),)),
    "controller": _Kind(
        5,
        (
            Field("reason", 26, "=H"),
            Field("dont_send", 24, "=?"),
            Field("continuation", 25, "=?"),
            Field("recirc_id", 28, "=I"),
            Field("rule_cookie", 32, ">Q", hexadecimal),
            Field("controller_id", 40, "=H"),
            Field("max_len", 42, "=H"),
        ),
    ),
}


def format_cookie(userdata: bytes) -> str:
    """Write a cookie; "" where it is none."""
    if len(userdata) != COOKIE_LEN:
        return ""
    (type_,) = _TYPE.unpack_from(userdata)
    for name, kind in _KINDS.items():
        if kind.type == type_:
            return f"{name}({_format_content(name, kind, userdata)})"
    return ""


def _format_content(name: str, kind: _Kind, userdata: bytes) -> str:
    if name == "slow_path":
        return _format_reasons(_get(userdata, _REASON))
    parts = [f"{field.name}={field.format(int(_get(userdata, field)))}" for field in kind.fields]
    if name == "sFlow":
        tci = _get(userdata, _VLAN)
        parts[:0] = [f"vid={tci & 0xFFF}", f"pcp={tci >> 13}"]
    elif name == "flow_sample" and userdata[_DIRECTION_AT] in _DIRECTIONS:
        parts.append(_DIRECTIONS[userdata[_DIRECTION_AT]])
    return ",".join(parts)


def _get(userdata: bytes, field: Field) -> int:
    value: int = unpack_from(field.layout, userdata, field.at)[0]
    return value


def _format_reasons(reasons: int) -> str:
    words = [name for bit, name in enumerate(_SLOW_PATH_REASONS) if reasons >> bit & 1]
    if rest := reasons >> len(_SLOW_PATH_REASONS) << len(_SLOW_PATH_REASONS):
        words.append(f"0x{rest:x}")
    return ",".join(words) or "0"


def is_cookie(name: str) -> bool:
    """Tell whether NAME(...) is a cookie's text."""
    return name in _KINDS


def parse_cookie(name: str, arguments: str) -> bytes:
    """Read what format_cookie() wrote; OdpTextError where a field is missing or unknown."""
    kind = _KINDS[name]
    userdata = bytearray(COOKIE_LEN)
    _TYPE.pack_into(userdata, 0, kind.type)
    if name == "slow_path":
        _put(userdata, _REASON, _parse_reasons(arguments))
        return bytes(userdata)
    given: dict[str, int] = {}
    for item in filter(None, arguments.split(",")):
        word, equals, value = item.partition("=")
        if not equals and name == "flow_sample" and word in _DIRECTIONS.values():
            userdata[_DIRECTION_AT] = next(code for code, text in _DIRECTIONS.items() if text == word)
        else:
            given[word] = _number(value, item)
    if name == "sFlow":
        vid, pcp = given.pop("vid", 0), given.pop("pcp", 0)
        _put(userdata, _VLAN, vid & 0xFFF | (pcp & 7) << 13 | (0x1000 if vid or pcp else 0))
    for field in kind.fields:
        if field.name not in given:
            raise OdpTextError(arguments, f"no {field.name}")
        _put(userdata, field, given.pop(field.name))
    if given:
        raise OdpTextError(arguments)
    return bytes(userdata)


def _put(userdata: bytearray, field: Field, value: int) -> None:
    bits = 8 * Struct(field.layout).size
    pack_into(field.layout, userdata, field.at, value & (1 << bits) - 1)


def _number(text: str, item: str) -> int:
    try:
        return number(text)
    except ValueError:
        raise OdpTextError(item) from None


def _parse_reasons(text: str) -> int:
    reasons = 0
    for word in filter(None, text.replace("|", ",").split(",")):
        if word in _SLOW_PATH_REASONS:
            reasons |= 1 << _SLOW_PATH_REASONS.index(word)
        else:
            reasons |= _number(word, text)
    return reasons
