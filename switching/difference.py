"""Which packets may be decided differently by another picture of the bridges.

Rule: pure. A decision depends on the bridges that the packet entered, by the ports in Decision.inputs. Beyond
those it depends on which tunnel port a packet from a tunnel belongs to, and on whether the other end of a
patch port is there. What becomes of one bridge of a thousand is no affair of the flows through the others.
"""

from __future__ import annotations

from collections.abc import Callable

from switching.switch import Switch
from switching.xlate import Decision


def all_decisions(_: Decision) -> bool:
    """Tell that any decision may be another one."""
    return True


def no_decision(_: Decision) -> bool:
    """Tell that no decision can be another one."""
    return False


def doubtful(before: Switch, after: Switch) -> Callable[[Decision], bool]:
    """Return what tells of a decision made by `before` whether `after` may decide otherwise."""
    if before == after:
        return no_decision
    if before.vlan_limit != after.vlan_limit:
        return all_decisions
    ports = _ports_of(_bridges_in_doubt(before, after), before, after)
    if before.tunnels != after.tunnels:
        ports |= {port.name for switch in (before, after) for port in switch.tunnels.values()}
    # A packet that entered no bridge may have a port now; one that comes again from a bond tells no input.
    return lambda decision: not decision.inputs or not ports.isdisjoint(decision.inputs)


def _bridges_in_doubt(before: Switch, after: Switch) -> set[str]:
    """Name the bridges that are not the same, and those with a patch port towards one of them."""
    names = before.bridges.keys() | after.bridges.keys()
    changed = {name for name in names if before.bridges.get(name) != after.bridges.get(name)}
    ports = _ports_of(changed, before, after)
    neighbours = {port.bridge for port in after.by_name.values() if port.peer in ports}
    return changed | neighbours


def _ports_of(bridges: set[str], *switches: Switch) -> set[str]:
    """Name the ports of these bridges in any of the pictures."""
    return {
        port.name
        for switch in switches
        for bridge in bridges
        if bridge in switch.bridges
        for port in switch.bridges[bridge].ports
    }
