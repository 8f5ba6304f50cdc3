"""The checks, in the order in which one mends what they find."""

from __future__ import annotations

from vsctl.doctor import host, switch
from vsctl.doctor.facts import Facts, Finding
from vsctl.doctor.findings import Check, judge

CHECKS: dict[str, Check] = {
    "clock": host.clock,
    "run-directory": host.rundir,
    "database-file": host.database_file,
    "disk-space": host.disk_space,
    "server": host.server_runs,
    "database-socket": host.database_socket,
    "database": host.database_read,
    "schema": host.schema,
    "initialised": switch.initialised,
    "switch": host.switch_runs,
    "versions": host.same_version,
    "one-switch": host.one_switch,
    "namespace": host.same_namespace,
    "capabilities": host.capabilities,
    "kernel-module": host.kernel_module,
    "tun": host.tun,
    "datapath-types": switch.datapath_types,
    "interface-types": switch.interface_types,
    "settled": switch.settled,
    "interface-errors": switch.interface_errors,
    "devices": switch.devices_exist,
    "enslaved": switch.enslaved,
    "offloads": switch.offloads,
    "network-manager": switch.network_manager,
    "vlans": switch.vlans,
    "patches": switch.patches,
    "mixed-datapaths": switch.mixed_datapaths,
    "duplicate-tunnels": switch.duplicate_tunnels,
    "local-addresses": switch.local_addresses,
    "ipv6": switch.ipv6,
    "tunnel-mtu": switch.tunnel_mtu,
    "certificates": host.certificates,
    "controllers": switch.controllers,
    "managers": switch.managers,
}


def examine(facts: Facts) -> list[Finding]:
    """Every check's finding."""
    return [judge(name, check(facts)) for name, check in CHECKS.items()]
