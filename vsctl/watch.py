"""watch: a line of JSON for each change of the database, for as long as the program runs.

Rule: changes are those of the copy (ovsdb.client.replica): after a lost connection the server is asked for
what has happened since the last id that was seen, or else for everything, which is compared. No change is
lost or told twice.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from ovsdb.client.blocking import Client
from ovsdb.client.replica import Change, Replica, ReplicaError, Row
from ovsdb.schema import Schema
from rpc.errors import ConnectError, ConnectionLost, RemoteError, RpcError, Timeout
from rpc.jsonvalue import Json
from rpc.message import Notification
from vsctl.errors import BadAnswer
from vsctl.grammar import command
from vsctl.printing import plain
from vsctl.session import Session
from vsctl.tables import MIN_UUID_DIGITS, RECORD_NAMES, Table, datum

NOTHING_YET = "00000000-0000-0000-0000-000000000000"  # the id that no server knows
MONITOR = "watch"
IDLE = 5.0  # seconds without a word, after which the server is asked whether it lives
PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds between attempts to connect again


class Wanted(NamedTuple):
    """What is to be told."""

    table: str  # empty: every table
    record: str  # empty: every row
    columns: tuple[str, ...]  # empty: all of them
    name_column: str  # by which a row may be named; empty: by its UUID alone

    def selects(self, uuid: str, row: Row | None) -> bool:
        """Whether a row is the record."""
        if self.record in ("", ".", uuid):
            return True
        if self.name_column and row is not None and str(row[self.name_column]) == self.record:
            return True
        return len(self.record) >= MIN_UUID_DIGITS and uuid.startswith(self.record.lower())


@command("watch", "?TABLE ?RECORD *COLUMN", alone=True, options_anywhere=True)
def watch(session: Session, table: str = "", record: str = "", *columns: str, initial: bool = False) -> int:
    """Print a line of JSON for each change, until the program is ended."""
    client = session.connect(None)
    wanted = _resolve(client.schema, table, record, columns)
    kept = None if not wanted.table else {wanted.table: _monitored(wanted)}
    replica = Replica(kept)
    is_first, last_id = True, NOTHING_YET
    while True:
        session.patience.enter("input")  # silence is no reason to say something
        with client:
            try:
                for seen, changes in _changes(client, replica, last_id):
                    last_id = seen
                    if not is_first or initial:
                        _tell(replica, wanted, changes, is_first)
                    is_first = False
            except (ConnectionLost, Timeout):
                pass
            except ReplicaError as error:
                raise BadAnswer(str(error)) from error
        client = _connect_again(session)


def _resolve(schema: Schema, table: str, record: str, columns: Sequence[str]) -> Wanted:
    """Abbreviations in full. CommandError."""
    if not table:
        return Wanted("", "", (), "")
    found = Table.named(schema, table)
    names = [name.column for name in RECORD_NAMES.get(found.name, ()) if name.table == found.name]
    full = tuple(dict.fromkeys(found.own_column(column).name for column in columns))
    return Wanted(found.name, record, full, names[0] if names else "")


def _monitored(wanted: Wanted) -> list[str] | None:
    return (
        list(dict.fromkeys([*wanted.columns, *filter(None, [wanted.name_column])]))
        if wanted.columns
        else None
    )


def _changes(client: Client, replica: Replica, last_id: str) -> Iterator[tuple[str, list[Change]]]:
    """The id after each step, and what has changed by it; first what is there, or happened meanwhile."""
    if not replica.adopt(client.schema):
        last_id = NOTHING_YET
    requests: dict[str, Json] = {
        table: [{"columns": [*columns]}] for table, columns in replica.selected().items()
    }
    try:
        answer = client.call("monitor_cond_since", MONITOR, requests, last_id)
    except RemoteError:  # the server is older than Open vSwitch 2.12
        yield NOTHING_YET, replica.replace(client.call("monitor", MONITOR, requests), 1)
    else:
        if not (isinstance(answer, list) and len(answer) == 3 and isinstance(answer[1], str)):
            raise BadAnswer("monitor_cond_since without an id")
        found, seen, updates = answer
        yield str(seen), replica.apply(updates, 2) if found else replica.replace(updates, 2)
    while True:
        update = _next_update(client)
        if update.method == "update3" and len(update.params) == 3 and isinstance(update.params[1], str):
            yield update.params[1], replica.apply(update.params[2], 2)
        elif update.method == "update" and len(update.params) == 2:
            yield NOTHING_YET, replica.apply(update.params[1], 1)


def _next_update(client: Client) -> Notification:
    """ConnectionLost; Timeout if the server does not even say that it lives."""
    was_asked = False
    while True:
        try:
            message = client.receive(time.monotonic() + IDLE)
        except Timeout:
            if was_asked:
                raise
            client.ask_for_life()
            was_asked = True
            continue
        was_asked = False
        if isinstance(message, Notification) and message.params[:1] == [MONITOR]:
            return message


def _connect_again(session: Session) -> Client:
    session.patience.enter("connect")
    pause = PAUSE
    while True:
        try:
            client = session.connect(None)
            client.schema  # noqa: B018  # a server that is starting may not have the database yet
        except (ConnectError, RpcError):
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        else:
            return client


def _tell(replica: Replica, wanted: Wanted, changes: Sequence[Change], is_first: bool) -> None:
    lines = []
    for change in changes:
        if not (wanted.selects(change.uuid, change.old) or wanted.selects(change.uuid, change.new)):
            continue
        told = _describe(replica, wanted, change, is_first)
        if told is not None:
            lines.append(orjson.dumps(told).decode() + "\n")
    if lines:
        sys.stdout.write("".join(lines))
        sys.stdout.flush()


def _describe(replica: Replica, wanted: Wanted, change: Change, is_first: bool) -> dict[str, Any] | None:
    """The change as JSON; None if no wanted column has changed."""
    assert replica.schema is not None
    described = replica.schema.tables[change.table].columns
    old, new = change.old, change.new
    names = [name for name in wanted.columns or replica.types(change.table) or () if name in described]

    def values(row: Row, of: Sequence[str]) -> dict[str, Any]:
        return {name: plain(datum(described[name], row[name])) for name in of}

    told: dict[str, Any] = {"table": change.table, "uuid": change.uuid}
    if new is None:
        return told | {"change": "delete", "old": values(old or {}, names)}
    if old is None:
        return told | {"change": "initial" if is_first else "insert", "new": values(new, names)}
    changed = [name for name in names if old[name] != new[name]]
    if not changed:
        return None
    return told | {"change": "modify", "old": values(old, changed), "new": values(new, names)}
