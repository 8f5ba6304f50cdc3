"""Laws of the netlink codecs and of the flows' text: nothing is lost on the way out and back, no bytes break a reader."""

from __future__ import annotations

import contextlib

from hypothesis import example, given
from hypothesis import strategies as st

from datapath.actions import Action
from datapath.link import parse_link
from datapath.netlink import conntrack, genl, message, uapi
from datapath.netlink import openvswitch as ovs
from datapath.netlink.action_codec import decode_actions, encode_actions
from datapath.netlink.attrs import NetlinkFormatError, attr, nested
from datapath.netlink.conversation import Conversation, Interrupted, KernelRefusal
from datapath.netlink.key_decode import decode_key, decode_mask
from datapath.netlink.key_encode import encode_key, encode_mask, shape_of
from datapath.odp_actions import format_actions, parse_actions
from datapath.odp_parse import parse_key
from datapath.odp_text import format_key
from datapath.odp_values import OdpTextError
from datapath.packet.flowkey import ETH_TYPE_NONE, TUN_KEY, FlowKey
from datapath.packet.packed import (
    OPTIONS_HEADER,
    TUPLE_HEADER,
    TUPLE_LEN,
    pack_options,
    pack_tuple,
    unpack_options,
)
from dpctl.filter import parse_filter
from tests.kit.actions import OPTIONS, actions, bits

METADATA = {
    "recirc_id": bits(32), "dp_hash": bits(32), "priority": bits(32), "in_port": bits(16), "skb_mark": bits(32),
    "ct_state": bits(8), "ct_zone": bits(16), "ct_mark": bits(32), "ct_labels": bits(128),
    "eth_src": bits(48), "eth_dst": bits(48),
}  # fmt: skip
IP_REST = {"ip_tos": bits(8), "ip_ttl": bits(8)}
IPV4 = {"eth_type": st.just(0x0800), "ip_src": bits(32), "ip_dst": bits(32), **IP_REST}
IPV6 = {
    "eth_type": st.just(0x86DD),
    "ip_src": bits(128),
    "ip_dst": bits(128),
    "ipv6_label": bits(20),
    **IP_REST,
}
PORTS = {"tp_src": bits(16), "tp_dst": bits(16)}
ICMP = {"tp_src": st.integers(0, 134), "tp_dst": bits(8)}
FRAMES: list[dict[str, st.SearchStrategy[int]]] = [
    {**IPV4, "ip_proto": st.sampled_from([17, 132]), "ip_frag": st.sampled_from([0, 1]), **PORTS},
    {**IPV4, "ip_proto": st.just(6), **PORTS, "tcp_flags": bits(12)},
    {**IPV4, "ip_proto": st.just(1), **ICMP},
    {**IPV4, "ip_proto": st.sampled_from([2, 17]), "ip_frag": st.just(2)},
    {**IPV6, "ip_proto": st.just(6), **PORTS, "tcp_flags": bits(12)},
    {**IPV6, "ip_proto": st.just(58), **ICMP},
    {
        **IPV6, "ip_proto": st.just(58), "tp_src": st.sampled_from([135, 136]),
        "nd_target": bits(128), "nd_sll": bits(48), "nd_tll": bits(48),
    },
    {
        "eth_type": st.just(0x0806), "arp_op": bits(16), "arp_sip": bits(32), "arp_tip": bits(32),
        "arp_sha": bits(48), "arp_tha": bits(48),
    },
    {"eth_type": st.sampled_from([0x8847, 0x8848]), "mpls_lse0": bits(32).map(lambda entry: entry | 0x100)},
    {"eth_type": st.sampled_from([0x88B5, 0x88CC, ETH_TYPE_NONE])},
    {"eth_type": st.just(0x894F), "nsh": bits(192).map(lambda header: header & ~(0xFF << 168) | 1 << 168)},
]  # fmt: skip
TAGS: list[dict[str, st.SearchStrategy[int]]] = [
    {},
    {"vlan_tpid": st.sampled_from([0x8100, 0x88A8]), "vlan_tci": bits(16).map(lambda tci: tci | 0x1000)},
    {
        "vlan_tpid": st.just(0x88A8), "vlan_tci": bits(16).map(lambda tci: tci | 0x1000),
        "cvlan_tpid": st.just(0x8100), "cvlan_tci": bits(16).map(lambda tci: tci | 0x1000),
    },
]  # fmt: skip
OUTER = {
    "tun_tos": bits(8), "tun_ttl": bits(8), "tun_tp_src": bits(16), "tun_tp_dst": bits(16),
    "tun_flags": bits(4).map(lambda flags: flags | TUN_KEY), "tun_id": bits(64),
    "tun_options": st.just(0) | st.one_of(OPTIONS).map(lambda option: pack_options(*option)),
}  # fmt: skip
TUNNELS: list[dict[str, st.SearchStrategy[int]]] = [
    {},
    {"tun_proto": st.just(2), "tun_src": bits(32), "tun_dst": bits(32), **OUTER},
    {
        "tun_proto": st.just(10), "tun_src": st.integers(1, (1 << 128) - 1),
        "tun_dst": st.integers(1, (1 << 128) - 1), **OUTER,
    },
]  # fmt: skip
TRACKED: list[dict[str, st.SearchStrategy[int]]] = [
    {},
    {"ct_tuple": st.binary(min_size=13, max_size=13).map(lambda payload: pack_tuple(2, payload))},
    {"ct_tuple": st.binary(min_size=37, max_size=37).map(lambda payload: pack_tuple(10, payload))},
]


