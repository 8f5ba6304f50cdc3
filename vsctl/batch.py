"""batch: command lines from standard input over one connection, a JSON answer for each.

Rule: a line is what would follow `ovs-vsctl [OPTION]...`, quoted as in a shell, or a JSON array of its
words. Each line is a transaction of its own; with --atomic all of them are one. What goes wrong with a line
is its answer, and the next one is executed. Empty lines and those that begin with # have no answer.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Sequence

from ovsdb.client.blocking import Client
from ovsdb.errors import OvsdbError
from rpc.errors import RemoteError
from rpc.jsonvalue import encode, hurry
from rpc.structs import Struct
from vsctl.errors import BadAnswer, CommandError, CommandExit, UsageError
from vsctl.grammar import Call, command, parse_commands
from vsctl.run import Outcome, execute, wait_for_switch
from vsctl.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FAILED = 1  # exit status: at least one line was not executed
PEER_FAILED = 65  # exit status: all were, and the switch could not set up an interface


_QUOTING = frozenset("\"'\\")


class Line(Struct):
    """A line of the input."""

    number: int  # from 1
    calls: list[Call]
    error: str = ""  # why it cannot be read


@command("batch", "", alone=True, options_anywhere=True)
def batch(session: Session, *, atomic: bool = False) -> int:
    """Execute command lines from standard input, and answer each with a line of JSON."""
    hurry()  # many messages make up for loading orjson
    run = _Batch(session)
    with session.connect(None) as client:
        if atomic:
            run.all_at_once(client, list(_read(session)))
        else:
            for line in _read(session):
                run.one(client, line)
        return run.finish(client)


def _read(session: Session) -> Iterator[Line]:
    number = 0
    while True:
        session.patience.enter("input")
        text = sys.stdin.readline()
        if not text:
            return
        number += 1
        text = text.strip()
        if text and not text.startswith("#"):
            yield parse_line(number, text)


def parse_line(number: int, text: str) -> Line:
    """What a line says, or why it says nothing."""
    try:
        words = json.loads(text) if text.startswith("[") else _split(text)
        if not all(isinstance(word, str) for word in words):
            raise ValueError("a word that is no string")
        calls = parse_commands(words, [])
    except (ValueError, RecursionError) as error:
        return Line(number, [], f"the line cannot be split into words: {error}")
    except UsageError as error:
        return Line(number, [], str(error))
    if any(call.command.alone for call in calls):
        return Line(number, [], f"'{calls[0].command.name}' cannot be used in a batch")
    return Line(number, calls)


def _split(text: str) -> list[str]:
    return shlex.split(text) if _QUOTING & set(text) else text.split()  # 2 µs in place of 50


class _Batch:
    """What has come of the lines so far."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._settings = session.settings
        self._failed = False
        self._committed: list[Outcome] = []  # as far as the switch has to do something

    def one(self, client: Client, line: Line) -> None:
        """Execute a line, and answer it."""
        if line.error:
            self._refuse(line.number, line.error)
            return
        try:
            outcome = self._execute(client, line.calls)
        except _FAILURES as error:
            self._refuse(line.number, _text_of(error))
        else:
            self._accept(line, outcome.outputs, outcome.warnings)

    def all_at_once(self, client: Client, lines: Sequence[Line]) -> None:
        """Execute all lines as one transaction; if one of them fails, none is executed."""
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
            self._accept(
                line, [next(outputs) for _ in line.calls], outcome.warnings if line is lines[-1] else []
            )

    def finish(self, client: Client) -> int:
        """Wait for the switch, once; the exit status."""
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
        if outcome.next_cfg is not None:
            self._committed.append(outcome)
        return outcome

    def _accept(self, line: Line, outputs: Sequence[Any], warnings: Sequence[str]) -> None:
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
    sys.stdout.flush()
