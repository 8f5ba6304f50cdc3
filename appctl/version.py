"""What the programs say when they are asked for their version."""

from __future__ import annotations

VERSION = "0.1.0"  # this distribution's
OVS_COMPAT_VERSION = "3.1.0"  # of the Open vSwitch whose options, formats and behaviour the programs have


def format_version(program: str) -> str:
    """The line that scripts take apart: the version is its last word."""
    return f"{program} (Open vSwitch) {OVS_COMPAT_VERSION}"
