"""How much of what comes by a port is taken: packet sockets see frames before traffic control does.

Rule: no I/O; time is an argument. A frame is taken where both buckets have enough for it. A super-frame
counts with all its octets, and as one packet.
Source: ovs-vswitchd.conf.db(5), "Ingress Policing" of the Interface table.
"""

from __future__ import annotations

from datapath.packet import headers as h
from datapath.provider import PortLimit

Frames = list[tuple[int, int]]  # where each begins, and its length with the virtio header


class Policer:
    """The buckets of one port, full in the beginning."""

    def __init__(self, limit: PortLimit, now: float) -> None:
        self._limit = limit
        self._octets = float(limit.burst)
        self._packets = float(limit.packet_burst)
        self._now = now

    def admit(self, frames: Frames, now: float) -> Frames:
        """Return those frames of a batch that are taken."""
        limit, passed = self._limit, now - self._now
        self._now = now
        octets = min(self._octets + passed * limit.octets, limit.burst)
        packets = min(self._packets + passed * limit.packets, limit.packet_burst)
        taken = []
        for frame in frames:
            length = frame[1] - h.VNET_LEN
            if (limit.octets and octets < length) or (limit.packets and packets < 1):
                continue
            octets -= length
            packets -= 1
            taken.append(frame)
        self._octets, self._packets = octets, packets
        return taken
