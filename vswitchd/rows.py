"""Reading columns of database rows whose schema the server checked, as the types that the program wants.

Rule: a column that the server does not have reads as its default.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

from ovsdb.datum import Value

Row = Mapping[str, Value]
Tables = Mapping[str, Mapping[str, Row]]  # table → UUID → row

POLICING = tuple(f"ingress_policing_{of}" for of in ("rate", "burst", "kpkts_rate", "kpkts_burst"))
# What this program reads and writes of the database.
TABLES: dict[str, tuple[str, ...]] = {
    "Open_vSwitch": (
        *("bridges", "next_cfg", "cur_cfg", "other_config", "datapath_types", "iface_types"),
        *("dpdk_initialized", "dpdk_version", "statistics"),
    ),
    "Bridge": (
        *("name", "datapath_type", "ports", "other_config", "flood_vlans", "datapath_id"),
        *("datapath_version", "mirrors", "mcast_snooping_enable"),
    ),
    "Port": (
        *("name", "interfaces", "tag", "trunks", "vlan_mode", "cvlans", "other_config", "protected"),
        *(
            "bond_mode",
            "bond_updelay",
            "bond_downdelay",
            "bond_fake_iface",
            "lacp",
            "bond_active_slave",
            "qos",
        ),
    ),
    "Interface": (
        *("name", "type", "options", "ofport", "ofport_request", "mac", "mtu_request", "error"),
        *("mac_in_use", "ifindex", "admin_state", "link_state", "link_resets", "link_speed", "duplex", "mtu"),
        *("status", "statistics", *POLICING),
    ),
    "Mirror": (
        *("name", "select_all", "select_src_port", "select_dst_port", "select_vlan"),
        *("output_port", "output_vlan", "snaplen", "statistics"),
    ),
    "QoS": ("type", "queues", "other_config"),
    "Queue": ("dscp", "other_config"),
}
# The columns of TABLES that decide what the switch shall be; the others it writes itself.
CONFIGURATION: dict[str, frozenset[str]] = {
    "Open_vSwitch": frozenset(("bridges", "next_cfg", "other_config")),
    "Bridge": frozenset(("name", "datapath_type", "ports", "other_config", "flood_vlans", "mirrors"))
    | {"mcast_snooping_enable"},
    "Port": frozenset(TABLES["Port"]) - {"bond_active_slave"},
    "Mirror": frozenset(TABLES["Mirror"]) - {"statistics"},
    "Interface": frozenset(("name", "type", "options", "ofport_request", "mac", "mtu_request", *POLICING)),
    "QoS": frozenset(TABLES["QoS"]),
    "Queue": frozenset(TABLES["Queue"]),
}


# Plain classes first: to ask an abstract one takes 1 us, and a port has twenty columns.
_ATOMS, _SETS, _MAPS = (str, int, float), (frozenset, Set), (dict, Mapping)


def text(row: Row, column: str) -> str:
    """Return a string column, or the first of an optional one; "" where it is empty."""
    value = _first(row, column)
    return value if isinstance(value, str) else ""


def integer(row: Row, column: str) -> int | None:
    """Return an integer column, or that of an optional one."""
    value = _first(row, column)
    return value if isinstance(value, int) else None


def flag(row: Row, column: str) -> bool:
    """Return a Boolean column."""
    return _first(row, column) is True


def _first(row: Row, column: str) -> object:
    value = row.get(column)
    if isinstance(value, _ATOMS):
        return value
    if isinstance(value, _SETS):
        return next(iter(value), None)
    return value


def texts(row: Row, column: str) -> tuple[str, ...]:
    """Return a set of strings or references, sorted."""
    value = row.get(column)
    if isinstance(value, str):
        return (value,)
    return tuple(sorted(v for v in value if isinstance(v, str))) if isinstance(value, _SETS) else ()


def integers(row: Row, column: str) -> frozenset[int]:
    """Return a set of integers."""
    value = row.get(column)
    if isinstance(value, int):
        return frozenset((value,))
    return frozenset(v for v in value if isinstance(v, int)) if isinstance(value, _SETS) else frozenset()


def options(row: Row, column: str) -> dict[str, str]:
    """Return a map of strings to strings."""
    value = row.get(column)
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, _MAPS) else {}


def number_option(settings: Mapping[str, str], name: str, default: int, low: int = 0) -> int:
    """Return a member of such a map that is a number, or the default where it is none or too small."""
    try:
        value = int(settings.get(name, ""), 10)
    except ValueError:
        return default
    return value if value >= low else default


def within(settings: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """Return a member that is a number, or the nearest that is permitted; 0 or no number: the default."""
    return min(max(number_option(settings, name, default, -(1 << 31)) or default, low), high)
