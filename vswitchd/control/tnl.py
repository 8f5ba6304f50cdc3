"""tnl/*, ovs/route/* and ofproto/list-tunnels: tunnels, and how the host reaches their far ends.

Rule: the host's stack routes the outer packets of every datapath here and resolves their addresses, so what
these commands print is the host's; a change of it is for ip(8) and sysctl(8).
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from appctl.unixctl import CommandError
from datapath.link import Links
from datapath.provider import DEFAULT_TUNNEL_PORT, TUNNEL_KINDS, DatapathError, Vport
from datapath.route import Neighbour, Routes, TableEntry
from switching.switch import SwitchPort
from switching.tunnel import DEFAULT_TTL, INHERIT, TunnelConfig, ip_of
from vswitchd.reconciler import Reconciler
from vswitchd.status.observation import error_text

_PORT_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LINE = "=" * 74


def _ports_show(reconciler: Reconciler, args: list[str]) -> str:
    """Tell the ports of the datapath in userspace. Those of the kernel's are devices: see dpif/show."""
    datapath = reconciler.actual.datapaths.get("netdev")
    users = Counter(
        interface.vport.name
        for bridge in reconciler.desired.bridges
        if bridge.datapath_type == "netdev"
        for interface in bridge.interfaces()
        if interface.vport is not None and interface.name in reconciler.numbers[bridge.name].ofports
    )
    return format_ports(datapath.ports.values() if datapath else (), users, verbose=args == ["-v"])


def format_ports(ports: Iterable[Vport], users: Counter[str], *, verbose: bool) -> str:
    """tnl/ports/show: sockets, and how many tunnels share them or (`verbose`) what they receive."""
    lines = ["Listening ports:"]
    for port in sorted(ports, key=lambda port: port.port_no):
        if port.kind in TUNNEL_KINDS:
            what = f" : {_received_by(port)}" if verbose else f" ref_cnt={users[port.name]}"
            lines.append(f"{port.name} ({port.port_no}){what}")
    return "".join(f"{line}\n" for line in lines)


def _received_by(port: Vport) -> str:
    if DEFAULT_TUNNEL_PORT[port.kind]:
        return f"ipv4,ipv6,proto=17,udp(dst={port.dst_port})"
    return "ipv6,proto=47" if port.kind.startswith("ip6") else "ipv4,ipv6,proto=47"


def _neighbours_show(_reconciler: Reconciler, _args: list[str]) -> str:
    with _routes() as routes:
        return format_neighbours(routes.neighbours(), _device_names())


def format_neighbours(neighbours: Iterable[Neighbour], names: dict[int, str]) -> str:
    """tnl/neigh/show: those that the host knows on its links; the last column names the device."""
    lines = [f"{'IP':<46}{'MAC':<20}Bridge", _LINE]
    for found in sorted(neighbours, key=lambda n: (n.address.version, n.address.packed, n.ifindex)):
        stale = " STALE" if found.is_stale else ""
        lines.append(f"{found.address!s:<46}{found.mac:<20}{names.get(found.ifindex, '')}{stale}")
    return "".join(f"{line}\n" for line in lines)


def _device_names() -> dict[int, str]:
    with Links() as links:
        return {link.ifindex: link.name for link in links.all()}


def _routes_show(_reconciler: Reconciler, _args: list[str]) -> str:
    with _routes() as routes:
        entries = [_with_source(routes, entry) for entry in routes.all()]
        return format_routes(entries, _device_names())


@contextmanager
def _routes() -> Iterator[Routes]:
    """Open the routing tables; CommandError where the kernel refuses to tell."""
    try:
        with closing(Routes()) as routes:
            yield routes
    except DatapathError as error:
        raise CommandError(error_text(error)) from None


def _with_source(routes: Routes, entry: TableEntry) -> TableEntry:
    """Add the source that packets on a way get, where the table leaves it to the host."""
    if entry.route.source is None and (route := routes.find(entry.to)):
        return entry._replace(route=replace(entry.route, source=route.source))
    return entry


