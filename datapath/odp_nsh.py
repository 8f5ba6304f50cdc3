"""A Network Service Header (RFC 8300) as text: nsh(...) of keys, push_nsh(...) of actions.

Rule: pure. The context of type 1 is four words, that of type 2 any words, as one number. Of a key only what
is looked at is written, however much is asked for, as Open vSwitch has it.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from datapath import odp_values as v
from datapath.actions import PushNsh
from datapath.netlink.nsh_codec import MDTYPE1
from datapath.odp_values import Kind, OdpTextError


class _Part(NamedTuple):
    name: str
    kind: Kind
    shift: int  # within a FlowKey's nsh


_MDTYPE2: Final = 2
_TYPE_SHIFT: Final = 168
_CONTEXT: Final = (1 << 128) - 1
_PARTS: Final = (
    _Part("flags", v.decimal(8), 184),
    _Part("ttl", v.decimal(8), 176),
    _Part("mdtype", v.decimal(8), _TYPE_SHIFT),
    _Part("np", v.decimal(8), 160),
    _Part("spi", v.hexa(24), 136),
    _Part("si", v.decimal(8), 128),
    *(_Part(f"c{n}", v.hexa(32), 128 - 32 * n) for n in range(1, 5)),
)
_WORDS: Final = Struct(">IIII")
_NUMBERS: Final = {
    "flags": v.decimal(2),
    "ttl": v.decimal(6),
    "mdtype": v.decimal(4),
    "np": v.decimal(8),
    "spi": v.hexa(24),
    "si": v.decimal(8),
    **{f"c{n}": v.hexa(32) for n in range(1, 5)},
}


def format_key(value: int, mask: int) -> str:
    """Write nsh(...) of a FlowKey's `nsh`; "" where nothing of it is looked at."""
    written = []
    if value >> _TYPE_SHIFT & 0xFF == _MDTYPE2:  # without the context of type 1: Open vSwitch writes zeros
        mask |= _CONTEXT
    for part in _PARTS:
        if bits := mask >> part.shift & part.kind.ones:
            text = _format_part(part.kind, value >> part.shift & part.kind.ones, bits)
            written.append(f"{part.name}={text}")
    return f"nsh({','.join(written)})" if written else ""


def _format_part(kind: Kind, value: int, mask: int) -> str:
    if kind.bits == 8:
        return str(value) if mask == kind.ones else f"0x{value:02x}/0x{mask:02x}"
    return f"0x{value:x}" if mask == kind.ones else f"0x{value:x}/0x{mask:08x}"


def parse_key(arguments: str) -> tuple[int, int]:
    """Read what is within the parentheses of nsh(): value and mask; OdpTextError where it is malformed."""
    parts = {part.name: part for part in _PARTS}
    value = mask = 0
    for item, inner in v.split_items(arguments):
        name, equals, text = item.partition("=")
        if inner is not None or not equals or name not in parts:
            raise OdpTextError(item)
        part = parts[name]
        number, bits = part.kind.parse_masked(text)
        value |= number << part.shift
        mask |= bits << part.shift
    return value, mask


def format_push(action: PushNsh) -> str:
    """Write the action."""
    parts = [
        f"flags={action.flags},ttl={action.ttl},mdtype={action.mdtype},np={action.np}",
        f"spi=0x{action.path_hdr >> 8:x},si={action.path_hdr & 0xFF}",
    ]
    if action.mdtype == MDTYPE1:
        parts += [f"c{n}=0x{word:x}" for n, word in enumerate(_WORDS.unpack(action.context), 1)]
    elif action.context:
        digits = action.context.hex().lstrip("0")
        parts.append(f"md2={f'0x{digits}' if digits else '0'}")
    return f"push_nsh({','.join(parts)})"


def parse_push(arguments: str) -> PushNsh:
    """Read what is within the parentheses; OdpTextError where it is malformed."""
    found: dict[str, int] = {}
    records = b""
    for item, inner in v.split_items(arguments):
        name, _equals, text = item.partition("=")
        if inner is None and name == "md2":
            records = _parse_records(text)
        elif inner is None and name in _NUMBERS and "/" not in text:
            found[name] = _NUMBERS[name].parse_masked(text)[0]
        else:
            raise OdpTextError(item)
    context = records
    if found.get("mdtype", MDTYPE1) == MDTYPE1:
        context = _WORDS.pack(*(found.get(f"c{n}", 0) for n in range(1, 5)))
    path_hdr = found.get("spi", 0) << 8 | found.get("si", 255)
    return PushNsh(
        found.get("flags", 0),
        found.get("ttl", 63),
        found.get("mdtype", MDTYPE1),
        found.get("np", 3),
        path_hdr,
        context,
    )


def _parse_records(text: str) -> bytes:
    """Read a number whose digits, filled up to words behind them, are the records."""
    digits = text.removeprefix("0x")
    try:
        octets = bytes.fromhex(digits.zfill(len(digits) + len(digits) % 2))
    except ValueError:
        raise OdpTextError(text) from None
    return octets + bytes(-len(octets) % 4)
