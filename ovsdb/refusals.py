"""What a server refuses to do: the other errors of RFC 7047 and of Open vSwitch's extensions.

Rule: a type for each error tag, as in ovsdb/errors.py.
"""

from __future__ import annotations

from ovsdb.errors import OvsdbError


class UnknownColumn(OvsdbError):
    """A row, condition or mutation names a column that the table does not have."""

    tag = "unknown column"


class UnknownFunction(OvsdbError):
    """A condition names a function that does not exist."""

    tag = "unknown function"


class UnknownMutator(OvsdbError):
    """A mutation names a mutator that does not exist."""

    tag = "unknown mutator"


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
