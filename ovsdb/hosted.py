"""One database that is served: the engine's tables, the store behind them, the history before, and who waits.

Rule: the order of a commit is record first, tables second, history third, replies last; then the
transactions that waited for such a change run again. While a store has not answered a proposal,
transactions that come stand in a queue.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from appctl import coverage, vlog
from ovsdb.authorship import append_author
from ovsdb.engine.changes import Changeset
from ovsdb.engine.convert import check_name, convert
from ovsdb.engine.database import Database, Outcome
from ovsdb.engine.ops import Context, Permissions
from ovsdb.engine.picture import format_picture, take_picture
from ovsdb.engine.row import Row
from ovsdb.engine.table import Column, Table
from ovsdb.errors import OvsdbError, OvsdbSyntaxError
from ovsdb.figures import Figures
from ovsdb.history import History
from ovsdb.interests import Interests
from ovsdb.monitor import V1, V2, Layout, Monitor, Spec, View
from ovsdb.monitor_request import parse_requests
from ovsdb.rbac import ROLES, RoleBased
from ovsdb.refusals import NotAllowed, NotSupported, OvsdbIoError
from ovsdb.schema import Schema
from ovsdb.storage.base import (
    Accepted,
    Conflict,
    Failed,
    Storage,
    StorageError,
    StoredRecord,
    Verdict,
    new_id,
)
from ovsdb.storage.file import FileStorage
from ovsdb.tlog import log_changes
from ovsdb.trigger import TriggerQueue
from rpc.jsonvalue import encode

if TYPE_CHECKING:
    from ovsdb.session import Session

CHANGING = frozenset(("insert", "update", "mutate", "delete", "commit"))  # what a relay does not do itself
COMMITS = coverage.counter("ovsdb_commit")
WAITS = coverage.counter("ovsdb_wait")
CONVERSIONS = coverage.counter("ovsdb_convert")
log = vlog.module("ovsdb_server")


class ReservedDatabase:
    """The permissions of clients in _Server: none to write."""

    def check(self, operation: str, table: Table, rows: list[Row], columns: Iterable[Column]) -> None:
        """Refuse whatever it is."""
        raise NotAllowed(f"{operation} operation not allowed on table in reserved database _Server")


RESERVED = ReservedDatabase()


class Transaction:
    """A "transact" or "convert" request that has no reply yet."""

    __slots__ = ("database", "operations", "request_id", "schema", "session", "started")

    def __init__(
        self,
        database: HostedDatabase,
        session: Session,
        operations: list[Any],
        request_id: Any,
        started: float,
        schema: Schema | None = None,
    ) -> None:
        """`started` in monotonic seconds; `schema` is what a "convert" wants, which has no operations."""
        self.database = database
        self.session = session
        self.operations = operations
        self.request_id = request_id
        self.started = started
        self.schema = schema

    @property
    def key(self) -> bytes:
        """The request id as JSON."""
        return encode(self.request_id)


class Source(Protocol):
    """Where the transactions of a relay are carried out."""

    def forward(self, transaction: Transaction) -> None:
        """Carry it out; its session hears of the result."""
        ...

    def cancel(self, transaction: Transaction) -> bool:
        """Let go of it; whether it was there."""
        ...


class UnreadableRecordError(StorageError):
    """A record of a file does not fit the schema."""

    def __init__(self, name: str, cause: OvsdbError) -> None:
        super().__init__(f"{name}: {cause}")


class HostedDatabase:
    """A database with its clients.

    `on_change` hears of every commit: the database, the tables; `on_deadline` when `run_expired` wants to
    be called; `on_convert` when the database has got another schema, before anybody is told;
    `on_state` when `connected` has changed.
    """

    def __init__(
        self,
        database: Database,
        storage: Storage,
        on_change: Callable[[HostedDatabase, Iterable[str]], None],
        on_deadline: Callable[[float], None],
        *,
        on_convert: Callable[[HostedDatabase], None] = lambda database: None,
        on_state: Callable[[HostedDatabase], None] = lambda database: None,
        reserved: bool = False,
        history: History | None = None,
    ) -> None:
        """`reserved`: clients may only read (the _Server database)."""
        self.database = database
        self.storage = storage
        self.reserved = reserved
        self.history = history or History(database.tables, storage.head)
        self.figures = Figures()
        self.monitors: dict[Monitor, None] = {}
        self.interests = Interests()
        self.triggers: TriggerQueue[Transaction] = TriggerQueue()
        self.schema_fragment = orjson.Fragment(orjson.dumps(database.schema.to_json()))
        self._on_change = on_change
        self._on_deadline = on_deadline
        self._on_convert = on_convert
        self._on_state = on_state
        self.model = "standalone"  # as _Server has it
        self.connected = True  # a relay: to its source
        self.available = True  # a relay: its schema is known
        self.read_only = False  # for clients: it is a backup
        self.source: Source | None = None  # where transactions of a relay go
        self.logged: set[str] = set()  # tables of which every change is logged
        self._specs: dict[bytes, Spec] = {}  # that monitors have, by key
        self._updates: dict[tuple[Spec, int], bytes] = {}  # (specification, position) → update to the head
        # The notifications made of them, by (specification, position, method, monitor id): 50 clients of one
        # program ask for the same under the same id.
        self.notifications: dict[tuple[Spec, int, bytes, bytes], bytes] = {}
        self.trouble: StorageError | None = None  # why the last record could not be written; None: it could
        self._unwritable = ""  # what was said of it
        self._proposed = False  # a record that the store has not answered yet
        self._queue: list[Transaction] = []
        self._changed: set[str] = set()  # tables for which transactions that wait must run again
        self._running = False

    @classmethod
    def load(
        cls,
        storage: Storage,
        on_change: Callable[[HostedDatabase, Iterable[str]], None],
        on_deadline: Callable[[float], None],
        on_convert: Callable[[HostedDatabase], None],
        on_state: Callable[[HostedDatabase], None],
    ) -> HostedDatabase:
        """Read a whole store; OvsdbError if its schema is wrong.

        Damage ends the reading (`storage.damage`).
        """
        database = Database(Schema.parse(storage.schema))
        history = History(database.tables, storage.head)
        for record, changes in replay(database, storage):
            history.append(changes, record.id, restored=True)
            if history.is_long():
                history.trim(())
        return cls(
            database,
            storage,
            on_change,
            on_deadline,
            on_convert=on_convert,
            on_state=on_state,
            history=history,
        )

    @property
    def name(self) -> str:
        """The schema's name."""
        return self.database.schema.name

    @property
    def schema(self) -> Schema:
        """The schema."""
        return self.database.schema

    @property
    def tables(self) -> dict[str, Table]:
        """The tables by name."""
        return self.database.tables

    # --- transactions

    def transact(self, session: Session, operations: list[Any], request_id: Any, now: float) -> None:
        """Run a transaction; the session hears of the result now or later."""
        self._execute(Transaction(self, session, operations, request_id, now), now)
        if self._changed:
            self._run_concerned(now)

    def _execute(self, transaction: Transaction, now: float) -> None:
        if self._proposed:
            self._queue.append(transaction)
            transaction.session.parked[transaction.key] = transaction
            return
        if transaction.schema is not None:
            self._convert(transaction, transaction.schema)
            return
        try:
            outcome = self.database.execute(transaction.operations, self._context(transaction, now))
        except Exception:  # a bug; what brought us here may be the request of another client
            log.exception("%s: a transaction of %s failed", self.name, transaction.session.name)
            self.triggers.remove(transaction)
            transaction.session.parked.pop(transaction.key, None)
            transaction.session.disconnect("internal error")
            return
        blocked = outcome.blocked
        if blocked is not None:
            deadline = None if blocked.timeout_ms is None else transaction.started + blocked.timeout_ms / 1000
            WAITS.count()
            self.triggers.park(transaction, blocked.tables, deadline)
            if deadline is not None:
                self._on_deadline(deadline)
            transaction.session.parked[transaction.key] = transaction
            return
        if transaction.session.parked:
            self.triggers.remove(transaction)
        if self.source is not None and outcome.changeset is not None and _changes(transaction.operations):
            transaction.session.parked[transaction.key] = transaction
            self.source.forward(transaction)
        elif outcome.changeset:
            self._propose(transaction, outcome, outcome.changeset)
        else:
            transaction.session.transacted(transaction, outcome.results)

    def _context(self, transaction: Transaction, now: float) -> Context:
        session = transaction.session
        elapsed_ms = int((now - transaction.started) * 1000 + 0.5)
        read_only = session.read_only or self.read_only
        return Context(session.holds_lock, read_only, elapsed_ms, self._permissions(session))

    def _permissions(self, session: Session) -> Permissions | None:
        if self.reserved:
            return RESERVED
        if session.role and ROLES in self.tables:
            return RoleBased(self.tables, session.role, session.client_id)
        return None

    def _propose(self, transaction: Transaction | None, outcome: Outcome, changes: Changeset) -> None:
        """Have a change written and made; without a transaction it is the server's own."""
        record = self.database.changeset_to_record(changes)
        if not record:  # only ephemeral columns: nothing to write
            self._commit(transaction, outcome.results, changes, new_id())
            return
        comment = changes.comment
        if transaction is not None:
            comment = append_author(comment, transaction.session.author)
        body = format_transaction(record, time.time_ns() // 1_000_000, comment, is_diff=changes.is_diff)
        ticket = self.storage.propose(body, self.storage.head, durable=outcome.durable)
        verdict = ticket.verdict
        if isinstance(verdict, Accepted):  # the usual case: a file answers at once
            if self.trouble is not None:
                self._written_again()
            self._commit(transaction, outcome.results, changes, verdict.id)
            return
        if verdict is None:
            self._proposed = True
            if transaction is not None:
                transaction.session.parked[transaction.key] = transaction
        ticket.when_done(lambda verdict: self._settle(transaction, outcome, changes, verdict))

    def _settle(
        self, transaction: Transaction | None, outcome: Outcome, changes: Changeset, verdict: Verdict
    ) -> None:
        """The store has answered."""
        waited = self._proposed
        self._proposed = False
        if isinstance(verdict, Accepted):
            self._commit(transaction, outcome.results, changes, verdict.id)
        elif isinstance(verdict, Conflict):
            if transaction is not None:
                self._queue.insert(0, transaction)
        else:
            self._not_written(verdict.error)
            error = OvsdbIoError(str(verdict.error))
            if transaction is not None:
                transaction.session.transacted(transaction, [*outcome.results, error.to_wire()])
        if waited or isinstance(verdict, Conflict):
            self._run_queue()

    def _not_written(self, error: StorageError) -> None:
        """Tell the log once, not with each transaction that is refused."""
        if str(error) != str(self.trouble):
            log.err("%s; %s can only be read until it can be written again", error, self.name)
        self.trouble = error

    def _written_again(self) -> None:
        log.info("%s: %s is written again", self.storage.name, self.name)
        self.trouble = None

    def _run_queue(self) -> None:
        now = time.monotonic()
        while self._queue and not self._proposed:
            self._execute(self._queue.pop(0), now)
        self._run_concerned(now)

    def _commit(
        self, transaction: Transaction | None, results: list[Any], changes: Changeset, id_: int
    ) -> None:
        COMMITS.count()
        self.database.apply(changes)
        self.figures.commits += 1
        if self.logged:
            log_changes(self.tables, changes, self.logged)
        if self.monitors:
            self._pass_over(changes)
        self.history.append(changes, id_)
        self._updates.clear()
        self.notifications.clear()
        if transaction is not None:
            transaction.session.transacted(transaction, results)
        if len(self.triggers):
            self._changed.update(changes.tables)
        self._on_change(self, changes.tables)
        if self.history.is_long():
            self.history.trim(monitor.position for monitor in self.monitors)

    def _pass_over(self, changes: Changeset) -> None:
        """Let monitors that a change does not concern, and that lack nothing, stand behind it at once."""
        head = self.history.head
        concerned = self.interests.concerned(changes.tables)
        if len(concerned) == len(self.interests):
            return
        for monitor in self.monitors:
            if monitor.position == head and monitor.spec not in concerned:
                monitor.position = head + 1

    def _run_concerned(self, now: float) -> None:
        """Run again what waited for the tables that have changed, until nothing changes any more."""
        if self._running:
            return
        self._running = True
        try:
            while self._changed:
                changed, self._changed = self._changed, set()
                for transaction in self.triggers.concerned(changed):
                    if transaction in self.triggers:  # not canceled in the meantime
                        self._execute(transaction, now)
        finally:
            self._running = False

    def run_expired(self, now: float) -> None:
        """Run again what has waited long enough."""
        for transaction in self.triggers.expired(now):
            self._execute(transaction, now)
        self._run_concerned(now)

    def cancel(self, transaction: Transaction) -> bool:
        """Let go of a transaction that waits; whether it did."""
        if transaction in self._queue:
            self._queue.remove(transaction)
            return True
        if self.source is not None and self.source.cancel(transaction):
            return True
        return self.triggers.remove(transaction)

    # --- what another server has committed

    def take(self, changes: Changeset, id_: int) -> None:
        """Make a change part of the database, without a record; `id_` is that of the position after it."""
        if changes:
            self._commit(None, [], changes, id_)
            self._run_concerned(time.monotonic())

    def replicate(self, changes: Changeset) -> None:
        """Make a change part of the database and of the store; StorageError."""
        record = self.database.changeset_to_record(changes)
        if not record:
            self.take(changes, new_id())
            return
        body = format_transaction(record, time.time_ns() // 1_000_000, "", is_diff=changes.is_diff)
        verdict = self.storage.propose(body, self.storage.head, durable=False).verdict
        if isinstance(verdict, Accepted):
            self.take(changes, verdict.id)
        else:
            raise verdict.error if isinstance(verdict, Failed) else StorageError(f"{self.name}: conflict")

    def set_connected(self, connected: bool) -> None:
        """Say whether a relay has its source."""
        if self.connected != connected:
            self.connected = connected
            self._on_state(self)

    def apply_internally(self, operations: list[Any]) -> None:
        """Change the database on the server's own behalf, without a record; for _Server."""
        outcome = self.database.execute(operations)
        if outcome.changeset is None:
            raise AssertionError(f"{self.name}: {outcome.results}")
        if outcome.changeset:
            self._commit(None, outcome.results, outcome.changeset, new_id())
            self._run_concerned(time.monotonic())

    # --- another schema

    def convert(self, session: Session, schema: Schema, request_id: Any, now: float) -> None:
        """Convert the database to another schema; the session hears of the result now or later.

        OvsdbError: the schema is of another database, or this one is not to be converted here.
        """
        check_name(schema, self.name)
        if self.reserved:
            raise NotAllowed(f"convert operation not allowed on reserved database {self.name}")
        if self.source is not None:
            raise NotSupported(f"{self.name} is a relay: convert the database where it comes from")
        if self.read_only:
            raise NotAllowed("convert operation not allowed when database server is in read only mode")
        self._execute(Transaction(self, session, [], request_id, now, schema), now)

    def _convert(self, transaction: Transaction, schema: Schema) -> None:
        try:
            database = convert(self.database, schema)
            self._rewrite(database, "converted by ovsdb-server")
        except OvsdbError as e:
            transaction.session.refused(transaction, e)
            return
        except StorageError as failure:
            transaction.session.refused(transaction, OvsdbIoError(str(failure)))
            return
        log.info("%s: converted to schema version %s", self.name, schema.version)
        self.adopt(database)
        transaction.session.transacted(transaction, {})

    def _rewrite(self, database: Database, comment: str) -> None:
        """Let the store begin anew with the schema and the rows of `database`; StorageError."""
        date = time.time_ns() // 1_000_000
        self.storage.replace(database.schema.to_json(), snapshot(database, date, comment))
        if isinstance(self.storage, FileStorage):
            self.storage.note_compacted(time.monotonic())

    def adopt(self, database: Database) -> None:
        """Serve this one from now on, which may have another schema; the store has it already.

        Positions in the old history mean nothing in the new: who has a monitor or a transaction here is told.
        """
        CONVERSIONS.count()
        self.database = database
        self.logged &= database.tables.keys()
        before, self.history = self.history, History(database.tables, self.storage.head)
        self.history.keep_rows, self.history.keep_bytes = before.keep_rows, before.keep_bytes
        self.schema_fragment = orjson.Fragment(orjson.dumps(database.schema.to_json()))
        self._specs = {}
        self._updates.clear()
        self.notifications.clear()
        self._changed.clear()
        self._on_convert(self)

    def write_internally(self, operations: list[Any]) -> None:
        """Change the database on the server's own behalf as a client would; what fails is logged.

        Nothing happens while the store has not answered a proposal: there will be another time.
        """
        if self._proposed or not operations:
            return
        outcome = self.database.execute(operations)
        if outcome.changeset is None:
            text = f"{self.name}: the status of remotes cannot be written: {outcome.results}"
            if text != self._unwritable:  # not once more with each attempt
                log.warn("%s", text)
            self._unwritable = text
            return
        if outcome.changeset:
            self._propose(None, outcome, outcome.changeset)
        self._run_concerned(time.monotonic())

    # --- monitors

    def open_monitor(self, session: Session, method: str, key: bytes, requests: Any) -> Monitor:
        """Start a monitor at the present; OvsdbError. `key` is its id as JSON."""
        conditional = method != "monitor"
        spec_key = (b"2" if conditional else b"1") + orjson.dumps(requests)
        spec = self._specs.get(spec_key)
        if spec is None:
            request = parse_requests(requests, self.tables, conditional=conditional)
            views = {
                s.table: View(Layout(self.tables[s.table], s), request.conditions[s.table])
                for s in request.tables
            }
            spec = Spec(views, V2 if conditional else V1, spec_key)
        monitor = Monitor(self, session, method, key, self.follow(spec))
        self.monitors[monitor] = None
        return monitor

    def follow(self, spec: Spec) -> Spec:
        """A monitor has this specification, or rather the one that stands for all with its key."""
        shared = self._specs.setdefault(spec.key, spec)
        self.interests.add(shared)
        return shared

    def unfollow(self, spec: Spec) -> None:
        """A monitor does not have it any more."""
        self.interests.remove(spec)
        if spec not in self.interests and self._specs.get(spec.key) is spec:
            del self._specs[spec.key]

    def forget_monitor(self, monitor: Monitor) -> None:
        """The monitor is canceled."""
        if monitor in self.monitors:
            del self.monitors[monitor]
            self.unfollow(monitor.spec)

    def update_since(self, position: int, spec: Spec) -> bytes:
        """<table-updates> from a position to the present; made once for all who stand there."""
        key = (spec, position)
        update = self._updates.get(key)
        if update is None:
            update = self._updates[key] = spec.update(self.history.since(position).tables)
        return update

    # --- the file

    def close(self) -> None:
        """Close the store."""
        self.storage.close()


def _changes(operations: list[Any]) -> bool:
    """Whether these operations, which are well-formed, are for the source of a relay."""
    return any(operation["op"] in CHANGING for operation in operations)


def format_members(date: int, comment: str, *, is_diff: bool = True) -> bytes:
    """What a transaction in the log has beside its tables (ovsdb(5)), as JSON without braces.

    `date` in milliseconds since 1970.
    """
    noted = b',"_comment":' + orjson.dumps(comment) if comment else b""
    return b'"_date":%d%b%b' % (date, b',"_is_diff":true' if is_diff else b"", noted)


def format_transaction(record: bytes, date: int, comment: str, *, is_diff: bool = True) -> bytes:
    """A transaction as the log has it: `record`, which is not empty, with its date and comment."""
    return b"%b,%b}" % (record[:-1], format_members(date, comment, is_diff=is_diff))


def snapshot(database: Database, date: int, comment: str) -> Iterator[bytes]:
    """What a compacted file holds beside the schema: one transaction, also for an empty database."""
    yield b"".join(format_picture(take_picture(database), format_members(date, comment)))


def replay(database: Database, storage: Storage) -> Iterator[tuple[StoredRecord, Changeset]]:
    """Apply the records of a store to a database, up to damage or to a record that does not fit."""
    for record in storage.load():
        try:
            changes = database.changeset_from_record(record.value)
        except OvsdbError as e:
            storage.reject_last(UnreadableRecordError(storage.name, e))
            return
        changes.record_bytes = record.size
        database.apply(changes)
        yield record, changes


def execute_once(path: Path, transaction: object, *, writes: bool, author: str = "", role: str = "") -> Any:
    """Run a transaction on a file; the results. OvsdbError, StorageError. For ovsdb-tool.

    `author` is the line of ovsdb.authorship for its comment; `role` that of a client that has shown no
    certificate.
    """
    storage = FileStorage(path, time.monotonic(), lock=writes)
    try:
        database = Database(Schema.parse(storage.schema))
        for _ in replay(database, storage):
            pass
        if storage.damage is not None:
            raise storage.damage
        if not isinstance(transaction, list):
            return OvsdbSyntaxError("array expected", transaction).to_wire()
        if not transaction or transaction[0] != database.schema.name:
            return OvsdbSyntaxError("database name expected as first parameter", transaction).to_wire()
        permissions = RoleBased(database.tables, role, None) if role and ROLES in database.tables else None
        outcome = database.execute(transaction[1:], Context(permissions=permissions))
        if outcome.blocked is not None:
            return [NotSupported("triggers not supported").to_wire()]
        if outcome.changeset and writes:
            _write(storage, database, outcome.changeset, author)
        return outcome.results
    finally:
        storage.close()


def _write(storage: FileStorage, database: Database, changes: Changeset, author: str) -> None:
    record = database.changeset_to_record(changes)
    if not record:
        return
    date, comment = time.time_ns() // 1_000_000, append_author(changes.comment, author)
    body = format_transaction(record, date, comment, is_diff=changes.is_diff)
    verdict = storage.propose(body, storage.head, durable=True).verdict
    if not isinstance(verdict, Accepted):
        raise (
            verdict.error
            if verdict is not None and not isinstance(verdict, Conflict)
            else StorageError("conflict")
        )
