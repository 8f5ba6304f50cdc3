"""@names: what --id of create and get gives to rows, for use wherever a UUID is expected in the same run."""

from __future__ import annotations

from ovsdb.uuids import new_uuid
from vsctl.errors import CommandError


class Symbol:
    """What a name stands for."""

    __slots__ = ("defined", "used", "uuid")

    def __init__(self, uuid: str, *, defined: bool = False) -> None:
        self.uuid = uuid
        self.defined = defined  # by --id; else only used so far
        self.used = False


class Symbols:
    """The names of one run."""

    def __init__(self) -> None:
        self._symbols: dict[str, Symbol] = {}

    def resolve(self, name: str) -> str:
        """The UUID that a name stands for, which may be defined later."""
        symbol = self._symbols.setdefault(name, Symbol(new_uuid()))
        symbol.used = True
        return symbol.uuid

    def unused(self) -> dict[str, str]:
        """Names that nothing refers to, and their UUIDs."""
        return {symbol.uuid: name for name, symbol in self._symbols.items() if not symbol.used}

    def find(self, name: str) -> str | None:
        """The UUID of a name that is defined."""
        symbol = self._symbols.get(name)
        return symbol.uuid if symbol is not None and symbol.defined else None

    def define(self, name: str) -> str:
        """Give a name to a row that is about to be made; its UUID. It may have been used before."""
        self._check(name)
        symbol = self._symbols.setdefault(name, Symbol(new_uuid()))
        symbol.defined = True
        return symbol.uuid

    def define_existing(self, name: str, uuid: str) -> None:
        """Give a name to a row that exists. CommandError if it was used before."""
        self._check(name)
        if name in self._symbols:
            raise CommandError(f'row id "{name}" specified on "get" command was used before it was defined')
        self._symbols[name] = Symbol(uuid, defined=True)

    def require_defined(self) -> None:
        """CommandError if a name was used and never defined."""
        for name, symbol in self._symbols.items():
            if not symbol.defined:
                raise CommandError(
                    f'row id "{name}" is referenced but never created (e.g. with "-- --id={name} create ...")'
                )

    def _check(self, name: str) -> None:
        if not name.startswith("@"):
            raise CommandError(f'row id "{name}" does not begin with "@"')
        symbol = self._symbols.get(name)
        if symbol is not None and symbol.defined:
            raise CommandError(f'row id "{name}" may only be specified on one --id option')
