"""A row: immutable, with its bytes on the wire made once for each column.

Rule: nobody changes a row.  A change makes another row, which takes over the bytes of the columns that stay.
"""

from __future__ import annotations

from ovsdb.datum import Value
from ovsdb.uuids import new_uuid


class Row:
    """One version of a row.  `values` has the columns in the order of the table's `columns`."""

    __slots__ = ("_version", "uuid", "values", "wire")

    def __init__(self, uuid: str, values: tuple[Value, ...], wire: list[bytes | None] | None = None) -> None:
        self.uuid = uuid
        self.values = values
        self.wire = wire  # what Column.wire has encoded so far; None: nothing
        self._version = ""

    @property
    def version(self) -> str:
        """The `_version` column: another value for each version of the row; made when first asked for."""
        if not self._version:
            self._version = new_uuid()
        return self._version

    def replace(self, changed: dict[int, Value]) -> Row:
        """The row with other values in some columns."""
        values = list(self.values)
        for index, value in changed.items():
            values[index] = value
        wire = self.wire
        if wire is not None:
            wire = wire.copy()
            for index in changed:
                wire[index] = None
        return Row(self.uuid, tuple(values), wire)

    def __repr__(self) -> str:
        return f"Row({self.uuid!r}, {self.values!r})"
