"""Why a server did not execute a transaction: a type for each error tag of RFC 7047 (3.1 and 5.2).

Rule: loaded with the first refusal; most calls of a tool meet none.
"""

from __future__ import annotations

from ovsdb.client.transaction import Conflict, TransactionError


class ConstraintViolation(TransactionError):
    """A value, or the database after the transaction, breaks a constraint of the schema."""


class ReferentialIntegrityViolation(TransactionError):
    """A row that others refer to would be gone, or a reference leads nowhere."""


class DuplicateUuid(TransactionError):
    """The UUID that a new row was to have is that of another row."""


class NotOwner(TransactionError):
    """A lock that the transaction requires is not held."""


class PermissionDenied(TransactionError):
    """The client's role does not permit an operation (role-based access control)."""


class NotAllowed(TransactionError):
    """The server serves the database for reading only."""


class Aborted(TransactionError):
    """The transaction asked to be aborted."""


ERRORS: dict[str, type[TransactionError]] = {  # by the tag on the wire
    "timed out": Conflict,
    "constraint violation": ConstraintViolation,
    "referential integrity violation": ReferentialIntegrityViolation,
    "duplicate uuid": DuplicateUuid,
    "not owner": NotOwner,
    "permission error": PermissionDenied,
    "not allowed": NotAllowed,
    "aborted": Aborted,
}
