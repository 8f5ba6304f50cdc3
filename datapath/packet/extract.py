"""A frame's bytes → its FlowKey.

Rule: any bytes give a key, none raises; where a header is cut short or wrong, its fields stay 0. What is
wrong the kernel's openvswitch module decides (key_extract), so that both agree on the flow of a packet.
"""

from __future__ import annotations

from datapath.packet import headers as h
from datapath.packet.flowkey import ETH_TYPE_NONE, NO_FIELDS, VLAN_PRESENT, FlowKey

_at = FlowKey._fields.index
METADATA_FIELDS = _at("eth_src")  # the fields before it do not come from the frame
ETH_SRC, ETH_DST, ETH_TYPE = _at("eth_src"), _at("eth_dst"), _at("eth_type")
VLAN_TPID, VLAN_TCI = _at("vlan_tpid"), _at("vlan_tci")
CVLAN_TPID, CVLAN_TCI = _at("cvlan_tpid"), _at("cvlan_tci")
MPLS_LSE0 = _at("mpls_lse0")
IP_SRC, IP_DST, IP_PROTO, IP_TOS = _at("ip_src"), _at("ip_dst"), _at("ip_proto"), _at("ip_tos")
IP_TTL, IP_FRAG, IPV6_LABEL = _at("ip_ttl"), _at("ip_frag"), _at("ipv6_label")
TP_SRC, TP_DST, TCP_FLAGS = _at("tp_src"), _at("tp_dst"), _at("tcp_flags")
ARP_OP, ARP_SIP, ARP_TIP = _at("arp_op"), _at("arp_sip"), _at("arp_tip")
ARP_SHA, ARP_THA = _at("arp_sha"), _at("arp_tha")
NSH = _at("nsh")
ND_TARGET, ND_SLL, ND_TLL = _at("nd_target"), _at("nd_sll"), _at("nd_tll")

_NO_PACKET = (0,) * (len(FlowKey._fields) - METADATA_FIELDS)
_MPLS_DEPTH = 3
_NSH_BASE_LEN, _NSH_LEN, _NSH_TYPE_1, _NSH_TYPE_2 = 8, 24, 1, 2
_TCP_LEN, _UDP_LEN, _SCTP_LEN, _ICMP_LEN, _ND_LEN = 20, 8, 12, 8, 24


def extract(frame: bytes | bytearray | memoryview, metadata: FlowKey = NO_FIELDS) -> FlowKey:
    """Parse an Ethernet frame. What no frame holds (in_port, recirc_id, tun_* ...) comes from `metadata`."""
    data = bytes(frame[:512])  # ample for every header the key knows; a longer chain of extensions ends there
    if len(data) < h.ETH_HEADER_LEN:
        data = data.ljust(h.ETH_HEADER_LEN, b"\0")
    key = [*metadata[:METADATA_FIELDS], *_NO_PACKET]
    key[ETH_DST] = int.from_bytes(data[0:6], "big")
    key[ETH_SRC] = int.from_bytes(data[6:12], "big")
    at = _vlans(data, key)
    at = _ethertype(data, at, key)
    if parse := _NETWORK.get(key[ETH_TYPE]):
        parse(data, at, key)
    return FlowKey._make(key)


def _u16(data: bytes, at: int) -> int:
    return data[at] << 8 | data[at + 1]


def _vlans(data: bytes, key: list[int]) -> int:
    """Parse up to two tags; return where the type field behind them is."""
    at = h.ETH_ADDRS_LEN
    for tpid, tci in ((VLAN_TPID, VLAN_TCI), (CVLAN_TPID, CVLAN_TCI)):
        if len(data) < at + 6 or _u16(data, at) not in h.VLAN_TYPES:
            break
        key[tpid] = _u16(data, at)
        key[tci] = _u16(data, at + 2) | VLAN_PRESENT
        at += h.VLAN_HEADER_LEN
    return at


def _ethertype(data: bytes, at: int, key: list[int]) -> int:
    """Parse the type field, looking through a SNAP header; return where the payload begins."""
    kind = _u16(data, at)
    at += 2
    if kind < h.ETH_TYPE_MIN:
        snap = data[at : at + 8]
        kind = _u16(snap, 6) if len(snap) == 8 and snap[:2] == b"\xaa\xaa" and snap[3:6] == b"\0\0\0" else 0
        at += 8
        if kind < h.ETH_TYPE_MIN:
            kind = ETH_TYPE_NONE
    key[ETH_TYPE] = kind
    return at


def _ipv4(data: bytes, at: int, key: list[int]) -> None:
    if len(data) < at + 20:
        return
    version, tos, _, _, fragment, ttl, proto, _, src, dst = h.IPV4.unpack_from(data, at)
    length = (version & 0x0F) * 4
    if length < 20 or len(data) < at + length:
        return
    key[IP_SRC], key[IP_DST], key[IP_PROTO], key[IP_TOS], key[IP_TTL] = src, dst, proto, tos, ttl
    if fragment & h.IP_OFFSET_MASK:
        key[IP_FRAG] = h.IP_FRAG_LATER
        return
    if fragment & h.IP_MORE_FRAGMENTS:
        key[IP_FRAG] = h.IP_FRAG_FIRST
    if parse := _TRANSPORT4.get(proto):
        parse(data, at + length, key)


