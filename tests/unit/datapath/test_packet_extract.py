"""Keys of packets that no builder makes: what the kernel's module does with them, seen on a real one."""

import pytest

from datapath.packet import headers as h
from datapath.packet.build import arp, build, ethernet
from datapath.packet.extract import extract
from datapath.packet.flowkey import ETH_TYPE_NONE, FlowKey

TCP = FlowKey(
    eth_src=1, eth_dst=2, eth_type=h.ETH_TYPE_IP, ip_src=3, ip_dst=4, ip_proto=6, ip_ttl=64, tp_src=5, tp_dst=6,
    tcp_flags=h.TCP_ACK,
)  # fmt: skip
NO_PORTS = {"tp_src": 0, "tp_dst": 0, "tcp_flags": 0}


def test_truncated_tcp_has_neither_ports_nor_flags() -> None:
    assert extract(build(TCP)[:-1]) == TCP._replace(**NO_PORTS)


def test_truncated_ip_has_no_fields() -> None:
    assert extract(build(TCP)[:33]) == FlowKey(eth_src=1, eth_dst=2, eth_type=h.ETH_TYPE_IP)


def test_a_later_fragment_has_no_ports() -> None:
    frame = bytearray(build(TCP))
    frame[21] = 5
    assert extract(frame) == TCP._replace(**NO_PORTS, ip_frag=h.IP_FRAG_LATER)


def test_ip_options_move_the_ports() -> None:
    frame = build(TCP)
    frame = frame[:14] + b"\x46" + frame[15:34] + bytes(4) + frame[34:]
    assert extract(frame) == TCP


@pytest.mark.parametrize("first", [0x44, 0x40])
def test_an_impossible_header_length_leaves_ip_out(first: int) -> None:
    frame = bytearray(build(TCP))
    frame[14] = first
    assert extract(frame) == FlowKey(eth_src=1, eth_dst=2, eth_type=h.ETH_TYPE_IP)


def test_802_2_has_no_type() -> None:
    assert extract(ethernet(1, 2, 38, b"\x42\x42\x03" + bytes(35))).eth_type == ETH_TYPE_NONE
    assert extract(ethernet(1, 2, 8, b"\xaa\xaa\x03\x00\x00\x0c\x20\x00")).eth_type == ETH_TYPE_NONE


def test_snap_carries_a_type() -> None:
    message = arp(1, 10, 11, 12, 13)
    key = extract(ethernet(1, 2, 36, b"\xaa\xaa\x03\x00\x00\x00\x08\x06" + message))
    assert (key.eth_type, key.arp_op, key.arp_tip) == (h.ETH_TYPE_ARP, 1, 13)


def test_a_third_tag_is_a_type() -> None:
    frame = bytes(12) + b"\x88\xa8\x00\x01\x81\x00\x00\x02\x81\x00\x00\x03\x08\x00"
    key = extract(frame)
    assert (key.vlan_tpid, key.vlan_tci, key.cvlan_tpid, key.cvlan_tci, key.eth_type) == (
        0x88A8, 0x1001, 0x8100, 0x1002, 0x8100,
    )  # fmt: skip


def test_a_tag_without_a_type_behind_it_is_no_tag() -> None:
    key = extract(bytes(12) + b"\x81\x00\x00\x01")
    assert (key.eth_type, key.vlan_tci) == (0x8100, 0)


def test_arp_of_other_hardware_has_no_fields() -> None:
    message = bytearray(arp(1, 10, 11, 12, 13))
    message[1] = 6
    assert extract(ethernet(1, 2, h.ETH_TYPE_ARP, bytes(message))) == FlowKey(
        eth_src=1, eth_dst=2, eth_type=h.ETH_TYPE_ARP
    )


def test_an_arp_operation_beyond_one_byte_is_none() -> None:
    assert extract(ethernet(1, 2, h.ETH_TYPE_ARP, arp(0x101, 10, 11, 12, 13))).arp_op == 0


NSH = bytes.fromhex("0fc60103000005ff") + bytes(range(1, 17))


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (NSH, bytes.fromhex("003f0103000005ff") + bytes(range(1, 17))),
        (bytes.fromhex("2fc40203000005ff0001010400000000"), bytes.fromhex("023f0203000005ff") + bytes(16)),
        (b"\x4f" + NSH[1:], b""),  # another version
        (NSH[:1] + b"\xc5" + NSH[2:], b""),  # type 1 has 24 bytes
        (NSH[:2] + b"\x03" + NSH[3:], b""),  # no type
        (NSH[:-1], b""),
        (NSH[:7], b""),
    ],
)
def test_a_service_header(header: bytes, found: bytes) -> None:
    key = extract(ethernet(1, 2, h.ETH_TYPE_NSH, header))
    assert key.nsh == int.from_bytes(found, "big")


def ipv6(following: int, payload: bytes) -> bytes:
    header = h.IPV6.pack(6 << 28, len(payload), following, 64, bytes(15) + b"\x01", bytes(15) + b"\x02")
    return ethernet(1, 2, h.ETH_TYPE_IPV6, header + payload)


def test_ipv6_extension_headers_are_skipped() -> None:
    ports = b"\x00\x05\x00\x06\x00\x08\x00\x00"
    hop = b"\x2b\x00" + bytes(6)  # then routing, then authentication, then UDP
    routing = b"\x33\x00" + bytes(6)
    authentication = b"\x11\x01" + bytes(10)
    key = extract(ipv6(h.IPV6_HOP_BY_HOP, hop + routing + authentication + ports))
    assert (key.ip_proto, key.tp_src, key.tp_dst) == (17, 5, 6)


def test_ipv6_extension_headers_cut_short_end_the_parse() -> None:
    key = extract(ipv6(h.IPV6_HOP_BY_HOP, b"\x11\x05" + bytes(6)))
    assert (key.ip_proto, key.ip_src, key.tp_src) == (h.IPV6_NONE, 1, 0)
    assert extract(ipv6(h.IPV6_HOP_BY_HOP, b"\x11")).ip_proto == h.IPV6_NONE


def test_a_neighbour_option_given_twice_invalidates_the_message() -> None:
    option = b"\x01\x01\x00\x00\x00\x00\x00\x07"
    solicit = b"\x87\x00" + bytes(6) + bytes(15) + b"\x09"
    assert extract(ipv6(h.IPPROTO_ICMPV6, solicit + option)).nd_sll == 7
    twice = extract(ipv6(h.IPPROTO_ICMPV6, solicit + option + option))
    assert (twice.nd_target, twice.nd_sll, twice.tp_src) == (0, 0, h.ND_SOLICIT)


def test_mpls_labels_end_at_the_bottom_of_the_stack() -> None:
    key = extract(ethernet(1, 2, h.ETH_TYPE_MPLS, b"\0\0\x10\x40\0\0\x21\x40\0\0\x31\x40"))
    assert (key.mpls_lse0, key.mpls_lse1, key.mpls_lse2) == (0x1040, 0x2140, 0)


def test_metadata_is_kept() -> None:
    key = extract(build(TCP), FlowKey(in_port=4, tun_id=9, eth_src=77))
    assert (key.in_port, key.tun_id, key.eth_src) == (4, 9, 1)
