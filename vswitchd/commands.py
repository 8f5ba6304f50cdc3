"""The control commands of ovs-vswitchd, beside those of every daemon.

Rule: a command reads the reconciler's state and prints it (show), or changes MAC tables and flows; it never
touches the configuration.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from appctl.unixctl import CommandError, Commands
from datapath.odp_flow import format_flow
from datapath.provider import Flow, FlowDel, Provider
from dpctl import commands as dpctl
from dpctl.errors import DpctlError
from dpctl.targets import Targets
from switching.mac_table import MacTable, Place
from switching.switch import Switch
from vswitchd import show
from vswitchd.forwarding import Forwarding, places_changed
from vswitchd.plan import DATAPATH_NAMES
from vswitchd.reconciler import Reconciler
from vswitchd.revalidate import sweep

Sweep = Callable[[], None]


def register(commands: Commands, reconciler: Reconciler, providers: dict[str, Provider]) -> None:
    """Add the commands that look into the switch."""
    table: tuple[tuple[str, str, int, int, Callable[[Reconciler, list[str]], str]], ...] = (
        ("fdb/show", "bridge", 1, 1, _fdb_show),
        ("fdb/stats-show", "bridge", 1, 1, _fdb_stats_show),
        ("fdb/stats-clear", "[bridge]", 0, 1, _fdb_stats_clear),
        ("fdb/flush", "[bridge]", 0, 1, _fdb_flush),
        ("fdb/add", "bridge port vlan mac", 4, 4, _fdb_add),
        ("fdb/del", "bridge vlan mac", 3, 3, _fdb_del),
        ("dpif/show", "", 0, 0, _dpif_show),
        ("dpif/dump-dps", "", 0, 0, _dpif_dump_dps),
        ("dpif/dump-flows", "[-m] [--names | --no-names] bridge", 1, 3, _dpif_dump_flows),
        ("ofproto/list", "", 0, 0, _ofproto_list),
        ("upcall/show", "", 0, 0, _upcall_show),
        ("revalidator/wait", "", 0, 0, _revalidator_wait),
        ("revalidator/purge", "", 0, 0, _revalidator_purge),
        ("bridge/reconnect", "[bridge]", 0, 1, lambda _reconciler, _args: ""),
    )
    for name, usage, least, most, handler in table:
        commands.register(name, usage, least, most, partial(handler, reconciler))
    for name, command in dpctl.COMMANDS.items():
        commands.register(
            f"dpctl/{name}", command.usage, 0, None, partial(_dpctl, reconciler, providers, name)
        )


def revalidate(reconciler: Reconciler, type_: str, now: float) -> None:
    """Compare the flows of one datapath with what it says of them."""
    handle = reconciler.datapaths.handles.get(type_)
    state = reconciler.forwardings.get(type_)
    if handle is not None and state is not None:
        reconciler.run(type_, sweep(state, handle.flows(terse=True), now, time.monotonic()))


def _dpctl(reconciler: Reconciler, providers: dict[str, Provider], name: str, args: list[str]) -> str:
    opened = {(t, DATAPATH_NAMES[t]): handle for t, handle in reconciler.datapaths.handles.items()}
    used = {t: provider for t, provider in providers.items() if t in reconciler.datapaths.handles}
    try:
        return dpctl.run(Targets(used, opened=opened), [name, *args])
    except DpctlError as error:
        raise CommandError(str(error)) from None


def _bridge(reconciler: Reconciler, name: str) -> tuple[str, Forwarding, MacTable, Switch]:
    for type_, state in reconciler.forwardings.items():
        if name in state.switch.bridges:
            return type_, state, state.tables[name], state.switch
    raise CommandError("no such bridge")


def _forget_flows(reconciler: Reconciler, type_: str, state: Forwarding, places: list[Place]) -> None:
    reconciler.run(type_, places_changed(state, places))


def _fdb_show(reconciler: Reconciler, args: list[str]) -> str:
    _, _, table, switch = _bridge(reconciler, args[0])
    return show.format_fdb(table, switch, time.monotonic())


def _fdb_stats_show(reconciler: Reconciler, args: list[str]) -> str:
    return show.format_fdb_stats(_bridge(reconciler, args[0])[2])


def _chosen(reconciler: Reconciler, args: list[str]) -> list[tuple[str, Forwarding, MacTable, Switch]]:
    names = args or [name for state in reconciler.forwardings.values() for name in state.switch.bridges]
    return [_bridge(reconciler, name) for name in names]


def _fdb_stats_clear(reconciler: Reconciler, args: list[str]) -> str:
    for _, _, table, _ in _chosen(reconciler, args):
        table.clear_stats()
    return "statistics successfully cleared"


def _fdb_flush(reconciler: Reconciler, args: list[str]) -> str:
    for type_, state, table, _ in _chosen(reconciler, args):
        _forget_flows(reconciler, type_, state, table.flush())
    return "table successfully flushed"


def _fdb_add(reconciler: Reconciler, args: list[str]) -> str:
    type_, state, table, switch = _bridge(reconciler, args[0])
    port = switch.by_name.get(args[1])
    if port is None or port.bridge != args[0]:
        raise CommandError(f"{args[1]}: unknown port")
    vlan, mac = _parse_station(args[2], args[3])
    _forget_flows(reconciler, type_, state, table.add_static(vlan, mac, port.name))
    return ""


def _fdb_del(reconciler: Reconciler, args: list[str]) -> str:
    type_, state, table, _ = _bridge(reconciler, args[0])
    vlan, mac = _parse_station(args[1], args[2])
    _forget_flows(reconciler, type_, state, table.remove(vlan, mac))
    return ""


def _parse_station(vlan: str, mac: str) -> tuple[int, int]:
    if not vlan.isascii() or not vlan.isdigit() or int(vlan) > 4095:
        raise CommandError("invalid vlan")
    parts = mac.split(":")
    try:
        if len(parts) == 6 and all(0 < len(part) <= 2 for part in parts):
            return int(vlan), int.from_bytes(bytes(int(part, 16) for part in parts), "big")
    except ValueError:
        pass
    raise CommandError("invalid mac address")


def _dpif_show(reconciler: Reconciler, _args: list[str]) -> str:
    stats = {type_: handle.stats() for type_, handle in reconciler.datapaths.handles.items()}
    return show.format_datapaths(reconciler.desired, reconciler.actual, reconciler.numbers, stats)


def _dpif_dump_dps(reconciler: Reconciler, _args: list[str]) -> str:
    return "".join(
        f"{bridge.datapath_type}@{bridge.name}\n"
        for bridge in reconciler.desired.bridges
        if bridge.datapath_type in reconciler.datapaths.handles
    )


def _dpif_dump_flows(reconciler: Reconciler, args: list[str]) -> str:
    type_, state, _, _ = _bridge(reconciler, args[-1])
    options = args[:-1]
    if unknown := [o for o in options if o not in ("-m", "--more", "--names", "--no-names")]:
        raise CommandError(f"unrecognized option '{unknown[0]}'")
    verbose = "-m" in options or "--more" in options
    handle = reconciler.datapaths.handles[type_]
    named = "--names" in options or (verbose and "--no-names" not in options)
    names = {port.port_no: port.name for port in handle.ports()} if named else None
    now = time.monotonic()
    return "".join(
        f"{format_flow(flow, now, verbose=verbose, names=names)}\n"
        for flow in handle.flows()
        if _comes_in_by(flow, state, args[-1])
    )


def _comes_in_by(flow: Flow, state: Forwarding, bridge: str) -> bool:
    port = state.switch.input_port(flow.key)
    return port is not None and port.bridge == bridge


def _ofproto_list(reconciler: Reconciler, _args: list[str]) -> str:
    names = (name for state in reconciler.forwardings.values() for name in state.switch.bridges)
    return "".join(f"{name}\n" for name in sorted(names))


def _upcall_show(reconciler: Reconciler, _args: list[str]) -> str:
    return show.format_upcalls(reconciler.forwardings)


def _revalidator_wait(reconciler: Reconciler, _args: list[str]) -> str:
    for type_ in reconciler.forwardings:
        revalidate(reconciler, type_, time.monotonic())
    return ""


def _revalidator_purge(reconciler: Reconciler, _args: list[str]) -> str:
    for type_, state in reconciler.forwardings.items():
        reconciler.run(type_, [FlowDel(record.ufid) for record in state.book])
        state.book.clear()
    return ""
