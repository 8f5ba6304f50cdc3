"""Which server ovsdb-client asks, and which database on it (ovsdb(7), "Connection Methods").

Rule: of several servers any will do, in random order, that has the database; of a cluster the one that leads,
or one that is connected to it where the user says so. A database is guessed on a single server only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from appctl import vlog
from ovsdb.cli.client_commands import Command
from ovsdb.cli.client_session import CommandError, Need
from rpc.address import AddressError, parse
from rpc.blocking import Connection
from rpc.errors import ConnectError, RpcError
from rpc.tls_settings import TlsSettings

DEFAULT_DATABASE = "Open_vSwitch"
_METHOD = re.compile(r"[A-Za-z][^:]*:")
_NEXT_SERVER = re.compile(r",(?=[A-Za-z0-9_]+:)")  # a comma within a file's name is none
log = vlog.module("ovsdb_client")

Open = Callable[[str], Connection]


def opener(tls: TlsSettings) -> Open:
    """A function that connects to a server as the user named it; ConnectError, CommandError."""

    def open_connection(server: str) -> Connection:
        try:
            address = parse(server)
        except AddressError as error:
            if error.why == "unknown connection method":
                why = "Address family not supported by protocol"
                raise CommandError(f'failed to connect or listen to "{server}" ({why})') from None
            raise CommandError(str(error)) from None
        return Connection.open(address, tls=tls)

    return open_connection


def take_server(words: list[str], least: int) -> str | None:
    """Take the server off `words`, where more than the `least` number are there and the first is one."""
    return words.pop(0) if len(words) > least and _METHOD.match(words[0]) else None


def connect(
    command: Command, name: str, server: str, words: list[str], open_: Open, *, leader_only: bool
) -> tuple[Connection, str]:
    """Connect to a server, take the database off `words`; return both, "" where none is needed.

    CommandError, RpcError.
    """
    servers = _NEXT_SERVER.split(server) if command.need is not Need.SERVER else [server]
    if len(servers) == 1:
        connection = open_(server)
        database = ""
        if command.need is Need.DATABASE:
            found = connection.call("list_dbs", [])
            databases = [str(each) for each in found] if isinstance(found, list) else []
            database = _choose_database(command, databases, words, name)
        return connection, database
    database = ""
    if command.need is Need.DATABASE:
        if len(words) <= command.least:
            raise CommandError("database name is required with multiple remotes")
        database = words.pop(0)
    return _first_that_serves(servers, database, open_, leader_only=leader_only), database


def _choose_database(command: Command, databases: Sequence[str], words: list[str], name: str) -> str:
    """The one that `words` begin with, or else the default one.

    CommandError where there is no default: several databases and none is Open_vSwitch.
    """
    if len(words) > command.least and words[0] in databases:
        return words.pop(0)
    own = [database for database in databases if not database.startswith("_")]
    if DEFAULT_DATABASE in own:
        return DEFAULT_DATABASE
    if len(own) == 1:
        return own[0]
    raise CommandError(f"no default database for '{name}' command, please specify a database name")


def _first_that_serves(
    servers: Sequence[str], database: str, open_: Open, *, leader_only: bool
) -> Connection:
    import random

    for server in random.sample(servers, len(servers)):
        try:
            connection = open_(server)
        except ConnectError as error:
            log.info("%s: connection attempt failed (%s)", server, error.reason)
            continue
        if not database:
            return connection
        try:
            reason = _unfit(connection, database, leader_only=leader_only)
        except RpcError as error:
            reason = str(error)
        if not reason:
            return connection
        log.warn("%s: %s", server, reason)
        connection.close()
    raise CommandError("no servers were available")


def _unfit(connection: Connection, database: str, *, leader_only: bool) -> str:
    """Why not to use this server for the database, "" if it is fit. RpcError."""
    operation = {
        "op": "select",
        "table": "Database",
        "where": [["name", "==", database]],
        "columns": ["model", "connected", "leader"],
    }
    match connection.call("transact", ["_Server", operation]):
        case [{"rows": [{"model": "standalone"}, *_]}]:
            return ""
        case [{"rows": [{"connected": False}, *_]}]:
            return f"database {database} is not connected to its cluster"
        case [{"rows": [{"leader": False}, *_]}] if leader_only:
            return "server is not cluster leader"
        case [{"rows": [_, *_]}]:
            return ""
    return f"server does not have database {database}"
