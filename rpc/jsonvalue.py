"""What a JSON value is in this project, and how bytes become one and one becomes bytes.

Rule: values that may hold `orjson.Fragment` (bytes encoded before, shared between receivers) are
`Encodable`; values that came from the wire are `Json` and hold only what JSON has. What is JSON, orjson
decides. Until a program says that it stays (hurry()), the standard library reads and writes what is short
and means the same to both: it is loaded in a tenth of the time, and a call of a tool exchanges little.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    import orjson

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
if TYPE_CHECKING:
    Encodable = (
        None | bool | int | float | str | orjson.Fragment | Sequence["Encodable"] | Mapping[str, "Encodable"]
    )
DecodeError = json.JSONDecodeError  # orjson's is one too

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
    if b"\\u" in raw:  # perhaps half of a character
        return None
    try:
        value: Json = _DECODER.decode(raw.decode())
    except (ValueError, RecursionError):
        return None
    return value


def _encode_short(value: Encodable) -> bytes:
    """What orjson would write, perhaps with numbers in another form; else nothing."""
    try:
        text = _ENCODER.encode(value)
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


_DECODER = json.JSONDecoder(parse_int=_short_integer, parse_float=_finite, parse_constant=_refuse)
_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"))


def _encode_deep(value: Encodable) -> bytes:
    """The same without recursion: orjson writes at most 254 levels, and reads 1024."""
    fast = hurry()
    out: list[bytes] = []
    todo: list[Encodable | _Raw] = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, _Raw):
            out.append(item)
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


class _Raw(bytes):
    """Punctuation that waits for its turn among the values."""
