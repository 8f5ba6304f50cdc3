"""OpenFlow port numbers: which interface has which.

Rule: pure. An interface keeps its number while it is there and, by the database's ofport column, over a
restart; a request for a free number is granted; else a bridge counts up: a number is not soon used again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from switching.switch import LOCAL_OFPORT
from vswitchd.config.desired import DesiredBridge, DesiredInterface

MAX_OFPORT = 65279  # above are OpenFlow's reserved ports and Open vSwitch's own


@dataclass(frozen=True, slots=True)
class BridgeNumbers:
    """The numbers of one bridge."""

    ofports: Mapping[str, int]  # by name of the interface
    last: int = 0  # up to where it has counted


NO_NUMBERS = BridgeNumbers({})


def assign(
    bridge: DesiredBridge,
    present: Collection[str],
    before: BridgeNumbers,
    number_before: Callable[[DesiredInterface], int | None],
) -> BridgeNumbers:
    """Number the interfaces named in `present`; `before` is what the last call returned.

    `number_before` tells what the database says, which counts for those that had no number until now.
    """
    interfaces = [i for i in bridge.interfaces() if i.name in present]
    numbers: dict[str, int] = {}
    taken: set[int] = set()

    def take(interface: DesiredInterface, number: int | None) -> None:
        if number is not None and number not in taken and interface.name not in numbers:
            numbers[interface.name] = number
            taken.add(number)

    for interface in interfaces:
        if interface.name == bridge.name:
            take(interface, LOCAL_OFPORT)
    for interface in interfaces:  # who has what it asks for, or asks for nothing, keeps its number
        old = before.ofports.get(interface.name)
        if old is not None and interface.ofport_request in (None, old):
            take(interface, old)
    if len(numbers) == len(interfaces):
        return BridgeNumbers(numbers, before.last)
    others = [interface for interface in interfaces if interface.name not in numbers]
    for interface in others:
        take(interface, interface.ofport_request)
    for interface in others:
        old = before.ofports.get(interface.name)
        take(interface, number_before(interface) if old is None else old)
    last = before.last
    for interface in others:
        if interface.name not in numbers:
            last = _next_free(last, taken)
            take(interface, last)
    return BridgeNumbers(numbers, last)


def _next_free(last: int, taken: set[int]) -> int:
    for _ in range(MAX_OFPORT):
        last = last % MAX_OFPORT + 1
        if last not in taken:
            break
    return last
