"""Actions on the bytes of a packet: what the datapaths that run in this process share.

Rule: this module changes packets and decides nothing; where they go is the Sink's affair. A checksum that
the sender left to offload (the virtio header says so) stays left; its pseudo-header sum is kept right.
"""

from __future__ import annotations

import random
from typing import Protocol

from datapath.actions import (
    Action,
    Actions,
    CheckPktLen,
    Clone,
    Hash,
    Output,
    PopVlan,
    PushVlan,
    Recirc,
    Sample,
    SetFields,
    SetTunnel,
    Trunc,
    Userspace,
)
from datapath.packet import headers as h
from datapath.packet.build import vlan_tag
from datapath.packet.checksum import update, update_partial
from datapath.packet.flowkey import FlowKey
from datapath.packet.hash import flow_hash

_KNOWN = (Output, Userspace, Trunc, Recirc, SetTunnel, PushVlan, PopVlan, SetFields, Hash)


class Packet:
    """A packet on its way: an Ethernet frame, and what is known of it beside its bytes."""

    __slots__ = ("cut", "frame", "metadata", "tunnel", "vnet")

    def __init__(self, frame: bytes, metadata: FlowKey, vnet: h.Vnet = h.NO_VNET) -> None:
        self.frame = frame
        self.metadata = (
            metadata  # in_port, tun_* ...; the fields that the frame holds are not kept up to date
        )
        self.vnet = vnet
        self.tunnel: SetTunnel | None = None  # as the last SetTunnel had it
        self.cut: int | None = None  # what a Trunc left to the next Output or Userspace

    def copy(self) -> Packet:
        """Return a packet that further actions on this one do not touch."""
        other = Packet(self.frame, self.metadata, self.vnet)
        other.tunnel = self.tunnel
        other.cut = self.cut
        return other


class Sink(Protocol):
    """Where packets go."""

    def output(self, packet: Packet, port: int) -> None:
        """Send the packet, as it is now, out of a port."""

    def userspace(self, packet: Packet, action: Userspace) -> None:
        """Hand the packet, as it is now, to the daemon."""

    def recirculate(self, packet: Packet) -> None:
        """Look the packet up once more; its metadata has the new recirc_id."""


def execute(packet: Packet, actions: Actions, sink: Sink) -> None:
    """Carry actions out in order. An action of unknown meaning ends the list: what follows may rely on it.

    As in the kernel, a packet that is to be cut still is so when it comes again or is cloned.
    """
    for action in actions:
        if isinstance(action, Output):
            sink.output(packet if packet.cut is None else _truncated(packet, packet.cut), action.port)
            packet.cut = None
        elif isinstance(action, Userspace):
            sink.userspace(packet if packet.cut is None else _truncated(packet, packet.cut), action)
            packet.cut = None
        elif isinstance(action, Trunc):
            packet.cut = action.max_len
        elif isinstance(action, Recirc):
            again = packet.copy()
            again.metadata = packet.metadata._replace(recirc_id=action.recirc_id)
            sink.recirculate(again)
        elif isinstance(action, Clone | Sample | CheckPktLen):
            execute(packet.copy(), _chosen(packet, action), sink)
        elif not _change(packet, action):
            return


def unsupported(actions: Actions) -> Action | None:
    """Return the first action, nested ones included, that execute() does not know; None: it knows all."""
    for action in actions:
        if isinstance(action, Clone | Sample):
            found = unsupported(action.actions)
        elif isinstance(action, CheckPktLen):
            found = unsupported(action.greater) or unsupported(action.less_equal)
        else:
            found = None if isinstance(action, _KNOWN) else action
        if found is not None:
            return found
    return None


def _chosen(packet: Packet, action: Clone | Sample | CheckPktLen) -> Actions:
    """Tell which actions a copy of the packet gets."""
    if isinstance(action, Clone):
        return action.actions
    if isinstance(action, Sample):
        return action.actions if random.getrandbits(32) <= action.probability else ()
    length = len(packet.frame)
    if packet.vnet.gso_size:  # what counts is what will be on the wire
        length = min(length, packet.vnet.hdr_len + packet.vnet.gso_size)
    return action.greater if length > action.length else action.less_equal


