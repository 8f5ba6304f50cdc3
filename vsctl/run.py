"""Executing commands: one transaction for all of them, again if the database moved; then waiting for the
switch.

Rule: nothing is printed here. The outcome says what to print and what went wrong afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence

from ovsdb.client.blocking import Client
from ovsdb.client.transaction import Conflict, TransactionError, check_results
from rpc.jsonvalue import Json
from rpc.structs import Struct
from rpc.tls_settings import NO_SETTINGS, TlsSettings
from vsctl.answers import rows_of, uuid_of
from vsctl.errors import BadAnswer, CommandError, CommandExit, TryAgain
from vsctl.grammar import Call
from vsctl.model import Model
from vsctl.patience import Patience
from vsctl.store import Row, Store, members

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vsctl.output import Output, Report
    from vsctl.store import Ask

SWITCH = "Open_vSwitch"
WAIT_MONITOR, SWITCH_MONITOR = "wait-until", "cur_cfg"  # names of monitors


class Settings(Struct):
    """How to execute."""

    wait_for_switch: bool = True
    dry_run: bool = False
    comment: str = ""  # for the database's log
    remote: str = ""  # how the database is reached
    tls: TlsSettings = NO_SETTINGS
    switch_exists: bool = False  # the row of the switch need not be looked for


class Outcome:
    """What came of it."""

    __slots__ = ("new_interfaces", "next_cfg", "outputs", "status", "warnings", "would_change")

    def __init__(self, outputs: list[Output], warnings: list[str], status: int) -> None:
        self.outputs = outputs
        self.warnings = warnings
        self.status = status  # that the commands want for the program
        self.next_cfg: int | None = None  # the switch's work is done when cur_cfg has reached it
        self.new_interfaces: list[Row] = []
        self.would_change: Report | None = None  # with --dry-run


class Decision:
    """What commands would change: `operations`, none if nothing; and what has come of them when they are
    executed.
    """

    __slots__ = ("_first_change", "_is_fresh", "_model", "_next_cfg", "guard", "operations", "outcome")

    def __init__(self, model: Model, settings: Settings, outcome: Outcome) -> None:
        self._model = model
        self.outcome = outcome
        self.operations: list[Json] = []
        self.guard = None if model.dry_run else model.guard
        self._is_fresh = not settings.switch_exists and model.switch.is_new  # reads or makes it
        changes = model.store.changes()
        if not changes.operations:
            return
        if model.dry_run:
            from vsctl.pending import report_of_changes

            outcome.would_change = report_of_changes(model)
        txn = model.store.verification()
        self._first_change = len(txn.operations)
        txn.operations += changes.operations
        self._next_cfg = -1
        if settings.wait_for_switch and not model.dry_run:
            txn.mutate(SWITCH, [], [["next_cfg", "+=", 1]])
            self._next_cfg = txn.select(SWITCH, [], ["next_cfg"])
        txn.comment(settings.comment)
        if model.dry_run:
            txn.abort()
        self.operations = txn.operations

    def conclude(self, raw: list[Json]) -> Outcome:
        """What has come of it, by the results of the operations.

        TransactionError, as Conflict where something has changed since it was read; TryAgain, BadAnswer.
        """
        model, outcome = self._model, self.outcome
        count = len(self.operations) - model.dry_run  # the abort at the end answers with an error
        try:
            results = check_results(raw[:count] if model.dry_run else raw)
        except TransactionError as error:
            if self._is_fresh and error.tag == "constraint violation" and SWITCH in error.details:
                raise TryAgain from error  # somebody else has made the row at the same time
            raise
        if len(results) < count:
            raise BadAnswer(f"{len(results)} results of {count} operations")
        for row, result in zip(model.store.new_rows(), results[self._first_change :], strict=False):
            row.uuid = uuid_of(result.get("uuid"))
        if self._next_cfg >= 0:
            rows = rows_of(results[self._next_cfg], ["next_cfg"])
            value = rows[0]["next_cfg"] if rows else None
            if not isinstance(value, int):
                raise BadAnswer(f"next_cfg is {value!r}")
            outcome.next_cfg = value
        outcome.new_interfaces = model.new_interfaces
        for then in () if model.dry_run else model.on_commit:
            then()
        return outcome


def execute(client: Client, calls: Sequence[Call], settings: Settings, patience: Patience) -> Outcome:
    """Execute commands and commit what they change.

    CommandError, CommandExit, BadAnswer; and what the client raises.
    """
    patience.enter("answer")
    check_names(client, calls)
    monitored: frozenset[str] = frozenset()
    while True:
        try:
            return _attempt(client, calls, settings)
        except Conflict:
            continue
        except TransactionError as error:
            raise CommandError(f"transaction error: {_format_error(error)}") from error
        except TryAgain as wanted:
            if not wanted.tables:
                continue
            if wanted.tables <= monitored:
                patience.enter("record", detail=wanted.what)
                client.wait_update(WAIT_MONITOR)
                patience.enter("answer")
                continue
            if monitored:
                client.cancel_monitor(WAIT_MONITOR)
            monitored |= wanted.tables
            select: dict[str, Json] = {"select": {"initial": False}}
            client.monitor(WAIT_MONITOR, dict.fromkeys(sorted(monitored), select))


def _attempt(client: Client, calls: Sequence[Call], settings: Settings) -> Outcome:
    decision = decide(client, calls, settings)
    return decision.conclude(_transact(client, decision)) if decision.operations else decision.outcome


def check_names(client: Client, calls: Sequence[Call]) -> None:
    """Look at the names of tables and columns before any command is executed. CommandError."""
    for call in calls:
        if call.command.check is not None:
            with _naming(call):
                call.command.check(client.schema, call)


def decide(client: Client, calls: Sequence[Call], settings: Settings, ask: Ask | None = None) -> Decision:
    """Execute commands as far as to what they would change. `ask` as of Store.

    CommandError, CommandExit, BadAnswer, TryAgain, TransactionError; and what the client raises.
    """
    model = Model(Store(client, ask))
    model.dry_run, model.remote, model.tls = settings.dry_run, settings.remote, settings.tls
    if not settings.switch_exists and any(call.command.writes for call in calls):
        model.store.expect(SWITCH)
    outputs = []
    for call in calls:
        model.call = call
        with _naming(call):
            outputs.append(call.command.function(model, *call.args, **call.options))
    model.symbols.require_defined()
    _warn_of_unused_names(model)
    return Decision(model, settings, Outcome(outputs, model.warnings, model.status))


class _naming:  # noqa: N801  # contextlib's would take a tenth of the time of a simple command
    """Let errors within name the command."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, (CommandError, CommandExit)):
            error.call = self._call


