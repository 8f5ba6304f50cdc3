"""What a datapath has to pass by the host's stack: see underlay.py.

Rule: it is opened in the caller's thread, with the first port that can use it; where it cannot be had, all
goes through the stack.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from datapath.userspace.entrance import Entrance
from datapath.userspace.outer import OuterFrames
from datapath.userspace.ports import TapPort
from datapath.userspace.underlay import Underlay

KIND = "gre"  # over UDP the kernel puts packets together and cuts them, which is worth more


class Bypass(NamedTuple):
    """The way out, the way in, and who decides."""

    underlay: Underlay
    outer: OuterFrames
    entrance: Entrance


def open_bypass(taps: Callable[[], list[TapPort]]) -> Bypass | None:
    """Open what is needed; `taps` tells the bridges' ports, in the thread that forwards."""
    try:
        underlay = Underlay(taps)
    except OSError:
        return None
    return Bypass(underlay, OuterFrames(), Entrance(underlay))
