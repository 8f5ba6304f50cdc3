"""What offload hardware would do: complete checksums, cut super-frames into segments, and the reverse.

Rule: bytes in, bytes out, nothing sent. A payload is summed at most once and never copied: a segment is a
header and a range of the super-frame. Its header is what the kernel's tcp_gso_segment() would make.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from datapath.packet import headers as h
from datapath.packet.checksum import checksum, ones_sum
from datapath.userspace.syscalls import Memory

_TCP_CHECKSUM, _TCP_FLAGS, _TCP_SEQ = 16, 12, 4
_LAST_ONLY = h.TCP_FIN | h.TCP_PSH
_HEAD = 54  # Ethernet, IPv4 and TCP without options
_CHECKSUM_AT = {h.IPPROTO_TCP: 34 + _TCP_CHECKSUM, h.IPPROTO_UDP: 34 + 6}  # behind such an IPv4 header
_CSUM, _CSUM_AT = struct.Struct("=HH"), 6  # csum_start and csum_offset in a virtio header
_U16, _U32 = struct.Struct("!H"), struct.Struct("!I")


class Layout(NamedTuple):
    """Where the headers of a TCP or UDP packet are, as offsets into the frame."""

    network: int
    transport: int
    payload: int
    end: int  # of the IP packet; padding may follow
    ipv6: bool
    proto: int


class Segment(NamedTuple):
    """One frame to be sent: a header of its own, and a part of the super-frame's payload behind it."""

    header: bytes
    start: int
    length: int


class Cut(NamedTuple):
    """What a frame was cut into, and the memory that the pieces' ranges are in."""

    frame: memoryview
    address: int
    pieces: list[Segment]


def locate(frame: bytes | bytearray | memoryview) -> Layout | None:
    """Find the headers of an unfragmented TCP or UDP packet; None for everything else."""
    at = h.ETH_ADDRS_LEN
    if len(frame) < 54:
        frame = bytes(frame).ljust(54, b"\0")
    while (kind := frame[at] << 8 | frame[at + 1]) in h.VLAN_TYPES and at < 20:
        at += h.VLAN_HEADER_LEN
    at += 2
    if kind == h.ETH_TYPE_IP:
        transport = at + (frame[at] & 15) * 4
        proto = frame[at + 9]
        end = at + (frame[at + 2] << 8 | frame[at + 3])
        if transport < at + 20 or (frame[at + 6] & 0x3F) | frame[at + 7]:
            return None
    elif kind == h.ETH_TYPE_IPV6:
        transport, proto = at + 40, frame[at + 6]
        end = transport + (frame[at + 4] << 8 | frame[at + 5])
    else:
        return None
    minimum = {h.IPPROTO_TCP: 20, h.IPPROTO_UDP: 8}.get(proto)
    if minimum is None or len(frame) < transport + minimum or end > len(frame) or end < transport + minimum:
        return None
    payload = transport + (frame[transport + 12] >> 4) * 4 if proto == h.IPPROTO_TCP else transport + 8
    if not transport + minimum <= payload <= end:
        return None
    return Layout(at, transport, payload, end, kind == h.ETH_TYPE_IPV6, proto)


def _pseudo(frame: bytes | bytearray | memoryview, layout: Layout, length: int) -> int:
    at, size = (layout.network + 8, 16) if layout.ipv6 else (layout.network + 12, 4)
    return (int.from_bytes(frame[at : at + 2 * size], "big") + layout.proto + length) % 0xFFFF or 0xFFFF


def complete(frame: bytes, vnet: h.Vnet) -> bytes:
    """Return the frame with the checksum that its sender left to offload."""
    at = vnet.csum_start + vnet.csum_offset
    if not vnet.flags & h.VNET_NEEDS_CSUM or len(frame) < at + 2:
        return frame
    value = checksum(memoryview(frame)[vnet.csum_start :]) or 0xFFFF
    return frame[:at] + _U16.pack(value) + frame[at + 2 :]


def checksum_left(memory: Memory, start: int, length: int) -> tuple[int, bytes]:
    """Compute the checksum that was left to offload for a frame behind its virtio header; where it belongs.

    The frame's last octets where its header leads out of it.
    """
    csum_start, csum_offset = _CSUM.unpack_from(memory.bytes, start + _CSUM_AT)
    first = start + h.VNET_LEN + csum_start
    at, end = first + csum_offset, start + length
    if at + 2 > end:
        return end - 2, bytes(memory.view[end - 2 : end])
    return at, _U16.pack(checksum(memory.view[first:end]) or 0xFFFF)


def vnet_at(data: bytearray, start: int) -> h.Vnet:
    """Return the virtio header that is here."""
    return h.Vnet._make(h.VNET.unpack_from(data, start))


def segments(frame: memoryview, vnet: h.Vnet, room: int = 65535) -> Iterator[Segment]:
    """Cut a super-frame into frames of at most `room` bytes, at most gso_size of them payload, checksummed.

    A frame that cannot be cut (of another protocol, or malformed) gives nothing.
    """
    layout = locate(frame)
    if layout is None:
        return
    size = min(vnet.gso_size, room - layout.payload) if layout.proto == h.IPPROTO_TCP else vnet.gso_size
    if size < 8:
        return
    cut = _Cut(frame, layout)
    for index, start in enumerate(range(layout.payload, layout.end, size)):
        yield cut.segment(index, start, min(size, layout.end - start))


