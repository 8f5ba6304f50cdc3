"""The multicast snooping columns of a Bridge and its Ports → Snooping.

Rule: pure. Source: ovs-vswitchd.conf.db(5), "Multicast Snooping" of both tables.
"""

from __future__ import annotations

from switching.group_table import DEFAULT_AGEING, DEFAULT_SIZE, Snooping
from vswitchd import rows
from vswitchd.rows import Row, Tables

_FLOOD, _FLOOD_REPORTS = "mcast-snooping-flood", "mcast-snooping-flood-reports"


def read_snooping(row: Row, tables: Tables) -> Snooping | None:
    """Read how a bridge snoops; None: it does not."""
    if not rows.flag(row, "mcast_snooping_enable"):
        return None
    settings = rows.options(row, "other_config")
    ports = [tables["Port"][uuid] for uuid in rows.texts(row, "ports") if uuid in tables["Port"]]
    of_ports = {rows.text(port, "name"): rows.options(port, "other_config") for port in ports}
    return Snooping(
        ageing=float(rows.within(settings, "mcast-snooping-aging-time", int(DEFAULT_AGEING), 15, 3600)),
        size=rows.within(settings, "mcast-snooping-table-size", DEFAULT_SIZE, 10, 1_000_000),
        flood_unregistered=settings.get("mcast-snooping-disable-flood-unregistered") != "true",
        flood_ports=frozenset(name for name, of in of_ports.items() if of.get(_FLOOD) == "true"),
        report_ports=frozenset(name for name, of in of_ports.items() if of.get(_FLOOD_REPORTS) == "true"),
    )
