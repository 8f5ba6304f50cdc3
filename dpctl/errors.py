"""What a dpctl command raises."""

from __future__ import annotations

import os
from collections.abc import Sequence


class DpctlError(Exception):
    """A command that failed, with what it had printed before and prints afterwards."""

    def __init__(self, *messages: str, output: str = "", hint: str = "") -> None:
        super().__init__(*messages)
        self.messages: Sequence[str] = messages
        self.output = output
        self.hint = hint  # a line for standard output

    def text(self, program: str) -> str:
        """Return the messages as the C programs print them, one a line."""
        return "".join(f"{program}: {message}\n" for message in self.messages)


class BadCall(DpctlError):
    """A command with too few or too many words; a daemon says so in words of its own."""

    def __init__(self, name: str, what: str, *, in_daemon: bool) -> None:
        super().__init__(f'"dpctl/{name}" command {what}' if in_daemon else f"'{name}' command {what}")
        self.in_daemon = in_daemon

    def text(self, program: str) -> str:
        """Return the message, behind the program's name but in a daemon."""
        return f"{self.messages[0]}\n" if self.in_daemon else super().text(program)


def because(what: str, errno: int) -> str:
    """Append the system's reason to what failed."""
    return f"{what} ({os.strerror(errno)})"
