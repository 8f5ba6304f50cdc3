"""What status is made of, and the types and texts that its modules share.

Rule: pure.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from datapath.provider import DatapathError
from ovsdb.datum import Value
from switching.bond import Bond
from vswitchd.config.desired import Desired
from vswitchd.devices import DeviceFacts
from vswitchd.forwarding import Counters
from vswitchd.ofports import BridgeNumbers
from vswitchd.plan import Actual
from vswitchd.retries import Failures

Columns = dict[str, Value]
Statistics = dict[int | float | bool | str, int | float | bool | str]
Writes = dict[tuple[str, str], Columns]  # (table, UUID) → columns to set
EMPTY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Observation:
    """All that status is made of."""

    desired: Desired
    actual: Actual
    failures: Failures
    numbers: Mapping[str, BridgeNumbers]  # by bridge
    devices: Mapping[str, DeviceFacts]  # by name
    egress: Mapping[str, Mapping[str, str]]  # status of tunnels' ways, by name of the interface
    counters: Mapping[str, Counters]  # of ports without a device
    bonds: Mapping[str, Bond] = field(default_factory=dict)  # by name of the port


def text_map(texts: Mapping[str, str]) -> Statistics:
    """Return a map of texts as the value of a column."""
    value: Statistics = {}
    value.update(texts)
    return value


def error_text(error: DatapathError) -> str:
    """Say what a datapath refused, for logs and commands."""
    text = f"{error.what}: {os.strerror(error.errno)}"
    return f"{text} ({error.detail})" if error.detail else text


def stable_mac(name: str) -> str:
    """Make up a local address for an interface that has none, always the same for one name."""
    digest = bytearray(hashlib.blake2b(name.encode(), digest_size=6).digest())
    digest[0] = digest[0] & 0xFE | 0x02
    return digest.hex(":")