@st.composite
def keys(draw: st.DrawFn) -> FlowKey:
    fields = (
        METADATA
        | draw(st.sampled_from(FRAMES))
        | draw(st.sampled_from(TAGS))
        | draw(st.sampled_from(TUNNELS))
        | draw(st.sampled_from(TRACKED))
    )
    return FlowKey(**{name: draw(values) for name, values in fields.items()})


@given(keys())
def test_a_key_comes_back_from_the_wire(key: FlowKey) -> None:
    assert decode_key(encode_key(key)) == key


@given(keys())
def test_a_key_comes_back_from_its_text(key: FlowKey) -> None:
    exact = exact_mask(key)
    found, mask = parse_key(format_key(key, exact, verbose=True))
    assert found == key
    assert mask._replace(tun_flags=exact.tun_flags, tun_options=exact.tun_options) == exact


def exact_mask(key: FlowKey) -> FlowKey:
    """Look at all bits of what the key has."""
    widths = {
        "ct_labels": 128,
        "nd_target": 128,
        "tun_id": 64,
        "ipv6_label": 20,
        "ct_state": 8,
        "tcp_flags": 12,
    }
    narrow = ("ip_proto", "ip_tos", "ip_ttl", "ip_frag", "tun_tos", "tun_ttl", "tun_proto")
    wide = ("eth_src", "eth_dst", "arp_sha", "arp_tha", "nd_sll", "nd_tll")
    short = (
        "ct_zone",
        "eth_type",
        "vlan_tpid",
        "vlan_tci",
        "cvlan_tpid",
        "cvlan_tci",
        "tun_tp_src",
        "tun_tp_dst",
    )
    sizes = (
        widths | dict.fromkeys(narrow, 8) | dict.fromkeys(wide, 48) | dict.fromkeys((*short, "arp_op"), 16)
    )
    ip = 128 if key.eth_type == 0x86DD else 32
    port = 8 if key.ip_proto in (1, 58) else 16
    outer = 128 if key.tun_proto == 10 else 32
    sizes |= {"ip_src": ip, "ip_dst": ip, "tp_src": port, "tp_dst": port, "tun_src": outer, "tun_dst": outer}
    _kind, options = unpack_options(key.tun_options)
    sizes |= {"tun_flags": 4, "nsh": 192, "tun_options": 24 + 8 * len(options)}
    sizes |= {"ct_tuple": 8 + 8 * TUPLE_LEN.get(key.ct_tuple & TUPLE_HEADER, 0)}
    full = FlowKey(*((1 << sizes.get(name, 32)) - 1 for name in FlowKey._fields))
    mentioned, _mask = parse_key(format_key(key, full, verbose=True))
    _key, given_mask = parse_key(format_key(mentioned, full, verbose=True))
    return FlowKey._make(a if b else 0 for a, b in zip(full, given_mask, strict=True))


@given(keys(), keys())
def test_a_mask_comes_back_as_far_as_the_key_has_the_headers(key: FlowKey, bits_of: FlowKey) -> None:
    mask = exact_mask(key)
    if (
        key.tun_options & 0xFF == uapi.OVS_TUNNEL_VXLAN_OPTS
    ):  # an attribute, whose header is no part of a mask
        bits_of = bits_of._replace(tun_options=0)
    narrow = FlowKey._make(a & b for a, b in zip(mask, bits_of, strict=True))
    narrow = narrow._replace(
        tun_options=narrow.tun_options and narrow.tun_options | OPTIONS_HEADER,
        ct_tuple=narrow.ct_tuple and narrow.ct_tuple | TUPLE_HEADER,
        tun_proto=0xFF, eth_type=0xFFFF, in_port=mask.in_port, tun_id=0, tun_flags=0, ip_proto=mask.ip_proto,
        vlan_tpid=mask.vlan_tpid, cvlan_tpid=mask.cvlan_tpid, tp_src=mask.tp_src,
        vlan_tci=narrow.vlan_tci | (mask.vlan_tci & 0x1000), cvlan_tci=narrow.cvlan_tci | (mask.cvlan_tci & 0x1000),
    )  # fmt: skip
    assert decode_mask(encode_mask(narrow, shape_of(key))) == narrow


