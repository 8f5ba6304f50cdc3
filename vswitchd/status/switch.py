"""The row of Open_vSwitch: what this program is, and figures of the machine.

Rule: pure. Source: ovs-vswitchd.conf.db(5), Open_vSwitch table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from datapath.provider import VPORT_KINDS
from vswitchd.config.desired import PATCH, Desired
from vswitchd.status.observation import Columns, Writes, text_map

IFACE_TYPES = (*VPORT_KINDS, PATCH)


def switch_columns(types: Sequence[str]) -> Columns:
    """Return what the row of Open_vSwitch says of this program."""
    extra = ("dummy", "dummy-internal") if "dummy" in types else ()
    return {
        "datapath_types": frozenset(types),
        "iface_types": frozenset((*IFACE_TYPES, *extra)),
        "dpdk_initialized": False,
        "dpdk_version": frozenset(("none",)),
    }


def system_columns(desired: Desired, gather: Callable[[], Mapping[str, str]]) -> Writes:
    """Return figures of this machine for the row, where they are asked for."""
    found = gather() if desired.system_statistics else {}
    return {("Open_vSwitch", desired.uuid): {"statistics": text_map(found)}}