def format_routes(entries: Iterable[TableEntry], names: dict[int, str]) -> str:
    """ovs/route/show: the host's ways, the most specific first."""
    lines = ["Route Table:"]
    for to, length, route, is_local in sorted(entries, key=_by_prefix):
        if route.ifindex in names:
            gateway = f" GW {route.gateway}" if route.gateway else ""
            source = f" SRC {route.source}" if route.source else ""
            local = " local" if is_local else ""
            lines.append(f"Cached: {to}/{length} dev {names[route.ifindex]}{gateway}{source}{local}")
    return "".join(f"{line}\n" for line in lines)


def _by_prefix(entry: TableEntry) -> tuple[bool, int, int, bytes]:
    """Order prefixes as if IPv4 were a part of IPv6, those of the host itself first."""
    length = entry.length + (96 if entry.to.version == 4 else 0)
    return not entry.is_local, -length, entry.to.version, entry.to.packed


def _route_lookup(_reconciler: Reconciler, args: list[str]) -> str:
    try:
        to = ipaddress.ip_address(args[0])
    except ValueError:
        raise CommandError("Invalid parameters") from None
    mark = 0
    if len(args) > 1:
        name, _equals, text = args[1].partition("=")
        if name != "pkt_mark" or not text.isdigit():
            raise CommandError("Invalid pkt_mark")
        mark = int(text)
    with _routes() as routes:
        route = routes.find(to, mark)
        device = _device_names().get(route.ifindex) if route else None
    if route is None or device is None:
        raise CommandError("Not found")
    return f"src {route.source or '::'}\ngateway {route.gateway or '::'}\ndev {device}\n"


def _egress_port_range(_reconciler: Reconciler, args: list[str]) -> str:
    if args:
        raise CommandError(f"the host chooses source ports: set net.ipv4.ip_local_port_range ({_PORT_RANGE})")
    return f"Tunnel UDP source port range: {'-'.join(_PORT_RANGE.read_text().split())}\n"


def _list_tunnels(reconciler: Reconciler, _args: list[str]) -> str:
    ports = (
        port
        for forwarding in reconciler.forwardings.values()
        for port in forwarding.switch.by_name.values()
        if port.tunnel is not None
    )
    return format_tunnels(ports)


def format_tunnels(ports: Iterable[SwitchPort]) -> str:
    """ofproto/list-tunnels: each tunnel, by the datapath's port and name."""
    lines = []
    for port in sorted(ports, key=lambda port: (port.dp_port, port.name)):
        assert port.tunnel is not None
        ends = f"{_address(port.tunnel, port.tunnel.local)}->{_address(port.tunnel, port.tunnel.remote)}"
        key = "flow" if port.tunnel.in_key is None else f"{_hex(port.tunnel.in_key)}"
        details = ", ".join(
            (ends, f"key={key}", "legacy_l2", f"dp port={port.dp_port}", *_details(port.tunnel))
        )
        lines.append(f"port {port.dp_port}: {port.name} ({port.tunnel.kind}: {details})\n")
    return "".join(lines)


def _details(config: TunnelConfig) -> Iterator[str]:
    if config.out_key != config.in_key:
        yield f"out_key={'flow' if config.out_key is None else _hex(config.out_key)}"
    yield f"ttl={'inherit' if config.ttl == INHERIT else config.ttl or DEFAULT_TTL}"
    if config.tos:
        yield f"tos={'inherit' if config.tos == INHERIT else hex(config.tos)}"
    if not config.dont_fragment:
        yield "df=false"
    if config.csum:
        yield "csum=true"


def _hex(number: int) -> str:
    return hex(number) if number else "0"


def _address(config: TunnelConfig, number: int | None) -> str:
    if number is None:
        return "flow"
    if number == 0:
        return "::"
    return str(ip_of(config.proto, number))


COMMANDS = (
    ("ofproto/list-tunnels", "", 0, 0, _list_tunnels),
    ("ovs/route/lookup", "ip_addr [pkt_mark=mark]", 1, 2, _route_lookup),
    ("ovs/route/show", "", 0, 0, _routes_show),
    ("tnl/arp/show", "", 0, 0, _neighbours_show),
    ("tnl/egress_port_range", "min max", 0, 2, _egress_port_range),
    ("tnl/neigh/show", "", 0, 0, _neighbours_show),
    ("tnl/ports/show", "-v", 0, 1, _ports_show),
)