def _truncated(packet: Packet, max_len: int) -> Packet:
    """Return the packet's first bytes; a checksum left to offload covers these, if it is among them."""
    cut = packet.copy()
    cut.cut = None
    cut.frame = packet.frame[: max(max_len, h.ETH_HEADER_LEN)]
    vnet, length = packet.vnet, len(cut.frame)
    if vnet.flags & h.VNET_NEEDS_CSUM and vnet.csum_start + vnet.csum_offset + 2 > length:
        vnet = vnet._replace(flags=vnet.flags & ~h.VNET_NEEDS_CSUM, csum_start=0, csum_offset=0)
    if vnet.gso_size and length <= vnet.hdr_len + vnet.gso_size:
        vnet = vnet._replace(gso_type=0, gso_size=0, hdr_len=0)
    cut.vnet = vnet
    return cut


def _change(packet: Packet, action: Action) -> bool:
    if isinstance(action, SetTunnel):
        packet.tunnel = action
    elif isinstance(action, PushVlan):
        push_vlan(packet, action.tpid, action.tci)
    elif isinstance(action, PopVlan):
        pop_vlan(packet)
    elif isinstance(action, SetFields):
        set_fields(packet, action.value, action.mask)
    elif isinstance(action, Hash):
        packet.metadata = packet.metadata._replace(dp_hash=flow_hash(packet.frame, packet.metadata, action))
    else:
        return False
    return True


def push_vlan(packet: Packet, tpid: int, tci: int) -> None:
    """Put a tag behind the addresses."""
    frame = packet.frame
    packet.frame = frame[: h.ETH_ADDRS_LEN] + vlan_tag(tpid, tci) + frame[h.ETH_ADDRS_LEN :]
    packet.vnet = shifted(packet.vnet, h.VLAN_HEADER_LEN)


def pop_vlan(packet: Packet) -> None:
    """Take the outermost tag away; a packet without one stays as it is."""
    frame = packet.frame
    if int.from_bytes(frame[12:14], "big") in h.VLAN_TYPES and len(frame) >= 18:
        packet.frame = frame[: h.ETH_ADDRS_LEN] + frame[h.ETH_ADDRS_LEN + h.VLAN_HEADER_LEN :]
        packet.vnet = shifted(packet.vnet, -h.VLAN_HEADER_LEN)


def shifted(vnet: h.Vnet, by: int) -> h.Vnet:
    """Return the offload header of a frame whose headers grew by so many bytes."""
    hdr_len = vnet.hdr_len + by if vnet.hdr_len else 0
    csum_start = vnet.csum_start + by if vnet.flags & h.VNET_NEEDS_CSUM else vnet.csum_start
    return vnet._replace(hdr_len=hdr_len, csum_start=csum_start)


def set_fields(packet: Packet, value: FlowKey, mask: FlowKey) -> None:
    """Overwrite the bits of the headers that `mask` names, keeping every checksum right."""
    rewrite = _Rewrite(packet)
    rewrite.ethernet(value, mask)
    if rewrite.kind == h.ETH_TYPE_IP:
        rewrite.ipv4(value, mask)
    elif rewrite.kind == h.ETH_TYPE_IPV6:
        rewrite.ipv6(value, mask)
    elif rewrite.kind in (h.ETH_TYPE_ARP, h.ETH_TYPE_RARP):
        rewrite.arp(value, mask)
    packet.frame = bytes(rewrite.frame)
    if mask.skb_mark or mask.priority:
        was = packet.metadata
        packet.metadata = was._replace(
            skb_mark=was.skb_mark & ~mask.skb_mark | value.skb_mark & mask.skb_mark,
            priority=was.priority & ~mask.priority | value.priority & mask.priority,
        )


_CHECKSUM_AT = {h.IPPROTO_TCP: 16, h.IPPROTO_UDP: 6, h.IPPROTO_ICMPV6: 2}


