"""What a monitor's view of some columns tells, as Python values."""

from typing import Any

import orjson

from ovsdb.engine.changes import RowChange
from ovsdb.engine.table import Table
from ovsdb.monitor import Layout, View
from ovsdb.monitor_request import parse_requests


class Watch:
    """A view of the named columns of a table, or of all that a schema gives it."""

    def __init__(self, table: Table, *names: str) -> None:
        columns = list(names) or [column.name for column in table.columns]
        request = parse_requests({table.name: {"columns": columns}}, {table.name: table}, conditional=False)
        self._view = View(Layout(table, request.tables[0]), ())

    def update(self, change: RowChange, version: int) -> Any:
        """The <row-update> (version 1) or <row-update2> (version 2) of one change; None if it is not seen."""
        encoded = self._view.update({"row": change}, version)
        return orjson.loads(encoded)["row"] if encoded else None

    def initial(self, version: int) -> dict[str, Any]:
        """The same of all rows that are there, by UUID."""
        rows: dict[str, Any] = orjson.loads(self._view.initial(version) or b"{}")
        return rows
