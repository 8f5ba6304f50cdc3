"""The flows of a datapath that runs in this process: tuple-space search over masks.

Rule: this is the only module that adds or removes a flow; what was made from a flow elsewhere (a cache)
asks `generation`, which moves whenever a flow is gone, has other actions, or a mask is new.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from operator import and_, itemgetter

from datapath.actions import Actions
from datapath.packet.flowkey import NO_FIELDS, FlowKey, masked, union
from datapath.provider import DatapathError, Flow, FlowPut, FlowStats


class FlowEntry:
    """One flow and its counters."""

    __slots__ = ("actions", "bytes", "key", "mask", "packets", "tcp_flags", "ufid", "used")

    def __init__(self, put: FlowPut) -> None:
        self.ufid = put.ufid
        self.key = masked(put.key, put.mask)
        self.mask = put.mask
        self.actions: Actions = put.actions
        self.packets = 0
        self.bytes = 0
        self.used: float | None = None
        self.tcp_flags = 0

    def hit(self, length: int, tcp_flags: int, now: float) -> None:
        """Count a packet of `length` bytes."""
        self.packets += 1
        self.bytes += length
        self.tcp_flags |= tcp_flags
        self.used = now

    def stats(self) -> FlowStats:
        """Return the counters as they are now."""
        return FlowStats(self.packets, self.bytes, self.used, self.tcp_flags)

    def flow(self, *, terse: bool = False) -> Flow:
        """Return the flow as dumps show it."""
        if terse:
            return Flow(self.ufid, NO_FIELDS, NO_FIELDS, (), self.stats())
        return Flow(self.ufid, self.key, self.mask, self.actions, self.stats())


class _Subtable:
    """The flows that share one mask, hashed by the fields that the mask looks at."""

    def __init__(self, mask: FlowKey) -> None:
        fields = [i for i, bits in enumerate(mask) if bits] or [0]
        fields.append(fields[0])  # a getter of one field would return a bare int
        self._fields = itemgetter(*fields)
        self._bits = self._fields(mask)
        self.entries: dict[tuple[int, ...], FlowEntry] = {}

    def slot(self, key: FlowKey) -> tuple[int, ...]:
        return tuple(map(and_, self._fields(key), self._bits))


class FlowTable:
    """All flows of one datapath."""

    def __init__(self) -> None:
        self.generation = 0
        self.looked_at = NO_FIELDS  # every bit that a lookup in this generation may depend on
        self.masks_searched = 0
        self._subtables: dict[FlowKey, _Subtable] = {}
        self._by_ufid: dict[bytes, FlowEntry] = {}

    def __len__(self) -> int:
        return sum(len(subtable.entries) for subtable in self._subtables.values())

    def __iter__(self) -> Iterator[FlowEntry]:
        for subtable in self._subtables.values():
            yield from subtable.entries.values()

    @property
    def masks(self) -> int:
        """The number of different masks."""
        return len(self._subtables)

    def find(self, key: FlowKey) -> FlowEntry | None:
        """Return the flow that a packet with this key belongs to."""
        for subtable in self._subtables.values():
            self.masks_searched += 1
            if found := subtable.entries.get(subtable.slot(key)):
                return found
        return None

    def by_ufid(self, ufid: bytes) -> FlowEntry | None:
        """Return the flow with this identifier."""
        return self._by_ufid.get(ufid)

    def put(self, put: FlowPut) -> None:
        """Install or modify a flow. Raises EEXIST where its ufid or key has one, ENOENT for no flow."""
        entry = self._by_ufid.get(put.ufid) if put.ufid else self.find(put.key)
        if put.modify:
            if not entry:
                raise DatapathError(errno.ENOENT, f"modify flow {put.ufid.hex()}")
            if entry.actions != put.actions:
                entry.actions = put.actions
                self.generation += 1
            return
        if entry or self.find(put.key):
            raise DatapathError(errno.EEXIST, f"add flow {put.ufid.hex()}")
        self._insert(FlowEntry(put))

    def delete(self, ufid: bytes) -> FlowEntry | None:
        """Remove a flow and return what it was."""
        entry = self._by_ufid.pop(ufid, None)
        if entry:
            subtable = self._subtables[entry.mask]
            del subtable.entries[subtable.slot(entry.key)]
            if not subtable.entries:
                del self._subtables[entry.mask]
                self._look_again()
            self.generation += 1
        return entry

    def flush(self) -> None:
        """Remove every flow."""
        self._subtables.clear()
        self._by_ufid.clear()
        self._look_again()
        self.generation += 1

    def _insert(self, entry: FlowEntry) -> None:
        subtable = self._subtables.get(entry.mask)
        if subtable is None:
            subtable = self._subtables[entry.mask] = _Subtable(entry.mask)
            looked_at = union(self.looked_at, entry.mask)
            if looked_at != self.looked_at:
                self.looked_at = looked_at
                self.generation += 1
        subtable.entries[subtable.slot(entry.key)] = entry
        if entry.ufid:
            self._by_ufid[entry.ufid] = entry

    def _look_again(self) -> None:
        self.looked_at = NO_FIELDS
        for mask in self._subtables:
            self.looked_at = union(self.looked_at, mask)
