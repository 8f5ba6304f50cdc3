"""A FlowKey → a frame that has it; and the parts of frames that the datapath writes itself.

Rule: extract(build(key)) is `key`, for every key that is the key of some frame.
"""

from __future__ import annotations

import struct

from datapath.packet import headers as h
from datapath.packet.checksum import checksum, pseudo_sum
from datapath.packet.flowkey import ETH_TYPE_NONE, FlowKey

_LLC_PAYLOAD = b"\x42\x42\x03" + bytes(35)  # as a spanning tree frame has it


def ethernet(src: int, dst: int, eth_type: int, payload: bytes = b"") -> bytes:
    """Format an untagged frame."""
    return dst.to_bytes(6, "big") + src.to_bytes(6, "big") + eth_type.to_bytes(2, "big") + payload


def vlan_tag(tpid: int, tci: int) -> bytes:
    """Format a tag; the bit that is VLAN_PRESENT in a key is clear on the wire."""
    return struct.pack("!HH", tpid, tci & 0xEFFF)


def build(key: FlowKey, payload: bytes = b"") -> bytes:
    """Format a frame with these headers, correct lengths and checksums, and `payload` behind them."""
    frame = key.eth_dst.to_bytes(6, "big") + key.eth_src.to_bytes(6, "big")
    for tpid, tci in ((key.vlan_tpid, key.vlan_tci), (key.cvlan_tpid, key.cvlan_tci)):
        if tci:
            frame += vlan_tag(tpid, tci)
    if key.eth_type == ETH_TYPE_NONE:
        body = _LLC_PAYLOAD + payload
        return frame + len(body).to_bytes(2, "big") + body
    frame += key.eth_type.to_bytes(2, "big")
    if key.eth_type == h.ETH_TYPE_IP:
        return frame + _ipv4(key, payload)
    if key.eth_type == h.ETH_TYPE_IPV6:
        return frame + _ipv6(key, payload)
    if key.eth_type in (h.ETH_TYPE_ARP, h.ETH_TYPE_RARP):
        return frame + arp(key.arp_op, key.arp_sha, key.arp_sip, key.arp_tha, key.arp_tip) + payload
    if key.eth_type in (h.ETH_TYPE_MPLS, h.ETH_TYPE_MPLS_MCAST):
        return frame + _mpls(key) + payload
    return frame + payload


def arp(op: int, sha: int, sip: int, tha: int, tip: int) -> bytes:
    """Format an ARP message for IPv4 over Ethernet (RFC 826)."""
    return h.ARP.pack(*h.ARP_ETHERNET_IPV4, op, sha.to_bytes(6, "big"), sip, tha.to_bytes(6, "big"), tip)


def _mpls(key: FlowKey) -> bytes:
    stack = b""
    for entry in (key.mpls_lse0, key.mpls_lse1, key.mpls_lse2):
        stack += entry.to_bytes(4, "big")
        if entry & 0x100:
            break
    return stack


def _ipv4(key: FlowKey, payload: bytes) -> bytes:
    src, dst = key.ip_src.to_bytes(4, "big"), key.ip_dst.to_bytes(4, "big")
    body = _transport(key, src, dst, payload)
    fragment = {h.IP_FRAG_NONE: 0, h.IP_FRAG_FIRST: h.IP_MORE_FRAGMENTS, h.IP_FRAG_LATER: 185}[key.ip_frag]
    fields = [0x45, key.ip_tos, 20 + len(body), 0, fragment, key.ip_ttl, key.ip_proto, 0]
    fields[7] = checksum(h.IPV4.pack(*fields, key.ip_src, key.ip_dst))
    return h.IPV4.pack(*fields, key.ip_src, key.ip_dst) + body


def _ipv6(key: FlowKey, payload: bytes) -> bytes:
    src, dst = key.ip_src.to_bytes(16, "big"), key.ip_dst.to_bytes(16, "big")
    body, following = _transport(key, src, dst, payload), key.ip_proto
    if key.ip_frag == h.IP_FRAG_FIRST:
        body, following = struct.pack("!BBHI", key.ip_proto, 0, 1, 1) + body, h.IPV6_FRAGMENT
    elif key.ip_frag == h.IP_FRAG_LATER:
        body = struct.pack("!BBHI", h.IPPROTO_UDP, 0, 185 << 3, 1) + body
    word = 6 << 28 | key.ip_tos << 20 | key.ipv6_label
    return h.IPV6.pack(word, len(body), following, key.ip_ttl, src, dst) + body


def _transport(key: FlowKey, src: bytes, dst: bytes, payload: bytes) -> bytes:
    """Format the transport header, if the packet has one, and what is behind it."""
    if key.ip_frag == h.IP_FRAG_LATER:
        return payload
    if key.ip_proto == h.IPPROTO_TCP:
        header = h.TCP.pack(key.tp_src, key.tp_dst, 0, 0, 0x5000 | key.tcp_flags, 65535, 0, 0)
        return _with_checksum(header + payload, 16, pseudo_sum(src, dst, key.ip_proto, 20 + len(payload)))
    if key.ip_proto == h.IPPROTO_UDP:
        length = 8 + len(payload)
        header = h.UDP.pack(key.tp_src, key.tp_dst, length, 0)
        return _with_checksum(header + payload, 6, pseudo_sum(src, dst, key.ip_proto, length))
    if key.ip_proto == h.IPPROTO_SCTP:
        return struct.pack("!HHII", key.tp_src, key.tp_dst, 0, 0) + payload
    if key.ip_proto == h.IPPROTO_ICMP and key.eth_type == h.ETH_TYPE_IP:
        return _with_checksum(bytes((key.tp_src, key.tp_dst)) + bytes(6) + payload, 2, 0)
    if key.ip_proto == h.IPPROTO_ICMPV6 and key.eth_type == h.ETH_TYPE_IPV6:
        return _icmpv6(key, src, dst, payload)
    return payload


def _icmpv6(key: FlowKey, src: bytes, dst: bytes, payload: bytes) -> bytes:
    message = bytes((key.tp_src, key.tp_dst)) + bytes(6)
    if key.tp_src in (h.ND_SOLICIT, h.ND_ADVERT) and key.tp_dst == 0:
        message += key.nd_target.to_bytes(16, "big")
        for kind, address in ((h.ND_OPTION_SOURCE, key.nd_sll), (h.ND_OPTION_TARGET, key.nd_tll)):
            if address:
                message += bytes((kind, 1)) + address.to_bytes(6, "big")
    message += payload
    return _with_checksum(message, 2, pseudo_sum(src, dst, h.IPPROTO_ICMPV6, len(message)))


def _with_checksum(message: bytes, at: int, start: int) -> bytes:
    """Fill in the checksum field at offset `at`, which is 0 so far."""
    return message[:at] + checksum(message, start).to_bytes(2, "big") + message[at + 2 :]
