"""Rows of the database → Desired: what the switch shall be.

Rule: pure; what is wrong with one interface is that interface's `error`, everything else goes on. Duplicates
are settled here: the first bridge that names a port has it, an interface that works keeps its tunnel.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter, is_
from typing import NamedTuple

from datapath.provider import TUNNEL_KINDS
from switching.mac_table import DEFAULT_AGEING, DEFAULT_SIZE
from switching.vlan import PortVlan
from vswitchd import rows
from vswitchd.config.bond import read_bond
from vswitchd.config.desired import PATCH, Desired, DesiredBridge, DesiredInterface, DesiredPort
from vswitchd.config.mirror import read_mirrors
from vswitchd.config.qos import read_policing, read_qos
from vswitchd.config.snooping import read_snooping
from vswitchd.config.tunnel_claims import settle_tunnels
from vswitchd.config.tunnel_options import parse_tunnel_options
from vswitchd.config.vlan import read_vlan, read_vlan_limit
from vswitchd.rows import Row, Tables

_KINDS = {"": "system", "dummy": "system", "dummy-internal": "internal"} | {
    kind: kind for kind in ("system", "internal", "tap", PATCH, *TUNNEL_KINDS)
}
_TUNNELS_WITHOUT_DEVICE = frozenset(("bareudp", "gtpu", "lisp", "stt"))
_UNKNOWN_KIND = "Address family not supported by protocol"


class _Read(NamedTuple):
    """A port that was read, and what it was read from."""

    bridge: tuple[str, str]  # its name and the type of its datapath
    row: Row
    uuids: tuple[str, ...]  # of the interfaces
    interfaces: tuple[Row | None, ...]
    port: DesiredPort
    warnings: tuple[str, ...]


@dataclass(slots=True)
class Memo:
    """What was read before: values that are equal stay the same objects, for whoever asks what is new."""

    ports: dict[str, _Read] = field(default_factory=dict)  # by UUID
    bridges: dict[str, DesiredBridge] = field(default_factory=dict)  # by UUID


def read_config(tables: Tables, memo: Memo | None = None) -> Desired:
    """Read the configuration; the tables and columns are those of rows.TABLES.

    With `memo`, which a caller keeps between calls, ports whose rows say the same are not read again.
    """
    memo = Memo() if memo is None else memo
    for gone in memo.ports.keys() - tables["Port"].keys():
        del memo.ports[gone]
    switch = next(iter(tables["Open_vSwitch"].items()), None)
    if switch is None:
        return Desired()
    uuid, row = switch
    settings = rows.options(row, "other_config")
    warnings: list[str] = []
    taken: dict[str, str] = {}  # the bridge that has the port of this name
    found = [(b, tables["Bridge"][b]) for b in rows.texts(row, "bridges") if b in tables["Bridge"]]
    bridges = [
        _bridge(b, bridge_row, tables, taken, memo, warnings)
        for b, bridge_row in sorted(found, key=lambda pair: rows.text(pair[1], "name"))
    ]
    memo.bridges = {bridge.uuid: bridge for bridge in bridges}
    return Desired(
        uuid=uuid,
        bridges=tuple(settle_tunnels(bridges, partial(number_before, tables), warnings)),
        next_cfg=rows.integer(row, "next_cfg") or 0,
        max_idle=rows.number_option(settings, "max-idle", 10_000, 500) / 1000,
        flow_limit=rows.number_option(settings, "flow-limit", 200_000, 0),
        stats_interval=rows.number_option(settings, "stats-update-interval", 5_000, 5_000) / 1000,
        vlan_limit=read_vlan_limit(settings),
        system_statistics=settings.get("enable-statistics") == "true",
        qos=read_qos(tables, warnings),
        warnings=tuple(warnings),
    )


def _bridge(
    uuid: str, row: Row, tables: Tables, taken: dict[str, str], memo: Memo, warnings: list[str]
) -> DesiredBridge:
    name = rows.text(row, "name")
    datapath_type = rows.text(row, "datapath_type") or "system"
    settings = rows.options(row, "other_config")
    ports: list[DesiredPort] = []
    port_rows, of_bridge = tables["Port"], (name, datapath_type)
    for port_uuid in rows.texts(row, "ports"):
        port_row = port_rows.get(port_uuid)
        if port_row is None:
            continue
        read = _remembered(port_uuid, port_row, tables, of_bridge, memo)
        port_name = read.port.name
        if port_name in taken:
            warnings.append(f"bridge {name}: port {port_name} is already on bridge {taken[port_name]}")
            continue
        taken[port_name] = name
        ports.append(read.port)
        warnings += read.warnings
    if not any(interface.name == name for port in ports for interface in port.interfaces):
        local = DesiredInterface("", name, "internal", "internal")
        ports.append(DesiredPort("", name, PortVlan(), (local,)))
    bridge = DesiredBridge(
        uuid=uuid,
        name=name,
        datapath_type=datapath_type,
        ports=tuple(sorted(ports, key=attrgetter("name"))),
        hwaddr=_mac(settings.get("hwaddr", "")),
        datapath_id=_datapath_id(settings.get("datapath-id", "")),
        mac_ageing=float(rows.within(settings, "mac-aging-time", int(DEFAULT_AGEING), 15, 3600)),
        mac_table_size=rows.within(settings, "mac-table-size", DEFAULT_SIZE, 10, 1_000_000),
        forward_bpdu=settings.get("forward-bpdu") == "true",
        flood_vlans=rows.integers(row, "flood_vlans"),
        snooping=read_snooping(row, tables),
        mirrors=read_mirrors(name, row, tables, warnings),
    )
    known = memo.bridges.get(uuid)
    return known if known == bridge else bridge


def _remembered(uuid: str, row: Row, tables: Tables, bridge: tuple[str, str], memo: Memo) -> _Read:
    known = memo.ports.get(uuid)
    uuids = known.uuids if known is not None and known.row is row else rows.texts(row, "interfaces")
    interfaces = tuple([tables["Interface"].get(i) for i in uuids])
    if known is not None and known.bridge == bridge and known.uuids == uuids:
        if known.row is row and all(map(is_, known.interfaces, interfaces)):
            return known
        if known.row == row and all(map(_says_the_same, known.interfaces, interfaces)):
            known = memo.ports[uuid] = known._replace(row=row, interfaces=interfaces)
            return known
    warnings: list[str] = []
    port = _port(uuid, row, tables, bridge, warnings)
    read = memo.ports[uuid] = _Read(bridge, row, uuids, interfaces, port, tuple(warnings))
    return read


def _says_the_same(before: Row | None, after: Row | None) -> bool:
    """Tell whether rows of Interface differ, if at all, in what this program itself writes there."""
    if before is None or after is None:
        return before is after
    return all(before.get(column) == after.get(column) for column in rows.CONFIGURATION["Interface"])


def number_before(tables: Tables, interface: DesiredInterface) -> int | None:
    """Return the number that the database says an interface has; None where it does not work.

    It changes when this program writes it, so that it is no part of what is asked for.
    """
    number = rows.integer(tables["Interface"].get(interface.uuid, {}), "ofport")
    return number if number is not None and number > 0 else None


def _port(uuid: str, row: Row, tables: Tables, bridge: tuple[str, str], warnings: list[str]) -> DesiredPort:
    interfaces = [
        _interface(i, tables["Interface"][i], bridge, warnings)
        for i in rows.texts(row, "interfaces")
        if i in tables["Interface"]
    ]
    return DesiredPort(
        uuid=uuid,
        name=rows.text(row, "name"),
        vlan=read_vlan(row),
        interfaces=tuple(sorted(interfaces, key=lambda interface: interface.name)),
        protected=rows.flag(row, "protected"),
        bond=read_bond(row, warnings),
        active_hint=rows.text(row, "bond_active_slave"),
    )


def _interface(uuid: str, row: Row, bridge: tuple[str, str], warnings: list[str]) -> DesiredInterface:
    name, type_ = rows.text(row, "name"), rows.text(row, "type")
    if name == bridge[0]:
        type_ = "internal"
    kind = _KINDS.get(type_, "")
    if kind == "tap" and bridge[1] == "system":
        kind = "internal"  # the module has no other device whose far end is the switch itself
    settings = rows.options(row, "options")
    mtu = rows.integer(row, "mtu_request")
    interface = DesiredInterface(
        uuid=uuid,
        name=name,
        kind=kind,
        type=type_,
        error="" if kind else _unknown_kind(name, type_),
        ofport_request=rows.integer(row, "ofport_request"),
        mac=_mac(rows.text(row, "mac")),
        mtu=mtu or None,
        policing=read_policing(row),
    )
    if kind in TUNNEL_KINDS:
        tunnel = parse_tunnel_options(name, kind, settings)
        warnings += tunnel.warnings
        return replace(interface, tunnel=tunnel.config, error=tunnel.error)
    if kind == PATCH:
        return replace(interface, peer=settings.get("peer", ""), error=_patch_error(name, settings))
    return interface


def _unknown_kind(name: str, type_: str) -> str:
    """Word it as Open vSwitch does, which knows some kinds of tunnels that the kernel's datapath does not."""
    if type_ in _TUNNELS_WITHOUT_DEVICE:
        return f"could not add network device {name} to ofproto ({_UNKNOWN_KIND})"
    return f"could not open network device {name} ({_UNKNOWN_KIND})"


def _patch_error(name: str, settings: dict[str, str]) -> str:
    peer = settings.get("peer", "")
    if not peer:
        return f"{name}: patch type requires valid 'peer' argument"
    return f"{name}: patch peer must not be self" if peer == name else ""


def _mac(text: str) -> str:
    """Return a unicast Ethernet address as devices have it; "" where it is none."""
    parts = text.lower().split(":")
    if len(parts) != 6 or not all(len(p) == 2 and set(p) <= set("0123456789abcdef") for p in parts):
        return ""
    return "" if int(parts[0], 16) & 1 or not any(int(p, 16) for p in parts) else ":".join(parts)


def _datapath_id(text: str) -> str:
    digits = text.lower().removeprefix("0x")
    if not digits or len(digits) > 16 or not set(digits) <= set("0123456789abcdef"):
        return ""
    return digits.zfill(16) if digits.strip("0") else ""
