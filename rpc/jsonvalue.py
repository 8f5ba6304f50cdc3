"""What a JSON value is in this project, and how bytes become one and one becomes bytes.

Rule: values that may hold `orjson.Fragment` (bytes encoded before, shared between receivers) are
`Encodable`; values that came from the wire are `Json` and hold only what JSON has. What is JSON, orjson
decides. Until a program says that it stays (hurry()), what the standard library's json is made of reads and
writes what is short and means the same to both: a call of a tool exchanges little, and would take longer to
load orjson, or the patterns of json.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    import json
    from typing import Any, NoReturn

    import orjson

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
if TYPE_CHECKING:
    Encodable = (
        None | bool | int | float | str | orjson.Fragment | Sequence["Encodable"] | Mapping[str, "Encodable"]
    )
# As orjson raises it. json, whose it is, is not loaded for those that meet none.
DecodeError: type[json.JSONDecodeError] = ValueError  # type: ignore[assignment]

SHORT = 1 << 18  # bytes; reading more takes longer than loading orjson, 5 ms
LONG_NUMBER = re.compile("[0-9]{19}")  # may be an integer beyond 64 bits

_orjson: Any = None  # once it is loaded


def hurry() -> Any:
    """Use orjson from now on, which is returned."""
    global _orjson
    import orjson

    _orjson = orjson
    return orjson


def decode(raw: bytes) -> Json:
    """The value of a JSON text; DecodeError."""
    if _orjson is None and len(raw) < SHORT:
        value = _decode_short(raw)
        if value is not None:
            return value
    found: Json = (_orjson or hurry()).loads(raw)
    return found


def encode(value: Encodable) -> bytes:
    """The compact JSON text of `value`.

    TypeError: it holds something that JSON cannot express (an integer beyond 64 bits, a lone surrogate, a
    set).
    """
    if _orjson is None:
        short = _encode_short(value)
        if short:
            return short
    fast = _orjson or hurry()
    try:
        text: bytes = fast.dumps(value)
    except fast.JSONEncodeError:
        return _encode_deep(value)
    return text


def _decode_short(raw: bytes) -> Json:
    """What orjson would read too, and the same; else None."""
    if _scan is None or b"\\u" in raw:  # perhaps half of a character
        return None
    try:
        text = raw.decode().strip(" \t\n\r")
        value, end = _scan(text, 0)
    except (ValueError, RecursionError, StopIteration, SystemError):
        # SystemError: before Python 3.12 the reader finds no error to raise as long as json is not loaded.
        return None
    found: Json = value
    return found if end == len(text) else None


def _encode_short(value: Encodable) -> bytes:
    """What orjson would write, perhaps with numbers in another form; else nothing."""
    if _write is None:
        return b""
    try:
        text = "".join(_write(value, 0))
        return b"" if LONG_NUMBER.search(text) else text.encode()
    except (TypeError, ValueError, RecursionError):
        return b""


def _short_integer(text: str) -> int:
    if len(text) > 18:
        raise ValueError(text)
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if value - value:
        raise ValueError(text)
    return value


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)


def _refuse_value(value: object) -> NoReturn:
    raise TypeError(value)


class _Reading:
    """What json's reader in C is told: how numbers are read, and that nothing else is special."""

    def __init__(self) -> None:
        self.strict = True
        self.object_hook = None
        self.object_pairs_hook = None
        self.parse_int = _short_integer
        self.parse_float = _finite
        self.parse_constant = _refuse


_scan: Any = None
_write: Any = None
try:
    from _json import encode_basestring, make_encoder, make_scanner
except ImportError:  # an interpreter without them
    pass
else:
    if not hasattr(
        sys, "gettotalrefcount"
    ):  # one made for debugging would end the process at that SystemError
        _scan = make_scanner(_Reading())  # type: ignore[arg-type]  # which takes any that says the same
    # No marks of what was seen, no indentation; separators; keys are not sorted and none is left out; finite.
    _write = make_encoder(None, _refuse_value, encode_basestring, None, ":", ",", False, False, False)


def _encode_deep(value: Encodable) -> bytes:
    """The same without recursion: orjson writes at most 254 levels, and reads 1024."""
    fast = hurry()
    out: list[bytes] = []
    todo: list[Encodable | _Raw] = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, _Raw):
            out.append(item.text)
        elif isinstance(item, (list, tuple)):
            todo.append(_Raw(b"]"))
            for i in range(len(item) - 1, -1, -1):
                todo.append(item[i])
                if i:
                    todo.append(_Raw(b","))
            out.append(b"[")
        elif isinstance(item, dict):
            todo.append(_Raw(b"}"))
            for i, (key, member) in reversed(list(enumerate(item.items()))):
                todo.append(member)
                todo.append(_Raw((b"," if i else b"") + fast.dumps(key) + b":"))
            out.append(b"{")
        else:
            out.append(fast.dumps(item))
    return b"".join(out)


class _Raw:
    """Punctuation that waits for its turn among the values."""

    __slots__ = ("text",)

    def __init__(self, text: bytes) -> None:
        self.text = text
