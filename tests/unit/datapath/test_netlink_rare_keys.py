"""Keys with what few packets have, as attributes."""

import pytest

from datapath.netlink import openvswitch as ovs
from datapath.netlink import uapi
from datapath.netlink.attrs import NetlinkFormatError, attr, attr_u32, attributes, nested
from datapath.netlink.key_decode import decode_key, decode_mask
from datapath.netlink.key_encode import encode_key, encode_mask, shape_of
from datapath.odp_parse import parse_key

GENEVE = bytes.fromhex("00ff80010000000a")
NSH = bytes.fromhex("003f0103000005ff") + bytes(range(16))


def kinds(data: bytes) -> list[int]:
    return [kind for kind, _start, _stop in attributes(data)]


def test_a_flow_without_an_identifier_is_removed_by_its_key() -> None:
    key, _mask = parse_key("in_port(1),eth(),eth_type(0x1234)")
    by_key = ovs.flow_request(ovs.CMD_DEL, 7, key=key)
    assert by_key.endswith(attr(1, encode_key(key)))
    assert ovs.flow_request(ovs.CMD_DEL, 7, ufid=bytes(16), key=key) == ovs.flow_request(
        ovs.CMD_DEL, 7, ufid=bytes(16)
    )


def test_options_of_a_tunnel_are_encoded_as_they_came() -> None:
    option = attr(uapi.OVS_TUNNEL_GENEVE_OPTS, GENEVE)
    key, mask = parse_key(
        "tunnel(dst=1.1.1.1,geneve({class=0xff,type=0x80,len=4,0xa/0xf})),eth(),eth_type(0x1234)"
    )
    assert option in encode_key(key)
    assert decode_key(encode_key(key)) == key
    wanted = attr(uapi.OVS_TUNNEL_GENEVE_OPTS, bytes.fromhex("ffffff1f0000000f"))
    assert wanted in encode_mask(mask, shape_of(key))
    assert decode_mask(encode_mask(mask, shape_of(key))).tun_options == mask.tun_options


def test_options_that_are_not_looked_at_are_in_no_mask() -> None:
    key, _mask = parse_key("tunnel(dst=1.1.1.1,vxlan(gbp(id=5))),eth(),eth_type(0x1234)")
    mask = parse_key("tunnel(dst=1.1.1.1),eth(),eth_type(0x1234)")[1]
    assert attr_u32(1, 5) in encode_key(key)
    tunnel = next(
        data for data in attributes(encode_mask(mask, shape_of(key))) if data[0] == uapi.OVS_KEY_TUNNEL
    )
    inner = encode_mask(mask, shape_of(key))[tunnel[1] : tunnel[2]]
    assert uapi.OVS_TUNNEL_VXLAN_OPTS not in kinds(inner)


def test_a_mask_over_a_group_policy_keeps_the_header_of_its_attribute() -> None:
    key, mask = parse_key("tunnel(dst=1.1.1.1,vxlan(gbp(id=5/0xf))),eth(),eth_type(0x1234)")
    stripped = mask._replace(tun_options=mask.tun_options & ~(0xFFFFFFFF << 56))  # as a narrower mask has it
    assert encode_mask(stripped, shape_of(key)) == encode_mask(mask, shape_of(key))
    assert attr_u32(1, 0xF) in encode_mask(mask, shape_of(key))


def test_the_tuple_of_a_connection_is_padded_as_the_kernels_struct() -> None:
    key, mask = parse_key("ct_tuple4(src=1.2.3.4,proto=6,tp_src=80),eth(),eth_type(0x0800),ipv4()")
    payload = bytes((1, 2, 3, 4, 0, 0, 0, 0, 0, 80, 0, 0, 6, 0, 0, 0))
    assert attr(uapi.OVS_KEY_CT_ORIG_TUPLE_IPV4, payload) in encode_key(key)
    assert decode_key(encode_key(key)) == key
    assert decode_mask(encode_mask(mask, shape_of(key))).ct_tuple == mask.ct_tuple
    assert uapi.OVS_KEY_CT_ORIG_TUPLE_IPV4 not in kinds(encode_mask(mask._replace(eth_type=0), shape_of(key)))


def test_a_service_header_is_nested() -> None:
    key, mask = parse_key("eth(),eth_type(0x894f),nsh(ttl=63,mdtype=1,np=3,spi=5,si=255,c1=0x00010203)")
    base, context = NSH[:8], bytes((0, 1, 2, 3)) + bytes(12)
    assert nested(uapi.OVS_KEY_NSH, attr(1, base), attr(2, context)) in encode_key(key)
    assert decode_key(encode_key(key)) == key
    assert decode_mask(encode_mask(mask, shape_of(key))).nsh == mask.nsh
    assert uapi.OVS_KEY_NSH not in kinds(encode_mask(mask._replace(nsh=0), shape_of(key)))
    of_type_2 = key._replace(nsh=2 << 168)
    assert nested(uapi.OVS_KEY_NSH, attr(1, bytes((0, 0, 2, 0, 0, 0, 0, 0)))) in encode_key(of_type_2)


@pytest.mark.parametrize("payload", [b"", attr(1, bytes(7)), attr(1, bytes(8)) + attr(2, bytes(15))])
def test_a_service_header_cut_short_is_refused(payload: bytes) -> None:
    with pytest.raises(NetlinkFormatError):
        decode_key(attr(uapi.OVS_KEY_NSH, payload))
