"""Frames that differ only in what decides the layout must not share a cache key, if their flow keys differ."""

import pytest

from datapath.packet import headers as h
from datapath.packet.build import build
from datapath.packet.extract import extract
from datapath.packet.flowkey import FlowKey, masked
from datapath.userspace import cache as c

TYPE = FlowKey(eth_type=0xFFFF)
PORTS = TYPE._replace(tp_src=0xFFFF, tp_dst=0xFFFF)
BASE = FlowKey(eth_src=1, eth_dst=2, eth_type=h.ETH_TYPE_IP, ip_src=3, ip_dst=4, ip_ttl=9, tp_src=5, tp_dst=6)
TCP = build(BASE._replace(ip_proto=6), b"payload")
SIX = BASE._replace(eth_type=h.ETH_TYPE_IPV6, ip_proto=17)


def cache_key(frame: bytes, looked_at: FlowKey) -> tuple[int, int] | None:
    word = int.from_bytes(frame[: c.WINDOW].ljust(c.WINDOW, b"\xa5"), "big")
    shape = c.make_shape(word, looked_at)
    if shape is None or len(frame) < shape.min_len or not c.cacheable(word):
        return None
    return c.shape_of(word), word & shape.mask


def with_byte(frame: bytes, at: int, value: int) -> bytes:
    return frame[:at] + bytes((value,)) + frame[at + 1 :]


@pytest.mark.parametrize(
    "other",
    [
        with_byte(TCP, 23, h.IPPROTO_ICMP),  # type and code are where TCP has its source port
        with_byte(TCP, 23, 89),  # no ports at all
        with_byte(TCP, 20, 0x20),  # a first fragment is all right, but
        with_byte(TCP, 21, 7),  # a later one has no ports
        with_byte(TCP, 14, 0x46),  # ports are four bytes further on
        with_byte(TCP, 12, 0x86),  # no IPv4
        TCP[:53],  # too short for TCP: no ports
        TCP[:40],
        with_byte(TCP, 34, 1),
        with_byte(TCP, 37, 1),
    ],
    ids=lambda frame: frame[12:40].hex(),
)
def test_frames_of_different_flows_do_not_share_a_key(other: bytes) -> None:
    mask = PORTS._replace(ip_frag=0xFF)
    assert masked(extract(TCP), mask) != masked(extract(other), mask)
    assert cache_key(TCP, mask) is not None
    assert cache_key(TCP, mask) != cache_key(other, mask)


def test_the_protocol_counts_even_if_only_ports_are_looked_at() -> None:
    icmp = with_byte(TCP, 23, h.IPPROTO_ICMP)
    assert cache_key(TCP, PORTS) != cache_key(icmp, PORTS)


def test_what_no_mask_looks_at_does_not_count() -> None:
    other = build(BASE._replace(ip_proto=6, ip_src=99, ip_ttl=3, tp_src=77), b"another")
    assert cache_key(TCP, TYPE) == cache_key(other, TYPE)


def test_each_field_that_is_looked_at_counts() -> None:
    for name in (
        "eth_src",
        "eth_dst",
        "ip_src",
        "ip_dst",
        "ip_ttl",
        "ip_tos",
        "tp_src",
        "tp_dst",
        "tcp_flags",
    ):
        key = BASE._replace(ip_proto=6)
        changed = build(key._replace(**{name: getattr(key, name) ^ 1}), b"payload")
        mask = TYPE._replace(**{name: 1})
        assert cache_key(TCP, mask) != cache_key(changed, mask), name
        assert cache_key(TCP, TYPE._replace(**{name: 2})) == cache_key(changed, TYPE._replace(**{name: 2})), (
            name
        )


def test_tags_count_as_far_as_they_are_looked_at() -> None:
    tagged = [
        build(BASE._replace(ip_proto=6, vlan_tpid=0x8100, vlan_tci=0x1000 | vid), b"p") for vid in (5, 6)
    ]
    assert cache_key(tagged[0], TYPE) == cache_key(tagged[1], TYPE)
    assert cache_key(tagged[0], TYPE) != cache_key(TCP, TYPE)
    mask = TYPE._replace(vlan_tci=0x1FFF)
    assert cache_key(tagged[0], mask) != cache_key(tagged[1], mask)
    inner = tagged[0][:20] + b"\x00" + tagged[0][21:]
    assert cache_key(inner, mask) == cache_key(tagged[0], mask)


def test_what_has_no_fixed_place_is_not_cached() -> None:
    llc = bytes(12) + b"\x00\x26\x42\x42\x03" + bytes(35)
    two_tags = build(
        BASE._replace(ip_proto=6, vlan_tpid=0x88A8, vlan_tci=0x1001, cvlan_tpid=0x8100, cvlan_tci=0x1002)
    )
    extension = with_byte(build(SIX, bytes(40)), 20, h.IPV6_HOP_BY_HOP)
    fragment = build(SIX._replace(ip_frag=h.IP_FRAG_FIRST), b"p")
    for frame in (llc, two_tags, extension, fragment, b"", bytes(13)):
        assert cache_key(frame, PORTS) is None
    labels = build(FlowKey(eth_type=h.ETH_TYPE_MPLS, mpls_lse0=0x1140))
    assert cache_key(labels, TYPE._replace(mpls_lse0=1)) is None
    assert cache_key(build(SIX, b"p" * 20), TYPE._replace(nd_target=1)) is None
    assert cache_key(build(SIX, b"p" * 20), PORTS) is not None
