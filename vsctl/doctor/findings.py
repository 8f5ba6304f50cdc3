"""How checks are declared, and small things that their judgements share."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping, Set

from ovsdb.datum import Value
from vsctl.doctor.facts import Address, Facts, Finding, Row, Verdict

Judgement = tuple[Verdict, str, str]  # verdict, evidence, remedy
Check = Callable[[Facts], Judgement]

SHOWN = 5  # names in one piece of evidence


def ok(evidence: str) -> Judgement:
    """All is well."""
    return Verdict.OK, evidence, ""


def warn(evidence: str, remedy: str) -> Judgement:
    """It may be meant so, but is often a mistake."""
    return Verdict.WARN, evidence, remedy


def fail(evidence: str, remedy: str) -> Judgement:
    """The switch cannot work so."""
    return Verdict.FAIL, evidence, remedy


def unknown(evidence: str) -> Judgement:
    """It could not be looked at."""
    return Verdict.UNKNOWN, evidence, ""


NO_DATABASE = unknown("the database cannot be read")


def judge(check: str, judgement: Judgement) -> Finding:
    """A judgement under the check's name."""
    return Finding(check, *judgement)


def some(names: Iterable[str]) -> str:
    """Names as evidence, not all of very many."""
    found = sorted(names)
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more


def text(row: Row, column: str) -> str:
    """A string of a row; "" for an empty set."""
    value = row.get(column, "")
    return str(next(iter(value), "")) if isinstance(value, Set) else str(value)


def mapping(row: Row, column: str) -> Mapping[str, str]:
    """A map of strings of a row."""
    value = row.get(column, {})
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, Mapping) else {}


def refs(row: Row, column: str) -> list[str]:
    """The UUIDs that a column holds."""
    value: Value = row.get(column, frozenset())
    return sorted(map(str, value)) if isinstance(value, Set) else []


def address(word: str) -> Address | None:
    """An IP address, if it is one."""
    try:
        return ipaddress.ip_address(word)
    except ValueError:
        return None


def bridge_interfaces(facts: Facts) -> Iterator[tuple[Row, Row]]:
    """(bridge, interface) for each interface of each bridge."""
    for bridge in facts.table("Bridge").values():
        for port in refs(bridge, "ports"):
            for interface in refs(facts.table("Port").get(port, {}), "interfaces"):
                row = facts.table("Interface").get(interface)
                if row is not None:
                    yield bridge, row


def is_netdev(bridge: Row) -> bool:
    """Whether a bridge forwards in userspace."""
    return text(bridge, "datapath_type") == "netdev"


def is_kernel(bridge: Row) -> bool:
    """Whether a bridge forwards in the kernel."""
    return text(bridge, "datapath_type") in ("", "system")
