"""bond/*: the bonds.

Rule: a command prints the state of bonds, or changes it until a link does; flows follow.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Hashable, Iterator
from typing import NamedTuple

from appctl.unixctl import CommandError
from switching.bond import BUCKETS, Bond, BondMode, recirc_id_of
from switching.hashing import hash_mac
from vswitchd.forwarding import Forwarding
from vswitchd.reconciler import Reconciler
from vswitchd.status.port import NO_MEMBER


class Target(NamedTuple):
    """A bond that works."""

    type: str  # of its datapath
    forwarding: Forwarding
    bond: Bond


def _bonds(reconciler: Reconciler) -> Iterator[Target]:
    for type_, forwarding in reconciler.forwardings.items():
        for bond in forwarding.state.bonds.values():
            yield Target(type_, forwarding, bond)


def _find(reconciler: Reconciler, name: str) -> Target:
    for target in _bonds(reconciler):
        if target.bond.name == name:
            return target
    raise CommandError("no such bond")


def _bond_list(reconciler: Reconciler, _args: list[str]) -> str:
    lines = ["bond\ttype\trecircID\tmembers"]
    for bond in sorted((target.bond for target in _bonds(reconciler)), key=lambda bond: bond.name):
        members = ", ".join(bond.members)
        lines.append(f"{bond.name}\t{bond.config.mode.value}\t{_recirc_id(bond) or 0}\t{members}")
    return "\n".join(lines) + "\n"


def _recirc_id(bond: Bond) -> int | None:
    return recirc_id_of(bond.name) if bond.config.mode is BondMode.BALANCE_TCP else None


def _bond_show(reconciler: Reconciler, args: list[str]) -> str:
    now = time.monotonic()
    chosen = [_find(reconciler, args[0])] if args else list(_bonds(reconciler))
    links = reconciler.actual.links
    shown = []
    for bond in sorted((target.bond for target in chosen), key=lambda bond: bond.name):
        link = links.get(bond.active)
        shown.append(format_bond(bond, link.mac if link else NO_MEMBER, now))
    return "".join(shown)


def format_bond(bond: Bond, active_mac: str, now: float) -> str:
    """bond/show: one bond."""
    config, recirc_id = bond.config, _recirc_id(bond)
    lines = [
        f"---- {bond.name} ----",
        f"bond_mode: {config.mode.value}",
        f"bond may use recirculation: {'yes' if recirc_id else 'no'}, Recirc-ID : {recirc_id or -1}",
        f"bond-hash-basis: {config.hash_basis}",
        "lb_output action: disabled, bond-id: -1",
    ]
    if config.mode is BondMode.BALANCE_SLB:
        lines.append(f"all members active: {_yes(config.all_members_active)}")
    lines += [f"updelay: {_ms(config.updelay)}", f"downdelay: {_ms(config.downdelay)}"]
    if bond.rebalances_at is not None:
        lines.append(f"next rebalance: {_ms(bond.rebalances_at - now)}")
    lines += [
        f"lacp_status: {bond.lacp_status.value}",
        f"lacp_fallback_ab: {_yes(config.lacp_fallback_ab)}",
        f"active-backup primary: {config.primary or '<none>'}",
        f"active member mac: {active_mac}({bond.active or 'none'})",
    ]
    for name in bond.members:
        lines += ["", *_member_lines(bond, name, now)]
    return "\n".join(lines) + "\n\n"


def _member_lines(bond: Bond, name: str, now: float) -> Iterator[str]:
    member = bond.members[name]
    yield f"member {name}: {'enabled' if member.enabled else 'disabled'}"
    if name == bond.active:
        yield "  active member"
    if member.changes_at is not None:
        which = "downdelay" if member.enabled else "updelay"
        yield f"  {which} expires in {_ms(member.changes_at - now)}"
    yield f"  may_enable: {_yes(bond.may_enable(name))}"
    if bond.config.mode is not BondMode.ACTIVE_BACKUP:
        for index, owner in enumerate(bond.buckets):
            if owner == name and bond.loads[index]:
                yield f"  hash {index}: {bond.loads[index] // 1024} kB load"


def _ms(seconds: float) -> str:
    return f"{max(0, round(seconds * 1000))} ms"


def _yes(value: bool) -> str:
    return "true" if value else "false"


def _change(reconciler: Reconciler, target: Target, change: Callable[[], list[Hashable]]) -> None:
    try:
        places = change()
    except (LookupError, ValueError) as error:
        raise CommandError(str(error.args[0])) from None
    reconciler.bonds_changed(target.type, target.forwarding, places)


def _bond_migrate(reconciler: Reconciler, args: list[str]) -> str:
    target = _find(reconciler, args[0])
    digits = re.match(r"\s*[+-]?\d+", args[1])
    index = int(digits.group()) & (BUCKETS - 1) if digits else 0
    _change(reconciler, target, lambda: target.bond.migrate(index, args[2]))
    return "migrated"


def _bond_set_active(reconciler: Reconciler, args: list[str]) -> str:
    target = _find(reconciler, args[0])
    before = target.bond.active
    _change(reconciler, target, lambda: target.bond.set_active(args[1]))
    return "no change" if target.bond.active == before else "done"


def _bond_enable(reconciler: Reconciler, args: list[str]) -> str:
    target = _find(reconciler, args[0])
    _change(reconciler, target, lambda: target.bond.set_enabled(args[1], True, time.monotonic()))
    return "enabled"


def _bond_disable(reconciler: Reconciler, args: list[str]) -> str:
    target = _find(reconciler, args[0])
    _change(reconciler, target, lambda: target.bond.set_enabled(args[1], False, time.monotonic()))
    return "disabled"


def _bond_hash(_reconciler: Reconciler, args: list[str]) -> str:
    parts = args[0].split(":")
    if len(parts) != 6 or not all(re.fullmatch("[0-9a-fA-F]{1,2}", part) for part in parts):
        raise CommandError("invalid mac")
    mac = int.from_bytes(bytes(int(part, 16) for part in parts), "big")
    vlan, basis = (_number(args, at, what) for at, what in ((1, "invalid vlan"), (2, "invalid basis")))
    return str(hash_mac(mac, vlan & 0xFFFF, basis) & (BUCKETS - 1))


def _number(args: list[str], at: int, complaint: str) -> int:
    if at >= len(args):
        return 0
    if not re.fullmatch(r"\d+", args[at], re.ASCII):
        raise CommandError(complaint)
    return int(args[at])


COMMANDS = (
    ("bond/list", "", 0, 0, _bond_list),
    ("bond/show", "[port]", 0, 1, _bond_show),
    ("bond/migrate", "port hash member", 3, 3, _bond_migrate),
    ("bond/set-active-member", "port member", 2, 2, _bond_set_active),
    ("bond/set-active-slave", "port member", 2, 2, _bond_set_active),
    ("bond/enable-member", "port member", 2, 2, _bond_enable),
    ("bond/enable-slave", "port member", 2, 2, _bond_enable),
    ("bond/disable-member", "port member", 2, 2, _bond_disable),
    ("bond/disable-slave", "port member", 2, 2, _bond_disable),
    ("bond/hash", "mac [vlan] [basis]", 1, 3, _bond_hash),
)
