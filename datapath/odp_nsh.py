"""push_nsh(...) of the text form of actions: a Network Service Header (RFC 8300).

Rule: pure. The context of type 1 is four words, that of type 2 any words, as one number.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from datapath import odp_values as v
from datapath.actions import PushNsh
from datapath.netlink.nsh_codec import MDTYPE1
from datapath.odp_values import OdpTextError

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