class _Rewrite:
    """A frame under the knife: where its headers are, and what its checksums still need."""

    def __init__(self, packet: Packet) -> None:
        self.frame = bytearray(packet.frame)
        self.partial = bool(packet.vnet.flags & h.VNET_NEEDS_CSUM)
        self.network = h.ETH_ADDRS_LEN
        while (kind := self._get(self.network, 2)) in h.VLAN_TYPES and len(self.frame) >= self.network + 6:
            self.network += h.VLAN_HEADER_LEN
        self.kind = kind
        self.network += 2
        self.transport = 0  # 0: the packet has none that may be changed
        self.proto = 0

    def _get(self, at: int, size: int) -> int:
        return int.from_bytes(self.frame[at : at + size], "big")

    def _set(self, at: int, size: int, value: int, mask: int) -> tuple[int, int]:
        """Overwrite bits of one field, as far as it has them, and return it as it was and as it is."""
        mask &= (1 << size * 8) - 1
        old = self._get(at, size)
        new = old & ~mask | value & mask
        self.frame[at : at + size] = new.to_bytes(size, "big")
        return old, new

    def ethernet(self, value: FlowKey, mask: FlowKey) -> None:
        if len(self.frame) < h.ETH_HEADER_LEN:
            return
        self._set(0, 6, value.eth_dst, mask.eth_dst)
        self._set(6, 6, value.eth_src, mask.eth_src)
        if mask.vlan_tci and self.network >= h.ETH_HEADER_LEN + h.VLAN_HEADER_LEN:
            self._set(14, 2, value.vlan_tci, mask.vlan_tci & 0xEFFF)

    def ipv4(self, value: FlowKey, mask: FlowKey) -> None:
        at = self.network
        if len(self.frame) < at + 20 or (length := (self.frame[at] & 15) * 4) < 20:
            return
        self.proto = self.frame[at + 9]
        later = self._get(at + 6, 2) & h.IP_OFFSET_MASK
        self.transport = 0 if later else at + length
        for offset, new, bits in ((0, value.ip_tos, mask.ip_tos), (8, value.ip_ttl << 8, mask.ip_ttl << 8)):
            if bits:  # fields of one byte are changed as part of the word that the checksum covers
                self._header_checksum(*self._set(at + offset, 2, new, bits))
        for offset, new, bits in ((12, value.ip_src, mask.ip_src), (16, value.ip_dst, mask.ip_dst)):
            if bits:
                change = self._set(at + offset, 4, new, bits)
                self._header_checksum(*change)
                self._transport_checksum(*change, pseudo=True)
        self._ports(value, mask)

    def ipv6(self, value: FlowKey, mask: FlowKey) -> None:
        at = self.network
        if len(self.frame) < at + 40:
            return
        self.proto = self.frame[at + 6]
        self.transport = at + 40  # behind extension headers nothing is changed: their number is no protocol's
        self._set(at, 4, value.ip_tos << 20 | value.ipv6_label, mask.ip_tos << 20 | mask.ipv6_label)
        self._set(at + 7, 1, value.ip_ttl, mask.ip_ttl)
        for offset, new, bits in ((8, value.ip_src, mask.ip_src), (24, value.ip_dst, mask.ip_dst)):
            if bits:
                self._transport_checksum(*self._set(at + offset, 16, new, bits), pseudo=True)
        self._ports(value, mask)

    def arp(self, value: FlowKey, mask: FlowKey) -> None:
        at = self.network
        if len(self.frame) < at + 28:
            return
        self._set(at + 6, 2, value.arp_op, mask.arp_op)
        self._set(at + 8, 6, value.arp_sha, mask.arp_sha)
        self._set(at + 14, 4, value.arp_sip, mask.arp_sip)
        self._set(at + 18, 6, value.arp_tha, mask.arp_tha)
        self._set(at + 24, 4, value.arp_tip, mask.arp_tip)

    def _ports(self, value: FlowKey, mask: FlowKey) -> None:
        at = self.transport
        if not at or len(self.frame) < at + 8 or not (mask.tp_src or mask.tp_dst):
            return
        if self.proto in (h.IPPROTO_TCP, h.IPPROTO_UDP):
            new, bits = value.tp_src << 16 | value.tp_dst, mask.tp_src << 16 | mask.tp_dst
            self._transport_checksum(*self._set(at, 4, new, bits), pseudo=False)
        elif self.proto in (h.IPPROTO_ICMP, h.IPPROTO_ICMPV6):
            new, bits = value.tp_src << 8 | value.tp_dst, (mask.tp_src & 255) << 8 | mask.tp_dst & 255
            old, new = self._set(at, 2, new, bits)
            self._set(at + 2, 2, update(self._get(at + 2, 2), old, new), 0xFFFF)

    def _header_checksum(self, old: int, new: int) -> None:
        at = self.network + 10
        self._set(at, 2, update(self._get(at, 2), old, new), 0xFFFF)

    def _transport_checksum(self, old: int, new: int, *, pseudo: bool) -> None:
        """Make up for a change; `pseudo`: of the pseudo header, not of the transport header."""
        offset = _CHECKSUM_AT.get(self.proto)
        if offset is None or not self.transport or len(self.frame) < self.transport + offset + 2:
            return
        at = self.transport + offset
        field = self._get(at, 2)
        if self.partial:
            if pseudo:
                self._set(at, 2, update_partial(field, old, new), 0xFFFF)
            return
        if self.proto == h.IPPROTO_UDP:
            if field:  # 0: the sender computed none
                self._set(at, 2, update(field, old, new) or 0xFFFF, 0xFFFF)
            return
        self._set(at, 2, update(field, old, new), 0xFFFF)
