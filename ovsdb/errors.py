"""The errors of RFC 7047 and of Open vSwitch's extensions, one type for each error tag.

An error holds its tag, its details and, where the request itself is at fault, the JSON that could not be
read. `to_wire` makes the <error> object of RFC 7047, section 3.1.
"""

from __future__ import annotations

import json

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
        # Not orjson, which has no integers beyond 64 bits: they may be what is wrong.
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


class UnknownColumn(OvsdbError):
    """A row, condition or mutation names a column that the table does not have."""

    tag = "unknown column"


class UnknownFunction(OvsdbError):
    """A condition names a function that does not exist."""

    tag = "unknown function"


class UnknownMutator(OvsdbError):
    """A mutation names a mutator that does not exist."""

    tag = "unknown mutator"


class ConstraintViolation(OvsdbError):
    """A value, or the database after the transaction, breaks a constraint of the schema."""

    tag = "constraint violation"


class ReferentialIntegrityViolation(OvsdbError):
    """A strong reference would be left without the row that it refers to."""

    tag = "referential integrity violation"


class DomainError(OvsdbError):
    """A division by zero."""

    tag = "domain error"


class RangeError(OvsdbError):
    """A result does not fit into a 64-bit integer or a real."""

    tag = "range error"


class TimedOut(OvsdbError):
    """A "wait" did not come true in time."""

    tag = "timed out"


class NotSupported(OvsdbError):
    """The server cannot do what is asked for."""

    tag = "not supported"


class Aborted(OvsdbError):
    """The transaction asked to be aborted."""

    tag = "aborted"


class InvalidParameters(OvsdbError):
    """What is asked for does not go together."""

    tag = "invalid parameters"


class NotOwner(OvsdbError):
    """An asserted lock is not held by the client."""

    tag = "not owner"


class NotAllowed(OvsdbError):
    """The database, or the client's role, only permits reading."""

    tag = "not allowed"


class PermissionDenied(OvsdbError):
    """The client's role does not permit the operation (role-based access control)."""

    tag = "permission error"


class DuplicateUuidName(OvsdbError):
    """Two "insert" operations of one transaction have the same "uuid-name"."""

    tag = "duplicate uuid-name"


class DuplicateUuid(OvsdbError):
    """The "uuid" of an "insert" is, or was a moment ago, the name of another row of the table."""

    tag = "duplicate uuid"


class UnknownDatabase(OvsdbError):
    """A request names a database that the server does not have."""

    tag = "unknown database"


class DatabaseNotAvailable(OvsdbError):
    """The server has yet to learn what the database is: it is a relay without its source."""

    tag = "database not available"


class ResourcesExhausted(OvsdbError):
    """The server lacks memory, disk space or the like."""

    tag = "resources exhausted"


class OvsdbIoError(OvsdbError):
    """Storage failed."""

    tag = "I/O error"


class InternalError(OvsdbError):
    """A bug in the server."""

    tag = "internal error"
