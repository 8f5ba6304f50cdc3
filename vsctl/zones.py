"""Commands about datapaths: time-outs and limits of connection tracking zones, capabilities."""

from __future__ import annotations

import re

from appctl.getopt import leading_integer
from rpc.jsonvalue import Json
from vsctl.errors import CommandError
from vsctl.grammar import command
from vsctl.model import Model
from vsctl.output import Report, lines
from vsctl.store import Row, members, set_of

_ZONE = re.compile(r"zone=([0-9]{1,9})")


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
    found = _ZONE.fullmatch(text)
    if found is None:
        raise CommandError(f"{text}: zone=ID is expected")
    return int(found[1])


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
    if number in zones and not may_exist and _limit(model, zones[number]) is None:
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
    if _limit(model, zones[number]) is not None:
        zones[number]["timeout_policy"] = set_of([])
        return
    model.store.hide(zones.pop(number))
    _set_zones(row, zones)


@command("list-zone-tp", "")
def list_zone_tp(model: Model, datapath: str) -> Report:
    """Print the time-outs of all zones."""
    row = _datapath(model, datapath, f"datapath: {datapath} record not found")
    texts, value = [], {}
    for zone, zone_row in sorted(_zones(model, row).items()):
        refs = zone_row.refs("timeout_policy")
        pairs = _pairs(model.store.row("CT_Timeout_Policy", refs[0]), "timeouts") if refs else []
        shown = " ".join(f"{name}={seconds}" for name, seconds in pairs) or "system default"
        texts.append(f"Zone:{zone}, Timeout Policies: {shown}")
        value[str(zone)] = _object(pairs)
    return lines(texts, value)


@command("list-dp-cap", "")
def list_dp_cap(model: Model, datapath: str) -> Report:
    """Print the capabilities of a datapath."""
    row = _datapath(model, datapath, f'datapath "{datapath}" record not found')
    pairs = _pairs(row, "capabilities")
    return lines([" ".join(f"{name}={value}" for name, value in pairs)], _object(pairs))


def _object(pairs: list[list[Json]]) -> dict[str, Json]:
    return {str(name): value for name, value in pairs}


# --- limits: columns that databases before Open vSwitch 3.3 do not have

DEFAULT = "default"  # in place of a zone: the limit of zones that have none of their own
DEFAULT_LIMIT, LIMIT = "ct_zone_default_limit", "limit"  # columns of Datapath and CT_Zone
MAX_LIMIT = 2**32 - 1


def _limit(model: Model, zone: Row) -> int | None:
    """The limit of a zone, if it has one and the database knows of limits."""
    if LIMIT not in model.schema.tables["CT_Zone"].columns:
        return None
    return _number(zone, LIMIT)


def _number(row: Row, column: str) -> int | None:
    found = members(row[column])
    return found[0] if found and isinstance(found[0], int) else None


def _require_limits(model: Model) -> None:
    if DEFAULT_LIMIT not in model.schema.tables["Datapath"].columns:
        raise CommandError(
            f"the database has no limits of zones: its schema, version {model.schema.version}, "
            "is older than Open vSwitch 3.3"
        )


def _parse_limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_LIMIT):
        raise CommandError(f"{text}: a limit from 0 (none) to {MAX_LIMIT} is expected")
    return int(text)


@command("set-zone-limit", "", writes=True)
def set_zone_limit(model: Model, datapath: str, zone: str, limit: str) -> None:
    """Limit the connections in a zone, or by default in each zone that has no limit of its own."""
    _require_limits(model)
    row = _datapath(model, datapath, f"datapath {datapath} does not exist")
    value = _parse_limit(limit)
    if zone == DEFAULT:
        row[DEFAULT_LIMIT] = value
        return
    number = _parse_zone(zone)
    zones = _zones(model, row)
    if number in zones:
        zones[number][LIMIT] = value
    else:
        zones[number] = model.store.insert("CT_Zone", {LIMIT: value})
        _set_zones(row, zones)


@command("del-zone-limit", "", writes=True)
def del_zone_limit(model: Model, datapath: str, zone: str, *, if_exists: bool = False) -> None:
    """Remove the limit of a zone, or the default one."""
    _require_limits(model)
    row = _datapath(model, datapath, f"datapath {datapath} does not exist")
    if zone == DEFAULT:
        if _number(row, DEFAULT_LIMIT) is None and not if_exists:
            raise CommandError(f"datapath {datapath} does not have a default limit")
        row[DEFAULT_LIMIT] = set_of([])
        return
    number = _parse_zone(zone)
    zones = _zones(model, row)
    if number not in zones or _number(zones[number], LIMIT) is None:
        if if_exists:
            return
        raise CommandError(f"zone id {number} does not have a limit")
    if zones[number].refs("timeout_policy"):
        zones[number][LIMIT] = set_of([])
    else:
        model.store.hide(zones.pop(number))
        _set_zones(row, zones)


@command("list-zone-limits", "")
def list_zone_limits(model: Model, datapath: str) -> Report:
    """Print the default limit and those of zones."""
    _require_limits(model)
    row = _datapath(model, datapath, f"datapath {datapath} does not exist")
    default = _number(row, DEFAULT_LIMIT)
    texts = [] if default is None else [f"Default limit: {default}"]
    limits = {} if default is None else {DEFAULT: default}
    for zone, zone_row in sorted(_zones(model, row).items()):
        limit = _number(zone_row, LIMIT)
        if limit is not None:
            texts.append(f"Zone: {zone}, Limit: {limit}")
            limits[str(zone)] = limit
    return lines(texts, limits)
