"""What the daemon knows of the flows that it put into one datapath.

Rule: this is the only module that adds or removes a Record. looking_at() finds the flows whose actions depend
on what the state says of a place: a station that moves costs one translation for each of its peers.
"""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Hashable, Iterable, Iterator
from functools import lru_cache
from operator import and_

from datapath.actions import Actions
from datapath.packet.flowkey import FlowKey
from datapath.provider import FlowStats
from switching.xlate import Decision

_DIGEST_SIZE = 16  # what Open vSwitch uses; the kernel takes no more


class Record:
    """One flow."""

    __slots__ = ("actions", "decision", "installed", "key", "stats", "ufid", "wire_key")

    def __init__(self, ufid: bytes, key: FlowKey, wire_key: bytes, decision: Decision, now: float) -> None:
        self.ufid = ufid
        self.key = key  # of the packet that made the flow, unmasked
        self.wire_key = wire_key
        self.decision = decision
        self.actions: Actions = decision.actions  # that the datapath has
        self.installed = now
        self.stats = FlowStats()  # when they were last read


class FlowBook:
    """The flows of one datapath by their identifiers."""

    def __init__(self) -> None:
        self._records: dict[bytes, Record] = {}
        self._looking_at: dict[Hashable, set[bytes]] = {}

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self._records.values()))

    def get(self, ufid: bytes) -> Record | None:
        """Find a flow."""
        return self._records.get(ufid)

    def add(self, record: Record) -> None:
        """Remember a flow; one with the same identifier is replaced."""
        self.remove(record.ufid)
        self._records[record.ufid] = record
        self._index(record)

    def remove(self, ufid: bytes) -> None:
        """Forget a flow, if it is known."""
        record = self._records.pop(ufid, None)
        if record:
            self._unindex(record)

    def decide(self, record: Record, decision: Decision) -> None:
        """Note a new decision for a flow."""
        looks_elsewhere = decision.places != record.decision.places
        if looks_elsewhere:
            self._unindex(record)
        record.decision = decision
        record.actions = decision.actions
        if looks_elsewhere:
            self._index(record)

    def clear(self) -> None:
        """Forget all."""
        self._records.clear()
        self._looking_at.clear()

    def looking_at(self, places: Iterable[Hashable]) -> list[Record]:
        """Return the flows that depend on any of these places."""
        found = {ufid for place in places for ufid in self._looking_at.get(place, ())}
        return [self._records[ufid] for ufid in found]

    def _index(self, record: Record) -> None:
        for place in record.decision.places:
            self._looking_at.setdefault(place, set()).add(record.ufid)

    def _unindex(self, record: Record) -> None:
        for place in record.decision.places:
            users = self._looking_at.get(place)
            if users is not None:
                users.discard(record.ufid)
                if not users:
                    del self._looking_at[place]


def flow_id(key: FlowKey, mask: FlowKey) -> bytes:
    """Return the identifier of the flow for this key under this mask, the same in every run."""
    # marshal: 1 us, where repr takes 10; version 2 writes no references, so equal tuples give equal bytes
    state = _hash_of_mask(mask).copy()
    state.update(marshal.dumps(tuple(map(and_, key, mask)), 2))
    return state.digest()


@lru_cache(maxsize=64)
def _hash_of_mask(mask: FlowKey) -> hashlib.blake2b:
    return hashlib.blake2b(marshal.dumps(tuple(mask), 2), digest_size=_DIGEST_SIZE)
