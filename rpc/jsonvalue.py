"""What a JSON value is in this project, and how one becomes bytes.

Rule: values that may hold `orjson.Fragment` (bytes encoded before, shared between receivers) are
`Encodable`; values that came from the wire are `Json` and hold only what JSON has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Encodable = (
    None | bool | int | float | str | orjson.Fragment | Sequence["Encodable"] | Mapping[str, "Encodable"]
)


def encode(value: Encodable) -> bytes:
    """The compact JSON text of `value`.

    TypeError: it holds something that JSON cannot express (an integer beyond 64 bits, a lone surrogate, a
    set).
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return _encode_deep(value)


def _encode_deep(value: Encodable) -> bytes:
    """The same without recursion: orjson writes at most 254 levels, and reads 1024."""
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
                todo.append(_Raw((b"," if i else b"") + orjson.dumps(key) + b":"))
            out.append(b"{")
        else:
            out.append(orjson.dumps(item))
    return b"".join(out)


class _Raw(bytes):
    """Punctuation that waits for its turn among the values."""
