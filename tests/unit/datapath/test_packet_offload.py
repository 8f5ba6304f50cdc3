"""Segmentation and coalescing undo each other, and every checksum is right."""

import random
import struct

from datapath.packet import headers as h
from datapath.packet.build import build
from datapath.packet.checksum import checksum, ones_sum, pseudo_sum
from datapath.packet.flowkey import FlowKey
from datapath.userspace.coalesce import Run
from datapath.userspace.offload import complete, locate, offload_of, segments, split

TCP4 = FlowKey(
    eth_src=1, eth_dst=2, eth_type=h.ETH_TYPE_IP, ip_src=0x0A000001, ip_dst=0x0A000002, ip_proto=6, ip_ttl=64,
    tp_src=1000, tp_dst=2000, tcp_flags=h.TCP_ACK | h.TCP_PSH | h.TCP_CWR,
)  # fmt: skip
TCP6 = TCP4._replace(eth_type=h.ETH_TYPE_IPV6, ip_src=1 << 120 | 1, ip_dst=1 << 120 | 2)
PAYLOAD = random.Random(1).randbytes(5001)


def partial(frame: bytes, gso_size: int = 0) -> tuple[bytes, h.Vnet]:
    """Leave the checksum to offload, as a kernel does."""
    layout = locate(frame)
    assert layout
    offset = 16 if layout.proto == h.IPPROTO_TCP else 6
    at = layout.network + (8 if layout.ipv6 else 12)
    size = 16 if layout.ipv6 else 4
    pseudo = pseudo_sum(
        frame[at : at + size], frame[at + size : at + 2 * size], layout.proto, layout.end - layout.transport
    )
    field = layout.transport + offset
    kind = 0
    if gso_size:
        kind = h.VNET_GSO_UDP_L4 if layout.proto == h.IPPROTO_UDP else h.VNET_GSO_TCPV6 if layout.ipv6 else 1
    frame = frame[:field] + pseudo.to_bytes(2, "big") + frame[field + 2 :]
    return frame, h.Vnet(h.VNET_NEEDS_CSUM, kind, layout.payload, gso_size, layout.transport, offset)


def assert_checksums(frame: bytes) -> None:
    layout = locate(frame)
    assert layout
    at, size = (layout.network + 8, 16) if layout.ipv6 else (layout.network + 12, 4)
    if not layout.ipv6:
        assert checksum(frame[layout.network : layout.transport]) == 0
    pseudo = pseudo_sum(
        frame[at : at + size], frame[at + size : at + 2 * size], layout.proto, layout.end - layout.transport
    )
    assert ones_sum(frame[layout.transport : layout.end], pseudo) == 0xFFFF


def seq_of(frame: bytes) -> int:
    layout = locate(frame)
    assert layout
    return int(struct.unpack_from("!I", frame, layout.transport + 4)[0])


def flags_of(frame: bytes) -> int:
    layout = locate(frame)
    assert layout
    return int(struct.unpack_from("!H", frame, layout.transport + 12)[0]) & 0xFFF


def test_partial_checksum_is_completed() -> None:
    for key in (TCP4, TCP6, TCP4._replace(ip_proto=17, tcp_flags=0)):
        whole = build(key, PAYLOAD[:99])
        assert complete(*partial(whole)) == whole


def test_super_frame_is_cut_into_whole_segments() -> None:
    for key in (TCP4, TCP6):
        frame, vnet = partial(build(key, PAYLOAD), 1000)
        frames = split(frame, vnet)
        for part in frames:
            assert_checksums(part)
        assert [seq_of(part) for part in frames] == [0, 1000, 2000, 3000, 4000, 5000]
        assert b"".join(part[vnet.hdr_len :] for part in frames) == PAYLOAD
        assert flags_of(frames[0]) == h.TCP_ACK | h.TCP_CWR
        assert flags_of(frames[1]) == h.TCP_ACK
        assert flags_of(frames[-1]) == h.TCP_ACK | h.TCP_PSH


def test_udp_super_frame_is_cut_into_datagrams() -> None:
    frame, vnet = partial(build(TCP4._replace(ip_proto=17, tcp_flags=0), PAYLOAD), 1200)
    frames = split(frame, vnet)
    assert [len(part) - 42 for part in frames] == [1200, 1200, 1200, 1200, 201]
    for part in frames:
        assert_checksums(part)


