"""Which buckets of a bond move to another member, so that all carry about as much.

Rule: pure. A move must be worth it: members that differ by less than a thirty-second, or by less than some
100 kB since the last time, stay as they are, and what is moved must bring the two loads nearer to each other
by a tenth at least. A member with a single bucket keeps it: it would only carry its load elsewhere.
Source: ovs-vswitchd.conf.db(5), "Rebalancing Configuration".
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from switching.bond import Bond, Bucket

_LEAST_DIFFERENCE = 100_000  # octets
_LEAST_SHARE = 32
_LEAST_GAIN = 0.1


class Move(NamedTuple):
    """A bucket for another member."""

    bucket: int
    octets: int
    source: str
    target: str


def plan_moves(buckets: list[str], loads: list[int], enabled: list[str]) -> list[Move]:
    """Return the moves, the most loaded member first; each bucket moves once at most."""
    totals = dict.fromkeys(enabled, 0)
    owned: dict[str, list[int]] = {name: [] for name in enabled}
    for index, name in enumerate(buckets):
        if name in totals and loads[index]:
            totals[name] += loads[index]
            owned[name].append(index)
    moves: list[Move] = []
    done: set[str] = set()
    while len(candidates := [name for name in enabled if name not in done]) > 1:
        source = max(candidates, key=totals.__getitem__)
        target = min(enabled, key=totals.__getitem__)
        excess = totals[source] - totals[target]
        if excess < max(_LEAST_DIFFERENCE, totals[target] // _LEAST_SHARE):
            break
        best = _best(owned[source], loads, totals[source], totals[target])
        if best is None:
            done.add(source)
            continue
        octets = loads[best]
        moves.append(Move(best, octets, source, target))
        owned[source].remove(best)
        totals[source] -= octets
        totals[target] += octets
    return moves


def _best(owned: list[int], loads: list[int], source: int, target: int) -> int | None:
    """Choose the bucket after whose move the two members are nearest to each other."""
    if len(owned) < 2:
        return None
    before = source - target
    best = min(owned, key=lambda index: abs(before - 2 * loads[index]))
    return best if abs(before - 2 * loads[best]) <= before * (1 - _LEAST_GAIN) else None


def rebalance(bond: Bond, now: float) -> list[Hashable]:
    """Move buckets, if it is time to; return the places that answer differently now."""
    if bond.rebalances_at is None or now < bond.rebalances_at:
        return []
    bond.rebalances_at = now + bond.config.rebalance_interval
    changed: list[Hashable] = []
    for bucket, octets, source, target in plan_moves(bond.buckets, bond.loads, bond.enabled()):
        bond.buckets[bucket] = target
        changed.append(Bucket(bond.name, bucket))
        what = f"shift {octets // 1024} kB of load with hash {bucket}"
        bond.log.append(f"bond {bond.name}: {what} from {source} to {target}")
    bond.loads = [octets // 2 for octets in bond.loads]
    return changed