@given(actions())
def test_actions_come_back_from_the_wire(given_actions: tuple[Action, ...]) -> None:
    assert decode_actions(encode_actions(given_actions)) == given_actions


@given(actions())
def test_actions_come_back_from_their_text(given_actions: tuple[Action, ...]) -> None:
    text = format_actions(given_actions)
    found = parse_actions(text)
    assert format_actions(found) == text
    if "sample(" not in text:  # a probability is written in tenths of a percent
        assert found == given_actions


READERS = (
    decode_key,
    decode_mask,
    decode_actions,
    ovs.parse_datapath,
    ovs.parse_vport,
    ovs.parse_flow,
    genl.parse_family,
    parse_link,
    conntrack.parse_connection,
    conntrack.parse_limits,
    lambda data: ovs.parse_upcall(data, 0x23),
    lambda data: list(message.messages(data)),
    lambda data: Conversation(0, 1, 0, b"").feed(data),
)
ATTRIBUTES = st.recursive(
    st.builds(attr, bits(6), st.binary(max_size=44)),
    lambda inner: st.builds(lambda kind, parts: nested(kind, *parts), bits(6), st.lists(inner, max_size=4)),
)


@given(
    st.one_of(st.binary(max_size=200), st.lists(ATTRIBUTES, max_size=8).map(b"".join)), st.binary(max_size=24)
)
@example(bytes(24), b"")
def test_no_bytes_break_a_reader(data: bytes, head: bytes) -> None:
    for read in READERS:
        for attempt in (
            data,
            head + data,
            bytes(8) + data,
            (len(data) + 24).to_bytes(4, "little") + b"\x23\0" + bytes(10) + b"\1\1" + bytes(6) + data,
        ):
            with contextlib.suppress(NetlinkFormatError, KernelRefusal, Interrupted):
                read(attempt)


WORDS = st.sampled_from(
    [
        "in_port",
        "eth",
        "eth_type",
        "ipv4",
        "ipv6",
        "tcp",
        "tunnel",
        "flags",
        "vlan",
        "encap",
        "mpls",
        "set",
        "userspace",
        "push_vlan",
        "recirc",
        "ct_state",
        "src",
        "dst",
        "vid",
        "label",
        "tun_id",
        "geneve",
        "class",
        "len",
        "{",
        "}",
        "vxlan",
        "gbp",
        "erspan",
        "ver",
        "idx",
        "ct_tuple4",
        "ct_tuple6",
        "nsh",
        "mdtype",
        "c1",
        "nw_src",
        "dl_vlan",
        "(",
        ")",
        ",",
        "=",
        "/",
        "0x1",
        "1",
        "fe80::1",
        "1.2.3.4",
        "02:00:00:00:00:01",
        "+",
        "-",
        "|",
        "syn",
        "df",
        "drop",
        "-1",
        "99999999999",
    ]
)


@given(st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=20).map("".join)))
def test_no_text_breaks_a_reader(text: str) -> None:
    for read in (parse_key, parse_actions, lambda words: parse_filter(words, {})):
        with contextlib.suppress(OdpTextError):
            read(text)


OUTER_ATTRIBUTES = st.one_of(
    st.builds(
        lambda kind, payload: attr(kind, payload), st.sampled_from([8, 11, 15]), st.binary(max_size=24)
    ),
    st.one_of(OPTIONS).map(lambda option: attr(*option)),
)
RARE_ATTRIBUTES = st.one_of(
    ATTRIBUTES,
    st.lists(OUTER_ATTRIBUTES, max_size=3).map(lambda parts: nested(uapi.OVS_KEY_TUNNEL, *parts)),
    st.builds(attr, st.just(uapi.OVS_KEY_CT_ORIG_TUPLE_IPV4), st.binary(min_size=16, max_size=16)),
    st.builds(attr, st.just(uapi.OVS_KEY_CT_ORIG_TUPLE_IPV6), st.binary(min_size=40, max_size=40)),
    st.builds(lambda base: nested(uapi.OVS_KEY_NSH, attr(1, base)), st.binary(min_size=8, max_size=8)),
    st.just(attr(uapi.OVS_KEY_ETHERTYPE, b"\x89\x4f")),
).map(bytes)


@given(
    st.lists(RARE_ATTRIBUTES, max_size=6).map(b"".join), st.lists(RARE_ATTRIBUTES, max_size=6).map(b"".join)
)
def test_whatever_a_kernel_says_of_a_key_is_written_and_encoded(key_bytes: bytes, mask_bytes: bytes) -> None:
    with contextlib.suppress(NetlinkFormatError):
        key, mask = decode_key(key_bytes), decode_mask(mask_bytes)
        for verbose in (False, True):
            assert "eth" in format_key(key, mask, verbose=verbose)
        assert encode_key(key)
        assert encode_mask(mask, shape_of(key))
