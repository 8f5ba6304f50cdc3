"""Actions on packets whose checksum is left to offload, and on those that cannot be changed."""

import pytest

from datapath.actions import (
    HASH_L4,
    HASH_SYM_L4,
    Action,
    Actions,
    CheckPktLen,
    Clone,
    Ct,
    Hash,
    Opaque,
    Output,
    PopEth,
    PopVlan,
    PushVlan,
    Recirc,
    Sample,
    SetFields,
    SetTunnel,
    Trunc,
    Userspace,
)
from datapath.packet import headers as h
from datapath.packet.build import build
from datapath.packet.execute import Packet, execute, unsupported
from datapath.packet.extract import extract
from datapath.packet.flowkey import FlowKey
from datapath.userspace.offload import complete
from tests.unit.datapath.test_packet_offload import TCP4, TCP6, partial


class Recorder:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, Packet]] = []
        self.recirculated: list[int] = []
        self.again: list[Packet] = []
        self.upcalls: list[bytes] = []

    def output(self, packet: Packet, port: int) -> None:
        self.sent.append((port, packet.copy()))

    def userspace(self, packet: Packet, action: Userspace) -> None:
        self.upcalls.append(action.userdata)

    def recirculate(self, packet: Packet) -> None:
        self.recirculated.append(packet.metadata.recirc_id)
        self.again.append(packet)


def send(frame: bytes, vnet: h.Vnet, *actions: Action) -> Packet:
    sink = Recorder()
    execute(Packet(frame, FlowKey(), vnet), (*actions, Output(1)), sink)
    return sink.sent[0][1]


@pytest.mark.parametrize("key", [TCP4, TCP6, TCP4._replace(ip_proto=17, tcp_flags=0)])
def test_a_partial_checksum_stays_completable_through_every_change(key: FlowKey) -> None:
    frame, vnet = partial(build(key, b"payload"))
    want = key._replace(ip_src=0xABCDEF, tp_dst=99, ip_ttl=3, vlan_tpid=0x8100, vlan_tci=0x1007)
    mask = FlowKey(ip_src=(1 << 128) - 1, tp_dst=0xFFFF, ip_ttl=0xFF)
    packet = send(frame, vnet, SetFields(want, mask), PushVlan(0x8100, 0x1007))
    assert complete(packet.frame, packet.vnet) == build(want, b"payload")


def test_pop_moves_the_offload_header_back() -> None:
    frame, vnet = partial(build(TCP4._replace(vlan_tpid=0x88A8, vlan_tci=0x1001), b"payload"), 100)
    packet = send(frame, vnet, PopVlan())
    assert (packet.vnet.csum_start, packet.vnet.hdr_len) == (34, 54)
    assert complete(packet.frame, packet.vnet) == build(TCP4, b"payload")


def test_pop_without_a_tag_changes_nothing() -> None:
    frame = build(TCP4)
    assert send(frame, h.NO_VNET, PopVlan()).frame == frame


def test_udp_without_checksum_keeps_none() -> None:
    frame = bytearray(build(TCP4._replace(ip_proto=17, tcp_flags=0), b"payload"))
    frame[40:42] = bytes(2)
    packet = send(bytes(frame), h.NO_VNET, SetFields(FlowKey(ip_src=5), FlowKey(ip_src=0xFFFFFFFF)))
    assert packet.frame[40:42] == bytes(2)


def test_later_fragments_keep_their_payload() -> None:
    later = TCP4._replace(ip_frag=h.IP_FRAG_LATER, tp_src=0, tp_dst=0, tcp_flags=0)
    frame = build(later, b"p" * 40)
    packet = send(
        frame, h.NO_VNET, SetFields(FlowKey(ip_src=5, tp_src=1), FlowKey(ip_src=0xFFFFFFFF, tp_src=0xFFFF))
    )
    assert packet.frame == build(later._replace(ip_src=5), b"p" * 40)


def test_vlan_tci_is_set_in_place() -> None:
    tagged = TCP4._replace(vlan_tpid=0x8100, vlan_tci=0x1007)
    packet = send(build(tagged), h.NO_VNET, SetFields(FlowKey(vlan_tci=0xFFFF), FlowKey(vlan_tci=0xE000)))
    assert extract(packet.frame) == tagged._replace(vlan_tci=0x1007 | 0xE000)


def test_arp_fields_are_set() -> None:
    key = FlowKey(eth_type=h.ETH_TYPE_ARP, arp_op=1, arp_sip=1, arp_tip=2, arp_sha=3, arp_tha=0)
    want = key._replace(arp_op=2, arp_tha=9)
    packet = send(build(key), h.NO_VNET, SetFields(want, FlowKey(arp_op=0xFF, arp_tha=(1 << 48) - 1)))
    assert extract(packet.frame) == want


@pytest.mark.parametrize("length", [14, 20, 33, 35, 41])
def test_truncated_packets_are_changed_as_far_as_they_go(length: int) -> None:
    mask = FlowKey(eth_src=(1 << 48) - 1, ip_src=0xFFFFFFFF, ip_ttl=0xFF, tp_src=0xFFFF)
    packet = send(build(TCP4)[:length], h.NO_VNET, SetFields(FlowKey(eth_src=7), mask))
    assert (len(packet.frame), extract(packet.frame).eth_src) == (length, 7)


