"""The bonding columns of a Port → BondConfig.

Rule: pure. Source: ovs-vswitchd.conf.db(5), Port table, "Bonding Configuration".
"""

from __future__ import annotations

from switching.bond import BondConfig, BondMode
from vswitchd import rows
from vswitchd.rows import Row

_DEFAULT_REBALANCING, _LEAST_REBALANCING = 10_000, 1000  # milliseconds
_MODES = {mode.value: mode for mode in BondMode}


def read_bond(row: Row, warnings: list[str]) -> BondConfig | None:
    """Read what a port with several interfaces is asked for; None for one that has less."""
    if len(rows.texts(row, "interfaces")) < 2:
        return None
    name, mode = rows.text(row, "name"), rows.text(row, "bond_mode")
    if mode and mode not in _MODES:
        warnings.append(f"port {name}: unknown bond_mode {mode}, defaulting to active-backup")
    settings = rows.options(row, "other_config")
    interval = rows.number_option(settings, "bond-rebalance-interval", _DEFAULT_REBALANCING)
    return BondConfig(
        mode=_MODES.get(mode, BondMode.ACTIVE_BACKUP),
        updelay=max(0, rows.integer(row, "bond_updelay") or 0) / 1000,
        downdelay=max(0, rows.integer(row, "bond_downdelay") or 0) / 1000,
        rebalance_interval=max(interval, _LEAST_REBALANCING) / 1000 if interval else 0.0,
        hash_basis=rows.number_option(settings, "bond-hash-basis", 0) & 0xFFFFFFFF,
        primary=settings.get("bond-primary", ""),
        all_members_active=settings.get("all-members-active") == "true",
        lacp=rows.text(row, "lacp") in ("active", "passive"),
        lacp_fallback_ab=settings.get("lacp-fallback-ab") == "true",
        fake_interface=rows.flag(row, "bond_fake_iface"),
    )