def _ipv6(data: bytes, at: int, key: list[int]) -> None:
    if len(data) < at + 40:
        return
    word, _, following, hops, src, dst = h.IPV6.unpack_from(data, at)
    key[IP_TOS], key[IPV6_LABEL], key[IP_TTL] = word >> 20 & 0xFF, word & 0xFFFFF, hops
    key[IP_SRC], key[IP_DST] = int.from_bytes(src, "big"), int.from_bytes(dst, "big")
    key[IP_PROTO] = h.IPV6_NONE
    at += 40
    while following in h.IPV6_EXTENSIONS:
        if len(data) < at + 8:
            return
        length = 8
        if following == h.IPV6_FRAGMENT:
            if _u16(data, at + 2) & 0xFFF8:
                key[IP_FRAG], key[IP_PROTO] = h.IP_FRAG_LATER, h.IPV6_FRAGMENT
                return
            key[IP_FRAG] = h.IP_FRAG_FIRST
        elif following == h.IPV6_AUTH:
            length = (data[at + 1] + 2) * 4
        else:
            length = (data[at + 1] + 1) * 8
        following = data[at]
        at += length
    if len(data) < at:
        return
    key[IP_PROTO] = following
    if parse := _TRANSPORT6.get(following):
        parse(data, at, key)


def _arp(data: bytes, at: int, key: list[int]) -> None:
    if len(data) < at + 28:
        return
    htype, ptype, hlen, plen, op, sha, sip, tha, tip = h.ARP.unpack_from(data, at)
    if (htype, ptype, hlen, plen) != h.ARP_ETHERNET_IPV4:
        return
    key[ARP_OP] = op if op <= 0xFF else 0
    key[ARP_SIP], key[ARP_TIP] = sip, tip
    key[ARP_SHA], key[ARP_THA] = int.from_bytes(sha, "big"), int.from_bytes(tha, "big")


def _mpls(data: bytes, at: int, key: list[int]) -> None:
    for label in range(_MPLS_DEPTH):
        entry = data[at : at + 4]
        if len(entry) < 4:
            return
        key[MPLS_LSE0 + label] = int.from_bytes(entry, "big")
        if entry[2] & 1:  # bottom of stack
            return
        at += 4


def _nsh(data: bytes, at: int, key: list[int]) -> None:
    """Parse a Network Service Header (RFC 8300, 2.2); the key has the context of type 1 alone."""
    if len(data) < at + _NSH_BASE_LEN:
        return
    word = _u16(data, at)  # two bits of version, flags, TTL, length in words
    kind, length = data[at + 2] & 0xF, (word & 0x3F) * 4
    end = at + (_NSH_LEN if kind == _NSH_TYPE_1 else _NSH_BASE_LEN)
    if word >> 14 or len(data) < at + length or length < _NSH_BASE_LEN:
        return
    if kind not in (_NSH_TYPE_1, _NSH_TYPE_2) or (kind == _NSH_TYPE_1 and length != _NSH_LEN):
        return
    base = bytes((word >> 12 & 3, word >> 6 & 0x3F, kind, data[at + 3]))
    key[NSH] = int.from_bytes((base + data[at + 4 : end]).ljust(_NSH_LEN, b"\0"), "big")


def _ports(data: bytes, at: int, key: list[int], length: int) -> bool:
    if len(data) < at + length:
        return False
    key[TP_SRC], key[TP_DST] = _u16(data, at), _u16(data, at + 2)
    return True


def _tcp(data: bytes, at: int, key: list[int]) -> None:
    if _ports(data, at, key, _TCP_LEN):
        key[TCP_FLAGS] = _u16(data, at + 12) & 0x0FFF


def _udp(data: bytes, at: int, key: list[int]) -> None:
    _ports(data, at, key, _UDP_LEN)


def _sctp(data: bytes, at: int, key: list[int]) -> None:
    _ports(data, at, key, _SCTP_LEN)


def _icmp(data: bytes, at: int, key: list[int]) -> None:
    if len(data) >= at + _ICMP_LEN:
        key[TP_SRC], key[TP_DST] = data[at], data[at + 1]


def _icmpv6(data: bytes, at: int, key: list[int]) -> None:
    _icmp(data, at, key)
    if key[TP_SRC] in (h.ND_SOLICIT, h.ND_ADVERT) and key[TP_DST] == 0 and len(data) >= at + _ND_LEN:
        key[ND_TARGET] = int.from_bytes(data[at + 8 : at + 24], "big")
        _nd_options(data, at + _ND_LEN, key)


def _nd_options(data: bytes, at: int, key: list[int]) -> None:
    """Parse the link-layer address options; an address that is given twice makes the message invalid."""
    while len(data) >= at + 8:
        kind, length = data[at], data[at + 1] * 8
        if not length or length > len(data) - at:
            return
        field = {h.ND_OPTION_SOURCE: ND_SLL, h.ND_OPTION_TARGET: ND_TLL}.get(kind)
        if field is not None and length == 8:
            if key[field]:
                key[ND_TARGET] = key[ND_SLL] = key[ND_TLL] = 0
                return
            key[field] = int.from_bytes(data[at + 2 : at + 8], "big")
        at += length


_NETWORK = {
    h.ETH_TYPE_IP: _ipv4,
    h.ETH_TYPE_IPV6: _ipv6,
    h.ETH_TYPE_ARP: _arp,
    h.ETH_TYPE_RARP: _arp,
    h.ETH_TYPE_MPLS: _mpls,
    h.ETH_TYPE_MPLS_MCAST: _mpls,
    h.ETH_TYPE_NSH: _nsh,
}
_TRANSPORT4 = {h.IPPROTO_TCP: _tcp, h.IPPROTO_UDP: _udp, h.IPPROTO_SCTP: _sctp, h.IPPROTO_ICMP: _icmp}
_TRANSPORT6 = {h.IPPROTO_TCP: _tcp, h.IPPROTO_UDP: _udp, h.IPPROTO_SCTP: _sctp, h.IPPROTO_ICMPV6: _icmpv6}
