"""Random sessions of several clients with our server and the C one: the same answers, and copies that are always right.

Transactions of all ten operations, monitors of all three forms whose conditions change, locks, waits, malformed requests,
clients that come back with their last id, servers that restart. Every row brings its UUID, so that nothing is renamed.
STATEFUL=full runs many more.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import pytest

from ovsdb.schema import Schema
from tests.kit import answers
from tests.kit.peers import OVSDB_SERVERS, create_database, home
from tests.kit.stateful import Side, in_order
from tests.kit.stateful_script import FreshMaker, Script, Step
from tests.kit.strategies import Maker

pytestmark = pytest.mark.peer
FULL = os.environ.get("STATEFUL") == "full"
SEEDS = range(40) if FULL else range(3)
SCHEMAS = 10  # for each seed
STEPS = 60  # on each schema
NAMES_DIFFER = 0.25  # of all errors, at most: see answers.shape


class Difference(AssertionError):
    """The servers do not agree."""


class MisledClient(AssertionError):
    """A client of the C server has another copy than what is in the database; ours has the right one."""


class Pair:
    """Both servers, on the same schemas."""

    def __init__(self, c: Side, ours: Side) -> None:
        self.c, self.ours = c, ours
        self.errors = 0
        self.named_differently: list[tuple[str, str]] = []
        self.requests: dict[Any, dict[str, Any]] = {}  # by id

    def run(self, schema: Schema, seed: str) -> str:
        """Play one script; why it ended early, if it did."""
        r = random.Random(seed)
        script = Script(FreshMaker(r), schema, r.randint(2, 4))
        for side in (self.c, self.ours):
            side.begin(schema, len(script.clients))
        restart_at = r.randrange(STEPS) if r.randrange(3) == 0 and survives_restart(schema) else -1
        for number in range(STEPS):
            step = script.restart() if number == restart_at else script.next()
            try:
                self._take(step)
            except (AssertionError, KeyError, OSError) as e:
                if self.c.died():
                    if step.message.get("method") != "transact":
                        raise Difference(f"{seed}, step {number}: {step}: the C server died") from e
                    self.c.revive()
                    return "the C server died of a transaction"
                if isinstance(e, MisledClient):
                    return "the C server has not told a client of a change that it monitors"
                if dangling(self.c, schema):
                    return "the C server keeps a weak reference to a row that is gone"
                raise Difference(f"{seed}, step {number}: {step}: {e!r}") from e
        return ""

    def _take(self, step: Step) -> None:
        waited = bool(self.c.waiting())
        self.requests[step.message.get("id")] = step.message
        theirs, ours = [self._heard(side, step) for side in (self.c, self.ours)]
        assert self.c.waiting() == self.ours.waiting()
        for number, (a, b) in enumerate(zip(theirs, ours, strict=True)):
            if waited:  # several commits may have come at once, merged or not
                a, b = replies(a), replies(b)
            a, b = in_order(a), in_order(b)
            assert len(a) == len(b), (number, a, b)
            for mine, other in zip(b, a, strict=True):
                self._compare(mine, other)
        theirs, ours = self.c.contents(), self.ours.contents()
        assert theirs == ours, (theirs, ours)
        self.ours.check_copies()
        try:
            self.c.check_copies()
        except AssertionError as e:
            raise MisledClient from e

    @staticmethod
    def _heard(side: Side, step: Step) -> list[list[Any]]:
        try:
            return side.take(step)
        except (AssertionError, KeyError) as e:
            raise AssertionError(f"{side.name}: {e!r}") from e

    def _compare(self, ours: Any, theirs: Any) -> None:
        mine, other = ours.get("result"), theirs.get("result")
        if isinstance(mine, list) and isinstance(other, list):
            mine, other = answers.normal(mine), answers.normal(other)
        self.errors += "error" in ours or (isinstance(mine, list) and any("error" in (r or {}) for r in mine))
        if mine == other and {**ours, "result": 0} == {**theirs, "result": 0}:
            return
        pairs = [(ours.get("error"), theirs.get("error"))]
        if mine != other:
            assert isinstance(mine, list), (ours, theirs)
            assert isinstance(other, list), (ours, theirs)
            pairs += zip(mine, other, strict=True)
        else:
            assert "error" in ours, (ours, theirs)
        for number, (a, b) in enumerate(pairs, -1):
            if a == b:
                continue
            if self._has_several_to_blame(ours["id"], number):
                assert "error" in a, (ours, theirs)
                assert "error" in b, (ours, theirs)
                continue
            assert answers.strip(a) == answers.strip(b), (ours, theirs)
            assert answers.shape(a["details"]) == answers.shape(b["details"]), (ours, theirs)
            self.named_differently.append((a["details"], b["details"]))

    def _has_several_to_blame(self, request_id: Any, number: int) -> bool:
        """Whether the operation mutates what may be several rows, of which each can fail in its own way."""
        operation = [*self.requests[request_id]["params"][1:], {}][number] if number >= 0 else {}
        by_uuid = [clause[:2] for clause in operation.get("where", [])] == [["_uuid", "=="]]
        return operation.get("op") == "mutate" and not by_uuid


def replies(messages: list[Any]) -> list[Any]:
    return [message for message in messages if "method" not in message]


def survives_restart(schema: Schema) -> bool:
    """Whether the C server reads what it writes of these columns.

    It gives up at a difference with more members than the column may have, and takes a difference for the whole value
    where the value was the default, which is wrong unless that is empty.
    """
    columns = [column.type for table in schema.tables.values() for column in table.columns.values()]
    return all(kind.max == 1 or (kind.max is None and kind.min == 0) for kind in columns)


def dangling(side: Side, schema: Schema) -> bool:
    """Whether the database has a weak reference to a row that it does not have, which must never be."""
    contents = dict(zip(schema.tables, side.contents(), strict=True))
    there = {name: {row["_uuid"][1] for row in result["rows"]} for name, result in contents.items()}
    for name, result in contents.items():
        for column in schema.tables[name].columns.values():
            for base in (column.type.key, column.type.value):
                if base is not None and base.ref_table is not None and base.weak:
                    text = json.dumps([row[column.name] for row in result["rows"]])
                    uuids = set(answers.UUIDS.findall(text))
                    other = column.type.value if base is column.type.key else column.type.key
                    if (other is None or other.type != "uuid") and uuids - there[base.ref_table]:
                        return True
    return False


def schemas(seed: int) -> list[Schema]:
    """Without maps from references to references: the C server miscounts them, and aborts if they are weak."""
    maker = Maker(random.Random(f"schemas {seed}"))
    found: list[Schema] = []
    while len(found) < SCHEMAS:
        schema = maker.schema()
        columns = [column.type for table in schema.tables.values() for column in table.columns.values()]
        if not any(kind.key.ref_table and kind.value and kind.value.ref_table for kind in columns):
            found.append(Schema(f"S{len(found)}", schema.tables, schema.version))
    return found


@contextmanager
def pair(found: list[Schema]) -> Iterator[Pair]:
    """Both servers, each with files of its own."""
    with ExitStack() as stack:
        sides = []
        for name, start in OVSDB_SERVERS.items():
            place = stack.enter_context(home())
            files = []
            for schema in found:
                source = place.path / f"{schema.name}.ovsschema"
                source.write_text(json.dumps(schema.to_json()))
                files.append(create_database(place, f"{schema.name}.db", source))
            side = Side(name, partial(start, place, databases=files))
            stack.callback(side.close)
            sides.append(side)
        yield Pair(*sides)


@pytest.mark.parametrize("seed", SEEDS)
def test_both_servers_tell_their_clients_the_same(seed: int) -> None:
    found = schemas(seed)
    with pair(found) as both:
        ended = [both.run(schema, f"{seed} {schema.name}") for schema in found]
        assert sum(map(bool, ended)) <= SCHEMAS // 3, ended
        assert len(both.named_differently) <= NAMES_DIFFER * both.errors, both.named_differently
        assert "Traceback" not in both.ours.daemon.output()
