"""The VLAN columns of a Port → PortVlan, and vlan-limit.

Rule: pure. Source: ovs-vswitchd.conf.db(5), Port table, "VLAN Configuration"; Open_vSwitch table, vlan-limit.
"""

from __future__ import annotations

from collections.abc import Mapping

from datapath.packet.headers import ETH_TYPE_QINQ, ETH_TYPE_VLAN
from switching.vlan import DEFAULT_LIMIT, MAX_TAGS, PortVlan, VlanMode
from vswitchd import rows
from vswitchd.rows import Row

_MODES = {mode.value: mode for mode in VlanMode}
_WITHOUT_TRUNKS = (VlanMode.ACCESS, VlanMode.DOT1Q_TUNNEL)


def read_vlan(row: Row) -> PortVlan:
    """Read the VLAN columns; without a mode, a port with a tag is an access port."""
    tag = rows.integer(row, "tag")
    mode = _MODES.get(rows.text(row, "vlan_mode"), VlanMode.TRUNK if tag is None else VlanMode.ACCESS)
    settings = rows.options(row, "other_config")
    priority_tags = settings.get("priority-tags", "")
    is_tunnel = mode is VlanMode.DOT1Q_TUNNEL
    is_802_1q = is_tunnel and settings.get("qinq-ethtype") == "802.1q"
    return PortVlan(
        mode=mode,
        tag=0 if tag is None or mode is VlanMode.TRUNK else tag,
        trunks=frozenset() if mode in _WITHOUT_TRUNKS else rows.integers(row, "trunks"),
        priority_tags=priority_tags if priority_tags in ("if-nonzero", "always") else "never",
        cvlans=rows.integers(row, "cvlans") if is_tunnel else frozenset(),
        service_tpid=ETH_TYPE_VLAN if is_802_1q else ETH_TYPE_QINQ,
    )


def read_vlan_limit(settings: Mapping[str, str]) -> int:
    """Read how many tags are looked at from Open_vSwitch.other_config; 0 stands for as many as possible."""
    limit = rows.number_option(settings, "vlan-limit", DEFAULT_LIMIT)
    return min(limit or MAX_TAGS, MAX_TAGS)
