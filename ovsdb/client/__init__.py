"""Clients of a database server (docs/client.md): a replica kept up to date, transactions, changes, locks.

    from ovsdb.client import connect          # for trio
    from ovsdb.client.sync import connect     # the same names for scripts, without trio

Rule: a name is loaded when it is asked for, so that command-line tools get by without trio.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ovsdb.client.changes import RowChange
    from ovsdb.client.core import AmbiguousOutcome, Unsuitable
    from ovsdb.client.refusals import (
        Aborted,
        ConstraintViolation,
        DuplicateUuid,
        NotAllowed,
        NotOwner,
        PermissionDenied,
        ReferentialIntegrityViolation,
    )
    from ovsdb.client.selection import Select
    from ovsdb.client.tables import Absent, AnyRow, Row, Table
    from ovsdb.client.transaction import Conflict, TimedOut, TransactionError
    from ovsdb.client.trio_client import Changes, Database, Lock, connect
    from ovsdb.client.txn import NewRow, Operation, Txn
    from ovsdb.client.values import ValueMismatch
    from rpc.address import AddressError
    from rpc.errors import ConnectError, ConnectionLost, RemoteError
    from rpc.reconnect import Timing
    from rpc.tls_settings import TlsSettings

_HOMES = {
    "ovsdb.client.changes": ("RowChange",),
    "ovsdb.client.core": ("AmbiguousOutcome", "Unsuitable"),
    "ovsdb.client.selection": ("Select",),
    "ovsdb.client.tables": ("Absent", "AnyRow", "Row", "Table"),
    "ovsdb.client.refusals": (
        "Aborted",
        "ConstraintViolation",
        "DuplicateUuid",
        "NotAllowed",
        "NotOwner",
        "PermissionDenied",
        "ReferentialIntegrityViolation",
    ),
    "ovsdb.client.transaction": ("Conflict", "TimedOut", "TransactionError"),
    "ovsdb.client.trio_client": ("Changes", "Database", "Lock", "connect"),
    "ovsdb.client.txn": ("NewRow", "Operation", "Txn"),
    "ovsdb.client.values": ("ValueMismatch",),
    "rpc.address": ("AddressError",),
    "rpc.errors": ("ConnectError", "ConnectionLost", "RemoteError"),
    "rpc.reconnect": ("Timing",),
    "rpc.tls_settings": ("TlsSettings",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Aborted",
    "Absent",
    "AddressError",
    "AmbiguousOutcome",
    "AnyRow",
    "Changes",
    "Conflict",
    "ConnectError",
    "ConnectionLost",
    "ConstraintViolation",
    "Database",
    "DuplicateUuid",
    "Lock",
    "NewRow",
    "NotAllowed",
    "NotOwner",
    "Operation",
    "PermissionDenied",
    "ReferentialIntegrityViolation",
    "RemoteError",
    "Row",
    "RowChange",
    "Select",
    "Table",
    "TimedOut",
    "Timing",
    "TlsSettings",
    "TransactionError",
    "Txn",
    "Unsuitable",
    "ValueMismatch",
    "connect",
]


def __getattr__(name: str) -> object:
    module = _HOME.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(module), name)
