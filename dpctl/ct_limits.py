"""ct-set-limits, ct-get-limits and ct-del-limits: how many connections a zone may have."""

from __future__ import annotations

import errno
import re

from datapath.conntrack import DEFAULT_ZONE, ZoneLimit
from dpctl.conntrack import open_tracker
from dpctl.errors import DpctlError, because
from dpctl.options import Options
from dpctl.targets import Targets

_WORDS = {"default": 32, "limit": 32, "zone": 16}  # how many bits they have


def _invalid(what: str) -> DpctlError:
    return DpctlError(because(what, errno.EINVAL))


def _split(targets: Targets, arguments: list[str]) -> tuple[list[str], list[str]]:
    """Take the name of a datapath off."""
    named = bool(arguments) and targets.parse(arguments[0]) in targets.all()
    return arguments[:named], arguments[named:]


def _number(text: str, word: str) -> int | None:
    valid = text.isascii() and text.isdigit() and not int(text) >> _WORDS[word]
    return int(text) if valid else None


def set_limits(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Limit zones, or by default all."""
    named, words = _split(targets, arguments)
    limits = []
    if words and words[0].startswith("default="):
        default = re.match(r"default=(\d+)", words[0])
        if default is None:
            raise _invalid("invalid default limit")
        limits.append(ZoneLimit(DEFAULT_ZONE, int(default[1]) & 0xFFFFFFFF))
        words = words[1:]
    limits += [_parse_limit(word) for word in words]
    with open_tracker(targets, named, 0, "failed to set conntrack limit") as tracker:
        tracker.set_limits(limits)
    return ""


def _parse_limit(text: str) -> ZoneLimit:
    found: dict[str, int] = {}
    for field in filter(None, text.replace(" ", ",").split(",")):
        name, equals, value = field.partition("=")
        if not equals:
            raise _invalid(f"field {name} missing value")
        if name not in ("zone", "limit"):
            raise _invalid(f"invalid zone limit field: {name}")
        number = _number(value, name)
        if number is None:
            raise _invalid(f"failed to parse field {name}")
        found[name] = number
    if found.keys() != {"zone", "limit"}:
        raise _invalid("failed to parse zone limit")
    return ZoneLimit(found["zone"], found["limit"])


def _parse_zones(words: list[str]) -> list[int]:
    """Read zone=N1[,N2]...; nothing gives nothing."""
    zones = []
    for word in words:
        if not word.startswith("zone="):
            raise _invalid(f"invalid argument {word}")
        for text in filter(None, word.removeprefix("zone=").split(",")):
            zone = _number(text, "zone")
            if zone is None:
                raise _invalid("invalid zone")
            zones.append(zone)
        if not zones:
            raise _invalid("invalid zone")
    return zones


def delete_limits(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Let the default limit hold for zones again."""
    named, words = _split(targets, arguments)
    zones = _parse_zones(words)
    with open_tracker(targets, named, 0, "failed to delete conntrack limit") as tracker:
        tracker.delete_limits(zones)
    return ""


def listed(targets: Targets, arguments: list[str]) -> list[ZoneLimit]:
    """List limits and counts, of zone=N,... or of all zones that have a limit."""
    named, words = _split(targets, arguments)
    zones = _parse_zones(words)
    with open_tracker(targets, named, 0, "failed to get conntrack limit") as tracker:
        return tracker.limits(zones)


def get_limits(targets: Targets, options: Options, arguments: list[str]) -> str:
    """Print limits and counts."""
    return "".join(f"{_format(limit)}\n" for limit in listed(targets, arguments))


def _format(limit: ZoneLimit) -> str:
    if limit.zone == DEFAULT_ZONE:
        return f"default limit={limit.limit}"
    return f"zone={limit.zone},limit={limit.limit},count={limit.connections}"
