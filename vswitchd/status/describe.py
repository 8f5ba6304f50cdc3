"""What is there → what the database shall say of it: all tables.

Rule: pure. changes() returns only columns that differ from the row, so that a switch at rest writes nothing.
"""

from __future__ import annotations

from vswitchd.ofports import NO_NUMBERS
from vswitchd.rows import Row, Tables
from vswitchd.status.bridge import bridge_columns
from vswitchd.status.interface import BROKEN, interface_error, interface_statistics, working_columns
from vswitchd.status.mirror import mirror_columns
from vswitchd.status.observation import EMPTY, Observation, Writes
from vswitchd.status.port import port_columns


def describe(observation: Observation, *, statistics: bool) -> Writes:
    """Return what the database shall say; counters only where `statistics` asks for them."""
    writes: Writes = {}
    for bridge in observation.desired.bridges:
        datapath = observation.actual.datapaths.get(bridge.datapath_type)
        writes["Bridge", bridge.uuid] = bridge_columns(bridge, datapath, observation)
        if statistics:
            for mirror in bridge.mirrors:
                writes["Mirror", mirror.uuid] = mirror_columns(mirror, observation.counters)
        for port in bridge.ports:
            if port.uuid:
                writes["Port", port.uuid] = port_columns(port, observation)
        numbers = observation.numbers.get(bridge.name, NO_NUMBERS)
        for interface in bridge.interfaces():
            if not interface.uuid:
                continue
            error = interface_error(interface, bridge, observation.actual, observation.failures)
            if error or interface.name not in numbers.ofports:
                columns = BROKEN | {"error": frozenset((error,)) if error else EMPTY}
            else:
                columns = working_columns(interface, numbers.ofports[interface.name], observation)
                if statistics:
                    columns |= {"statistics": interface_statistics(interface, datapath, observation)}
            writes["Interface", interface.uuid] = columns
    return writes


def changes(writes: Writes, tables: Tables) -> Writes:
    """Leave out what the rows say already, and rows that are gone."""
    found: Writes = {}
    for (table, uuid), columns in writes.items():
        row: Row | None = tables[table].get(uuid)
        if row is None:
            continue
        different = {c: value for c, value in columns.items() if c in row and row[c] != value}
        if different:
            found[table, uuid] = different
    return found
