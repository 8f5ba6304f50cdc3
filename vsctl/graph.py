"""The switch as a picture, for Graphviz: `show --graph` and `show --svg`.

Rule: format_graph() is pure; whatever names and errors hold, the result is one valid graph, as what is drawn
has identifiers of its own and labels are escaped (Graphviz, "The DOT Language", "escString").
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from vsctl.errors import CommandError
from vsctl.model import Model
from vsctl.store import Row, members

DOT_TIMEOUT = 120  # seconds
PATCH = "patch"
MANY = 8  # VLANs, of which no more are written out


class DrawnInterface(NamedTuple):
    """An interface."""

    name: str
    type: str = ""
    options: Mapping[str, str] = {}
    error: str = ""


class DrawnPort(NamedTuple):
    """A port."""

    name: str
    interfaces: Sequence[DrawnInterface]
    vlan: str = ""  # as it is to be read
    bond_mode: str = ""


class DrawnBridge(NamedTuple):
    """A bridge."""

    name: str
    ports: Sequence[DrawnPort]
    details: Sequence[str] = ()  # datapath type, controllers, fail mode: as they are to be read


def format_graph(bridges: Sequence[DrawnBridge]) -> str:
    """The text for Graphviz."""
    lines = [
        "graph switch {",
        '  graph [rankdir=LR, fontname="sans-serif"];',
        '  node [shape=box, fontname="sans-serif", fontsize=11];',
        '  edge [fontname="sans-serif", fontsize=10];',
    ]
    nodes: dict[str, str] = {}  # name of an interface -> node of its port
    edges: list[str] = []
    for number, bridge in enumerate(bridges):
        lines += [f"  subgraph cluster_{number} {{", f"    label={_quoted([bridge.name, *bridge.details])};"]
        lines.append(
            f"    bridge_{number} [style=invis, shape=point];"
        )  # a bridge without ports is drawn too
        for index, port in enumerate(bridge.ports):
            node = f"port_{number}_{index}"
            nodes |= {interface.name: node for interface in port.interfaces}
            lines.append(f"    {node} [{_port_attributes(port)}];")
        lines.append("  }")
    interfaces = [i for bridge in bridges for port in bridge.ports for i in port.interfaces]
    remotes: dict[str, str] = {}  # address -> node
    drawn: set[frozenset[str]] = set()
    for interface in interfaces:
        peer = interface.options.get("peer", "") if interface.type == PATCH else ""
        if peer in nodes and frozenset((peer, interface.name)) not in drawn:
            drawn.add(frozenset((peer, interface.name)))
            edges.append(f"  {nodes[interface.name]} -- {nodes[peer]} [label=patch, style=bold];")
        remote = interface.options.get("remote_ip")
        if remote is not None and interface.type != PATCH:
            node = remotes.setdefault(remote, f"remote_{len(remotes)}")
            edges.append(f"  {nodes[interface.name]} -- {node} [label={_quoted(_tunnel(interface))}];")
    lines += [f"  {node} [shape=ellipse, label={_quoted([address])}];" for address, node in remotes.items()]
    return "\n".join([*lines, *edges, "}", ""])


def _port_attributes(port: DrawnPort) -> str:
    label = [port.name, *filter(None, [port.vlan])]
    if [interface.name for interface in port.interfaces] != [port.name]:
        mode = f" {port.bond_mode}" if port.bond_mode else ""
        label.append(f"bond{mode}:" if len(port.interfaces) > 1 else "interface:")
        label += [_named(interface) for interface in port.interfaces]
    else:
        label += filter(None, [port.interfaces[0].type])
    errors = [f"{i.name}: {i.error}" for i in port.interfaces if i.error]
    red = ", color=red, fontcolor=red" if errors else ""
    return f"label={_quoted([*label, *errors])}{red}"


def _named(interface: DrawnInterface) -> str:
    return f"{interface.name} ({interface.type})" if interface.type else interface.name


def _tunnel(interface: DrawnInterface) -> list[str]:
    keys = ("key", "in_key", "out_key", "local_ip", "dst_port")
    return [interface.type, *(f"{k}={interface.options[k]}" for k in keys if k in interface.options)]


_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def _quoted(label: Sequence[str]) -> str:
    """Lines as a string in quotes."""
    escaped = [
        _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", line)
        .replace("&", "&amp;")
        .replace("\\", "\\\\")
        .replace('"', '\\"')
        for line in label
    ]
    return '"' + "\\n".join(escaped) + '"'


# --- from the database


def draw(model: Model) -> list[DrawnBridge]:
    """The bridges as they are."""
    store = model.store
    store.all("Interface", ["name", "type", "options", "error"], verify=False)
    store.all("Port", ["name", "interfaces", "tag", "trunks", "vlan_mode", "bond_mode"], verify=False)
    store.all("Controller", ["target"], verify=False)
    columns = ["name", "ports", "datapath_type", "fail_mode", "controller"]
    bridges = store.all("Bridge", columns, verify=False)
    return [_bridge(model, row) for row in sorted(bridges, key=lambda row: row.text("name"))]


def _below(model: Model, row: Row, column: str, table: str, key: str) -> list[Row]:
    rows = [model.store.row(table, uuid) for uuid in row.refs(column)]
    return sorted(rows, key=lambda row: row.text(key))


def _bridge(model: Model, row: Row) -> DrawnBridge:
    controllers = [c.text("target") for c in _below(model, row, "controller", "Controller", "target")]
    details = [row.text("datapath_type"), row.text("fail_mode"), *controllers]
    ports = [_port(model, port) for port in _below(model, row, "ports", "Port", "name")]
    return DrawnBridge(row.text("name"), ports, [*filter(None, details)])


def _port(model: Model, row: Row) -> DrawnPort:
    interfaces = [
        DrawnInterface(i.text("name"), i.text("type"), i.mapping("options"), i.text("error"))
        for i in _below(model, row, "interfaces", "Interface", "name")
    ]
    return DrawnPort(row.text("name"), interfaces, " ".join(_vlan(row)), row.text("bond_mode"))


def _vlan(row: Row) -> Iterator[str]:
    tag, trunks = members(row["tag"]), [str(vlan) for vlan in members(row["trunks"])]
    if row.text("vlan_mode"):
        yield row.text("vlan_mode")
    if tag:
        yield f"tag {tag[0]}"
    if trunks:
        more = f" and {len(trunks) - MANY} more" if len(trunks) > MANY else ""
        yield f"trunks {', '.join(trunks[:MANY])}{more}"


def render_svg(graph: str) -> str:
    """What Graphviz makes of it. CommandError."""
    try:
        done = subprocess.run(
            ["dot", "-Tsvg"], input=graph.encode(), capture_output=True, timeout=DOT_TIMEOUT, check=False
        )
    except FileNotFoundError:
        raise CommandError("--svg needs dot, a program of Graphviz, which is not installed") from None
    except subprocess.TimeoutExpired:
        raise CommandError(f"dot has not drawn the picture in {DOT_TIMEOUT} s") from None
    if done.returncode:
        raise CommandError(f"dot failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode()
