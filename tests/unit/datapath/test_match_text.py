"""Flows as ovs-fields(7) writes them."""

import pytest

from datapath.match_parse import parse_flow
from datapath.match_text import format_match, format_packet
from datapath.odp_values import OdpTextError
from datapath.packet.flowkey import VLAN_PRESENT, FlowKey


@pytest.mark.parametrize(
    "text",
    [
        "tcp,in_port=1,vlan_tci=0x0000,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,nw_src=10.0.0.1,"
        "nw_dst=10.0.0.2,nw_tos=8,nw_ecn=1,nw_ttl=64,nw_frag=no,tp_src=1,tp_dst=80,tcp_flags=syn|ack",
        "icmp6,in_port=LOCAL,dl_vlan=5,dl_vlan_pcp=3,dl_vlan1=6,dl_vlan_pcp1=0,dl_src=02:00:00:00:00:01,"
        "dl_dst=33:33:00:00:00:02,ipv6_src=fe80::1,ipv6_dst=ff02::1,ipv6_label=0x00007,nw_tos=0,nw_ecn=0,"
        "nw_ttl=255,nw_frag=no,icmp_type=135,icmp_code=0,nd_target=fe80::2,nd_sll=02:00:00:00:00:01,"
        "nd_tll=00:00:00:00:00:00",
        "pkt_mark=0x1,skb_priority=0x2,ct_state=est|trk,ct_zone=3,ct_mark=0x4,ct_label=0x5,arp,in_port=1,"
        "vlan_tci=0x0000,dl_src=02:00:00:00:00:01,dl_dst=ff:ff:ff:ff:ff:ff,arp_spa=10.0.0.1,arp_tpa=10.0.0.2,"
        "arp_op=1,arp_sha=02:00:00:00:00:01,arp_tha=00:00:00:00:00:00",
        "ip,in_port=1,vlan_tci=0x0000,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,nw_src=10.0.0.1,"
        "nw_dst=10.0.0.2,nw_proto=47,nw_tos=0,nw_ecn=0,nw_ttl=64,nw_frag=no",
    ],
)
def test_what_is_written_reads_as_the_same_packet(text: str) -> None:
    flow = parse_flow(text)
    assert format_packet(flow.key, flow.in_port) == text


def test_a_match_shows_what_the_mask_looks_at() -> None:
    key = FlowKey(
        eth_type=0x0800, ip_src=0x0A000001, ip_tos=0x2B, vlan_tpid=0x8100, vlan_tci=VLAN_PRESENT | 7
    )
    mask = FlowKey(eth_type=0xFFFF, ip_src=0xFFFFFF00, ip_tos=0x03, vlan_tci=0xFFF, in_port=0xFFFFFFFF)
    assert format_match(key, mask, "3") == "eth,ip,in_port=3,dl_vlan=7,nw_src=10.0.0.1/255.255.255.0,nw_ecn=3"


def test_a_tunnel_shows_its_outer_header() -> None:
    key = parse_flow("in_port=1,tun_id=0x5,tun_src=1.2.3.4,tun_dst=5.6.7.8,tun_ttl=64").key
    assert format_packet(key, "1").startswith(
        "tun_id=0x5,tun_src=1.2.3.4,tun_dst=5.6.7.8,tun_ttl=64,in_port=1"
    )


@pytest.mark.parametrize("text", ["foo=1", "reg0=1", "nw_src=1.2.3.0/24", "dl_src=x", "tcp=3"])
def test_what_is_no_flow_is_refused(text: str) -> None:
    with pytest.raises(OdpTextError):
        parse_flow(text)
