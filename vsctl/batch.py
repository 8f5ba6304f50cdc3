"""batch: command lines from standard input over one connection, a JSON answer for each.

Rule: each line (vsctl/batch_lines.py) is a transaction of its own; with --atomic all of them are one. What
goes wrong with a line is its answer, and the next one is executed. Where the next line has come already, a
commit goes with what that reads, in one exchange, and while the server is at it the line behind is parsed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial

from ovsdb.client.blocking import Client
from ovsdb.client.transaction import TransactionError
from ovsdb.errors import OvsdbError
from rpc.errors import RemoteError
from rpc.jsonvalue import Json, encode, hurry
from vsctl.batch_lines import Line, Lines
from vsctl.carrying import Carrier
from vsctl.errors import BadAnswer, CommandError, CommandExit, TryAgain
from vsctl.grammar import Call, command
from vsctl.run import Decision, Outcome, check_names, decide, execute, wait_for_switch
from vsctl.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FAILED = 1  # exit status: at least one line was not executed
PEER_FAILED = 65  # exit status: all were, and the switch could not set up an interface


@command("batch", "", alone=True, options_anywhere=True)
def batch(session: Session, *, atomic: bool = False) -> int:
    """Execute command lines from standard input, and answer each with a line of JSON."""
    hurry()  # many messages make up for loading orjson
    run = _Batch(session)
    with session.connect(None) as client:
        if atomic:
            run.all_at_once(client)
        else:
            run.one_by_one(client)
        return run.finish(client)


def _can_be_carried(line: Line) -> bool:
    """Whether it changes the database, and does nothing beside that: what is not Open vSwitch's may."""
    commands = [call.command for call in line.calls]
    return any(each.writes for each in commands) and not any(each.options_anywhere for each in commands)


class _Batch:
    """What has come of the lines so far."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._settings = session.settings
        self._failed = False
        self._committed: list[Outcome] = []  # as far as the switch has to do something

    def _lines(self, before_waiting: Callable[[], None]) -> Lines:
        def wait() -> None:
            before_waiting()
            sys.stdout.flush()
            self._session.patience.enter("input")

        source: Any = sys.stdin.buffer
        return Lines(source.read1, wait)

    def one_by_one(self, client: Client) -> None:
        """Execute the lines of the input, and answer each."""

        def use_the_time() -> None:
            sys.stdout.flush()
            lines.look_ahead()

        carrier = Carrier(client, use_the_time)
        lines = self._lines(carrier.deliver)
        for line in lines:
            self._session.patience.enter("answer")
            if self._settings.switch_exists and _can_be_carried(line):
                self._carry(client, carrier, line)
            else:
                carrier.deliver()
                self._one(client, line)

    def _one(self, client: Client, line: Line) -> None:
        sys.stdout.flush()  # it may have to wait
        try:
            outcome = self._execute(client, line.calls) if line.calls else None
        except _FAILURES as error:
            self._refuse(line.number, _text_of(error))
        else:
            if outcome:
                self._accept(outcome)
            else:
                self._refuse(line.number, line.error)
        sys.stdout.flush()

    def _carry(self, client: Client, carrier: Carrier, line: Line) -> None:
        """Let the line before be committed with the first that this one reads, and this one with the next."""
        carrier.carried = False
        decision: Decision | None = None
        try:
            check_names(client, line.calls)
            decision = decide(client, line.calls, self._settings, carrier.ask)
        except (*_FAILURES, TransactionError, TryAgain):
            pass  # which may not be the last word
        carrier.deliver()  # in case that nothing was read
        if decision is not None and decision.operations:
            carrier.load(decision.operations, partial(self._conclude, client, line, decision))
        elif decision is not None and not carrier.carried:
            self._accept(decision.outcome)
        else:
            self._one(client, line)

    def _conclude(self, client: Client, line: Line, decision: Decision, raw: list[Json]) -> None:
        try:
            outcome = decision.conclude(raw)
        except (TransactionError, TryAgain, BadAnswer):
            self._one(client, line)  # again, or to be told why not
        else:
            self._keep(outcome)
            self._accept(outcome)

    def all_at_once(self, client: Client) -> None:
        """Execute all lines as one transaction; if one of them fails, none is executed."""
        lines = list(self._lines(lambda: None))
        wrong = next((line for line in lines if line.error), None)
        if wrong is not None:
            self._refuse_all(lines, wrong.number, wrong.error)
            return
        calls = [call for line in lines for call in line.calls]
        if not calls:
            return
        try:
            outcome = self._execute(client, calls)
        except _FAILURES as error:
            call = error.call if isinstance(error, (CommandError, CommandExit)) else None
            number = next((line.number for line in lines if any(call is each for each in line.calls)), 0)
            self._refuse_all(lines, number, _text_of(error))
            return
        outputs = iter(outcome.outputs)
        for line in lines:
            warnings = outcome.warnings if line is lines[-1] else []
            self._accept(Outcome([next(outputs) for _ in line.calls], warnings, 0))

    def finish(self, client: Client) -> int:
        """Wait for the switch, once; the exit status."""
        sys.stdout.flush()
        complaints: list[str] = []
        if self._committed:
            last = self._committed[-1]
            last.new_interfaces = [row for outcome in self._committed for row in outcome.new_interfaces]
            complaints = wait_for_switch(client, last, self._session.patience)
        for text in complaints:
            print(f"ovs-vsctl: {text}", file=sys.stderr)
        return FAILED if self._failed else PEER_FAILED if complaints else 0

    def _execute(self, client: Client, calls: Sequence[Call]) -> Outcome:
        outcome = execute(client, calls, self._settings, self._session.patience)
        self._settings = self._settings._replace(switch_exists=True)
        self._keep(outcome)
        return outcome

    def _keep(self, outcome: Outcome) -> None:
        if outcome.next_cfg is not None:
            self._committed.append(outcome)

    def _accept(self, outcome: Outcome) -> None:
        outputs, warnings = outcome.outputs, outcome.warnings
        writer = self._session.writer
        value: Any
        if writer.as_json:
            value = [writer.value(output) for output in outputs]
        else:
            value = "".join(writer.text(output, sys.stdout) for output in outputs)
        _answer({"ok": True, "output": value, **({"warnings": warnings} if warnings else {})})

    def _refuse(self, number: int, error: str) -> None:
        self._failed = True
        _answer({"ok": False, "error": error, "line": number})

    def _refuse_all(self, lines: Sequence[Line], number: int, error: str) -> None:
        for line in lines:
            text = error if line.number == number or not number else f"not executed, because of line {number}"
            self._refuse(line.number, text)


_FAILURES = (CommandError, CommandExit, RemoteError, BadAnswer, OvsdbError)


def _text_of(error: Exception) -> str:
    if isinstance(error, RemoteError):
        return f"{error.method} failed: {error.error}"
    return f"exit status {error.status}" if isinstance(error, CommandExit) else str(error)


def _answer(value: dict[str, Any]) -> None:
    try:
        text = encode(value).decode()
    except TypeError:  # bytes that are no text, which json escapes
        text = json.dumps(value)
    sys.stdout.write(text + "\n")
