"""What the control commands print, in Open vSwitch's formats.

Rule: pure.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping

from datapath.provider import DEFAULT_TUNNEL_PORT, DatapathStats
from switching.mac_table import MacTable
from switching.switch import LOCAL_OFPORT, Switch
from switching.tunnel import DEFAULT_TTL, INHERIT, TunnelConfig
from vswitchd.config import PATCH, Desired, DesiredInterface
from vswitchd.forwarding import Forwarding
from vswitchd.ofports import BridgeNumbers
from vswitchd.plan import DATAPATH_NAMES, Actual, ActualDatapath

_TYPES_IN_PROCESS = {  # what Open vSwitch calls the devices of datapaths that run in the daemon
    "netdev": {"internal": "tap"},
    "dummy": {"internal": "dummy-internal"},
}


def format_mac(mac: int) -> str:
    """Format an Ethernet address."""
    return mac.to_bytes(6, "big").hex(":")


def format_fdb(table: MacTable, switch: Switch, now: float) -> str:
    """fdb/show: the stations of a bridge."""
    lines = [" port  VLAN  MAC                Age"]
    for vlan, mac, entry in table.entries():
        port = switch.by_name.get(entry.port)
        number = "?" if port is None else "LOCAL" if port.ofport == LOCAL_OFPORT else str(port.ofport)
        age = "static" if entry.static else f"{int(now - entry.used):3d}"
        lines.append(f"{number:>5}  {vlan:4d}  {format_mac(mac)}  {age}")
    return "\n".join(lines) + "\n"


def format_fdb_stats(table: MacTable) -> str:
    """fdb/stats-show: how a bridge's table has fared."""
    static = sum(entry.static for _, _, entry in table.entries())
    stats = table.stats
    return (
        f'Statistics for bridge "{table.bridge}":\n'
        f"  Current/maximum MAC entries in the table: {len(table)}/{table.size}\n"
        f"  Current static MAC entries in the table : {static}\n"
        f"  Total number of learned MAC entries     : {stats.learned}\n"
        f"  Total number of expired MAC entries     : {stats.expired}\n"
        f"  Total number of evicted MAC entries     : {stats.evicted}\n"
        f"  Total number of port moved MAC entries  : {stats.moved}\n"
    )


def format_datapaths(
    desired: Desired,
    actual: Actual,
    numbers: Mapping[str, BridgeNumbers],
    stats: Mapping[str, DatapathStats],
) -> str:
    """dpif/show: datapaths, their bridges and ports."""
    lines: list[str] = []
    for type_ in sorted(actual.datapaths):
        counters = stats[type_]
        lines.append(f"{type_}@{DATAPATH_NAMES[type_]}: hit:{counters.hit} missed:{counters.missed}")
        for bridge in desired.bridges:
            if bridge.datapath_type == type_:
                lines.append(f"  {bridge.name}:")
                interfaces = sorted(bridge.interfaces(), key=lambda interface: interface.name)
                ofports = numbers[bridge.name].ofports
                for i in interfaces:
                    if i.name in ofports:
                        place = f"{ofports[i.name]}/{_dp_port(i, actual.datapaths[type_])}"
                        lines.append(f"    {i.name} {place}: ({_details(i, type_)})")
    return "".join(line + "\n" for line in lines)


def _dp_port(interface: DesiredInterface, datapath: ActualDatapath) -> str:
    spec = interface.vport
    return str(datapath.ports[spec.name].port_no) if spec and spec.name in datapath.ports else "none"


def _details(interface: DesiredInterface, datapath_type: str) -> str:
    if interface.kind == PATCH:
        return f"patch: peer={interface.peer}"
    if interface.tunnel is not None:
        options = ", ".join(f"{k}={v}" for k, v in sorted(_tunnel_options(interface.tunnel)))
        return f"{interface.kind}: {options}" if options else interface.kind
    if interface.type == "dummy":
        return "dummy"
    return _TYPES_IN_PROCESS.get(datapath_type, {}).get(interface.kind, interface.kind)


def _tunnel_options(config: TunnelConfig) -> Iterator[tuple[str, str]]:
    """List the options that are not the defaults."""
    yield "remote_ip", "flow" if config.remote is None else str(_address(config, config.remote))
    if config.local != 0:
        yield "local_ip", "flow" if config.local is None else str(_address(config, config.local))
    if config.has_out_key or config.in_key != 0:
        if config.in_key == config.out_key:
            yield "key", _key(config.in_key)
        else:
            yield "in_key", _key(config.in_key)
            yield "out_key", _key(config.out_key)
    if config.tos:
        yield "tos", "inherit" if config.tos == INHERIT else hex(config.tos)
    if config.ttl != DEFAULT_TTL:
        yield "ttl", "inherit" if config.ttl == INHERIT else str(config.ttl)
    if config.csum:
        yield "csum", "true"
    if not config.dont_fragment:
        yield "df_default", "false"
    if config.dst_port != DEFAULT_TUNNEL_PORT[config.kind]:
        yield "dst_port", str(config.dst_port)


def _address(config: TunnelConfig, number: int) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.IPv4Address(number) if config.proto == 2 else ipaddress.IPv6Address(number)


def _key(key: int | None) -> str:
    return "flow" if key is None else str(key)


def format_upcalls(forwardings: Mapping[str, Forwarding]) -> str:
    """upcall/show: how many flows each datapath has."""
    return "".join(
        f"{type_}@{DATAPATH_NAMES[type_]}:\n"
        f"  flows         : (current {len(state.book)}) (limit {state.flow_limit})\n"
        f"  upcalls       : {state.upcalls}\n"
        for type_, state in sorted(forwardings.items())
    )
