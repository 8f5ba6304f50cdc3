"""The control commands of active-backup (ovsdb-server(1)), in the words of the C server.

Rule: a command changes the Role and gives it to the hub, which lets the databases follow it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from appctl.unixctl import CommandError, Commands
from ovsdb.config_file import BACKUP
from ovsdb.configure import Configured
from ovsdb.hub import Hub
from ovsdb.replication import format_database_status, format_excluded, format_status, parse_excluded
from ovsdb.server import Server

NUMBER = re.compile(r"[+-]?[0-9]{1,15}")
BAD_INTERVAL = "Invalid probe interval, integer value expected"


def check_no_file(configured: Configured | None) -> None:
    """Raise CommandError if a configuration file says what a command wants to change."""
    if configured is not None:
        raise CommandError(f"Update the {configured.path} and use ovsdb-server/reload instead")


def parse_milliseconds(text: str) -> float | None:
    """An interval in seconds, not below 0; None if the text is no number."""
    return max(int(text), 0) / 1000 if NUMBER.fullmatch(text) else None


def register(commands: Commands, server: Server, configured: Configured | None) -> None:
    """Add the commands."""
    roles = Roles(server, configured)
    for name, count, handler in (
        ("set-active-ovsdb-server", 1, roles.set_server),
        ("get-active-ovsdb-server", 0, roles.get_server),
        ("connect-active-ovsdb-server", 0, roles.connect),
        ("disconnect-active-ovsdb-server", 0, roles.disconnect),
        ("set-active-ovsdb-server-probe-interval", 1, roles.set_probe_interval),
        ("set-sync-exclude-tables", 1, roles.set_excluded),
        ("get-sync-exclude-tables", 0, roles.get_excluded),
        ("sync-status", 0, roles.status),
    ):
        commands.register(f"ovsdb-server/{name}", "", count, count, handler)


class Roles:
    """The handlers; each gets the arguments and returns the text."""

    def __init__(self, server: Server, configured: Configured | None) -> None:
        self._server = server
        self._configured = configured
        self._hub: Hub = server.hub

    def _change(self, **changes: Any) -> None:
        check_no_file(self._configured)
        self._hub.set_role(replace(self._hub.role, **changes))
        self._server.reconfigure()
        self._server.settle()

    def set_server(self, args: list[str]) -> str:
        """The active server; a backup follows it at once."""
        self._change(server=args[0])
        return ""

    def get_server(self, args: list[str]) -> str:
        """The active server."""
        return self._hub.role.server

    def connect(self, args: list[str]) -> str:
        """Become a backup."""
        check_no_file(self._configured)
        if not self._hub.role.server:
            return "Unable to connect: active server is not specified."
        self._change(is_backup=True)
        return ""

    def disconnect(self, args: list[str]) -> str:
        """Become active."""
        self._change(is_backup=False)
        return ""

    def set_probe_interval(self, args: list[str]) -> str:
        """How long the active server may be silent, in milliseconds."""
        seconds = parse_milliseconds(args[0])
        if seconds is None:
            return BAD_INTERVAL
        self._change(probe_interval=seconds)
        return ""

    def set_excluded(self, args: list[str]) -> str:
        """The tables that are not followed."""
        self._change(excluded=parse_excluded(args[0]))
        return ""

    def get_excluded(self, args: list[str]) -> str:
        """The tables that are not followed, sorted."""
        return format_excluded(self._hub.role.excluded)

    def status(self, args: list[str]) -> str:
        """The role, and how far following has come."""
        hub = self._hub
        if self._configured is not None:
            return self._status_of_file(self._configured)
        if not hub.is_backup:
            return "state: active\n"
        return format_status(hub.role.server, hub.backups(), hub.role.excluded)

    def _status_of_file(self, configured: Configured) -> str:
        """Where each database has its own source: each has its own paragraph."""
        names = {configured.hosted[key].name: c for key, c in configured.served.items() if c.model == BACKUP}
        backups = self._hub.backups()
        texts = [format_database_status(name, backups.get(name)) for name in sorted(names)]
        return "\n".join(texts) or "state: active\n"
