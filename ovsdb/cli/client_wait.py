"""The commands of ovsdb-client that wait: wait, lock, steal, unlock.

Rule: as in `client_commands`. What is waited for, the server waits for: nothing is asked again and again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from ovsdb.cli.client_session import CommandError, Following, Session
from ovsdb.table import format_json
from rpc.blocking import Connection
from rpc.errors import ConnectError, ConnectionLost
from rpc.message import Message, Notification, Reply

RETRY_INTERVAL = 0.1  # seconds between attempts to connect, at first; doubled up to
LONGEST_RETRY_INTERVAL = 1.0

# state → what is waited for in the rows of _Server's table Database that have the database's name
STATES: dict[str, dict[str, Any]] = {
    "added": {"columns": [], "rows": [{}]},
    "connected": {"columns": ["connected"], "rows": [{"connected": True}]},
    "removed": {"columns": [], "rows": []},
}


def wait(open_connection: Callable[[], Connection], arguments: Sequence[str]) -> Iterator[str]:
    """Wait until a database has been added, has connected to its cluster, or was removed.

    A server that cannot be reached, or goes away, is waited for as well.
    """
    database, state = arguments
    if state not in STATES:
        raise CommandError(f"{state}: unknown state")
    where = [["name", "==", database]]
    operation = {"op": "wait", "table": "Database", "where": where, "until": "==", **STATES[state]}
    interval = RETRY_INTERVAL
    while True:
        try:
            with open_connection() as connection:
                interval = RETRY_INTERVAL
                connection.call("set_db_change_aware", [True])
                answers = connection.call("transact", ["_Server", operation])
                if answers != [{}]:
                    raise CommandError(f"transaction returned error: {format_json(answers)}")
                break
        except (ConnectError, ConnectionLost):
            time.sleep(interval)
            interval = min(2 * interval, LONGEST_RETRY_INTERVAL)
    yield from ()


def lock_command(method: str, session: Session, arguments: Sequence[str]) -> Following:
    """Send a lock, steal or unlock request; print the answer, and then each notification about locks."""

    def answer() -> Iterator[str]:
        reply = session.connection.wait_reply(session.connection.send_request(method, [arguments[0]]))
        yield from react(reply)

    def react(message: Message) -> Iterator[str]:
        if isinstance(message, Notification):
            if message.method in ("locked", "stolen"):
                yield f"{message.method}\n{format_json(list(message.params))}\n"
        elif isinstance(message, Reply) and message.error is None:
            yield format_json(message.result) + "\n"

    def ask(again: str, name: str) -> None:
        session.connection.send_request(again, [name])

    return Following(answer(), react, {name: partial(ask, name) for name in ("lock", "steal", "unlock")})


lock = partial(lock_command, "lock")
steal = partial(lock_command, "steal")
unlock = partial(lock_command, "unlock")
