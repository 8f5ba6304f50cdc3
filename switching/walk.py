"""What one translation collects on its way through the bridges.

Rule: a Walk is made by xlate() and filled by the modules that decide; only the Decision outlives it. Whoever
looks at a bit of the packet that not every translation looks at says so by look().
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from datapath.actions import Action
from datapath.packet.flowkey import FlowKey, union
from switching.bond import Bucket
from switching.mirror import Destination
from switching.report import Report
from switching.state import Effect, State
from switching.switch import Switch, SwitchPort
from switching.vlan import Tags


class Copy(NamedTuple):
    """A copy of the packet for a port of a bridge."""

    port: SwitchPort
    tags: Tags
    snaplen: int = 0  # octets that are sent of it; 0: all
    may_return: bool = False  # to the device that it came from


class Delivery(NamedTuple):
    """A copy of the packet for a port that leads out of the datapath."""

    port: SwitchPort
    dp_port: int  # by which it leaves
    tags: Tags
    snaplen: int = 0
    may_return: bool = False
    recirc_id: int = 0  # the packet shall come again under this id, with a hash of its connection
    hash_basis: int = 0


class Walk:
    """The packet, what decides, and what was decided so far."""

    __slots__ = (
        "before",
        "buckets",
        "by_source",
        "deliveries",
        "effects",
        "extra",
        "inputs",
        "is_slow",
        "key",
        "mirrors",
        "outputs",
        "packet",
        "places",
        "report",
        "served",
        "state",
        "switch",
    )

    def __init__(
        self,
        key: FlowKey,
        switch: Switch,
        state: State,
        report: Report | None = None,
        packet: bytes = b"",
    ) -> None:
        self.key = key
        self.packet = packet  # as it came, where it is at hand
        self.switch = switch
        self.state = state
        self.report = report  # where somebody wants to know
        self.before: list[Action] = []  # what is done to the packet before any copy of it leaves
        self.deliveries: list[Delivery] = []  # in the order in which they are sent
        self.effects: list[Effect] = []
        self.is_slow = False  # the next packet like this one has to be decided by itself
        self.by_source = False  # the source decided something, beyond being learned
        self.places: list[Hashable] = []  # what of the state was asked for
        self.inputs: list[str] = []  # ports by which the packet came in, patch ports included
        self.outputs: list[str] = []  # ports to which a copy went, patch ports included
        self.buckets: list[Bucket] = []  # of bonds, by which a copy went
        self.mirrors: list[str] = []  # UUIDs of those that took the packet
        self.served: set[Destination] = set()  # of mirrors of the bridge that the packet is in
        self.extra: FlowKey | None = None  # bits that were looked at beside those of every translation

    def look(self, mask: FlowKey) -> None:
        """Note that these bits of the packet decided something."""
        self.extra = mask if self.extra is None else union(self.extra, mask)

    def say(self, line: str) -> None:
        """Add a line to the report; callers that have to compose it ask first whether there is one."""
        if self.report is not None:
            self.report.say(line)
