"""dpif/*: the datapaths, as the bridges on them see them.

Rule: a command reads the reconciler's state, or the datapath, and prints it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from appctl.unixctl import CommandError
from datapath.odp_actions import format_actions
from datapath.odp_flow import format_match, format_stats, format_ufid
from datapath.provider import DEFAULT_TUNNEL_PORT, DatapathStats, Flow
from dpctl.show import TYPES_IN_PROCESS
from switching.tunnel import DEFAULT_TTL, INHERIT, ErspanConfig, TunnelConfig, ip_of
from vswitchd.config.desired import PATCH, Desired, DesiredInterface
from vswitchd.control.targets import Target, find_bridge
from vswitchd.ofports import BridgeNumbers
from vswitchd.plan import DATAPATH_NAMES, Actual, ActualDatapath
from vswitchd.reconciler import Reconciler


def _dpif_show(reconciler: Reconciler, _args: list[str]) -> str:
    stats = {type_: handle.stats() for type_, handle in reconciler.datapaths.handles.items()}
    return format_datapaths(reconciler.desired, reconciler.actual, reconciler.numbers, stats)


def _dpif_dump_dps(reconciler: Reconciler, _args: list[str]) -> str:
    return "".join(
        f"{bridge.datapath_type}@{bridge.name}\n"
        for bridge in reconciler.desired.bridges
        if bridge.datapath_type in reconciler.datapaths.handles
    )


def _dpif_dump_flows(reconciler: Reconciler, args: list[str]) -> str:
    bridge = find_bridge(reconciler, args[-1])
    options = args[:-1]
    if unknown := [o for o in options if o not in ("-m", "--more", "--names", "--no-names")]:
        raise CommandError(f"unrecognized option '{unknown[0]}'")
    verbose = "-m" in options or "--more" in options
    handle = reconciler.datapaths.handles[bridge.type]
    named = "--names" in options or (verbose and "--no-names" not in options)
    names = {port.port_no: port.name for port in handle.ports()} if named else None
    now = time.monotonic()
    lines = []
    for flow in handle.flows():
        if _comes_in_by(flow, bridge):
            ufid = f"ufid:{format_ufid(flow.ufid)} " if verbose else ""
            key = format_match(flow, verbose=verbose, names=names, in_process=bridge.type != "system")
            stats, actions = format_stats(flow.stats, now), format_actions(flow.actions, names)
            lines.append(f"{ufid}{key}, {stats}, actions:{actions}\n")
    return "".join(lines)


def _comes_in_by(flow: Flow, bridge: Target) -> bool:
    port = bridge.forwarding.switch.input_port(flow.key)
    return port is not None and port.bridge == bridge.name


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
    return TYPES_IN_PROCESS.get(datapath_type, {}).get(interface.kind, interface.kind)


def _tunnel_options(config: TunnelConfig) -> Iterator[tuple[str, str]]:
    """List the options that are not the defaults."""
    yield "remote_ip", "flow" if config.remote is None else str(ip_of(config.proto, config.remote))
    if config.local != 0:
        yield "local_ip", "flow" if config.local is None else str(ip_of(config.proto, config.local))
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
    if config.mark is not None:
        yield "egress_pkt_mark", str(config.mark)
    if config.gbp:
        yield "exts", "gbp"
    if config.erspan is not None:
        yield from _erspan_options(config.erspan)


def _erspan_options(erspan: ErspanConfig) -> Iterator[tuple[str, str]]:
    version = erspan.version
    yield "erspan_ver", _key(version)
    if version in (1, None):
        yield "erspan_idx", _hex_or_flow(erspan.idx)
    if version in (2, None):
        yield "erspan_dir", _key(erspan.direction)
        yield "erspan_hwid", _hex_or_flow(erspan.hwid)


def _hex_or_flow(number: int | None) -> str:
    return "flow" if number is None else hex(number)


def _key(key: int | None) -> str:
    return "flow" if key is None else str(key)


COMMANDS = (
    ("dpif/show", "", 0, 0, _dpif_show),
    ("dpif/dump-dps", "", 0, 0, _dpif_dump_dps),
    ("dpif/dump-flows", "[-m] [--names | --no-names] bridge", 1, 3, _dpif_dump_flows),
)
