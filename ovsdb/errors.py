"""The errors of RFC 7047 and of Open vSwitch's extensions, one type for each error tag: those of values and
schemas. What only a server refuses is in ovsdb/refusals.py, which a call of a tool need not load.

An error holds its tag, its details and, where the request itself is at fault, the JSON that could not be
read. `to_wire` makes the <error> object of RFC 7047, section 3.1.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar

_MISSING = object()


class OvsdbError(Exception):
    """A request that the database refuses.  `syntax` is the JSON value at fault, if there is one."""

    tag: ClassVar[str] = "ovsdb error"

    def __init__(self, details: str, syntax: object = _MISSING) -> None:
        super().__init__(details)
        self.details = details
        self._syntax = syntax

    @property
    def syntax(self) -> str | None:
        """The JSON at fault as text, with sorted members, or None."""
        if self._syntax is _MISSING:
            return None
        import json  # not orjson, which has no integers beyond 64 bits: they may be what is wrong

        try:
            return json.dumps(self._syntax, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        except RecursionError:
            return "(nested too deeply to be shown)"

    def to_wire(self) -> dict[str, str]:
        """The <error> object for a reply."""
        wire = {"error": self.tag, "details": self.details}
        syntax = self.syntax
        if syntax is not None:
            wire["syntax"] = syntax
        return wire

    def __str__(self) -> str:
        syntax = self.syntax
        where = "" if syntax is None else f'syntax "{syntax}": '
        return f"{where}{self.tag}: {self.details}"


class DuplicateElementError(OvsdbError):
    """A set or a map on the wire has the same element twice."""

    tag = "ovsdb error"


class OvsdbSyntaxError(OvsdbError):
    """A value, operation or schema is malformed."""

    tag = "syntax error"


class SchemaError(OvsdbSyntaxError):
    """A schema is malformed; `path` says where, as in `tables/Bridge/columns/name/type`."""

    def __init__(self, path: str, details: str, syntax: object = _MISSING) -> None:
        super().__init__(f"{path}: {details}" if path else details, syntax)
        self.path = path


class ConstraintViolation(OvsdbError):
    """A value, or the database after the transaction, breaks a constraint of the schema."""

    tag = "constraint violation"
