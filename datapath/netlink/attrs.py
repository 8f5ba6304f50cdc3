"""Netlink attributes: length, type, payload, padding to four bytes (RFC 3549, section 2.2; netlink(7)).

Rule: whatever bytes come in, reading them ends in values or in NetlinkFormatError. A policy table says what
each attribute of a message holds; attributes it does not name are skipped, as the kernel adds new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from struct import Struct
from typing import Final, NamedTuple

HEADER: Final = Struct("=HH")
HEADER_LEN: Final = 4
MAX_LEN: Final = 0xFFFF  # of header and payload: the length field has 16 bits
TYPE_MASK: Final = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER

_U8, _U16, _U32, _U64 = Struct("=B"), Struct("=H"), Struct("=I"), Struct("=Q")
_I32 = Struct("=i")
_HEADER_U32 = Struct("=HHI")
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")


class NetlinkFormatError(ValueError):
    """Bytes that are no well-formed netlink message of the kind that was expected."""


def attr(kind: int, payload: bytes = b"") -> bytes:
    """Encode one attribute with its padding."""
    length = len(payload)
    if length > MAX_LEN - HEADER_LEN:
        raise NetlinkFormatError(f"attribute {kind}: {length} bytes do not fit into one attribute")
    return HEADER.pack(length + HEADER_LEN, kind) + payload + _PADDING[length & 3]


def attr_u8(kind: int, value: int) -> bytes:
    """Encode an 8-bit number."""
    return attr(kind, _U8.pack(value))


def attr_u16(kind: int, value: int) -> bytes:
    """Encode a 16-bit number in host order."""
    return attr(kind, _U16.pack(value))


def attr_u32(kind: int, value: int) -> bytes:
    """Encode a 32-bit number in host order."""
    return _HEADER_U32.pack(8, kind, value)


def attr_text(kind: int, value: str) -> bytes:
    """Encode a string, which ends in a zero byte."""
    return attr(kind, value.encode() + b"\0")


def nested(kind: int, *attributes: bytes) -> bytes:
    """Encode attributes within an attribute."""
    return attr(kind, b"".join(attributes))


def attributes(data: bytes, at: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int]]:
    """Walk over the attributes in data[at:end]: type without flags, start and end of the payload.

    Fewer than four bytes left over are padding, as the last attribute may be unaligned.
    """
    stop = len(data) if end is None else end
    while at + HEADER_LEN <= stop:
        length, kind = HEADER.unpack_from(data, at)
        if length < HEADER_LEN or at + length > stop:
            raise NetlinkFormatError(
                f"attribute {kind & TYPE_MASK} at {at}: {length} bytes, {stop - at} are left"
            )
        yield kind & TYPE_MASK, at + HEADER_LEN, at + length
        at += length + 3 & ~3


Value = int | bytes | str | tuple[int, ...] | None


class Field(NamedTuple):
    """What a policy says of one attribute. `decode` gets at least `min_len` bytes."""

    name: str
    decode: Callable[[bytes], Value]
    min_len: int = 0


Policy = Mapping[int, Field]


def u8(name: str) -> Field:
    """Describe an 8-bit number."""
    return Field(name, lambda payload: payload[0], 1)


def u16(name: str) -> Field:
    """Describe a 16-bit number in host order."""
    return Field(name, lambda payload: int(_U16.unpack_from(payload)[0]), 2)


def u32(name: str) -> Field:
    """Describe a 32-bit number in host order."""
    return Field(name, lambda payload: int(_U32.unpack_from(payload)[0]), 4)


def u64(name: str) -> Field:
    """Describe a 64-bit number in host order."""
    return Field(name, lambda payload: int(_U64.unpack_from(payload)[0]), 8)


def i32(name: str) -> Field:
    """Describe a signed 32-bit number in host order."""
    return Field(name, lambda payload: int(_I32.unpack_from(payload)[0]), 4)


def u32s(name: str) -> Field:
    """Describe an array of 32-bit numbers in host order."""
    whole = ~3  # a last number that is cut short is left out
    return Field(name, lambda payload: tuple(v for (v,) in _U32.iter_unpack(payload[: len(payload) & whole])))


def u64s(name: str, count: int) -> Field:
    """Describe at least `count` 64-bit numbers in host order, of which the first `count` are returned."""
    layout = Struct(f"={count}Q")
    return Field(name, layout.unpack_from, layout.size)


def text(name: str) -> Field:
    """Describe a string that a zero byte ends."""
    return Field(name, lambda payload: payload.split(b"\0", 1)[0].decode("utf-8", "replace"))


def raw(name: str) -> Field:
    """Describe bytes, or attributes within an attribute, that the caller reads further."""
    return Field(name, bytes)


def flag(name: str) -> Field:
    """Describe an attribute whose presence alone tells something."""
    return Field(name, lambda _payload: 1)


class Values:
    """The attributes of one message by the names that its policy gives them."""

    __slots__ = ("_found", "_what")

    def __init__(self, found: dict[str, Value], what: str) -> None:
        self._found = found
        self._what = what

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def integer(self, name: str, default: int | None = None) -> int:
        """Return a number; NetlinkFormatError where it is missing and has no default."""
        value = self._found.get(name, default)
        if not isinstance(value, int):
            raise NetlinkFormatError(f"{self._what}: attribute {name} is missing")
        return value

    def string(self, name: str, default: str | None = None) -> str:
        """Return a string; NetlinkFormatError where it is missing and has no default."""
        value = self._found.get(name, default)
        if not isinstance(value, str):
            raise NetlinkFormatError(f"{self._what}: attribute {name} is missing")
        return value

    def octets(self, name: str) -> bytes:
        """Return bytes, empty where the attribute is missing."""
        value = self._found.get(name, b"")
        return value if isinstance(value, bytes) else b""

    def numbers(self, name: str, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Return an array of numbers."""
        value = self._found.get(name, default)
        return value if isinstance(value, tuple) else default


def parse(data: bytes, policy: Policy, what: str, at: int = 0, end: int | None = None) -> Values:
    """Read the attributes in data[at:end] as `policy` says; `what` names the message in errors."""
    found: dict[str, Value] = {}
    for kind, start, stop in attributes(data, at, end):
        field = policy.get(kind)
        if field is None:
            continue
        if stop - start < field.min_len:
            raise NetlinkFormatError(f"{what}: {field.name} has {stop - start} bytes, not {field.min_len}")
        found[field.name] = field.decode(data[start:stop])
    return Values(found, what)
