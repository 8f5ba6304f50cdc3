"""Flow keys, masks, actions and messages of the openvswitch families, against bytes a kernel 6.1 sent."""

import pytest

from datapath.actions import (
    Opaque,
    Output,
    PopVlan,
    PushNsh,
    PushVlan,
    Recirc,
    SetFields,
    SetTunnel,
    Userspace,
)
from datapath.netlink import attrs, key_encode, uapi
from datapath.netlink import openvswitch as ovs
from datapath.netlink.action_codec import decode_actions, encode_actions
from datapath.netlink.key_decode import decode_key, decode_mask
from datapath.packet.flowkey import ETH_TYPE_NONE, TUN_CSUM, TUN_DONT_FRAGMENT, TUN_KEY, FlowKey
from datapath.provider import Execute, FlowPut, UpcallKind

METADATA = bytes.fromhex(
    "0800140000000000 0800130000000000 0800020000000000 0800030002000000 08000f0000000000"
    "0800160000000000 0600170000000000 0800180000000000 1400190000000000000000000000000000000000"
)
ICMP = METADATA + bytes.fromhex(
    "10000400aa8a384f9cb932616b04070c 0600060008000000 100007000a0000010a00000201004000 06000b0008000000"
)
ARP = METADATA + bytes.fromhex(
    "10000400aa8a384f9cb9ffffffffffff 0600060008060000"
    "1c000d000a0000010a0000020001aa8a384f9cb90000000000000000"
)
ONES = 0xFFFFFFFF
BROAD = FlowKey(recirc_id=ONES, in_port=ONES, eth_src=(1 << 48) - 1, eth_dst=(1 << 48) - 1, eth_type=0xFFFF)


def kinds(data: bytes) -> list[int]:
    return [kind for kind, _start, _stop in attrs.attributes(data)]


def test_the_key_of_a_ping_is_read() -> None:
    key = decode_key(ICMP)
    assert key == FlowKey(
        in_port=2, eth_src=0xAA8A384F9CB9, eth_dst=0x32616B04070C, eth_type=0x0800,
        ip_src=0x0A000001, ip_dst=0x0A000002, ip_proto=1, ip_ttl=64, tp_src=8,
    )  # fmt: skip


def test_the_key_of_an_arp_request_is_read() -> None:
    key = decode_key(ARP)
    assert (key.eth_type, key.arp_op, key.arp_sip, key.arp_tip) == (0x0806, 1, 0x0A000001, 0x0A000002)
    assert (key.arp_sha, key.arp_tha) == (0xAA8A384F9CB9, 0)


def test_the_order_of_attributes_does_not_matter() -> None:
    assert decode_key(ICMP[8:] + ICMP[:8]) == decode_key(ICMP)


def test_a_key_without_a_type_is_of_an_802_2_frame() -> None:
    key = decode_key(METADATA + bytes.fromhex("10000400aa8a384f9cb932616b04070c"))
    assert key.eth_type == ETH_TYPE_NONE
    assert uapi.OVS_KEY_ETHERTYPE not in kinds(key_encode.encode_key(key))
    assert decode_mask(key_encode.encode_mask(BROAD, key_encode.shape_of(key))).eth_type == 0xFFFF


def test_two_tags_nest() -> None:
    key = FlowKey(eth_type=0x0806, vlan_tpid=0x88A8, vlan_tci=0x1005, cvlan_tpid=0x8100, cvlan_tci=0x3006)
    encoded = key_encode.encode_key(key)
    assert kinds(encoded)[-3:] == [uapi.OVS_KEY_ETHERTYPE, uapi.OVS_KEY_VLAN, uapi.OVS_KEY_ENCAP]
    assert decode_key(encoded) == key


def test_an_attribute_for_newer_kernels_is_passed_over() -> None:
    assert decode_key(ICMP + attrs.attr(32, b"\0\0")) == decode_key(ICMP)


@pytest.mark.parametrize("cut", [3, 4, 11, 20])
def test_a_key_that_is_cut_within_an_attribute_is_refused(cut: int) -> None:
    with pytest.raises(attrs.NetlinkFormatError):
        decode_key(ICMP[:-cut])


def test_a_mask_names_ports_only_where_the_protocol_is_exact() -> None:
    shape = key_encode.shape_of(decode_key(ICMP)._replace(ip_proto=17))
    assert uapi.OVS_KEY_UDP not in kinds(key_encode.encode_mask(BROAD, shape))
    assert uapi.OVS_KEY_UDP in kinds(key_encode.encode_mask(BROAD._replace(ip_proto=0xFF), shape))


def test_a_mask_has_every_attribute_of_its_key_and_the_tunnel() -> None:
    encoded = key_encode.encode_mask(BROAD, key_encode.shape_of(decode_key(ARP)))
    assert set(kinds(ARP)) | {uapi.OVS_KEY_TUNNEL} == set(kinds(encoded))


def test_a_later_fragment_has_no_ports() -> None:
    shape = key_encode.shape_of(FlowKey(eth_type=0x0800, ip_proto=17, ip_frag=2))
    assert shape.transport == 0


