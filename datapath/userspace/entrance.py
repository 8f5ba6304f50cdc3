"""GRE packets on their way to the host by a bridge's TAP: those that the host would hand back are taken.

Rule: what the host would refuse, put together or only look at stays with it; and no packet overtakes one
that the host still has.
"""

from __future__ import annotations

import time
from typing import Final

from datapath.packet import headers as h
from datapath.userspace.ports import TapPort
from datapath.userspace.syscalls import Memory
from datapath.userspace.underlay import Underlay

_LIFE: Final = 5.0  # seconds until the host is asked again
_MAX_KNOWN = 1024
_IP_AT = h.VNET_LEN + h.ETH_HEADER_LEN
_GRE_AT, _HEADERS = _IP_AT + 20, _IP_AT + 24  # up to GRE's flags and protocol
_PROTO_AT = _IP_AT + 9
_TEB = h.ETH_TYPE_TEB.to_bytes(2, "big")
_PLAIN = b"\x08\x00\x45"  # IPv4 without options


def _mask() -> int:
    """Return the bits by which headers are told apart: not length, identification, DF and checksum."""
    fields = ((2, 0xFFFF), (4, 0xFFFF), (6, 0x4000), (10, 0xFFFF))
    octets = bytearray(b"\xff" * _HEADERS)
    octets[: h.VNET_LEN] = bytes((h.VNET_NEEDS_CSUM, 0xFF, *bytes(h.VNET_LEN - 2)))  # what is left to be done
    for at, bits in fields:
        octets[_IP_AT + at : _IP_AT + at + 2] = (bits ^ 0xFFFF).to_bytes(2, "big")
    return int.from_bytes(octets, "big")


_MASK: Final = _mask()


class Entrance:
    """Decides by packet, and remembers by header what the host says."""

    def __init__(self, underlay: Underlay) -> None:
        self._underlay = underlay
        self._known: dict[int, bool] = {}
        self._expires = 0.0
        self.is_behind = True  # the host may have packets that came before

    def forget(self) -> None:
        """Ask again: something has changed."""
        self._known.clear()

    def take(self, port: TapPort, memory: Memory) -> list[tuple[int, int]]:
        """Take packets of GRE out of a TAP's queue; where each IP header begins, and its length on.

        Only packets in this memory are looked at.
        """
        data, view, size, queue = memory.bytes, memory.view, len(memory.bytes), port.queue
        taken: list[tuple[int, int]] = []
        kept: list[int] = []
        octets, known = 0, self._current()
        for at in range(0, len(queue), 2):
            length = queue[at + 1]
            start = queue[at] - memory.address
            if not 0 <= start < size or length < _HEADERS or data[start + _PROTO_AT] != h.IPPROTO_GRE:
                kept += queue[at : at + 2]
                continue
            number = int.from_bytes(view[start : start + _HEADERS], "big") & _MASK
            passes = known.get(number)
            if passes is None:
                passes = known[number] = self._ask(port, bytes(view[start : start + _HEADERS]))
            first = start + _IP_AT
            total = data[first + 2] << 8 | data[first + 3]
            if (
                passes
                and _HEADERS - _IP_AT <= total <= length - _IP_AT
                and not int.from_bytes(view[first : first + 20], "big") % 0xFFFF  # the checksum
                and not self.is_behind
            ):
                taken.append((first, total))
                octets += h.ETH_HEADER_LEN + total
            else:
                kept += queue[at : at + 2]
                self.is_behind = True
        if taken:
            port.count_sent(len(taken), octets, 0)
            queue[:] = kept
        return taken

    def _current(self) -> dict[int, bool]:
        """Forget what was asked long ago."""
        now = time.monotonic()
        if now >= self._expires or len(self._known) >= _MAX_KNOWN:
            self._known.clear()
            self._expires = now + _LIFE
        return self._known

    def _ask(self, port: TapPort, headers: bytes) -> bool:
        """Ask the host, if these are headers of a whole packet with an Ethernet frame in it."""
        header = headers[h.VNET_LEN : _GRE_AT]
        if headers[0] & h.VNET_NEEDS_CSUM or headers[1] or headers[-2:] != _TEB:
            return False
        if header[12:15] != _PLAIN or header[20] & 0x3F or header[21]:
            return False
        return self._underlay.takes(port, header)
