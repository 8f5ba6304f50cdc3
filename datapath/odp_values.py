"""Single values in the text form of datapath flows: numbers, addresses, sets of flags, and masks over them.

Rule: pure; what cannot be read raises OdpTextError. A value whose mask is not all ones is written VALUE/MASK.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate

_MAC = re.compile(r"(?:[0-9a-fA-F]{1,2}:){5}[0-9a-fA-F]{1,2}")


class OdpTextError(ValueError):
    """Text that is no flow, key or list of actions. `rest` is where reading stopped."""

    def __init__(self, rest: str, why: str = "syntax error") -> None:
        super().__init__(f"{why} at {rest}")
        self.rest = rest
        self.why = why


@dataclass(frozen=True, slots=True)
class Kind:
    """How values of one kind are written, and how wide they are."""

    bits: int
    format: Callable[[int], str]
    parse: Callable[[str], int]
    format_mask: Callable[[int], str]

    @property
    def ones(self) -> int:
        """The mask that matches exactly."""
        return (1 << self.bits) - 1

    def format_masked(self, value: int, mask: int) -> str:
        """Write a value with its mask."""
        text = self.format(value)
        return text if mask == self.ones else f"{text}/{self.format_mask(mask)}"

    def parse_masked(self, text: str) -> tuple[int, int]:
        """Read VALUE or VALUE/MASK."""
        value_text, slash, mask_text = text.partition("/")
        value = self._parse(value_text)
        return value, self._parse(mask_text) if slash else self.ones

    def _parse(self, text: str) -> int:
        try:
            value = self.parse(text.strip())
        except ValueError:
            raise OdpTextError(text) from None
        if not 0 <= value <= self.ones:
            raise OdpTextError(text, f"a number of more than {self.bits} bits")
        return value


def number(text: str) -> int:
    """Read decimal or 0x hexadecimal."""
    return int(text, 16) if text[:2] in ("0x", "0X") else int(text, 10)


def hexadecimal(value: int) -> str:
    """Write as C's %#x does: 0 has no prefix."""
    return f"{value:#x}" if value else "0"


def format_mac(value: int) -> str:
    """Write an Ethernet address."""
    return value.to_bytes(6, "big").hex(":")


def _parse_mac(text: str) -> int:
    if not _MAC.fullmatch(text):
        raise ValueError(text)
    return int("".join(octet.zfill(2) for octet in text.split(":")), 16)


def _format_ipv4(value: int) -> str:
    return str(ipaddress.IPv4Address(value & 0xFFFFFFFF))


def format_ipv6(value: int) -> str:
    """Write an IPv6 address as the C library does: one that holds an IPv4 address, with dots."""
    return socket.inet_ntop(socket.AF_INET6, value.to_bytes(16, "big"))


def decimal(bits: int) -> Kind:
    """Describe a number written in decimal with a hexadecimal mask."""
    return Kind(bits, str, number, hexadecimal)


def hexa(bits: int) -> Kind:
    """Describe a number written in hexadecimal."""
    return Kind(bits, hexadecimal, number, hexadecimal)


MAC = Kind(48, format_mac, _parse_mac, format_mac)
IPV4 = Kind(32, _format_ipv4, lambda text: int(ipaddress.IPv4Address(text)), _format_ipv4)
IPV6 = Kind(128, format_ipv6, lambda text: int(ipaddress.IPv6Address(text)), format_ipv6)
TUNNEL_ID = Kind(
    64, lambda value: f"0x{value:x}", number, lambda value: f"0x{value:x}"
)  # 0 is 0x0 here alone
ETH_TYPE = Kind(16, lambda value: f"0x{value:04x}", number, lambda value: f"0x{value:04x}")

CT_STATE: Mapping[str, int] = {
    name: 1 << bit for bit, name in enumerate(("new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"))
}
TCP_FLAGS: Mapping[str, int] = {
    name: 1 << bit
    for bit, name in enumerate(
        ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns", "[9]", "[10]", "[11]")
    )
}
TUNNEL_FLAGS: Mapping[str, int] = {"oam": 8, "df": 2, "csum": 4, "key": 1}  # in the order they are written in


def format_flags(value: int, mask: int, names: Mapping[str, int]) -> str:
    """Write a|b where all flags are matched, +a-b for those that are, 0/0 for none."""
    known = sum(names.values())
    if mask & known == known:
        return "|".join(name for name, bit in names.items() if value & bit) or "0"
    if not mask:
        return f"{hexadecimal(value)}/0"
    return "".join(("+" if value & bit else "-") + name for name, bit in names.items() if mask & bit)


def parse_flags(text: str, names: Mapping[str, int]) -> tuple[int, int]:
    """Read a|b, +a-b, or a number with or without mask; return value and mask."""
    text = text.strip()
    known = sum(names.values())
    if not text:
        return 0, known
    if text[0] in "+-":
        value = mask = 0
        for sign, name in _signed(text):
            bit = names.get(name)
            if bit is None:
                raise OdpTextError(text, f"unknown flag {name}")
            mask |= bit
            value |= bit if sign == "+" else 0
        return value, mask
    if text[0].isdigit():
        return hexa(max(known.bit_length(), 32)).parse_masked(text) if "/" in text else (_plain(text), known)
    value = 0
    for name in text.split("|"):
        if name not in names:
            raise OdpTextError(text, f"unknown flag {name}")
        value |= names[name]
    return value, known


def _plain(text: str) -> int:
    try:
        return number(text)
    except ValueError:
        raise OdpTextError(text) from None


def _signed(text: str) -> list[tuple[str, str]]:
    found = re.findall(r"([+-])([^+-]+)", text)
    if "".join(sign + name for sign, name in found) != text:
        raise OdpTextError(text)
    return found


def split_items(text: str) -> list[tuple[str, str | None]]:
    """Take NAME(ARGUMENTS), NAME=VALUE or NAME, separated by commas or blanks, apart.

    Returns (name, what is within the parentheses, or None where there are none); NAME=VALUE stays one name.
    """
    items: list[tuple[str, str | None]] = []
    at, end = 0, len(text)
    while at < end:
        if text[at] in ", \t\r\n":
            at += 1
            continue
        match = _NAME.match(text, at)
        if match is None:
            raise OdpTextError(text[at:])
        name, stop = match.group(), match.end()
        if stop < end and text[stop] == "(":
            close = _closing(text, stop)
            if close < 0:
                raise OdpTextError(text[at:])
            items.append((name, text[stop + 1 : close]))
            at = close + 1
        else:
            items.append((name, None))
            at = stop
    return items


def depth_of(text: str) -> int:
    """Count how deep parentheses are nested."""
    return max(accumulate({"(": 1, ")": -1}.get(letter, 0) for letter in text), default=0)


_NAME = re.compile(r"[^,() \t\r\n]+")


def _closing(text: str, opening: int) -> int:
    depth = 0
    for at in range(opening, len(text)):
        if text[at] == "(":
            depth += 1
        elif text[at] == ")":
            depth -= 1
            if depth == 0:
                return at
    return -1
