"""Numbers and layouts of the headers that the datapath looks into.

Rule: names only, no behaviour. Sources: IEEE 802.3, 802.1Q and 802.1ad, RFC 791, 826, 8200, 9293, 768, 792,
4443, 4861, and struct virtio_net_hdr of the Linux header linux/virtio_net.h.
"""

import struct
from typing import Final, NamedTuple

ETH_HEADER_LEN: Final = 14
ETH_ADDRS_LEN: Final = 12  # destination and source; a VLAN tag goes behind them
VLAN_HEADER_LEN: Final = 4
ETH_TYPE_MIN: Final = 0x0600  # smaller values of the type field are the length of an 802.2 frame

ETH_BROADCAST: Final = (1 << 48) - 1
ETH_GROUP: Final = 1 << 40  # the bit of an address that is for many

ETH_TYPE_IP: Final = 0x0800
ETH_TYPE_ARP: Final = 0x0806
ETH_TYPE_RARP: Final = 0x8035
ETH_TYPE_VLAN: Final = 0x8100
ETH_TYPE_QINQ: Final = 0x88A8
ETH_TYPE_IPV6: Final = 0x86DD
ETH_TYPE_MPLS: Final = 0x8847
ETH_TYPE_MPLS_MCAST: Final = 0x8848
ETH_TYPE_NSH: Final = 0x894F
ETH_TYPE_TEB: Final = 0x6558  # transparent Ethernet bridging: the payload of a GRE or Geneve tunnel
VLAN_TYPES: Final = (ETH_TYPE_VLAN, ETH_TYPE_QINQ)

IPPROTO_ICMP: Final = 1
IPPROTO_TCP: Final = 6
IPPROTO_UDP: Final = 17
IPPROTO_GRE: Final = 47
IPPROTO_ICMPV6: Final = 58
IPPROTO_SCTP: Final = 132

IPV6_HOP_BY_HOP: Final = 0
IPV6_ROUTING: Final = 43
IPV6_FRAGMENT: Final = 44
IPV6_AUTH: Final = 51
IPV6_NONE: Final = 59
IPV6_DESTINATION: Final = 60
IPV6_EXTENSIONS: Final = (IPV6_HOP_BY_HOP, IPV6_ROUTING, IPV6_FRAGMENT, IPV6_AUTH, IPV6_DESTINATION)

IP_FRAG_NONE: Final = 0  # OVS_FRAG_TYPE_*
IP_FRAG_FIRST: Final = 1
IP_FRAG_LATER: Final = 2
IP_MORE_FRAGMENTS: Final = 0x2000
IP_OFFSET_MASK: Final = 0x1FFF

ND_SOLICIT: Final = 135
ND_ADVERT: Final = 136
ND_OPTION_SOURCE: Final = 1
ND_OPTION_TARGET: Final = 2

TCP_FIN: Final = 0x01
TCP_PSH: Final = 0x08
TCP_ACK: Final = 0x10
TCP_CWR: Final = 0x80

IPV4: Final = struct.Struct(
    "!BBHHHBBHII"
)  # ver+ihl, tos, length, id, fragment, ttl, protocol, checksum, src, dst
IPV6: Final = struct.Struct(
    "!IHBB16s16s"
)  # version+class+label, payload length, next header, hop limit, src, dst
ARP: Final = struct.Struct("!HHBBH6sI6sI")  # htype, ptype, hlen, plen, op, sha, sip, tha, tip
TCP: Final = struct.Struct("!HHIIHHHH")  # src, dst, seq, ack, offset+flags, window, checksum, urgent
UDP: Final = struct.Struct("!HHHH")  # src, dst, length, checksum

ARP_ETHERNET_IPV4: Final = (1, ETH_TYPE_IP, 6, 4)


class Vnet(NamedTuple):
    """struct virtio_net_hdr: what the sender's kernel left undone in the frame behind it."""

    flags: int = 0  # VNET_NEEDS_CSUM
    gso_type: int = 0  # VNET_GSO_*
    hdr_len: int = 0  # bytes of headers up to and with the transport header; a hint
    gso_size: int = 0  # payload bytes of one segment
    csum_start: int = 0  # from here on the checksum is still to be summed up,
    csum_offset: int = 0  # and stored that many bytes behind csum_start


VNET: Final = struct.Struct("=BBHHHH")
VNET_LEN: Final = VNET.size
VNET_NEEDS_CSUM: Final = 1
VNET_GSO_TCPV4: Final = 1
VNET_GSO_UDP: Final = 3
VNET_GSO_TCPV6: Final = 4
VNET_GSO_UDP_L4: Final = 5
VNET_GSO_ECN: Final = 0x80
NO_VNET: Final = Vnet()
