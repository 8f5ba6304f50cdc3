"""Rows of Mirror → Mirror.

Rule: pure. A mirror that cannot work is left out with a warning; ports that are not on the bridge select
nothing.
Source: ovs-vswitchd.conf.db(5), Mirror table.
"""

from __future__ import annotations

from switching.mirror import Destination, Mirror
from vswitchd import rows
from vswitchd.rows import Row, Tables

MAX_MIRRORS = 32  # of a bridge
_SNAPLEN = range(14, 65536)


def read_mirrors(bridge: str, row: Row, tables: Tables, warnings: list[str]) -> tuple[Mirror, ...]:
    """Read the mirrors of a bridge, in the order of their UUIDs."""
    uuids = [uuid for uuid in rows.texts(row, "mirrors") if uuid in tables["Mirror"]]
    if not uuids:
        return ()
    if len(uuids) > MAX_MIRRORS:
        warnings.append(f"bridge {bridge}: only {MAX_MIRRORS} of {len(uuids)} mirrors are used")
    ports = {
        uuid: rows.text(tables["Port"][uuid], "name")
        for uuid in rows.texts(row, "ports")
        if uuid in tables["Port"]
    }
    found = (_mirror(bridge, uuid, tables["Mirror"][uuid], ports, warnings) for uuid in uuids[:MAX_MIRRORS])
    return tuple(mirror for mirror in found if mirror is not None)


def _mirror(bridge: str, uuid: str, row: Row, ports: dict[str, str], warnings: list[str]) -> Mirror | None:
    who = f"bridge {bridge}: mirror {rows.text(row, 'name')}"
    to = _destination(who, row, ports, warnings)
    if to is None:
        return None
    selects_all = rows.flag(row, "select_all")
    snaplen = rows.integer(row, "snaplen") or 0
    return Mirror(
        uuid=uuid,
        to=to,
        sources=None if selects_all else _names(row, "select_src_port", ports),
        destinations=None if selects_all else _names(row, "select_dst_port", ports),
        vlans=rows.integers(row, "select_vlan"),
        snaplen=snaplen if snaplen in _SNAPLEN else 0,
    )


def _destination(who: str, row: Row, ports: dict[str, str], warnings: list[str]) -> Destination | None:
    port, vlan = rows.text(row, "output_port"), rows.integer(row, "output_vlan")
    if port:
        if vlan is not None:
            warnings.append(f"{who} has an output port, its output VLAN is not used")
        if port in ports:
            return Destination(ports[port])
        warnings.append(f"{who} is not used: its output port is not on the bridge")
    elif vlan is not None:
        return Destination("", vlan)
    else:
        warnings.append(f"{who} is not used: it has no output")
    return None


def _names(row: Row, column: str, ports: dict[str, str]) -> frozenset[str]:
    return frozenset(ports[uuid] for uuid in rows.texts(row, column) if uuid in ports)
