"""The VLAN columns of a Port → PortVlan.

Rule: pure. Source: ovs-vswitchd.conf.db(5), Port table, "VLAN Configuration".
"""

from __future__ import annotations

from switching.vlan import PortVlan, VlanMode
from vswitchd import rows
from vswitchd.rows import Row


def read_vlan(row: Row) -> PortVlan:
    """Read the VLAN columns; without a mode, a port with a tag is an access port."""
    tag = rows.integer(row, "tag")
    mode = rows.text(row, "vlan_mode")
    if mode in {known.value for known in VlanMode}:
        vlan_mode = VlanMode(mode)
    else:
        vlan_mode = VlanMode.TRUNK if tag is None else VlanMode.ACCESS
    priority_tags = rows.options(row, "other_config").get("priority-tags", "")
    return PortVlan(
        mode=vlan_mode,
        tag=0 if tag is None or vlan_mode is VlanMode.TRUNK else tag,
        trunks=frozenset() if vlan_mode is VlanMode.ACCESS else rows.integers(row, "trunks"),
        priority_tags=priority_tags if priority_tags in ("if-nonzero", "always") else "never",
    )
