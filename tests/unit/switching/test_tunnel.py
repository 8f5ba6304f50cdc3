import pytest

from datapath.actions import Output, SetFields
from datapath.odp_tunnel_options import format_option
from datapath.packet.flowkey import TUN_CSUM, TUN_DONT_FRAGMENT, TUN_KEY, FlowKey
from switching.mac_table import MacTable
from switching.state import State
from switching.switch import Switch, SwitchBridge, SwitchPort
from switching.tunnel import (
    INHERIT,
    Decapsulated,
    ErspanConfig,
    TunnelConfig,
    cannot_send,
    decapsulated,
    outer_header,
)
from switching.xlate import xlate

REMOTE, LOCAL = 0x0A000001, 0x0A000002
IP = FlowKey(eth_type=0x0800, ip_tos=0xB9, ip_ttl=17)  # DSCP 46, ECT(1)
ARP = FlowKey(eth_type=0x0806)


def received(**fields: int) -> FlowKey:
    return FlowKey(in_port=9, tun_proto=2, tun_src=REMOTE, tun_dst=LOCAL)._replace(**fields)


def switch_with(*configs: TunnelConfig) -> Switch:
    ports = tuple(SwitchPort("br0", f"t{n}", n, 9, tunnel=config) for n, config in enumerate(configs))
    return Switch({"br0": SwitchBridge("br0", ports)})


@pytest.mark.parametrize(
    ("configs", "key", "expected"),
    [
        ((TunnelConfig("gre", REMOTE),), received(), "t0"),
        ((TunnelConfig("gre", REMOTE),), received(tun_src=5), None),
        ((TunnelConfig("gre", REMOTE),), received(tun_id=7), None),
        ((TunnelConfig("gre", REMOTE, in_key=None),), received(tun_id=7), "t0"),
        ((TunnelConfig("gre", None, in_key=7),), received(tun_id=7), "t0"),
        ((TunnelConfig("gre", REMOTE, local=LOCAL),), received(tun_dst=5), None),
        ((TunnelConfig("gre", REMOTE), TunnelConfig("gre", REMOTE, local=LOCAL)), received(), "t1"),
        (
            (TunnelConfig("gre", None, in_key=7), TunnelConfig("gre", REMOTE, in_key=7)),
            received(tun_id=7),
            "t1",
        ),
        ((TunnelConfig("gre", REMOTE, in_key=None), TunnelConfig("gre", None)), received(), "t1"),
    ],
)
def test_received_packet_belongs_to_the_most_specific_tunnel(
    configs: tuple[TunnelConfig, ...], key: FlowKey, expected: str | None
) -> None:
    port = switch_with(*configs).input_port(key)
    assert (port.name if port else None) == expected


def test_packet_without_tunnel_does_not_belong_to_one() -> None:
    assert switch_with(TunnelConfig("gre", REMOTE)).input_port(FlowKey(in_port=9)) is None


def test_ecn_is_copied_and_looked_at() -> None:
    header = outer_header(TunnelConfig("gre", REMOTE), IP)
    assert (header.action.tos, header.tos_mask, header.action.ttl, header.ttl_mask) == (1, 3, 64, 0)


def test_congestion_experienced_leaves_as_ect0() -> None:
    assert outer_header(TunnelConfig("gre", REMOTE), IP._replace(ip_tos=3)).action.tos == 2


def test_nothing_is_looked_at_in_what_is_not_ip() -> None:
    header = outer_header(TunnelConfig("gre", REMOTE, tos=INHERIT, ttl=INHERIT), ARP)
    assert (header.action.tos, header.tos_mask, header.action.ttl, header.ttl_mask) == (0, 0, 64, 0)


def test_inherited_tos_and_ttl_are_looked_at_entirely() -> None:
    header = outer_header(TunnelConfig("gre", REMOTE, tos=INHERIT, ttl=INHERIT), IP)
    assert (header.action.tos, header.tos_mask, header.action.ttl, header.ttl_mask) == (0xB9, 0xFF, 17, 0xFF)


def test_flags_follow_the_options() -> None:
    plain = outer_header(TunnelConfig("gre", REMOTE), ARP).action
    assert plain.flags == TUN_DONT_FRAGMENT
    config = TunnelConfig(
        "vxlan", REMOTE, out_key=0, has_out_key=True, csum=True, dont_fragment=False, dst_port=9
    )
    special = outer_header(config, ARP).action
    assert (special.flags, special.tp_dst) == (TUN_KEY | TUN_CSUM, 9)


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        (0, 0, Decapsulated(0, False)),
        (1, 2, Decapsulated(2, False)),
        (3, 0xB8, Decapsulated(None, True)),
        (3, 0xB9, Decapsulated(0xBB, True)),
        (3, 0xBA, Decapsulated(0xBB, True)),
        (3, 3, Decapsulated(3, True)),
    ],
)
def test_congestion_in_a_tunnel_is_carried_over_or_the_packet_lost(
    outer: int, inner: int, expected: Decapsulated
) -> None:
    assert decapsulated(received(eth_type=0x86DD, tun_tos=outer, ip_tos=inner)) == expected


def test_congestion_says_nothing_of_what_is_not_ip() -> None:
    assert decapsulated(received(eth_type=0x0806, tun_tos=3)) == Decapsulated(0, False)


def test_a_decision_marks_congestion_before_it_sends() -> None:
    tunnel = SwitchPort("br0", "t0", 1, 9, tunnel=TunnelConfig("gre", REMOTE))
    switch = Switch({"br0": SwitchBridge("br0", (tunnel, SwitchPort("br0", "p1", 2, 1)))})
    key = received(eth_type=0x0800, tun_tos=3, ip_tos=1, eth_src=2, eth_dst=4)
    decision = xlate(key, switch, State({"br0": MacTable("br0")}))
    assert decision.actions == (
        SetFields(FlowKey(eth_type=0x0800, ip_tos=3), FlowKey(ip_tos=3)),
        Output(1),
    )
    assert (decision.mask.tun_tos, decision.mask.ip_tos) == (3, 3)
    assert xlate(key._replace(ip_tos=0), switch, State({"br0": MacTable("br0")})).actions == ()


def test_the_outer_packet_is_marked_and_what_leaves_elsewhere_is_not() -> None:
    marking = TunnelConfig("gre", REMOTE, mark=7)
    ports = (
        SwitchPort("br0", "p1", 1, 1),
        SwitchPort("br0", "t0", 2, 9, tunnel=marking),
        SwitchPort("br0", "p2", 3, 2),
    )
    switch = Switch({"br0": SwitchBridge("br0", ports)})
    decision = xlate(ARP._replace(in_port=1, eth_src=2, eth_dst=4), switch, State({"br0": MacTable("br0")}))
    mask = FlowKey(skb_mark=0xFFFFFFFF)
    assert decision.actions == (
        outer_header(marking, ARP).action,
        SetFields(FlowKey(skb_mark=7), mask),
        Output(9),
        SetFields(FlowKey(), mask),
        Output(2),
    )
    assert decision.mask.skb_mark == 0xFFFFFFFF


def test_erspan_says_what_it_is_asked_to_or_cannot_send() -> None:
    config = TunnelConfig("erspan", REMOTE, erspan=ErspanConfig(2, direction=1, hwid=0x21))
    (option,) = outer_header(config, ARP).action.options
    assert format_option(*option) == "erspan(ver=2,dir=1,hwid=0x21)"
    assert cannot_send(config) == ""
    for version in (0, None):
        assert cannot_send(TunnelConfig("erspan", REMOTE, erspan=ErspanConfig(version)))
