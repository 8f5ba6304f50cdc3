"""The commands of ovsdb-client: what each needs, and where it is.

Rule: a command takes a Session and its arguments, and yields text to print; it knows no options. It is loaded
when it is run, since most of what they import together is needed by few of them.
"""

from __future__ import annotations

from collections.abc import Callable

from ovsdb.cli.client_session import Need
from rpc.structs import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Command(Struct):
    """A command: what it works on, and how many arguments follow the name of that."""

    module: str  # in this package
    function: str
    need: Need
    least: int
    most: int | None  # None: any number

    def load(self) -> Callable[..., Any]:
        """The function: Session (a function that connects, with Need.NOTHING) and arguments → text."""
        module = __import__(f"ovsdb.cli.client_{self.module}", fromlist=[self.function])
        function: Callable[..., Any] = getattr(module, self.function)
        return function


COMMANDS = {
    "list-dbs": Command("schema", "list_dbs", Need.SERVERS, 0, 0),
    "get-schema": Command("schema", "get_schema", Need.DATABASE, 0, 0),
    "get-schema-version": Command("schema", "get_schema_version", Need.DATABASE, 0, 0),
    "get-schema-cksum": Command("schema", "get_schema_cksum", Need.DATABASE, 0, 0),
    "list-tables": Command("schema", "list_tables", Need.DATABASE, 0, 0),
    "list-columns": Command("schema", "list_columns", Need.DATABASE, 0, 1),
    "convert": Command("schema", "convert", Need.SERVERS, 1, 1),
    "needs-conversion": Command("schema", "needs_conversion", Need.SERVERS, 1, 1),
    "transact": Command("data", "transact", Need.SERVERS, 1, 1),
    "query": Command("data", "query", Need.SERVERS, 1, 1),
    "dump": Command("data", "dump", Need.DATABASE, 0, None),
    "backup": Command("backup", "backup", Need.DATABASE, 0, 0),
    "restore": Command("backup", "restore", Need.DATABASE, 0, 0),
    "monitor": Command("monitor", "monitor", Need.DATABASE, 1, None),
    "monitor-cond": Command("monitor", "monitor_cond", Need.DATABASE, 2, None),
    "monitor-cond-since": Command("monitor", "monitor_cond_since", Need.DATABASE, 2, None),
    "history": Command("history", "history", Need.DATABASE, 0, 2),
    "wait": Command("wait", "wait", Need.NOTHING, 2, 2),
    "lock": Command("wait", "lock", Need.SERVER, 1, 1),
    "steal": Command("wait", "steal", Need.SERVER, 1, 1),
    "unlock": Command("wait", "unlock", Need.SERVER, 1, 1),
}
