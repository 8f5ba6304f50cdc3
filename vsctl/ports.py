"""Commands about ports, bonds and interfaces."""

from __future__ import annotations

from collections.abc import Sequence

from vsctl.errors import CommandError
from vsctl.grammar import command
from vsctl.model import Model, Port
from vsctl.output import Report, lines, word
from vsctl.store import Row, set_of


@command("list-ports", "!BRIDGE")
def list_ports(model: Model, bridge: str) -> Report:
    """Name the ports of a bridge, without its own."""
    found = model.bridge(bridge)
    names = [port.text("name") for port in model.ports(found)]
    return lines(sorted(name for name in names if name != found.name))


@command("add-port", "!BRIDGE !NEW-PORT *COLUMN?:KEY=VALUE", writes=True)
def add_port(model: Model, bridge: str, port: str, *settings: str, may_exist: bool = False) -> None:
    """Make a port from the network device of the same name."""
    _add_port(model, bridge, port, [port], settings, may_exist, {})


@command("add-bond", "!BRIDGE !BOND +IFACE *COLUMN?:KEY=VALUE", writes=True)
def add_bond(
    model: Model,
    bridge: str,
    bond: str,
    first: str,
    second: str,
    *more: str,
    may_exist: bool = False,
    fake_iface: bool = False,
) -> None:
    """Make a port from several network devices; arguments with a "=" set columns of the port."""
    interfaces = [first, second, *more]
    settings: list[str] = []
    while interfaces and "=" in interfaces[-1]:
        settings.insert(0, interfaces.pop())
    if len(interfaces) < 2:
        raise CommandError(
            f"add-bond requires at least 2 interfaces, but only {len(interfaces)} were specified"
        )
    _add_port(model, bridge, bond, interfaces, settings, may_exist, {"bond_fake_iface": fake_iface})


def _add_port(
    model: Model,
    bridge_name: str,
    name: str,
    interfaces: Sequence[str],
    settings: Sequence[str],
    may_exist: bool,
    more: dict[str, bool],
) -> None:
    for each in (name, *interfaces):
        model.expect_free(each)
    model.expect_bridge(bridge_name)
    if may_exist:
        existing = model.find_port(name)
        if existing is not None:
            _check_existing(model, existing, bridge_name, interfaces)
            return
    model.require_free(name, f"cannot create a port named {name}")
    for interface in interfaces:
        model.require_free(interface, f"cannot create an interface named {interface}")
    bridge = model.bridge(bridge_name)
    rows = [model.store.insert("Interface", {"name": interface}) for interface in interfaces]
    model.new_interfaces += rows
    port = model.store.insert("Port", {"name": name, "interfaces": set_of([row.ref for row in rows]), **more})
    if bridge.is_fake:
        port["tag"] = bridge.vlan
    if settings:
        from vsctl.records import set_column  # not loaded for most ports, see vsctl.grammar
        from vsctl.tables import Table

        for setting in settings:
            set_column(model, Table.named(model.schema, "Port"), port, setting)
    bridge.row.add("ports", port.ref)


def _check_existing(model: Model, port: Port, bridge: str, wanted: Sequence[str]) -> None:
    assert model.call is not None
    tried = f'"{model.call.text}" but {port.name}'
    if port.bridge.name != bridge:
        raise CommandError(f"{tried} is actually attached to bridge {port.bridge.name}")
    names = sorted(row.text("name") for row in interfaces_of(model, [port.row]))
    if names != sorted(set(wanted)):
        raise CommandError(f"{tried} actually has interface(s) {', '.join(names)}")


def interfaces_of(model: Model, ports: Sequence[Row]) -> list[Row]:
    """The interfaces of ports, with their names loaded."""
    model.store.load(ports, ["interfaces"])
    rows = [model.store.row("Interface", uuid) for port in ports for uuid in port.refs("interfaces")]
    model.store.load(rows, ["name"])
    return rows


@command("del-port", "?BRIDGE !PORT|IFACE", writes=True)
def del_port(
    model: Model, bridge: str, port: str | None = None, *, if_exists: bool = False, with_iface: bool = False
) -> None:
    """Delete a port: `del-port PORT`, or `del-port BRIDGE PORT` if it must be on that bridge."""
    name = bridge if port is None else port
    found = _find_port_to_delete(model, name, with_iface)
    if found is None:
        own = model.find_bridge(name)
        if own is not None and not if_exists:
            raise CommandError(
                f"cannot delete port {name} because it is the local port for bridge {name} "
                "(deleting this port requires deleting the entire bridge)"
            )
        if not if_exists:
            raise CommandError(f"no port{' or interface' if with_iface else ''} named {name}")
        return
    if port is not None:
        _check_bridge(model, found, bridge)
    model.delete_port(found.row, found.bridge.row)


def _find_port_to_delete(model: Model, name: str, with_iface: bool) -> Port | None:
    found = model.find_port(name)
    if found is None and with_iface:
        interface = model.find_interface(name)
        found = None if interface is None else interface.port
    return found


def _check_bridge(model: Model, port: Port, name: str) -> None:
    bridge = model.bridge(name)
    if port.bridge.name == bridge.name:
        return
    text = f"bridge {name} does not have a port {port.name}"
    if port.bridge.parent == name:
        text += f" (although its child bridge {port.bridge.name} does)"
    raise CommandError(text)


@command("port-to-br", "!PORT")
def port_to_br(model: Model, port: str) -> Report:
    """Name the bridge of a port."""
    return word(model.port(port).bridge.name)


@command("add-bond-iface", "!BOND !IFACE", writes=True)
def add_bond_iface(model: Model, bond: str, iface: str, *, may_exist: bool = False) -> None:
    """Add an interface to a port."""
    port = model.port(bond)
    if may_exist:
        existing = model.find_interface(iface)
        if existing is not None:
            if existing.port.row is not port.row:
                raise CommandError(
                    f'"--may-exist add-bond-iface {bond} {iface}" but {iface} is actually attached to port '
                    f"{existing.port.name}"
                )
            return
    model.require_free(iface, f"cannot create an interface named {iface}")
    row = model.store.insert("Interface", {"name": iface})
    model.new_interfaces.append(row)
    port.row.add("interfaces", row.ref)


@command("del-bond-iface", "?BOND !IFACE", writes=True)
def del_bond_iface(model: Model, bond: str, iface: str | None = None, *, if_exists: bool = False) -> None:
    """Take an interface from its port: `del-bond-iface IFACE`, or with the port that it must belong to
    before it.
    """
    name = bond if iface is None else iface
    found = model.find_interface(name)
    if found is None:
        if if_exists:
            return
        raise CommandError(f"no interface named {name}")
    if iface is not None and model.port(bond).row is not found.port.row:
        raise CommandError(f"port {bond} does not have an interface {name}")
    if len(found.port.row.refs("interfaces")) == 1:
        raise CommandError(f"cannot delete last interface from port {found.port.name}")
    found.port.row.discard("interfaces", found.row.ref)
    model.store.hide(found.row)


@command("list-ifaces", "!BRIDGE")
def list_ifaces(model: Model, bridge: str) -> Report:
    """Name the interfaces of a bridge, without its own."""
    found = model.bridge(bridge)
    names = [row.text("name") for row in interfaces_of(model, model.ports(found, "interfaces"))]
    return lines(sorted(name for name in names if name != found.name))


@command("iface-to-br", "!IFACE")
def iface_to_br(model: Model, iface: str) -> Report:
    """Name the bridge of an interface."""
    return word(model.interface(iface).port.bridge.name)
