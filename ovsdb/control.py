"""The control commands of ovsdb-server, in the words of the C server (ovsdb-server(1)).

Rule: a command checks, then asks `hub` or `server`; what fails becomes a CommandError.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Set
from pathlib import Path

from appctl import coverage, vlog
from appctl.unixctl import CommandError, Commands
from ovsdb import control_roles
from ovsdb.config_file import ConfigError
from ovsdb.configure import Configured, load_config
from ovsdb.control_roles import BAD_INTERVAL, check_no_file, parse_milliseconds
from ovsdb.engine.row import Row
from ovsdb.errors import OvsdbError
from ovsdb.hub import Hub, HubError
from ovsdb.remotes import RemoteError
from ovsdb.server import Server
from ovsdb.storage.base import StorageError
from ovsdb.storage.file import FileStorage
from ovsdb.storage.reader import ClusteredError

NO_COUNTERS = "performance counter is not supported on this platform\n"
log = vlog.module("ovsdb_server")


class AddError(Exception):
    """A database file that cannot be served; the text says why."""


def add_database(hub: Hub, text: str) -> StorageError | None:
    """Serve a file, or a relay as "relay:NAME:REMOTE[,REMOTE]..."; what is damaged at the file's end.

    Raises AddError.
    """
    if not text.startswith("relay:"):
        return add_file(hub, Path(text))
    name, colon, sources = text.removeprefix("relay:").partition(":")
    if not colon:
        raise AddError(f"ovsdb error: {text}: invalid syntax")
    try:
        hub.add_relay(name, sources)
    except HubError as e:
        raise AddError(str(e)) from e
    return None


def add_file(hub: Hub, path: Path) -> StorageError | None:
    """Open, load and serve a database file: what is damaged at its end. Raises AddError."""
    real = path.resolve()
    if any(Path(hosted.storage.name).resolve() == real for hosted in hub.served() if hosted.source is None):
        raise AddError(f"ovsdb error: {path}: already open")
    try:
        storage = FileStorage(path, time.monotonic())
        try:
            hub.add_database(storage)
        except BaseException:
            storage.close()
            raise
    except ClusteredError as e:
        advice = "ovsdb-tool cluster-to-standalone makes a standalone database of it"
        raise AddError(f"ovsdb error: {path}: clustered databases are not supported ({advice})") from e
    except (StorageError, OvsdbError, HubError) as e:
        raise AddError(str(e)) from e
    return storage.damage


def register(commands: Commands, server: Server, configured: Configured | None = None) -> None:
    """Add the commands; with a configuration file, those that would contradict it refuse."""
    control = Control(server, configured)
    for name, usage, least, most, handler in (
        ("exit", "", 0, 0, control.exit),
        ("memory/show", "", 0, 0, control.show_memory),
        ("ovsdb-server/compact", "", 0, 1, control.compact),
        ("ovsdb-server/add-db", "DB", 1, 1, control.add_database),
        ("ovsdb-server/remove-db", "DB", 1, 1, control.remove_database),
        ("ovsdb-server/list-dbs", "", 0, 0, control.list_databases),
        ("ovsdb-server/add-remote", "REMOTE", 1, 1, control.add_remote),
        ("ovsdb-server/remove-remote", "REMOTE", 1, 1, control.remove_remote),
        ("ovsdb-server/list-remotes", "", 0, 0, control.list_remotes),
        ("ovsdb-server/reconnect", "", 0, 0, control.reconnect),
        ("ovsdb-server/reload", "", 0, 0, control.reload),
        ("ovsdb-server/get-db-storage-status", "DB", 1, 1, control.storage_status),
        ("ovsdb-server/disable-monitor-cond", "", 0, 0, control.disable_monitor_cond),
        ("ovsdb-server/set-relay-source-probe-interval", "", 1, 1, control.set_relay_probe_interval),
        ("ovsdb-server/tlog-set", "DB:TABLE on|off", 2, 2, control.set_tlog),
        ("ovsdb-server/tlog-list", "", 0, 0, control.list_tlog),
        ("ovsdb-server/perf-counters-show", "", 0, 0, lambda _: NO_COUNTERS),
        ("ovsdb-server/perf-counters-clear", "", 0, 0, lambda _: ""),
        ("ovsdb-server/memory-trim-on-compaction", "on|off", 1, 1, control.trim_on_compaction),
    ):
        commands.register(name, usage, least, most, handler)
    coverage.register(commands)
    control_roles.register(commands, server, configured)


class Control:
    """The handlers; each gets the arguments and returns the text."""

    def __init__(self, server: Server, configured: Configured | None) -> None:
        self._server = server
        self._hub = server.hub
        self._configured = configured

    def reload(self, args: list[str]) -> str:
        """Read the configuration file again."""
        if self._configured is None:
            raise CommandError("Configuration file was not specified on command line")
        try:
            load_config(self._server, self._configured)
        except ConfigError as e:
            log.warn("failed to load configuration from %s: %s", self._configured.path, e)
            raise CommandError(f"Configuration failed.  See the log file for details.\n{e}") from None
        return ""

    def exit(self, args: list[str]) -> str:
        """End the server."""
        self._server.stopping.set()
        return ""

    async def compact(self, args: list[str]) -> str:
        """One database or all."""
        try:
            chosen = [self._hub.find_served(args[0])] if args else self._hub.served()
        except HubError as e:
            raise CommandError(str(e)) from None
        errors = [await self._server.compact(hosted, "by user request") for hosted in chosen]
        if any(errors):
            raise CommandError("\n".join(filter(None, errors)))
        return ""

    def add_database(self, args: list[str]) -> str:
        """Serve another file."""
        check_no_file(self._configured)
        try:
            damage = add_database(self._hub, args[0])
        except AddError as e:
            raise CommandError(str(e)) from None
        self._server.reconfigure()
        self._server.settle()
        return "" if damage is None else f"{damage}\n"

    def remove_database(self, args: list[str]) -> str:
        """Stop to serve a database."""
        check_no_file(self._configured)
        try:
            self._hub.remove_database(args[0])
        except HubError as e:
            raise CommandError(str(e)) from None
        self._server.reconfigure()
        self._server.settle()
        return ""

    def list_databases(self, args: list[str]) -> str:
        """One name on each line."""
        return "".join(f"{name}\n" for name in sorted(self._hub.databases))

    def add_remote(self, args: list[str]) -> str:
        """As --remote."""
        check_no_file(self._configured)
        try:
            self._server.check_remote(args[0])
        except RemoteError as e:
            raise CommandError(str(e)) from None
        self._server.configured[args[0]] = None
        self._server.reconfigure()
        return ""

    def remove_remote(self, args: list[str]) -> str:
        """Undo add-remote or --remote."""
        check_no_file(self._configured)
        if args[0] not in self._server.configured:
            raise CommandError("no such remote")
        del self._server.configured[args[0]]
        self._server.reconfigure()
        return ""

    def list_remotes(self, args: list[str]) -> str:
        """As configured, not as found in the database."""
        return "".join(f"{text}\n" for text in sorted(self._server.configured))

    def reconnect(self, args: list[str]) -> str:
        """Drop every client."""
        self._server.disconnect_all("reconnecting by user request")
        return ""

    def storage_status(self, args: list[str]) -> str:
        """Whether the file is what it should be."""
        hosted = self._hub.databases.get(args[0])
        if hosted is None:
            raise CommandError("Failed to find the database.")
        wrong = hosted.trouble or hosted.storage.damage
        return "status: ok\n" if wrong is None else f"status: {wrong}\n"

    def trim_on_compaction(self, args: list[str]) -> str:
        """Accepted; there is no heap of our own to trim."""
        if args[0] not in ("on", "off"):
            raise CommandError("invalid argument")
        return ""

    def disable_monitor_cond(self, args: list[str]) -> str:
        """Know no conditional monitors any more; clients connect anew."""
        self._hub.disable_monitor_cond()
        self._server.disconnect_all("user ran ovsdb-server/disable-monitor-cond")
        return ""

    def set_relay_probe_interval(self, args: list[str]) -> str:
        """How long the source of a relay may be silent, in milliseconds."""
        check_no_file(self._configured)
        seconds = parse_milliseconds(args[0])
        if seconds is None:
            return BAD_INTERVAL
        self._hub.set_relay_probe_interval(seconds)
        self._server.reconfigure()
        return ""

    def set_tlog(self, args: list[str]) -> str:
        """Log what happens to a table, or no longer."""
        name, switch = args
        if switch.lower() not in ("on", "off"):
            raise CommandError("invalid command argument")
        parts = [part for part in name.split(":") if part]
        if len(parts) != 2:
            raise CommandError("invalid DB:TABLE argument")
        hosted = self._hub.databases.get(parts[0])
        if hosted is None:
            raise CommandError("no such database")
        if parts[1] not in hosted.tables:
            raise CommandError("no such table")
        if switch.lower() == "on":
            hosted.logged.add(parts[1])
        else:
            hosted.logged.discard(parts[1])
        return ""

    def list_tlog(self, args: list[str]) -> str:
        """Which tables are logged."""
        lines = [f"{'database':<16}{'table':<28}logging", f"{'--------':<16}{'-----':<28}-------"]
        for name, hosted in sorted(self._hub.databases.items()):
            lines.append(f"{name:<16} ")
            for table in sorted(hosted.tables):
                lines.append(f"{'':16}{table:<27} {'ON' if table in hosted.logged else 'OFF'}")
        return "\n".join(lines) + "\n"

    def show_memory(self, args: list[str]) -> str:
        """Counts in the form of the C server."""
        counts = {
            "atoms": 0,
            "cells": 0,
            "monitors": 0,
            "n-weak-refs": 0,
            "sessions": len(self._hub.sessions),
            "triggers": 0,
            "txn-history": 0,
            "txn-history-atoms": 0,
        }
        for hosted in self._hub.databases.values():
            counts["monitors"] += len(hosted.monitors)
            counts["triggers"] += len(hosted.triggers)
            if hosted.source is not None:  # as the C server, which keeps none for other databases
                commits, atoms = hosted.history.size(_count_row)
                counts["txn-history"] += commits
                counts["txn-history-atoms"] += atoms
            for table in hosted.tables.values():
                counts["cells"] += len(table.rows) * len(table.by_name)
                counts["n-weak-refs"] += sum(map(len, table.weak_referrers.values()))
                counts["atoms"] += sum(map(_count_row, table.rows.values()))
        counts["backlog"] = sum(session.queued for session in self._hub.sessions)
        histories = [hosted.history for hosted in self._hub.databases.values()]
        counts["history-rows"] = sum(history.rows() for history in histories)
        counts["history-bytes"] = sum(history.record_bytes() for history in histories)
        always = ("atoms", "cells", "monitors", "n-weak-refs")
        shown = [f"{name}:{n}" for name, n in counts.items() if n or name in always]
        return " ".join(shown + self._hub.limits.lines()) + "\n"


def _count_row(row: Row) -> int:
    """Its atoms, with _uuid and _version."""
    return 2 + sum(map(_count_atoms, row.values))


def _count_atoms(value: object) -> int:
    if isinstance(value, Mapping):
        return 2 * len(value)
    return len(value) if isinstance(value, Set) else 1
