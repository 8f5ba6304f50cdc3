"""The options of dpctl commands, which may stand anywhere among their arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dpctl.errors import DpctlError


@dataclass(frozen=True)
class Options:
    """What the options ask for."""

    more: bool = False
    statistics: bool = False
    names: bool | None = None  # None: with `more`
    may_create: bool = False
    read_only: bool = False
    clear: bool = False

    @property
    def port_names(self) -> bool:
        """Whether ports are named rather than numbered."""
        return self.more if self.names is None else self.names


_LONG: dict[str, dict[str, bool]] = {
    "--more": {"more": True},
    "--statistics": {"statistics": True},
    "--names": {"names": True},
    "--no-names": {"names": False},
    "--may-create": {"may_create": True},
    "--read-only": {"read_only": True},
    "--clear": {"clear": True},
}
_SHORT = {"m": "--more", "s": "--statistics"}


def take_options(arguments: Sequence[str]) -> tuple[Options, list[str]]:
    """Split options off; long ones may be shortened to what is unique."""
    options, rest = Options(), []
    remaining = list(arguments)
    while remaining:
        word = remaining.pop(0)
        if word == "--":
            rest += remaining
            break
        if word.startswith("--"):
            options = replace(options, **_LONG[_complete(word)])
        elif word.startswith("-") and len(word) > 1:
            for letter in word[1:]:
                if letter not in _SHORT:
                    raise DpctlError(f"invalid option -- '{letter}'")
                options = replace(options, **_LONG[_SHORT[letter]])
        else:
            rest.append(word)
    return options, rest


def _complete(word: str) -> str:
    if word in _LONG:
        return word
    candidates = [name for name in _LONG if name.startswith(word)]
    if not candidates:
        raise DpctlError(f"unrecognized option '{word}'")
    if len(candidates) > 1:
        possible = " ".join(f"'{name}'" for name in candidates)
        raise DpctlError(f"option '{word}' is ambiguous; possibilities: {possible}")
    return candidates[0]
