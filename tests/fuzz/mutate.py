"""Valid things made invalid: a few random changes of a JSON value, or of bytes.

Rule: everything is drawn from the dice that are passed, so that a seed gives the same again.
"""

from __future__ import annotations

import copy
import random
from typing import Any

WORDS = (
    *("", "set", "map", "uuid", "named-uuid", "_uuid", "_version", "==", "!=", "<", "includes", "excludes", "insert"),
    *("delete", "+=", "%=", "T0", "c0", "mine", "a" * 300, "\u0001", "😀", "row0", "not an id"),
)  # fmt: skip
NUMBERS = (0, 1, -1, 2**31, -(2**63), 2**63 - 1, 2**64, 0.5, 1e308, -0.0)
JUNK: tuple[Any, ...] = (
    None, True, False, [], {}, [[]], ["set", []], ["map", []], ["map", [[1]]], ["uuid", "x"], ["set", [1, 1]], [True, False],
)  # fmt: skip


def junk(dice: random.Random) -> Any:
    """Something that is rarely right."""
    kind = dice.randrange(4)
    if kind == 0:
        return dice.choice(WORDS)
    if kind == 1:
        return dice.choice(NUMBERS)
    if kind == 2:
        return copy.deepcopy(dice.choice(JUNK))
    value: Any = dice.choice(WORDS)
    for _ in range(dice.choice((1, 3, 60))):
        value = [value] if dice.randrange(2) else {"x": value}
    return value


def mutate_json(value: Any, dice: random.Random) -> Any:
    """A copy with one thing changed, somewhere inside."""
    if isinstance(value, list) and value and dice.randrange(6):
        place = dice.randrange(len(value))
        match dice.randrange(10):
            case 0:
                return value[:place] + value[place + 1 :]
            case 1:
                return [*value[:place], value[place], *value[place:]]
            case 2:
                return value + [value[place]] * dice.choice((1, 5, 200))
            case 3:
                return [*value[:place], junk(dice), *value[place:]]
            case _:
                return [*value[:place], mutate_json(value[place], dice), *value[place + 1 :]]
    if isinstance(value, dict) and value and dice.randrange(6):
        name = dice.choice(list(value))
        match dice.randrange(10):
            case 0:
                return {k: v for k, v in value.items() if k != name}
            case 1:
                return {**value, dice.choice(WORDS): junk(dice)}
            case 2:
                return {**{k: v for k, v in value.items() if k != name}, dice.choice(WORDS): value[name]}
            case _:
                return {**value, name: mutate_json(value[name], dice)}
    return junk(dice)


def mutate_bytes(data: bytes, dice: random.Random) -> bytes:
    """Change, cut, double or insert at a few places."""
    out = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(out) + 1)
        match dice.randrange(6):
            case 0:
                out[at : at + 1] = bytes(
                    (dice.choice((0, 10, 34, 44, 91, 93, 123, 125, 92, dice.randrange(256))),)
                )
            case 1:
                del out[at : at + dice.randint(1, 40)]
            case 2:
                out[at:at] = out[at : at + dice.randint(1, 200)]
            case 3:
                out[at:at] = dice.randbytes(dice.randint(1, 20))
            case 4:
                out[at:at] = dice.choice((b"[", b"{", b'"', b"9")) * dice.choice((1, 50, 3000))
            case 5:
                del out[at:]
    return bytes(out)
