"""The fields of a packet by which a datapath tells flows apart.

Rule: every field is an int, in host order, 0 where the packet has no such header, so that masking a key is
one C-speed pass over a tuple. A mask is a FlowKey too: a 1 bit means that the bit was looked at.

Names follow struct sw_flow_key of the kernel's net/openvswitch/flow.h.
"""

from operator import and_, or_
from typing import NamedTuple

ETH_TYPE_NONE = 0x05FF  # an 802.2 frame without a type of its own; the kernel sends no ETHERTYPE for it
VLAN_PRESENT = 0x1000  # in a TCI of a key: there is a tag (the bit that is CFI on the wire)


class FlowKey(NamedTuple):
    """A key, or a mask over one. Addresses are ints: 48 bits for Ethernet, 32 or 128 bits for IP."""

    recirc_id: int = 0
    dp_hash: int = 0
    priority: int = 0
    in_port: int = 0  # port number in the datapath, not an OpenFlow port
    skb_mark: int = 0
    ct_state: int = 0
    ct_zone: int = 0
    ct_mark: int = 0
    ct_labels: int = 0  # 128 bits
    tun_proto: int = (
        0  # AF_INET or AF_INET6 of the outer header; 0: not from a tunnel. In a mask: all ones or 0
    )
    tun_id: int = 0  # 64 bits; meaningful where tun_flags has TUN_KEY
    tun_src: int = 0
    tun_dst: int = 0
    tun_tos: int = 0
    tun_ttl: int = 0
    tun_flags: int = 0  # TUN_* below
    tun_tp_src: int = 0
    tun_tp_dst: int = 0
    tun_options: int = 0  # of Geneve, VXLAN or ERSPAN, as packed.pack_options() makes it
    ct_tuple: int = 0  # of the connection's first packet, as packed.pack_tuple() makes it
    eth_src: int = 0
    eth_dst: int = 0
    eth_type: int = 0  # of the payload, behind up to two VLAN tags; ETH_TYPE_NONE for 802.2
    vlan_tpid: int = 0
    vlan_tci: int = 0  # VLAN_PRESENT | PCP << 13 | VID; 0: untagged
    cvlan_tpid: int = 0
    cvlan_tci: int = 0
    mpls_lse0: int = 0
    mpls_lse1: int = 0
    mpls_lse2: int = 0
    ip_src: int = 0
    ip_dst: int = 0
    ip_proto: int = 0
    ip_tos: int = 0
    ip_ttl: int = 0
    ip_frag: int = 0  # OVS_FRAG_TYPE_*: 0 none, 1 first, 2 later
    ipv6_label: int = 0
    tp_src: int = 0  # port, or ICMP type
    tp_dst: int = 0  # port, or ICMP code
    tcp_flags: int = 0
    arp_op: int = 0
    arp_sip: int = 0
    arp_tip: int = 0
    arp_sha: int = 0
    arp_tha: int = 0
    nd_target: int = 0
    nd_sll: int = 0
    nd_tll: int = 0
    nsh: int = 0  # struct ovs_key_nsh in 192 bits: the base header and four words of context


TUN_KEY = 1  # a key (GRE) or VNI is present
TUN_DONT_FRAGMENT = 2
TUN_CSUM = 4
TUN_OAM = 8

NO_FIELDS = FlowKey()


def masked(key: FlowKey, mask: FlowKey) -> FlowKey:
    """Return the bits of `key` that `mask` looks at."""
    return FlowKey._make(map(and_, key, mask))


def union(a: FlowKey, b: FlowKey) -> FlowKey:
    """Return the mask that looks at all that `a` or `b` looks at."""
    return FlowKey._make(map(or_, a, b))