def test_a_tunnel_key_is_read_and_written() -> None:
    key = FlowKey(
        tun_proto=2, tun_id=5, tun_src=0x01010101, tun_dst=0x02020202, tun_ttl=64, tun_flags=TUN_KEY | TUN_CSUM,
        tun_tp_src=5, tun_tp_dst=4789, in_port=4, eth_type=0x0800,
    )  # fmt: skip
    assert decode_key(key_encode.encode_key(key)) == key


def test_actions_keep_their_order_and_their_meaning() -> None:
    actions = (
        SetTunnel(dst=0x02020202, tun_id=7, ttl=64, flags=TUN_KEY | TUN_DONT_FRAGMENT),
        Output(4),
        PopVlan(),
        PushVlan(0x8100, 0x1007),
        Recirc(9),
        Userspace(0xFFFFFFFF, b"cookie!!"),
        Opaque(6, b"\1\2\3\4"),
    )
    assert decode_actions(encode_actions(actions)) == actions


def test_a_service_header_is_pushed_in_the_attribute_of_its_key() -> None:
    wire = bytes.fromhex(
        "28001100 24001c00 0c000100003f0103000005ff 1400020000000001000000020000000300000004"
    )
    action = PushNsh(0, 63, 1, 3, 0x5FF, bytes.fromhex("00000001000000020000000300000004"))
    assert decode_actions(wire) == (action,)
    assert encode_actions((action,)) == wire


def test_a_field_to_set_is_masked_in_its_value() -> None:
    value, mask = FlowKey(eth_type=0x0800, ip_src=0x01020304, ip_ttl=9), FlowKey(ip_src=0xFFFF0000)
    (action,) = decode_actions(encode_actions((SetFields(value, mask),)))
    assert action == SetFields(FlowKey(eth_type=0x0800, ip_src=0x01020000), mask)


def test_several_headers_become_several_actions() -> None:
    value = FlowKey(eth_type=0x0800, ip_proto=6, eth_dst=1, ip_ttl=2, tp_dst=3)
    mask = FlowKey(eth_dst=(1 << 48) - 1, ip_ttl=0xFF, tp_dst=0xFFFF)
    assert len(decode_actions(encode_actions((SetFields(value, mask),)))) == 3


def upcall(command: int, *attributes: bytes) -> bytes:
    body = b"".join(attributes)
    return bytes.fromhex("00000000 2300 0000 0000000000000000") .replace(bytes(4), (24 + len(body)).to_bytes(4, "little"), 1) + bytes(
        [command, 1, 0, 0]
    ) + (3).to_bytes(4, "little") + body  # fmt: skip


def test_a_miss_is_read() -> None:
    packet = bytes(range(60))
    data = upcall(1, attrs.attr(2, ICMP), attrs.attr(11, (7).to_bytes(8, "little")), attrs.attr(1, packet))
    found = ovs.parse_upcall(data, 0x23)
    assert found
    assert (found.kind, found.packet, found.hash, found.wire_key) == (UpcallKind.MISS, packet, 7, ICMP)
    assert found.key == decode_key(ICMP)


def test_what_is_no_upcall_is_not_taken_for_one() -> None:
    assert ovs.parse_upcall(upcall(3), 0x23) is None
    assert ovs.parse_upcall(upcall(1), 0x24) is None


def test_a_flow_message_is_what_vswitchd_sends() -> None:
    put = FlowPut(b"u" * 16, decode_key(ICMP), BROAD, (Output(3),), ICMP)
    data = ovs.flow_put_message(34, 3, put)
    assert int.from_bytes(data[:4], "little") == len(data)
    assert data[4:8] == bytes.fromhex("2200 0104")  # family, REQUEST | CREATE
    assert kinds(data[24:]) == [9, 1, 7, 2]
    flow = ovs.parse_flow(data[16:])
    assert (flow.ufid, flow.key, flow.actions) == (b"u" * 16, put.key, put.actions)


def test_a_packet_to_execute_has_packet_key_actions_and_hash() -> None:
    data = ovs.execute_message(35, 3, Execute(b"x" * 61, decode_key(ICMP), (Output(3),), ICMP, 7))
    assert int.from_bytes(data[:4], "little") == len(data)
    assert kinds(data[24:]) == [1, 2, 3, 11]


def test_counters_and_the_time_of_use_are_read() -> None:
    body = bytes(8) + attrs.attr(3, (7).to_bytes(8, "little") + (700).to_bytes(8, "little"))
    body += attrs.attr(5, (1500).to_bytes(8, "little")) + attrs.attr_u8(4, 0x12)
    assert tuple(ovs.parse_flow(body).stats) == (7, 700, 1.5, 0x12)


def test_devices_of_tunnels_are_known_by_their_names() -> None:
    def port(name: str) -> tuple[str, int]:
        body = bytes(8) + attrs.attr_u32(1, 3) + attrs.attr_u32(2, 1) + attrs.attr_text(3, name)
        found = ovs.parse_vport(body).vport
        return found.kind, found.dst_port

    assert port("vxlan_sys_4790") == ("vxlan", 4790)
    assert port("genev_sys_6081") == ("geneve", 6081)
    assert port("gre_sys") == ("gre", 0)
    assert port("eth0") == ("system", 0)