def test_segments_fit_the_room_they_get() -> None:
    frame, vnet = partial(build(TCP4, PAYLOAD), 1448)
    lengths = [len(s.header) + s.length for s in segments(memoryview(frame), vnet, room=800)]
    assert max(lengths) == 800
    assert sum(lengths) - len(lengths) * 54 == len(PAYLOAD)


def test_vlan_tag_moves_the_headers() -> None:
    tagged = TCP4._replace(vlan_tpid=0x8100, vlan_tci=0x1005)
    frame, vnet = partial(build(tagged, PAYLOAD), 1000)
    assert all(part[:18] == frame[:18] for part in split(frame, vnet))
    for part in split(frame, vnet):
        assert_checksums(part)


def test_what_is_no_tcp_cannot_be_cut() -> None:
    frame = build(FlowKey(eth_type=0x9000), PAYLOAD)
    assert split(frame, h.Vnet(0, h.VNET_GSO_TCPV4, 54, 1000)) == []


def merge(frames: list[bytes], outer: bytes = bytes(8)) -> list[bytes]:
    """Coalesce frames as they come out of a tunnel and return what they became, as bytes."""
    memory = memoryview(b"".join(outer + frame for frame in frames))
    done: list[bytes] = []
    run: Run | None = None

    def finish() -> None:
        if run and (merged := run.merged()):
            done.append(merged.header + b"".join(memory[s : s + n] for s, n in merged.payloads))
        elif run:
            done.append(bytes(memory[run.start + run.inner : run.start + run.length]))

    at = 0
    for frame in frames:
        length = len(outer) + len(frame)
        if not (run and run.accepts(at, length)):
            finish()
            run = Run(memory, at, length, len(outer), outer=len(outer) > 8)
        at += length
    finish()
    return done


def test_segments_coalesce_into_what_they_were_cut_from() -> None:
    frame, vnet = partial(build(TCP4._replace(tcp_flags=h.TCP_ACK | h.TCP_PSH), PAYLOAD), 1000)
    assert merge(split(frame, vnet)) == [complete(frame, vnet)]
    assert merge(split(frame, vnet), bytes(28)) == [complete(frame, vnet)]


def test_a_frame_is_made_of_so_many_segments_as_a_message_has_parts() -> None:
    frame, vnet = partial(build(TCP4._replace(tcp_flags=h.TCP_ACK), PAYLOAD * 5), 100)
    several = merge(split(frame, vnet))
    assert [len(one) - 54 for one in several] == [20000, 5005]
    assert b"".join(one[54:] for one in several) == PAYLOAD * 5


def test_a_damaged_segment_spoils_the_checksum_of_the_whole() -> None:
    frame, vnet = partial(build(TCP4._replace(tcp_flags=h.TCP_ACK), PAYLOAD), 1000)
    frames = split(frame, vnet)
    frames[2] = frames[2][:-1] + bytes((frames[2][-1] ^ 1,))
    [whole] = merge(frames)
    layout = locate(whole)
    assert layout
    pseudo = pseudo_sum(whole[26:30], whole[30:34], 6, layout.end - layout.transport)
    assert ones_sum(whole[34:], pseudo) != 0xFFFF


def test_a_gap_another_connection_or_a_push_ends_a_run() -> None:
    frame, vnet = partial(build(TCP4._replace(tcp_flags=h.TCP_ACK), PAYLOAD), 1000)
    a, b, c, d, *_ = split(frame, vnet)
    assert len(merge([a, c])) == 2
    assert len(merge([a, build(TCP4._replace(tp_src=7, tcp_flags=h.TCP_ACK), PAYLOAD[:1000]), b])) == 3
    assert len(merge([a, b, d, c])) == 3


def test_an_unfinished_checksum_is_recognised() -> None:
    frame, vnet = partial(build(TCP4, PAYLOAD[:100]))
    assert offload_of(memoryview(frame)) == vnet._replace(hdr_len=0)
    assert offload_of(memoryview(complete(frame, vnet))) == h.NO_VNET
    large, _ = partial(build(TCP4, PAYLOAD))
    assert offload_of(memoryview(large)).gso_type == h.VNET_GSO_TCPV4
