"""A decision holds for every packet that agrees with the first one in the bits that its mask names."""

from hypothesis import given, settings
from hypothesis import strategies as st

from datapath.packet.flowkey import VLAN_PRESENT, FlowKey
from switching.mac_table import MacTable
from switching.state import State
from switching.switch import Switch, SwitchBridge, SwitchPort
from switching.tunnel import INHERIT, TunnelConfig
from switching.vlan import PortVlan, VlanMode
from switching.xlate import xlate

STATIONS = (0x0200_0000_000A, 0x0200_0000_000B, 0xFFFF_FFFF_FFFF, 0x0180_C200_0000)
VLANS = st.builds(
    PortVlan,
    st.sampled_from(VlanMode),
    st.sampled_from([0, 5, 6]),
    st.sampled_from([frozenset[int](), frozenset((5,)), frozenset((5, 6))]),
    st.sampled_from(["never", "if-nonzero", "always"]),
    st.sampled_from([frozenset[int](), frozenset((5,))]),
)
TUNNELS = st.none() | st.builds(
    TunnelConfig,
    st.just("gre"),
    st.sampled_from([None, 1, 2]),
    local=st.sampled_from([0, 3, None]),
    in_key=st.sampled_from([0, 7, None]),
    out_key=st.sampled_from([0, 7, None]),
    tos=st.sampled_from([0, 0xB8, INHERIT]),
    ttl=st.sampled_from([64, INHERIT]),
)
KEYS = st.builds(
    FlowKey,
    in_port=st.integers(1, 4),
    tun_id=st.sampled_from([0, 7, 8]),
    tun_src=st.integers(1, 2),
    tun_dst=st.integers(3, 4),
    eth_src=st.sampled_from(STATIONS),
    eth_dst=st.sampled_from(STATIONS),
    eth_type=st.sampled_from([0x0800, 0x86DD, 0x0806]),
    vlan_tpid=st.just(0x8100),
    vlan_tci=st.sampled_from([0, *(VLAN_PRESENT | vid for vid in (0, 5, 6, 0x6005))]),
    cvlan_tpid=st.just(0x8100),
    cvlan_tci=st.sampled_from([0, VLAN_PRESENT | 5, VLAN_PRESENT | 6]),
    ip_src=st.integers(0, 3),
    ip_proto=st.sampled_from([6, 17]),
    ip_tos=st.integers(0, 255),
    ip_ttl=st.integers(0, 255),
    ip_frag=st.integers(0, 2),
    tp_src=st.integers(0, 65535),
)


@st.composite
def switches(draw: st.DrawFn) -> Switch:
    ports = tuple(
        SwitchPort("br0", f"p{n}", n, n, draw(VLANS), draw(TUNNELS), protected=draw(st.booleans()))
        for n in range(1, 5)
    )
    return Switch({"br0": SwitchBridge("br0", ports, draw(st.booleans()))})


def possible(key: FlowKey, switch: Switch) -> FlowKey:
    """Give the key of a packet from a tunnel's port an outer header, and that of another packet none."""
    tunnel = switch.by_name[f"p{key.in_port}"].tunnel
    none = {"tun_proto": 0, "tun_id": 0, "tun_src": 0, "tun_dst": 0}
    return key._replace(tun_proto=2) if tunnel else key._replace(**none)


@given(switches(), KEYS, KEYS, st.dictionaries(st.sampled_from(STATIONS[:2]), st.integers(1, 4)))
@settings(max_examples=400, deadline=None)
def test_decision_holds_for_all_packets_that_agree_under_the_mask(
    switch: Switch, key: FlowKey, other: FlowKey, known: dict[int, int]
) -> None:
    table = MacTable("br0")
    for mac, port in known.items():
        for vlan in (0, 5, 6):
            table.learn(vlan, mac, f"p{port}", 0.0)
    key = possible(key, switch)
    decision = xlate(key, switch, State({"br0": table}))
    mixed = FlowKey._make((k & m) | (o & ~m) for k, o, m in zip(key, other, decision.mask, strict=True))
    assert xlate(possible(mixed, switch), switch, State({"br0": table})) == decision
