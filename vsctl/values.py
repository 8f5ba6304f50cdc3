"""Database values as users write them: 5, "two words", [a, b], {k=v}, 1-4, @name (ovs-vsctl(8), "Database
Values").

Rule: text becomes a native value of a column's type here and nowhere else; every mistake is a CommandError
that shows the text.
"""

from __future__ import annotations

import re

from ovsdb.datum import Value, check_atom
from ovsdb.errors import ConstraintViolation
from ovsdb.schema import INTEGER_MAX, INTEGER_MIN, Atom, BaseType, ColumnType
from ovsdb.uuids import is_uuid
from rpc.jsonvalue import DecodeError, decode
from rpc.structs import Struct
from vsctl.errors import CommandError
from vsctl.symbols import Symbols

DELIMITERS = frozenset(":=, []{}!<>")
MAX_RANGE = 4096  # elements
BOOLEANS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}

# Compiled with the first value that is looked at by them.
_INTEGER = r"\s*[-+]?[0-9]+\Z"
_RANGE = r"\s*([-+]?[0-9]+)-([-+]?[0-9]+)\Z"
_ESCAPE = r'\\(?!["\\/bfnrtu])(.?)'


class Token(Struct):
    """A word of a text, and where what follows it begins."""

    text: str  # still in its quotes
    end: int


def read_token(text: str, start: int) -> Token:
    """The word at `start`: everything up to a delimiter outside of quotes; it may be empty."""
    end, in_quotes = start, False
    while end < len(text) and (in_quotes or text[end] not in DELIMITERS):
        if text[end] == '"':
            in_quotes = not in_quotes
        elif in_quotes and text[end] == "\\":
            end += 1
        end += 1
    if in_quotes:
        raise CommandError(f"{text[start:]}: quoted string extends past end of argument")
    return Token(text[start:end], end)


def unquote(word: str) -> str:
    """A word without its quotes and escapes."""
    if not word.startswith('"'):
        return word
    if len(word) < 2 or not word.endswith('"'):
        raise CommandError(f"{word}: missing quote at end of quoted string")
    try:
        unquoted = decode(word.encode(errors="surrogatepass"))
    except DecodeError as error:
        bad = re.search(_ESCAPE, word)
        why = f"bad escape \\{bad[1]}" if bad else str(error)
        raise CommandError(f"{word}: {why}") from None
    assert isinstance(unquoted, str)  # by its first character
    return unquoted


def parse_atom(base: BaseType, word: str, symbols: Symbols | None = None) -> Atom:
    """One atom, which satisfies the constraints of its type."""
    atom = _ATOM_PARSERS[base.type](word, symbols)
    try:
        check_atom(base, atom)
    except ConstraintViolation as error:
        raise CommandError(f"constraint violation: {error.details}") from None
    return atom


def _parse_integer(word: str, symbols: Symbols | None) -> Atom:
    if re.match(_INTEGER, word) and INTEGER_MIN <= int(word) <= INTEGER_MAX:
        return int(word)
    raise CommandError(f'"{word}" is not a valid integer or range')


def _parse_real(word: str, symbols: Symbols | None) -> Atom:
    try:
        real = float(word)
    except ValueError:
        real = float("nan")
    if real - real != 0 or "_" in word:  # infinite, or no number
        raise CommandError(f'"{word}" is not a valid real number')
    return real


def _parse_boolean(word: str, symbols: Symbols | None) -> Atom:
    if word not in BOOLEANS:
        raise CommandError(f'"{word}" is not a valid boolean (use "true" or "false")')
    return BOOLEANS[word]


def _parse_string(word: str, symbols: Symbols | None) -> Atom:
    if not word:
        raise CommandError('An empty string is not valid as input; use "" to represent the empty string')
    return unquote(word)


def _parse_uuid(word: str, symbols: Symbols | None) -> Atom:
    if word.startswith("@") and symbols is not None:
        return symbols.resolve(word)
    if not is_uuid(word):
        raise CommandError(f'"{word}" is not a valid UUID')
    return word.lower()


