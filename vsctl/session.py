"""What commands are given that connect by themselves: batch, watch, completion.

Rule: such a command prints as it goes on; everything else hands its output back (vsctl.output).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ovsdb.client.blocking import Client
from vsctl.patience import Patience
from vsctl.printing import Writer
from vsctl.run import Settings


class Connect(Protocol):
    """Connects until `deadline` (time.monotonic(); None: for ever), to `database` in place of --db.

    ConnectError, AddressError.
    """

    def __call__(self, deadline: float | None, database: str | None = None) -> Client:
        """Connect."""


@dataclass(frozen=True)
class Session:
    """The options of the command line, and what follows from them."""

    connect: Connect
    settings: Settings
    patience: Patience
    writer: Writer
    options: Mapping[str, Any]
