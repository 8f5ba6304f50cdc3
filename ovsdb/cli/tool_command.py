"""A command of ovsdb-tool, and what the command line says beside it.

Rule: loaded by every call; what commands need is loaded with them.
"""

from __future__ import annotations

from rpc.structs import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Options(Struct):
    """What the command line says beside the command."""

    more: int = 0
    rbac_role: str = ""
    format: str = "text"  # of fsck and log: or "json", or "table"
    repair: str | None = None  # fsck: where to; "" for FILE.repaired
    table: str = ""  # log: this one only
    record: str = ""  # log: this row only, by UUID or name
    since: str = ""  # log: a time or the id of a commit
    last: int | None = None  # log: so many, the last ones


class Command(Struct):
    """A command: where its function is, which gets the options and the words, and returns the exit status."""

    module: str  # in this package
    function: str  # or what makes it of `what`
    usage: str  # its arguments, as list-commands shows them
    least: int
    most: int = 1 << 31
    what: str = ""

    def run(self, options: Options, words: list[str]) -> int | None:
        """Load it and carry it out."""
        module = __import__(f"ovsdb.cli.{self.module}", fromlist=[self.function])
        function: Any = getattr(module, self.function)
        if self.what:
            function = function(self.what)
        status: int | None = function(options, words)
        return status
