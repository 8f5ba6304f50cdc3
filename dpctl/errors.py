"""What a dpctl command raises."""

from __future__ import annotations

import os
from collections.abc import Sequence


class DpctlError(Exception):
    """A command that failed, with what it had printed before."""

    def __init__(self, *messages: str, output: str = "") -> None:
        super().__init__(*messages)
        self.messages: Sequence[str] = messages
        self.output = output

    def text(self, program: str) -> str:
        """Return the messages as the C programs print them, one a line."""
        return "".join(f"{program}: {message}\n" for message in self.messages)


def because(what: str, errno: int) -> str:
    """Append the system's reason to what failed."""
    return f"{what} ({os.strerror(errno)})"
