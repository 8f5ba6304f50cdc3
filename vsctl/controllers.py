"""Commands about who controls the switch: OpenFlow controllers, fail mode, managers, TLS, Auto Attach
mappings.
"""

from __future__ import annotations

from collections.abc import Sequence

from appctl.getopt import leading_integer
from rpc.jsonvalue import Json
from vsctl.errors import CommandError
from vsctl.grammar import command
from vsctl.model import Bridge, Model
from vsctl.output import Report, lines
from vsctl.store import Row, set_of

STREAMS = ("tcp:", "unix:", "ssl:", "ptcp:", "punix:", "pssl:")
FAIL_MODES = ("standalone", "secure")


def _real_bridge(model: Model, name: str) -> Bridge:
    bridge = model.bridge(name)
    if bridge.is_fake:
        raise CommandError(f"{name} is a fake bridge")
    return bridge


def _targets(model: Model, table: str, uuids: Sequence[str]) -> Report:
    rows = [model.store.row(table, uuid) for uuid in uuids]
    model.store.load(rows, ["target"])
    return lines(sorted({row.text("target") for row in rows}))


def _replace(model: Model, owner: Row, column: str, rows: Sequence[Row], table: str) -> None:
    """Let `column` of `owner` refer to `rows` alone; what it referred to is gone."""
    for uuid in owner.refs(column):
        model.store.hide(model.store.row(table, uuid))
    owner[column] = set_of([row.ref for row in rows])


def _insert_targets(
    model: Model, table: str, targets: Sequence[str], inactivity_probe: str | None
) -> list[Row]:
    rows = []
    for target in targets:
        if not target.startswith(STREAMS):
            model.warn(f'target type "{target}" is possibly erroneous')
        values: dict[str, Json] = {"target": target}
        if inactivity_probe is not None:
            values["inactivity_probe"] = leading_integer(inactivity_probe)
        rows.append(model.store.insert(table, values))
    return rows


@command("get-controller", "!BRIDGE")
def get_controller(model: Model, bridge: str) -> Report:
    """Print the targets of a bridge's controllers."""
    return _targets(model, "Controller", model.bridge(bridge).row.refs("controller"))


@command("del-controller", "!BRIDGE", writes=True)
def del_controller(model: Model, bridge: str) -> None:
    """Delete the controllers of a bridge."""
    _replace(model, _real_bridge(model, bridge).row, "controller", [], "Controller")


@command("set-controller", "!BRIDGE +TARGET", writes=True)
def set_controller(model: Model, bridge: str, *targets: str, inactivity_probe: str | None = None) -> None:
    """Set the controllers of a bridge."""
    found = _real_bridge(model, bridge)
    rows = _insert_targets(model, "Controller", targets, inactivity_probe)
    _replace(model, found.row, "controller", rows, "Controller")


@command("get-fail-mode", "!BRIDGE")
def get_fail_mode(model: Model, bridge: str) -> Report:
    """Print what the bridge does when its controllers fail."""
    mode = model.bridge(bridge).row.text("fail_mode")
    return lines([mode] if mode else [], mode or None)


@command("del-fail-mode", "!BRIDGE", writes=True)
def del_fail_mode(model: Model, bridge: str) -> None:
    """Set the fail mode to its default."""
    _real_bridge(model, bridge).row["fail_mode"] = set_of([])


@command("set-fail-mode", "!BRIDGE !MODE", writes=True)
def set_fail_mode(model: Model, bridge: str, mode: str) -> None:
    """Set what the bridge does when its controllers fail."""
    found = _real_bridge(model, bridge)
    if mode not in FAIL_MODES:
        raise CommandError('fail-mode must be "standalone" or "secure"')
    found.row["fail_mode"] = mode


@command("get-manager")
def get_manager(model: Model) -> Report:
    """Print the targets of the managers."""
    return _targets(model, "Manager", model.switch.refs("manager_options"))


@command("del-manager", writes=True)
def del_manager(model: Model) -> None:
    """Delete the managers."""
    _replace(model, model.switch, "manager_options", [], "Manager")