def split(frame: bytes, vnet: h.Vnet) -> list[bytes]:
    """Return the whole, checksummed frames that a frame with an offload header stands for."""
    if not vnet.gso_type:
        return [complete(frame, vnet)]
    view = memoryview(frame)
    return [header + frame[start : start + length] for header, start, length in segments(view, vnet)]


class _Cut:
    """The headers of a super-frame as one number, with the sums of what all segments share.

    A segment's header is that number with a few fields added: 2 us, where packing field by field takes 9.
    """

    def __init__(self, frame: memoryview, layout: Layout) -> None:
        self.frame, self.layout = frame, layout
        network, transport = layout.network, layout.transport
        header = bytearray(frame[: layout.payload])
        self.tcp = layout.proto == h.IPPROTO_TCP
        checksum_at = transport + (_TCP_CHECKSUM if self.tcp else 6)
        length_at = network + (4 if layout.ipv6 else 2)
        self.ip_id, self.seq, self.flags = 0, 0, 0
        _U16.pack_into(header, checksum_at, 0)
        _U16.pack_into(header, length_at, 0)
        if not layout.ipv6:
            self.ip_id = _U16.unpack_from(header, network + 4)[0]
            _U16.pack_into(header, network + 4, 0)
            _U16.pack_into(header, network + 10, 0)
        if self.tcp:
            self.seq = _U32.unpack_from(header, transport + _TCP_SEQ)[0]
            self.flags = _U16.unpack_from(header, transport + _TCP_FLAGS)[0]
            _U32.pack_into(header, transport + _TCP_SEQ, 0)
            _U16.pack_into(header, transport + _TCP_FLAGS, 0)
        else:
            _U16.pack_into(header, transport + 4, 0)
        self.ip_sum = ones_sum(header[network:transport])
        self.shared = ones_sum(header[transport:], _pseudo(frame, layout, 0))
        self.header, self.size = int.from_bytes(header, "big"), len(header)
        self.at_length, self.at_checksum = self._shift(length_at, 2), self._shift(checksum_at, 2)
        self.at_id, self.at_ip_checksum = self._shift(network + 4, 2), self._shift(network + 10, 2)
        self.at_seq, self.at_flags = (
            self._shift(transport + _TCP_SEQ, 4),
            self._shift(transport + _TCP_FLAGS, 2),
        )
        self.at_udp_length = self._shift(transport + 4, 2)

    def _shift(self, at: int, size: int) -> int:
        return (self.size - at - size) * 8

    def segment(self, index: int, start: int, length: int) -> Segment:
        """Make the frame that carries this part of the payload."""
        layout, header = self.layout, self.header
        extra = ip_payload = self.size - layout.transport + length
        if layout.ipv6:
            header |= ip_payload << self.at_length
        else:
            total, number = layout.transport - layout.network + ip_payload, self.ip_id + index & 0xFFFF
            ip_checksum = (self.ip_sum + total + number) % 0xFFFF ^ 0xFFFF
            header |= total << self.at_length | number << self.at_id | ip_checksum << self.at_ip_checksum
        if self.tcp:
            seq, flags = self.seq + start - layout.payload & 0xFFFFFFFF, self.flags
            if start + length < layout.end:
                flags &= ~_LAST_ONLY
            if index:
                flags &= ~h.TCP_CWR
            header |= seq << self.at_seq | flags << self.at_flags
            extra += seq + flags
        else:
            header |= ip_payload << self.at_udp_length
            extra += ip_payload
        value = checksum(self.frame[start : start + length], self.shared + extra) or 0xFFFF
        return Segment((header | value << self.at_checksum).to_bytes(self.size, "big"), start, length)


def is_complete(data: bytearray, at: int, length: int) -> bool:
    """Tell whether a frame, which begins here, is a common packet whose checksum is complete.

    A quick look at what most frames are, before offload_of(): of what it is not sure of it says False.
    """
    if length < _HEAD or data[at + 14] != 0x45 or data[at + 12] != 0x08 or data[at + 13]:
        return False
    proto = data[at + 23]
    field = _CHECKSUM_AT.get(proto)
    if field is None:
        return True  # no checksum of its transport is left to anybody
    total = data[at + 16] << 8 | data[at + 17]
    left = (int.from_bytes(data[at + 26 : at + 34], "big") + proto + total - 20) % 0xFFFF or 0xFFFF
    return data[at + field] << 8 | data[at + field + 1] != left


def offload_of(frame: memoryview) -> h.Vnet:
    """Return the offload header of a frame that came without, through a tunnel.

    A kernel that hands an encapsulated packet on within one machine leaves inner checksum and segmentation
    undone and has no way to say so: the checksum field then holds the pseudo header's sum.
    """
    layout = locate(frame)
    if layout is None:
        return h.NO_VNET
    offset = _TCP_CHECKSUM if layout.proto == h.IPPROTO_TCP else 6
    field = _U16.unpack_from(frame, layout.transport + offset)[0]
    if field != _pseudo(frame, layout, layout.end - layout.transport):
        return h.NO_VNET
    vnet = h.Vnet(h.VNET_NEEDS_CSUM, csum_start=layout.transport, csum_offset=offset)
    if layout.proto == h.IPPROTO_TCP and len(frame) > ASSUMED_FRAME:
        kind = h.VNET_GSO_TCPV6 if layout.ipv6 else h.VNET_GSO_TCPV4
        size = ASSUMED_FRAME - layout.payload
        vnet = vnet._replace(gso_type=kind, hdr_len=layout.payload, gso_size=size)
    return vnet


ASSUMED_FRAME = 1450  # what a path is taken to carry, where the segment size is not known
