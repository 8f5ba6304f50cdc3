"""Commands about the switch as a whole: init, show, emer-reset."""

from __future__ import annotations

from collections.abc import Sequence

from vsctl.grammar import command
from vsctl.model import Model
from vsctl.output import Report, lines
from vsctl.store import Row, map_of, set_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@command("init", writes=True)
def init(model: Model) -> None:
    """Make the row of the switch, which every other command does too."""


EMPTIED = {  # by emer-reset
    "Open_vSwitch": ("manager_options", "ssl"),
    "Bridge": ("controller", "fail_mode", "mirrors", "netflow", "sflow", "ipfix", "flood_vlans"),
}
REFERRED = {  # column -> table
    "manager_options": "Manager",
    "ssl": "SSL",
    "controller": "Controller",
    "mirrors": "Mirror",
    "netflow": "NetFlow",
    "sflow": "sFlow",
    "ipfix": "IPFIX",
}
ZEROED = ("ingress_policing_rate", "ingress_policing_burst")  # of an Interface, by emer-reset
KEPT = "hwaddr"  # in other_config of a bridge


@command("emer-reset", writes=True)
def emer_reset(model: Model) -> None:
    """Reset the configuration to a clean state; bridges, ports and interfaces stay."""
    store = model.store
    for row in store.all("Bridge", [*EMPTIED["Bridge"], "other_config"]):
        _empty(row, EMPTIED["Bridge"])
        config = row.mapping("other_config")
        if config.keys() - {KEPT}:
            row["other_config"] = map_of({KEPT: config[KEPT]} if KEPT in config else {})
    for row in store.all("Port", ["other_config"]):
        if row.mapping("other_config"):
            row["other_config"] = map_of({})
    for row in store.all("Interface", ZEROED):
        for column in ZEROED:
            if row[column]:
                row[column] = 0
    _empty(model.switch, EMPTIED["Open_vSwitch"])


def _empty(row: Row, columns: Sequence[str]) -> None:
    for column in columns:
        table = REFERRED.get(column)
        if table:
            for uuid in row.refs(column):
                row.store.hide(row.store.row(table, uuid))
        row[column] = set_of([])


# --- show

# table: (column that names a row, columns shown)
SHOWN: dict[str, tuple[str, tuple[str, ...]]] = {
    "Open_vSwitch": ("", ("manager_options", "bridges", "ovs_version")),
    "Bridge": ("name", ("controller", "fail_mode", "datapath_type", "ports")),
    "Port": ("name", ("tag", "trunks", "interfaces")),
    "Interface": ("name", ("type", "options", "error")),
    "Controller": ("target", ("is_connected",)),
    "Manager": ("target", ("is_connected",)),
}
REFERENCES = {
    "manager_options": "Manager",
    "bridges": "Bridge",
    "controller": "Controller",
    "ports": "Port",
    "interfaces": "Interface",
}
INDENT = "    "


@command("show", options_anywhere=True)
def show(model: Model, *, graph: bool = False, svg: bool = False) -> Report | str:
    """Print the switch as a tree, or draw it: --graph for Graphviz, --svg with Graphviz."""
    if graph or svg:
        from vsctl.graph import draw, format_graph, render_svg

        text = format_graph(draw(model))
        return render_svg(text) if svg else text
    for table, (name, columns) in SHOWN.items():
        if table != "Open_vSwitch":
            model.store.all(table, [*filter(None, [name]), *columns], verify=False)
    model.store.load([model.switch], SHOWN["Open_vSwitch"][1])
    return lines(_tree(model, model.switch, 0), _picture(model, model.switch))


def _picture(model: Model, row: Row) -> dict[str, Any]:
    """The tree as JSON: rows in place of references to them, under the names of the columns."""
    from vsctl.tables import datum, value_of

    name, columns = SHOWN[row.table]
    shown: dict[str, Any] = {} if name else {"_uuid": row.uuid}
    for column_name in [*filter(None, [name]), *columns]:
        target = REFERENCES.get(column_name)
        if target is not None:
            rows = [model.store.row(target, uuid) for uuid in sorted(row.refs(column_name))]
            shown[column_name] = [_picture(model, each) for each in rows]
        else:
            column = model.schema.tables[row.table].columns[column_name]
            shown[column_name] = datum(column, value_of(row, column))
    return shown


def _tree(model: Model, row: Row, level: int) -> list[str]:
    from ovsdb.datum import default_value, format_atom_text, format_value_text
    from vsctl.tables import value_of

    name, columns = SHOWN[row.table]
    title = f"{row.table} {format_atom_text('string', row.text(name))}" if name else row.uuid
    out = [INDENT * level + title]
    for column_name in columns:
        target = REFERENCES.get(column_name)
        if target is not None:
            for uuid in sorted(row.refs(column_name)):
                out += _tree(model, model.store.row(target, uuid), level + 1)
            continue
        column = model.schema.tables[row.table].columns[column_name]
        value = value_of(row, column)
        if value != default_value(column.type):
            out.append(f"{INDENT * (level + 1)}{column_name}: {format_value_text(column.type, value)}")
    return out
