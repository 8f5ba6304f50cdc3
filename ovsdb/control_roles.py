"""The control commands of active-backup (ovsdb-server(1)), in the words of the C server.

Rule: a command changes the Role and gives it to the hub, which lets the databases follow it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from appctl.unixctl import Commands
from ovsdb.hub import Hub
from ovsdb.replication import format_excluded, format_status, parse_excluded
from ovsdb.server import Server

NUMBER = re.compile(r"[+-]?[0-9]+")


def register(commands: Commands, server: Server) -> None:
    """Add the commands."""
    roles = Roles(server)
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

    def __init__(self, server: Server) -> None:
        self._server = server
        self._hub: Hub = server.hub

    def _change(self, **changes: Any) -> None:
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
        if not NUMBER.fullmatch(args[0]):
            return "Invalid probe interval, integer value expected"
        self._change(probe_interval=max(int(args[0]), 0) / 1000)
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
        if not hub.is_backup:
            return "state: active\n"
        return format_status(hub.role.server, hub.backups(), hub.role.excluded)
