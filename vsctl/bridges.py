"""Commands about bridges."""

from __future__ import annotations

from appctl.getopt import leading_integer
from vsctl.errors import CommandError, CommandExit
from vsctl.grammar import command
from vsctl.model import MAX_VLAN, Bridge, Model
from vsctl.output import Report, lines, word
from vsctl.store import Row, map_of

FAKE_ID = "fake-bridge-"  # before the keys of a fake bridge in the external_ids of its port


@command("add-br", "!NEW-BRIDGE ?PARENT ?NEW-VLAN", writes=True)
def add_br(
    model: Model, bridge: str, parent: str | None = None, vlan: str | None = None, *, may_exist: bool = False
) -> None:
    """Make a bridge, or with a parent and a VLAN a fake one."""
    if parent is not None and vlan is None:
        raise CommandError("'add-br' command takes exactly 1 or 3 arguments")
    tag = leading_integer(vlan or "")
    if parent is not None and not 0 <= tag <= MAX_VLAN:
        raise CommandError(f"add-br: vlan must be between 0 and {MAX_VLAN}")
    model.expect_free(bridge)
    if may_exist:
        existing = model.find_bridge(bridge)
        if existing is not None:
            _check_existing(existing, parent, tag)
            return
    model.require_free(bridge, f"cannot create a bridge named {bridge}")
    if parent is not None:
        _add_fake_bridge(model, bridge, parent, tag)
    else:
        port = _local_port(model, bridge, {})
        row = model.store.insert("Bridge", {"name": bridge, "ports": port.ref})
        model.switch.add("bridges", row.ref)


def _check_existing(existing: Bridge, parent: str | None, vlan: int) -> None:
    name = existing.name
    if parent is None:
        if existing.is_fake:
            raise CommandError(
                f'"--may-exist add-br {name}" but {name} is a VLAN bridge for VLAN {existing.vlan}'
            )
        return
    tried = f'"--may-exist add-br {name} {parent} {vlan}" but {name}'
    if not existing.is_fake:
        raise CommandError(f"{tried} is not a VLAN bridge")
    if existing.parent != parent:
        raise CommandError(f"{tried} has the wrong parent {existing.parent}")
    if existing.vlan != vlan:
        raise CommandError(f"{tried} is a VLAN bridge for the wrong VLAN {existing.vlan}")


def _add_fake_bridge(model: Model, name: str, parent_name: str, vlan: int) -> None:
    parent = model.find_bridge(parent_name)
    if parent is not None and parent.is_fake:
        raise CommandError("cannot create bridge with fake bridge as parent")
    if parent is None:
        raise CommandError(f"parent bridge {parent_name} does not exist")
    for sibling in model.fake_bridges(parent):
        if sibling.vlan == vlan:
            raise CommandError(
                f"bridge {parent_name} already has a child VLAN bridge {sibling.name} on VLAN {vlan}"
            )
    port = _local_port(model, name, {"fake_bridge": True, "tag": vlan})
    parent.row.add("ports", port.ref)


def _local_port(model: Model, name: str, more: dict[str, bool | int]) -> Row:
    interface = model.store.insert("Interface", {"name": name, "type": "internal"})
    model.new_interfaces.append(interface)
    return model.store.insert("Port", {"name": name, "interfaces": interface.ref, **more})


@command("del-br", "!BRIDGE", writes=True)
def del_br(model: Model, bridge: str, *, if_exists: bool = False) -> None:
    """Delete a bridge, its fake bridges and all their ports."""
    found = model.find_bridge(bridge)
    if found is None:
        if if_exists:
            return
        raise CommandError(f"no bridge named {bridge}")
    if found.is_fake:
        for port in model.ports(found, "interfaces"):
            model.delete_port(port, found.row)
        return
    ports = [model.store.row("Port", uuid) for uuid in found.row.refs("ports")]
    model.store.load(ports, ["interfaces"])
    for port in ports:
        model.hide_port(port)
    model.switch.discard("bridges", found.row.ref)
    model.store.hide(found.row)


@command("list-br")
def list_br(model: Model, *, real: bool = False, fake: bool = False) -> Report:
    """Name the bridges, or those of one kind."""
    names = []
    if fake or not real:
        model.expect_fake_ports()
    if real or not fake:
        names += [bridge.name for bridge in model.real_bridges()]
    if fake or not real:
        names += [port.text("name") for port in model.fake_ports()]
    return lines(sorted(names))


@command("br-exists", "!BRIDGE")
def br_exists(model: Model, bridge: str) -> None:
    """Exit with status 2 if there is no such bridge."""
    if model.find_bridge(bridge) is None:
        raise CommandExit(2)


@command("br-to-vlan", "!BRIDGE")
def br_to_vlan(model: Model, bridge: str) -> Report:
    """Print the VLAN of a fake bridge, 0 for a real one."""
    vlan = model.bridge(bridge).vlan
    return lines([str(vlan)], vlan)


@command("br-to-parent", "!BRIDGE")
def br_to_parent(model: Model, bridge: str) -> Report:
    """Print the parent of a fake bridge, the bridge itself for a real one."""
    found = model.bridge(bridge)
    return word(found.parent or found.name)


@command("br-set-external-id", "!BRIDGE !KEY ?VALUE", writes=True)
def br_set_external_id(model: Model, bridge: str, key: str, value: str | None = None) -> None:
    """Set a pair in external_ids, or remove it."""
    row, prefix = _external_ids(model.bridge(bridge))
    ids = row.mapping("external_ids")
    if value is None:
        ids.pop(prefix + key, None)
    else:
        ids[prefix + key] = value
    row["external_ids"] = map_of(ids)


@command("br-get-external-id", "!BRIDGE ?KEY")
def br_get_external_id(model: Model, bridge: str, key: str | None = None) -> Report:
    """Print the value of a key in external_ids, or all pairs."""
    row, prefix = _external_ids(model.bridge(bridge))
    ids = {k.removeprefix(prefix): v for k, v in row.mapping("external_ids").items() if k.startswith(prefix)}
    if key is not None:
        return lines([ids[key]] if key in ids else [], ids.get(key))
    return lines([f"{k}={v}" for k, v in sorted(ids.items())], ids)


def _external_ids(bridge: Bridge) -> tuple[Row, str]:
    """The row that holds them, and what the keys begin with there."""
    return (bridge.row, "") if bridge.port is None else (bridge.port, FAKE_ID)
