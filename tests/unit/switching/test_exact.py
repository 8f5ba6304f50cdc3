"""Masks that look at all of a packet."""

import pytest

from datapath.netlink.key_encode import encode_mask, shape_of
from datapath.packet.build import build
from datapath.packet.extract import extract
from datapath.packet.flowkey import FlowKey, masked
from switching.exact import exact

KEYS = [
    FlowKey(eth_src=1, eth_dst=2, eth_type=0x88B5),
    FlowKey(eth_src=1, eth_dst=2, eth_type=0x0800, ip_src=3, ip_dst=4, ip_proto=6, tp_src=5, tcp_flags=2),
    FlowKey(eth_src=1, eth_dst=2, eth_type=0x0800, ip_proto=17, ip_frag=2),
    FlowKey(eth_src=1, eth_dst=2, eth_type=0x86DD, ip_src=1 << 127, ip_proto=58, tp_src=135, nd_target=7),
    FlowKey(eth_src=1, eth_dst=2, eth_type=0x0806, arp_op=1, arp_sip=3, arp_tha=5),
    FlowKey(eth_src=1, eth_dst=2, eth_type=0x8847, mpls_lse0=0x1FF),
    FlowKey(eth_src=1, eth_dst=2, eth_type=0x894F, nsh=1 << 168 | 5),
]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: hex(key.eth_type))
def test_it_leaves_nothing_of_a_packet_out(key: FlowKey) -> None:
    assert masked(key, exact(key, FlowKey())) == key


@pytest.mark.parametrize("key", KEYS, ids=lambda key: hex(key.eth_type))
def test_it_fits_the_fields_on_the_wire(key: FlowKey) -> None:
    whole = extract(build(key._replace(ip_ttl=64))) if key.ip_frag != 2 else key
    mask = exact(whole, FlowKey(recirc_id=0xFFFFFFFF, in_port=0xFFFFFFFF))
    assert encode_mask(mask, shape_of(whole))