def _warn_of_unused_names(model: Model) -> None:
    """A row of a table that is no root lives only as long as something refers to it."""
    names = model.symbols.unused()
    for row in model.store.new_rows() if names else ():
        if row.uuid in names and not model.schema.tables[row.table].is_root:
            model.warn(
                f'row id "{names[row.uuid]}" was created but no reference to it was inserted, '
                "so it will not actually appear in the database"
            )


def _transact(client: Client, decision: Decision) -> list[Json]:
    """Execute a transaction, under guard if it is to be; what is known not to be made needs none."""
    guard = decision.guard
    if guard is None:
        return client.transact(decision.operations)
    guard.start()
    raw = client.transact(decision.operations)
    try:
        check_results(raw)
    except TransactionError:
        guard.call_off()
        raise
    return raw


def _format_error(error: TransactionError) -> str:
    from ovsdb.table import format_json

    return format_json({"details": error.details, "error": error.tag})


def wait_for_switch(client: Client, outcome: Outcome, patience: Patience) -> list[str]:
    """Wait until the switch has done what was committed; complaints about interfaces that it could not
    set up.
    """
    if outcome.next_cfg is None:
        return []
    updates = client.monitor(SWITCH_MONITOR, {SWITCH: {"columns": ["cur_cfg"]}})
    patience.enter("switch", next_cfg=outcome.next_cfg)
    while (cur_cfg := _latest_cfg(updates)) < outcome.next_cfg:
        if cur_cfg >= 0:
            patience.advance(cur_cfg)
        updates = client.wait_update(SWITCH_MONITOR)
    patience.enter("answer")
    return [text for text in map(_complaint, _interfaces(client, outcome)) if text]


def _latest_cfg(updates: Json) -> int:
    """cur_cfg in a monitor's update, or -1."""
    rows = updates.get(SWITCH) if isinstance(updates, dict) else None
    for update in rows.values() if isinstance(rows, dict) else ():
        new = update.get("new") if isinstance(update, dict) else None
        cfg = new.get("cur_cfg") if isinstance(new, dict) else None
        if isinstance(cfg, int):
            return cfg
    return -1


def _interfaces(client: Client, outcome: Outcome) -> list[dict[str, Json]]:
    """What the switch wrote about the new interfaces, as far as they are still there."""
    if not outcome.new_interfaces:
        return []
    fresh = Store(client)
    found = []
    for made in outcome.new_interfaces:
        for row in fresh.find("Interface", "_uuid", ["uuid", made.uuid], ["name", "ofport", "error"]):
            found.append(row.known)
    return found


def _complaint(interface: dict[str, Json]) -> str:
    ofport, error = members(interface["ofport"]), members(interface["error"])
    if ofport and ofport[0] != -1:
        return ""
    why = f": {error[0]}" if error and error[0] else ""
    return f"Error detected while setting up '{interface['name']}'{why}.  See ovs-vswitchd log for details."
