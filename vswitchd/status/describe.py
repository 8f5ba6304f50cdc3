"""What is there → what the database shall say of it: all tables.

Rule: pure. changes() returns only columns that differ from the row, so that a switch at rest writes nothing.
What is the same as before is the same object, and not compared again with a row that is the same object too.
"""

from __future__ import annotations

from collections.abc import Mapping

from vswitchd.ofports import NO_NUMBERS
from vswitchd.rows import Row, Tables
from vswitchd.status.bridge import bridge_columns
from vswitchd.status.interface import (
    BROKEN,
    Seen,
    interface_errors,
    interface_statistics,
    see,
    working_columns,
)
from vswitchd.status.mirror import mirror_columns
from vswitchd.status.observation import EMPTY, Columns, Observation, Writes
from vswitchd.status.port import port_columns

Described = Mapping[str, tuple[Seen, Columns]]  # by UUID of the interface
Agreed = Mapping[tuple[str, str], tuple[Columns, Row]]  # what was asked for, and the row that says so


def describe(observation: Observation, before: Described, *, statistics: bool) -> tuple[Writes, Described]:
    """Return what the database shall say; counters only where `statistics` asks for them.

    `before` is the second part of the last answer, or empty.
    """
    writes: Writes = {}
    described: dict[str, tuple[Seen, Columns]] = {}
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
        errors = interface_errors(bridge, observation.actual, observation.failures)
        for interface in bridge.interfaces():
            uuid, ofport = interface.uuid, numbers.ofports.get(interface.name)
            if not uuid:
                continue
            if interface.name in errors or ofport is None:
                error = errors.get(interface.name)
                columns = BROKEN | {"error": frozenset((error,)) if error else EMPTY}
            else:
                seen = see(interface, ofport, observation)
                known = before.get(uuid)
                if known is None or known[0] != seen:
                    known = seen, working_columns(seen)
                described[uuid] = known
                columns = known[1]
                if statistics:
                    counted = interface_statistics(interface, datapath, observation)
                    columns = columns | {"statistics": counted}
            writes["Interface", uuid] = columns
    return writes, described


def changes(writes: Writes, tables: Tables, before: Agreed) -> tuple[Writes, Agreed]:
    """Leave out what the rows say already, and rows that are gone.

    `before` is the second part of the last answer, or empty.
    """
    found: Writes = {}
    agreed: dict[tuple[str, str], tuple[Columns, Row]] = {}
    for place, columns in writes.items():
        row: Row | None = tables[place[0]].get(place[1])
        if row is None:
            continue
        known = before.get(place)
        if known is None or known[0] is not columns or known[1] is not row:
            different = {c: value for c, value in columns.items() if c in row and row[c] != value}
            if different:
                found[place] = different
                continue
            known = columns, row
        agreed[place] = known
    return found, agreed
