"""mdb/*: which ports want which multicast groups.

Rule: a command prints a bridge's table, or empties it and lets the flows follow.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator

from appctl.unixctl import CommandError
from switching.group_table import GroupTable
from switching.switch import Switch
from vswitchd.control.targets import Target, chosen_bridges, find_bridge, tell_changed
from vswitchd.control.text import format_port_number
from vswitchd.reconciler import Reconciler


def _mdb_show(reconciler: Reconciler, args: list[str]) -> str:
    bridge = find_bridge(reconciler, args[0])
    return format_mdb(_table(bridge), bridge.forwarding.switch, time.monotonic())


def _mdb_flush(reconciler: Reconciler, args: list[str]) -> str:
    for bridge in chosen_bridges(reconciler, args):
        if args or bridge.name in bridge.forwarding.state.groups:
            tell_changed(reconciler, bridge, _table(bridge).flush())
    return "table successfully flushed"


def _table(bridge: Target) -> GroupTable:
    table = bridge.forwarding.state.groups.get(bridge.name)
    if table is None:
        raise CommandError("multicast snooping is disabled")
    return table


def format_mdb(table: GroupTable, switch: Switch, now: float) -> str:
    """mdb/show: the groups of a bridge, and its routers."""
    return "".join(_lines(table, switch, now))


def _lines(table: GroupTable, switch: Switch, now: float) -> Iterator[str]:
    yield " port  VLAN  GROUP                Age\n"
    for port, vlan, group, heard in table.entries():
        what = "querier    " if group is None else format_group(group)
        yield f"{format_port_number(switch, port):>5}  {vlan:4d}  {what}         {int(now - heard):3d}\n"


def format_group(group: int) -> str:
    """Format a group's address, an IPv4 one without its prefix."""
    address = ipaddress.IPv6Address(group)
    return str(address.ipv4_mapped or address)


COMMANDS = (
    ("mdb/show", "bridge", 1, 1, _mdb_show),
    ("mdb/flush", "[bridge]", 0, 1, _mdb_flush),
)
