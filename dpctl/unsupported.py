"""Commands of Open vSwitch for trackers and datapaths of a kind that there is none of here.

Rule: arguments are checked and the datapath is opened as the C tools do; then the answer is "Operation not
supported".
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Final, NamedTuple

from dpctl.errors import DpctlError, because
from dpctl.options import Options
from dpctl.targets import Targets

_Run = Callable[[Targets, Options, list[str]], str]


class _Argument(NamedTuple):
    """An argument behind the datapath's name: what it may be, and what is said where it is not."""

    valid: Callable[[str], bool]
    complaint: str


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and not int(text) >> 32


_FAMILY: Final = _Argument(
    lambda text: text in ("v4", "v6"), "parameter missing: 'v4' for IPv4 or 'v6' for IPv6"
)


def _refuse(what: str, *arguments: _Argument) -> _Run:
    """Make a command that takes these arguments and fails."""

    def run(targets: Targets, options: Options, words: list[str]) -> str:
        name, rest = targets.optional(words, len(arguments))
        with targets.open(name, "opening datapath"):
            for argument, word in zip(arguments, (*rest, *[""] * len(arguments)), strict=False):
                if not argument.valid(word):
                    raise DpctlError(because(argument.complaint, errno.EINVAL))
        raise DpctlError(because(what, errno.EOPNOTSUPP))

    return run


def _buckets(targets: Targets, options: Options, words: list[str]) -> str:
    """Tell that only a tracker in userspace has buckets to show."""
    rest = words[:-1] if words and words[-1].startswith("gt=") and words[-1][3:4].isdigit() else words
    name, _rest = targets.optional(rest, 0)
    with targets.open(name, "opening datapath"):
        return "Command is available for UserSpace ConnTracker only.\n"


COMMANDS: Final[dict[str, tuple[str, int, int, _Run, bool]]] = {
    "offload-stats-show": ("[dp]", 0, 1, _refuse("retrieving offload statistics"), False),
    "ct-bkts": ("[dp] [gt=N]", 0, 2, _buckets, False),
    "ct-set-maxconns": (
        "[dp] maxconns",
        1,
        2,
        _refuse("ct set maxconns failed", _Argument(_is_number, "maxconns missing or malformed")),
        True,
    ),
    "ct-get-maxconns": ("[dp]", 0, 1, _refuse("maxconns could not be retrieved"), False),
    "ct-get-nconns": ("[dp]", 0, 1, _refuse("nconns could not be retrieved"), False),
    "ct-enable-tcp-seq-chk": ("[dp]", 0, 1, _refuse("enabling TCP sequence checking failed"), True),
    "ct-disable-tcp-seq-chk": ("[dp]", 0, 1, _refuse("disabling TCP sequence checking failed"), True),
    "ct-get-tcp-seq-chk": ("[dp]", 0, 1, _refuse("TCP sequence checking query failed"), False),
    "ipf-set-enabled": (
        "[dp] v4|v6",
        1,
        2,
        _refuse("enabling fragmentation reassembly failed", _FAMILY),
        True,
    ),
    "ipf-set-disabled": (
        "[dp] v4|v6",
        1,
        2,
        _refuse("disabling fragmentation reassembly failed", _FAMILY),
        True,
    ),
    "ipf-set-min-frag": (
        "[dp] v4|v6 minfragment",
        2,
        3,
        _refuse(
            "requested minimum fragment size too small; see documentation",
            _FAMILY,
            _Argument(_is_number, "parameter missing for minimum fragment size"),
        ),
        True,
    ),
    "ipf-set-max-nfrags": (
        "[dp] maxfrags",
        1,
        2,
        _refuse(
            "setting maximum fragments failed",
            _Argument(_is_number, "parameter missing for maximum fragments"),
        ),
        True,
    ),
    "ipf-get-status": ("[dp]", 0, 1, _refuse("ipf status could not be retrieved"), False),
}