@command("set-manager", "+TARGET", writes=True)
def set_manager(model: Model, target: str, *targets: str, inactivity_probe: str | None = None) -> None:
    """Set the managers."""
    rows = _insert_targets(model, "Manager", (target, *targets), inactivity_probe)
    _replace(model, model.switch, "manager_options", rows, "Manager")


SSL_FILES = {"private_key": "Private key", "certificate": "Certificate", "ca_cert": "CA Certificate"}


@command("get-ssl")
def get_ssl(model: Model) -> Report:
    """Print the TLS configuration."""
    for uuid in model.switch.refs("ssl"):
        row = model.store.row("SSL", uuid)
        model.store.load([row], [*SSL_FILES, "bootstrap_ca_cert"])
        value: dict[str, Json] = {name: row.text(name) for name in SSL_FILES}
        value["bootstrap_ca_cert"] = row["bootstrap_ca_cert"] is True
        texts = [f"{title}: {value[name]}" for name, title in SSL_FILES.items()]
        return lines([*texts, f"Bootstrap: {'true' if value['bootstrap_ca_cert'] else 'false'}"], value)
    return Report("", None)


@command("del-ssl", writes=True)
def del_ssl(model: Model) -> None:
    """Delete the TLS configuration."""
    _replace(model, model.switch, "ssl", [], "SSL")


@command("set-ssl", "!PRIVATE-KEY !CERTIFICATE !CA-CERT", writes=True)
def set_ssl(
    model: Model, private_key: str, certificate: str, ca_cert: str, *, bootstrap: bool = False
) -> None:
    """Set the TLS configuration."""
    values: dict[str, Json] = {
        "private_key": private_key,
        "certificate": certificate,
        "ca_cert": ca_cert,
        "bootstrap_ca_cert": bootstrap,
    }
    _replace(model, model.switch, "ssl", [model.store.insert("SSL", values)], "SSL")


# --- Auto Attach: a map of I-SID to VLAN in the AutoAttach record of a bridge


def _mappings(row: Row) -> dict[int, int]:
    value = row["mappings"]
    pairs = value[1] if isinstance(value, list) else []
    assert isinstance(pairs, list)
    return {pair[0]: pair[1] for pair in pairs}  # type: ignore[index, misc]


def _set_mappings(row: Row, mappings: dict[int, int]) -> None:
    row["mappings"] = ["map", [[isid, mappings[isid]] for isid in sorted(mappings)]]


def _auto_attach(model: Model, bridge: str) -> Row | None:
    refs = model.bridge(bridge).row.refs("auto_attach")
    return model.store.row("AutoAttach", refs[0]) if refs else None


def _parse_number(text: str) -> int:
    if not text[:1].isdigit():
        raise CommandError(f"Invalid argument {text}")
    return leading_integer(text)


@command("add-aa-mapping", "!BRIDGE !ARG !ARG", writes=True)
def add_aa_mapping(model: Model, bridge: str, isid: str, vlan: str) -> None:
    """Map an I-SID to a VLAN."""
    key, value = _parse_number(isid), _parse_number(vlan)
    owner = model.bridge(bridge).row
    row = _auto_attach(model, bridge)
    if row is None:
        row = model.store.insert("AutoAttach", {})
        owner["auto_attach"] = row.ref
    _set_mappings(row, {**_mappings(row), key: value})


@command("del-aa-mapping", "!BRIDGE !ARG !ARG", writes=True)
def del_aa_mapping(model: Model, bridge: str, isid: str, vlan: str) -> None:
    """Delete a mapping, if the I-SID leads to this VLAN."""
    key, value = _parse_number(isid), _parse_number(vlan)
    row = _auto_attach(model, bridge)
    if row is not None:
        _set_mappings(row, {k: v for k, v in _mappings(row).items() if (k, v) != (key, value)})


@command("get-aa-mapping", "!BRIDGE")
def get_aa_mapping(model: Model, bridge: str) -> Report:
    """Print the mappings."""
    row = _auto_attach(model, bridge)
    mappings = {} if row is None else _mappings(row)
    texts = [f"{isid} {vlan}" for isid, vlan in sorted(mappings.items())]
    return lines(texts, {str(isid): vlan for isid, vlan in mappings.items()})