_ATOM_PARSERS = {
    "integer": _parse_integer,
    "real": _parse_real,
    "boolean": _parse_boolean,
    "string": _parse_string,
    "uuid": _parse_uuid,
}


def parse_value(type_: ColumnType, text: str, symbols: Symbols | None = None) -> Value:
    """A value of a column's type: as many elements as it permits, brackets or braces around them if you
    like.
    """
    opening, closing = "{}" if type_.is_map else "[]"
    position = _skip_spaces(text, 0)
    bracketed = text.startswith(opening, position)
    if bracketed:
        position = _skip_spaces(text, position + 1)
    elif position >= len(text):
        kind = "map" if type_.is_map else "set"
        raise CommandError(f'use "{opening}{closing}" to specify the empty {kind}')
    elements: list[tuple[Atom, Atom | None]] = []
    while position < len(text) and not (bracketed and text[position] == closing):
        position = _parse_element(type_, text, position, symbols, elements)
        position = _skip_spaces(text, position)
        if text.startswith(",", position):
            position = _skip_spaces(text, position + 1)
    if bracketed:
        if position >= len(text):
            raise CommandError(f'{text}: missing "{closing}" at end of data')
        if _skip_spaces(text, position + 1) < len(text):
            raise CommandError(f'{text}: trailing garbage after "{closing}"')
    return _assemble(type_, text, elements)


def _parse_element(
    type_: ColumnType,
    text: str,
    position: int,
    symbols: Symbols | None,
    elements: list[tuple[Atom, Atom | None]],
) -> int:
    """Append the element or range at `position`; the position behind it."""
    if text[position] in DELIMITERS:
        raise CommandError(f'{text}: unexpected "{text[position]}" parsing {type_.english()}')
    word, position = read_token(text, position)
    if type_.value is not None:
        key = parse_atom(type_.key, word, symbols)
        position = _skip_spaces(text, position)
        if not text.startswith("=", position):
            raise CommandError(f'{text}: syntax error at "{text[position : position + 1]}" expecting "="')
        word, position = read_token(text, _skip_spaces(text, position + 1))
        elements.append((key, parse_atom(type_.value, word, symbols)))
    elif type_.key.type == "integer" and (found := re.match(_RANGE, word)):
        elements += [(integer, None) for integer in _parse_range(type_.key, found)]
    else:
        elements.append((parse_atom(type_.key, word, symbols), None))
    return position


def _parse_range(base: BaseType, found: re.Match[str]) -> range:
    first, last = int(found[1]), int(found[2])
    if last < first:
        raise CommandError(f'"{found[0]}" is not a valid range. Range end cannot be before start.')
    parse_atom(base, str(first))
    parse_atom(base, str(last))
    if last - first >= MAX_RANGE:
        raise CommandError(
            f'constraint violation: Range "{found[0]}" is too big. Maximum allowed size is {MAX_RANGE}.'
        )
    return range(first, last + 1)


def _assemble(type_: ColumnType, text: str, elements: list[tuple[Atom, Atom | None]]) -> Value:
    count, what = len(elements), "pair(s)" if type_.is_map else "value(s)"
    if count < type_.min:
        raise CommandError(f"{text}: {count} {what} specified but the minimum number is {type_.min}")
    if type_.max is not None and count > type_.max:
        raise CommandError(f"{text}: {count} {what} specified but the maximum number is {type_.max}")
    value: dict[Atom, Atom | None] = dict(elements)
    if len(value) < count:
        kind, part = ("map", "key") if type_.is_map else ("set", "value")
        raise CommandError(f"{text}: {kind} contains duplicate {part}")
    if type_.value is not None:
        return value  # type: ignore[return-value]  # every element of a map has a value
    return elements[0][0] if type_.is_scalar else frozenset(value)


def _skip_spaces(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position
