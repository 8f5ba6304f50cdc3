"""The row of Open_vSwitch: what this program is.

Rule: pure. Source: ovs-vswitchd.conf.db(5), Open_vSwitch table.
"""

from __future__ import annotations

from collections.abc import Sequence

from vswitchd.status.observation import Columns

IFACE_TYPES = ("geneve", "gre", "internal", "patch", "system", "tap", "vxlan")


def switch_columns(types: Sequence[str]) -> Columns:
    """Return what the row of Open_vSwitch says of this program."""
    extra = ("dummy", "dummy-internal") if "dummy" in types else ()
    return {
        "datapath_types": frozenset(types),
        "iface_types": frozenset((*IFACE_TYPES, *extra)),
        "dpdk_initialized": False,
        "dpdk_version": frozenset(("none",)),
    }
