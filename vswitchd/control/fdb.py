"""fdb/*: the stations that bridges have learned.

Rule: a command prints a bridge's table, or changes it and lets the flows follow.
"""

from __future__ import annotations

import time

from appctl.unixctl import CommandError
from switching.mac_table import MacTable
from switching.switch import Switch
from vswitchd.control.targets import chosen_bridges, find_bridge, tell_changed
from vswitchd.control.text import format_mac, format_port_number
from vswitchd.reconciler import Reconciler


def _fdb_show(reconciler: Reconciler, args: list[str]) -> str:
    bridge = find_bridge(reconciler, args[0])
    return format_fdb(bridge.table, bridge.forwarding.switch, time.monotonic())


def _fdb_stats_show(reconciler: Reconciler, args: list[str]) -> str:
    return format_fdb_stats(find_bridge(reconciler, args[0]).table)


def _fdb_stats_clear(reconciler: Reconciler, args: list[str]) -> str:
    for bridge in chosen_bridges(reconciler, args):
        bridge.table.clear_stats()
    return "statistics successfully cleared"


def _fdb_flush(reconciler: Reconciler, args: list[str]) -> str:
    for bridge in chosen_bridges(reconciler, args):
        tell_changed(reconciler, bridge, bridge.table.flush())
    return "table successfully flushed"


def _fdb_add(reconciler: Reconciler, args: list[str]) -> str:
    bridge = find_bridge(reconciler, args[0])
    port = bridge.forwarding.switch.by_name.get(args[1])
    if port is None or port.bridge != args[0]:
        raise CommandError(f"{args[1]}: unknown port")
    vlan, mac = _parse_station(args[2], args[3])
    other = bridge.forwarding.switch.by_name.get(bridge.table.static_port(vlan, mac) or port.name, port)
    tell_changed(reconciler, bridge, bridge.table.add_static(vlan, mac, port.name))
    return "" if other is port else f"Overriding already existing static entry on {other.ofport}\n"


def _fdb_del(reconciler: Reconciler, args: list[str]) -> str:
    bridge = find_bridge(reconciler, args[0])
    vlan, mac = _parse_station(args[1], args[2])
    if bridge.table.static_port(vlan, mac) is None:
        raise CommandError("could not find static mac entry")
    tell_changed(reconciler, bridge, bridge.table.remove_static(vlan, mac))
    return ""


def _parse_station(vlan: str, mac: str) -> tuple[int, int]:
    if not vlan.isascii() or not vlan.isdigit() or int(vlan) > 4095:
        raise CommandError("invalid vlan")
    parts = mac.split(":")
    try:
        if len(parts) == 6 and all(0 < len(part) <= 2 for part in parts):
            return int(vlan), int.from_bytes(bytes(int(part, 16) for part in parts), "big")
    except ValueError:
        pass
    raise CommandError("bad MAC address")


def format_fdb(table: MacTable, switch: Switch, now: float) -> str:
    """fdb/show: the stations of a bridge."""
    lines = [" port  VLAN  MAC                Age"]
    for vlan, mac, entry in table.entries():
        number = format_port_number(switch, entry.port)
        age = "static" if entry.static else f"{int(now - entry.used):3d}"
        lines.append(f"{number:>5}  {vlan:4d}  {format_mac(mac)}  {age}")
    return "\n".join(lines) + "\n"


def format_fdb_stats(table: MacTable) -> str:
    """fdb/stats-show: how a bridge's table has fared."""
    static = sum(entry.static for _, _, entry in table.entries())
    stats = table.stats
    return (
        f'Statistics for bridge "{table.bridge}":\n'
        f"  Current/maximum MAC entries in the table: {len(table)}/{table.size}\n"
        f"  Current static MAC entries in the table : {static}\n"
        f"  Total number of learned MAC entries     : {stats.learned}\n"
        f"  Total number of expired MAC entries     : {stats.expired}\n"
        f"  Total number of evicted MAC entries     : {stats.evicted}\n"
        f"  Total number of port moved MAC entries  : {stats.moved}\n"
    )


COMMANDS = (
    ("fdb/show", "bridge", 1, 1, _fdb_show),
    ("fdb/stats-show", "bridge", 1, 1, _fdb_stats_show),
    ("fdb/stats-clear", "[bridge]", 0, 1, _fdb_stats_clear),
    ("fdb/flush", "[bridge]", 0, 1, _fdb_flush),
    ("fdb/add", "bridge port vlan mac", 4, 4, _fdb_add),
    ("fdb/del", "bridge vlan mac", 3, 3, _fdb_del),
)
