"""The status columns of a Port.

Rule: pure. Source: ovs-vswitchd.conf.db(5), Port table.
"""

from __future__ import annotations

from vswitchd.config.desired import DesiredPort
from vswitchd.status.observation import EMPTY, Columns, Observation

NO_MEMBER = "00:00:00:00:00:00"  # what the column says of a bond no member of which is enabled
_NO_BOND: Columns = {"bond_active_slave": EMPTY}


def port_columns(port: DesiredPort, observation: Observation) -> Columns:
    """Return what a port's row shall say: the address of the active member of a bond."""
    bond = observation.bonds.get(port.name)
    if bond is None:
        return _NO_BOND
    link = observation.actual.links.get(bond.active)
    return {"bond_active_slave": frozenset((link.mac if link else NO_MEMBER,))}
