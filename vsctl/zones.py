"""Commands about datapaths: time-outs of connection tracking zones, capabilities."""

from __future__ import annotations

from rpc.jsonvalue import Json
from vsctl.errors import CommandError
from vsctl.grammar import command
from vsctl.model import Model
from vsctl.output import lines
from vsctl.store import Row
from vsctl.text import leading_integer


def _pairs(row: Row, column: str) -> list[list[Json]]:
    value = row[column]
    return value[1] if isinstance(value, list) else []  # type: ignore[return-value]  # a map


def _datapath(model: Model, name: str, missing: str) -> Row:
    for key, ref in _pairs(model.switch, "datapaths"):
        if key == name and isinstance(ref, list):
            return model.store.row("Datapath", str(ref[1]))
    raise CommandError(missing)


def _zones(model: Model, datapath: Row) -> dict[int, Row]:
    return {
        zone: model.store.row("CT_Zone", str(ref[1]))
        for zone, ref in _pairs(datapath, "ct_zones")
        if isinstance(zone, int) and isinstance(ref, list)
    }


def _set_zones(datapath: Row, zones: dict[int, Row]) -> None:
    datapath["ct_zones"] = ["map", [[zone, zones[zone].ref] for zone in sorted(zones)]]


def _parse_zone(text: str) -> int:
    name, _, number = text.partition("=")
    if name != "zone":
        raise CommandError(f"{text}: zone=ID is expected")
    return leading_integer(number)


def _parse_timeouts(policies: tuple[str, ...]) -> Json:
    """A map of the policies; the first one of a name holds."""
    timeouts: dict[str, int] = {}
    for policy in policies:
        name, _, seconds = policy.partition("=")
        timeouts.setdefault(name, leading_integer(seconds))
    return ["map", [[name, timeouts[name]] for name in sorted(timeouts)]]


@command("add-zone-tp", "", writes=True)
def add_zone_tp(
    model: Model, datapath: str, zone: str, policy: str, *policies: str, may_exist: bool = False
) -> None:
    """Set the time-outs of a zone; with --may-exist also of one that has some."""
    row = _datapath(model, datapath, f"datapath {datapath} does not exist")
    number = _parse_zone(zone)
    zones = _zones(model, row)
    if number in zones and not may_exist:
        raise CommandError(f"zone id {number} already exists")
    timeouts = model.store.insert("CT_Timeout_Policy", {"timeouts": _parse_timeouts((policy, *policies))})
    if number in zones:
        zones[number]["timeout_policy"] = timeouts.ref
    else:
        zones[number] = model.store.insert("CT_Zone", {"timeout_policy": timeouts.ref})
        _set_zones(row, zones)


@command("del-zone-tp", "", writes=True)
def del_zone_tp(model: Model, datapath: str, zone: str, *, if_exists: bool = False) -> None:
    """Delete the time-outs of a zone."""
    row = _datapath(model, datapath, f"datapath {datapath} does not exist")
    number = _parse_zone(zone)
    zones = _zones(model, row)
    if number not in zones:
        if if_exists:
            return
        raise CommandError(f"zone id {number} does not exist")
    model.store.hide(zones.pop(number))
    _set_zones(row, zones)


@command("list-zone-tp", "")
def list_zone_tp(model: Model, datapath: str) -> str:
    """Print the time-outs of all zones."""
    row = _datapath(model, datapath, f"datapath: {datapath} record not found")
    texts = []
    for zone, zone_row in sorted(_zones(model, row).items()):
        refs = zone_row.refs("timeout_policy")
        pairs = _pairs(model.store.row("CT_Timeout_Policy", refs[0]), "timeouts") if refs else []
        shown = " ".join(f"{name}={seconds}" for name, seconds in pairs) or "system default"
        texts.append(f"Zone:{zone}, Timeout Policies: {shown}")
    return lines(texts)


@command("list-dp-cap", "")
def list_dp_cap(model: Model, datapath: str) -> str:
    """Print the capabilities of a datapath."""
    row = _datapath(model, datapath, f'datapath "{datapath}" record not found')
    return lines([" ".join(f"{name}={value}" for name, value in _pairs(row, "capabilities"))])
