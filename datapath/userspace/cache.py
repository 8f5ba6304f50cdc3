"""An exact-match cache in front of the flow table: the first bytes of a frame → what to do with it.

Rule: a cache key holds every bit that any mask of the flow table looks at, and every bit that decides where
those are. Two frames with equal keys therefore have the same flow. Frames where that cannot be said of
fixed places (802.2, MPLS labels, NSH, IPv6 extension headers, short ones) are not cached; they take the
way of extract().

A key is the first WINDOW bytes as one number, ANDed with a mask that depends on the frame's shape: its type
field and the first byte behind it. That is 0.5 us, against 8 us for extract() and a search of the table.
"""

from __future__ import annotations

from typing import NamedTuple

from datapath.packet import headers as h
from datapath.packet.flowkey import FlowKey

WINDOW = 96  # holds Ethernet, a tag, 60 bytes of IPv4 and what is looked at of TCP
_BITS = WINDOW * 8
SHAPE_SHIFT = (
    _BITS - 15 * 8
)  # what is left is 15 bytes; the lowest three are the type and one byte of payload
SHAPE_MASK = 0xFFFFFF
TAGGED_SHIFT = SHAPE_SHIFT - 8 * h.VLAN_HEADER_LEN  # the same behind one tag
FIRST_TAG_SHAPES = frozenset(tpid << 8 | tci for tpid in h.VLAN_TYPES for tci in range(256))

_L4_FIELDS = ("tp_src", "tp_dst", "tcp_flags")
_ARP_FIELDS = ("arp_op", "arp_sip", "arp_tip", "arp_sha", "arp_tha")
_MPLS_FIELDS = ("mpls_lse0", "mpls_lse1", "mpls_lse2")
_ND_FIELDS = ("nd_target", "nd_sll", "nd_tll")
_L4_LEN = 20  # shorter TCP headers have no fields; for other protocols this is on the safe side


class Shape(NamedTuple):
    """Which bits of the window count for frames of one shape that are at least so long."""

    mask: int
    min_len: int


def shape_of(word: int) -> int:
    """Return what tells a frame's layout, given its window: type and next byte, behind a tag if any."""
    shape = word >> SHAPE_SHIFT & SHAPE_MASK
    if shape in FIRST_TAG_SHAPES:
        return 1 << 32 | word >> TAGGED_SHIFT & SHAPE_MASK | shape >> 8 << 40
    return shape


def cacheable(word: int) -> bool:
    """Whether the layout of this frame is told by its shape alone: not so with IPv6 extension headers."""
    shape = shape_of(word)
    if shape >> 8 & 0xFFFF != h.ETH_TYPE_IPV6:
        return True
    at = h.ETH_HEADER_LEN + (h.VLAN_HEADER_LEN if shape >> 32 else 0) + 6
    return (word >> (_BITS - 8 - at * 8) & 0xFF) not in h.IPV6_EXTENSIONS


def make_shape(word: int, looked_at: FlowKey) -> Shape | None:
    """Lay the mask out for frames shaped like this one; None where there are no fixed places."""
    shape = shape_of(word)
    tagged = bool(shape >> 32)
    eth_type, first = shape >> 8 & 0xFFFF, shape & 0xFF
    layout = _Layout()
    layout.field(0, 6, looked_at.eth_dst)
    layout.field(6, 6, looked_at.eth_src)
    if tagged:
        layout.field(14, 2, looked_at.vlan_tci)
    at = h.ETH_HEADER_LEN + (h.VLAN_HEADER_LEN if tagged else 0)
    layout.min_len = at
    if eth_type < h.ETH_TYPE_MIN or eth_type in h.VLAN_TYPES:
        return None
    if eth_type == h.ETH_TYPE_IP:
        _ipv4(layout, at, (first & 15) * 4, looked_at)
    elif eth_type == h.ETH_TYPE_IPV6:
        if any(getattr(looked_at, name) for name in _ND_FIELDS):
            return None
        _ipv6(layout, at, looked_at)
    elif eth_type in (h.ETH_TYPE_ARP, h.ETH_TYPE_RARP):
        _arp(layout, at, looked_at)
    elif (
        eth_type in (h.ETH_TYPE_MPLS, h.ETH_TYPE_MPLS_MCAST)
        and any(getattr(looked_at, name) for name in _MPLS_FIELDS)
    ) or (eth_type == h.ETH_TYPE_NSH and looked_at.nsh):
        return None
    return Shape(layout.mask, layout.min_len)


class _Layout:
    """A mask in the making."""

    def __init__(self) -> None:
        self.mask = 0
        self.min_len = 0

    def field(self, at: int, size: int, bits: int) -> None:
        """Look at these bits of the field of `size` bytes at offset `at`."""
        self.mask |= (bits & (1 << size * 8) - 1) << _BITS - (at + size) * 8


def _ipv4(layout: _Layout, at: int, length: int, looked_at: FlowKey) -> None:
    if length < 20:  # not IPv4 in truth: no fields
        return
    l4 = any(getattr(looked_at, name) for name in _L4_FIELDS)
    layout.field(at + 1, 1, looked_at.ip_tos)
    layout.field(at + 6, 2, h.IP_MORE_FRAGMENTS | h.IP_OFFSET_MASK if looked_at.ip_frag or l4 else 0)
    layout.field(at + 8, 1, looked_at.ip_ttl)
    layout.field(at + 9, 1, 0xFF if l4 else looked_at.ip_proto)
    layout.field(at + 12, 4, looked_at.ip_src)
    layout.field(at + 16, 4, looked_at.ip_dst)
    layout.min_len = at + length
    if l4:
        _transport(layout, at + length, looked_at)


def _ipv6(layout: _Layout, at: int, looked_at: FlowKey) -> None:
    l4 = any(getattr(looked_at, name) for name in _L4_FIELDS)
    layout.field(at, 4, (looked_at.ip_tos & 0xFF) << 20 | looked_at.ipv6_label & 0xFFFFF)
    layout.field(at + 6, 1, 0xFF)  # an extension header here changes the layout
    layout.field(at + 7, 1, looked_at.ip_ttl)
    layout.field(at + 8, 16, looked_at.ip_src)
    layout.field(at + 24, 16, looked_at.ip_dst)
    layout.min_len = at + 40
    if l4:
        _transport(layout, at + 40, looked_at)


def _transport(layout: _Layout, at: int, looked_at: FlowKey) -> None:
    """Look at ports where TCP, UDP and SCTP have them, and at type and code where ICMP has them."""
    layout.field(at, 2, looked_at.tp_src | (looked_at.tp_src & 0xFF) << 8 | looked_at.tp_dst & 0xFF)
    layout.field(at + 2, 2, looked_at.tp_dst)
    layout.field(at + 12, 2, looked_at.tcp_flags & 0x0FFF)
    layout.min_len = at + _L4_LEN


def _arp(layout: _Layout, at: int, looked_at: FlowKey) -> None:
    if not any(getattr(looked_at, name) for name in _ARP_FIELDS):
        return
    layout.field(at, 8, (1 << 64) - 1)
    layout.field(at + 8, 6, looked_at.arp_sha)
    layout.field(at + 14, 4, looked_at.arp_sip)
    layout.field(at + 18, 6, looked_at.arp_tha)
    layout.field(at + 24, 4, looked_at.arp_tip)
    layout.min_len = at + 28