def test_a_tunnel_holds_for_what_follows() -> None:
    sink = Recorder()
    tunnels = SetTunnel(dst=1), SetTunnel(dst=2)
    execute(Packet(build(TCP4), FlowKey()), (Output(1), tunnels[0], Output(2), tunnels[1], Output(3)), sink)
    assert [(port, packet.tunnel) for port, packet in sink.sent] == [
        (1, None),
        (2, tunnels[0]),
        (3, tunnels[1]),
    ]


def test_recirculation_and_upcalls_see_the_packet_in_between() -> None:
    sink = Recorder()
    execute(Packet(build(TCP4), FlowKey()), (Recirc(5), Userspace(0, b"x"), Output(1)), sink)
    assert (sink.recirculated, sink.upcalls) == ([5], [b"x"])
    assert sink.sent[0][1].metadata.recirc_id == 0


def test_an_unknown_action_ends_the_list() -> None:
    sink = Recorder()
    execute(Packet(build(TCP4), FlowKey()), (Output(1), Opaque(99, b""), Output(2)), sink)
    assert [port for port, _ in sink.sent] == [1]


def test_an_address_too_wide_for_the_packet_is_cut_to_fit() -> None:
    wide = FlowKey(ip_src=0xFFFF << 112 | 7)
    packet = send(build(TCP4, b"payload"), h.NO_VNET, SetFields(wide, FlowKey(ip_src=(1 << 128) - 1)))
    assert packet.frame == build(TCP4._replace(ip_src=7), b"payload")


def run(packet: Packet, *actions: Action) -> Recorder:
    sink = Recorder()
    execute(packet, actions, sink)
    return sink


def test_a_cut_holds_for_the_next_output_alone() -> None:
    packet = Packet(build(TCP4, bytes(200)), FlowKey())
    sent = run(packet, Trunc(64), Output(1), Output(2)).sent
    assert [len(cut.frame) for _port, cut in sent] == [64, len(packet.frame)]
    assert sent[0][1].frame == packet.frame[:64]


def test_a_cut_holds_for_a_packet_that_comes_again_and_for_a_clone() -> None:
    packet = Packet(build(TCP4, bytes(200)), FlowKey())
    done = run(packet, Trunc(64), Clone((Output(1), Output(2))), Recirc(7))
    (again,) = done.again
    execute(again, (Output(3), Output(4)), done)
    whole = len(packet.frame)
    assert [(port, len(sent.frame)) for port, sent in done.sent] == [(1, 64), (2, whole), (3, 64), (4, whole)]


def test_a_cut_packet_that_is_no_super_frame_any_more_says_so() -> None:
    vnet = h.Vnet(h.VNET_NEEDS_CSUM, gso_type=1, hdr_len=54, gso_size=100, csum_start=34, csum_offset=16)
    packet = Packet(build(TCP4, bytes(300)), FlowKey(), vnet)
    long, short, tiny = (run(packet, Trunc(size), Output(1)).sent[0][1].vnet for size in (200, 100, 40))
    assert long == vnet
    assert (short.gso_size, short.gso_type, short.flags) == (0, 0, h.VNET_NEEDS_CSUM)
    assert tiny.flags == 0


def hashed(key: FlowKey, algorithm: int = HASH_L4, basis: int = 0) -> int:
    packet = Packet(build(key, bytes(8)), FlowKey())
    execute(packet, (Hash(algorithm, basis),), Recorder())
    return packet.metadata.dp_hash


def test_a_connection_has_one_hash_and_others_have_others() -> None:
    assert hashed(TCP4) == hashed(TCP4._replace(ip_ttl=3, tcp_flags=2, eth_src=7)) != 0
    assert hashed(TCP4) != hashed(TCP4, basis=1)
    assert len({hashed(TCP4._replace(tp_src=port)) & 0xFF for port in range(1000, 1064)}) > 40


def test_a_symmetric_hash_is_that_of_the_answers_too() -> None:
    back = TCP4._replace(ip_src=TCP4.ip_dst, ip_dst=TCP4.ip_src, tp_src=TCP4.tp_dst, tp_dst=TCP4.tp_src)
    assert hashed(TCP4, HASH_SYM_L4) == hashed(back, HASH_SYM_L4)
    assert hashed(TCP4) != hashed(back)


def test_actions_within_actions_get_a_copy() -> None:
    packet = Packet(build(TCP4, bytes(100)), FlowKey())
    inner = (PushVlan(0x8100, 0x1005), Output(1))
    sent = run(packet, Clone(inner), Sample(0xFFFFFFFF, inner), Sample(0, ()), Output(2)).sent
    assert [(port, len(p.frame) - len(packet.frame)) for port, p in sent] == [(1, 4), (1, 4), (2, 0)]


def test_the_length_of_a_packet_chooses_actions() -> None:
    packet = Packet(build(TCP4, bytes(100)), FlowKey())
    length = len(packet.frame)
    for limit, port in ((length - 1, 1), (length, 2)):
        sent = run(packet, CheckPktLen(limit, (Output(1),), (Output(2),))).sent
        assert [to for to, _packet in sent] == [port]


@pytest.mark.parametrize(
    ("actions", "found"),
    [
        ((Output(1), Trunc(64), Clone((Output(2),)), Recirc(1)), None),
        ((), None),
        ((Output(1), Ct()), Ct()),
        ((Clone((Sample(1, (Ct(),)),)),), Ct()),
        ((CheckPktLen(100, (), (PopEth(),)),), PopEth()),
        ((CheckPktLen(100, (PopEth(),), ()),), PopEth()),
    ],
)
def test_actions_that_are_not_done_are_found_however_deep(actions: Actions, found: Action | None) -> None:
    assert unsupported(actions) == found
