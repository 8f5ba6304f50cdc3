"""A decision holds for every packet that agrees with the first one in the bits that its mask names."""

from hypothesis import given, settings
from hypothesis import strategies as st

from datapath.packet.flowkey import VLAN_PRESENT, FlowKey
from switching.bond import Bond, BondConfig, BondMode, LacpStatus, recirc_id_of
from switching.group_table import GroupTable, Snooping
from switching.mac_table import MacTable, Place
from switching.membership import V4_MAPPED
from switching.state import State
from switching.switch import NO_DP_PORT, Switch, SwitchBridge, SwitchPort
from switching.tunnel import INHERIT, TunnelConfig
from switching.twins import Twins
from switching.vlan import PortVlan, VlanMode
from switching.xlate import xlate

STATIONS = (0x0200_0000_000A, 0x0200_0000_000B, 0xFFFF_FFFF_FFFF, 0x0180_C200_0000, 0x0100_5E01_0101)
SOURCES = (*STATIONS[:3], *range(0x0200_0000_000C, 0x0200_0000_0018))
GROUPS = (0xEF01_0101, 0xE000_0001, 0xFF02 << 112 | 1, 0xFF05 << 112 | 1)
VLANS = st.builds(
    PortVlan,
    st.sampled_from(VlanMode),
    st.sampled_from([0, 5, 6]),
    st.sampled_from([frozenset[int](), frozenset((5,)), frozenset((5, 6))]),
    st.sampled_from(["never", "if-nonzero", "always"]),
    st.sampled_from([frozenset[int](), frozenset((5,))]),
)
LOCKS = st.lists(st.builds(Place, st.just("br0"), st.sampled_from([0, 5, 6]), st.sampled_from(STATIONS[:2])))
TUNNELS = st.none() | st.builds(
    TunnelConfig,
    st.just("gre"),
    st.sampled_from([None, 1, 2]),
    local=st.sampled_from([0, 3, None]),
    in_key=st.sampled_from([0, 7, None]),
    out_key=st.sampled_from([0, 7, None]),
    tos=st.sampled_from([0, 0xB8, INHERIT]),
    ttl=st.sampled_from([64, INHERIT]),
    mark=st.sampled_from([None, 7]),
)
BONDS = st.none() | st.builds(
    BondConfig,
    st.sampled_from(BondMode),
    all_members_active=st.booleans(),
    lacp=st.booleans(),
    lacp_fallback_ab=st.booleans(),
)
KEYS = st.builds(
    FlowKey,
    recirc_id=st.sampled_from([0, 0, 0, recirc_id_of("bond0")]),
    dp_hash=st.integers(0, 511),
    arp_sip=st.integers(0, 1),
    arp_tip=st.integers(0, 1),
    in_port=st.integers(1, 6),
    tun_id=st.sampled_from([0, 7, 8]),
    tun_src=st.integers(1, 2),
    tun_dst=st.integers(3, 4),
    tun_tos=st.sampled_from([0, 3, 0xBB]),
    skb_mark=st.sampled_from([0, 7]),
    eth_src=st.sampled_from(STATIONS),
    eth_dst=st.sampled_from(STATIONS),
    eth_type=st.sampled_from([0x0800, 0x86DD, 0x0806]),
    vlan_tpid=st.just(0x8100),
    vlan_tci=st.sampled_from([0, *(VLAN_PRESENT | vid for vid in (0, 5, 6, 0x6005))]),
    cvlan_tpid=st.just(0x8100),
    cvlan_tci=st.sampled_from([0, VLAN_PRESENT | 5, VLAN_PRESENT | 6]),
    ip_src=st.integers(0, 3),
    ip_dst=st.sampled_from(GROUPS),
    ip_proto=st.sampled_from([2, 6, 17, 58]),
    ip_tos=st.integers(0, 255),
    ip_ttl=st.integers(0, 255),
    ip_frag=st.integers(0, 2),
    tp_src=st.sampled_from([0, 130, 131, 135, 65535]),
)
PORT_NAMES = st.frozensets(st.sampled_from(["p1", "p2", "p3", "p4", "bond0"]), max_size=2)
SNOOPINGS = st.none() | st.builds(
    Snooping, flood_unregistered=st.booleans(), flood_ports=PORT_NAMES, report_ports=PORT_NAMES
)


@st.composite
def switches(draw: st.DrawFn) -> tuple[Switch, State]:
    """Four ports, perhaps tunnels, and a bond of two members where one is drawn; nothing is learned yet."""
    ports = [
        SwitchPort("br0", f"p{n}", n, n, draw(VLANS), draw(TUNNELS), protected=draw(st.booleans()))
        for n in range(1, 5)
    ]
    state = State({"br0": MacTable("br0")})
    if config := draw(BONDS):
        members = tuple(SwitchPort("br0", f"m{n}", n, n) for n in (5, 6))
        ports.append(SwitchPort("br0", "bond0", 5, NO_DP_PORT, draw(VLANS), members=members))
        bond = state.bonds["bond0"] = Bond("bond0")
        bond.update(config, {"m5": True, "m6": draw(st.booleans())}, 0.0)
        if draw(st.booleans()):
            bond.lacp_status = LacpStatus.NEGOTIATED
        state.arp_locks = dict.fromkeys(draw(LOCKS), 9.0)
    has_slb = config is not None and config.mode is BondMode.BALANCE_SLB
    if (snooping := draw(SNOOPINGS)) is not None:
        state.groups["br0"] = draw(group_tables())
    bridge = SwitchBridge("br0", tuple(ports), draw(st.booleans()), snooping=snooping, has_slb=has_slb)
    return Switch({"br0": bridge}, draw(st.sampled_from([1, 2]))), state


@st.composite
def group_tables(draw: st.DrawFn) -> GroupTable:
    table = GroupTable("br0")
    for vlan in (0, 5):
        for port in draw(PORT_NAMES):
            table.join(vlan, draw(st.sampled_from([V4_MAPPED | GROUPS[0], GROUPS[3]])), port, 0.0)
        for port in draw(PORT_NAMES):
            table.query(vlan, port, 0.0)
    return table


def possible(key: FlowKey, switch: Switch) -> FlowKey:
    """Give the key of a packet from a tunnel's port an outer header, and that of another none; widths fit."""
    if key.eth_type != 0x86DD:
        key = key._replace(ip_dst=key.ip_dst & 0xFFFF_FFFF)
    tunnel = key.in_port < 5 and switch.by_name[f"p{key.in_port}"].tunnel
    none = {"tun_proto": 0, "tun_id": 0, "tun_src": 0, "tun_dst": 0, "tun_tos": 0}
    return key._replace(tun_proto=2) if tunnel else key._replace(**none)


@given(switches(), KEYS, KEYS, st.dictionaries(st.sampled_from(STATIONS[:2]), st.integers(1, 5)))
@settings(max_examples=400, deadline=None)
def test_decision_holds_for_all_packets_that_agree_under_the_mask(
    drawn: tuple[Switch, State], key: FlowKey, other: FlowKey, known: dict[int, int]
) -> None:
    switch, state = drawn
    table = state.tables["br0"]
    for mac, port in known.items():
        for vlan in (0, 5, 6):
            table.learn(vlan, mac, f"p{port}" if port < 5 else "bond0", 0.0)
    key = possible(key, switch)
    decision = xlate(key, switch, state)
    mixed = FlowKey._make((k & m) | (o & ~m) for k, o, m in zip(key, other, decision.mask, strict=True))
    assert xlate(possible(mixed, switch), switch, state) == decision


@given(switches(), KEYS, st.lists(st.sampled_from(SOURCES), min_size=2, max_size=6), st.integers(1, 5))
@settings(max_examples=300, deadline=None)
def test_what_was_decided_for_another_source_is_what_is_decided_for_this_one(
    drawn: tuple[Switch, State], key: FlowKey, sources: list[int], port: int
) -> None:
    switch, state = drawn
    for vlan in (0, 5, 6):
        state.tables["br0"].learn(vlan, STATIONS[1], f"p{port}" if port < 5 else "bond0", 0.0)
    twins = Twins(switch, state)
    for source in sources:
        twin = possible(key, switch)._replace(eth_src=source)
        assert twins.decide(twin) == xlate(twin, switch, state)


@given(KEYS)
def test_features_that_are_off_look_at_nothing(key: FlowKey) -> None:
    vlans = [PortVlan(), PortVlan(VlanMode.ACCESS, 5), PortVlan(VlanMode.DOT1Q_TUNNEL, 5), PortVlan()]
    ports = [SwitchPort("br0", f"p{n}", n, n, vlan) for n, vlan in enumerate(vlans, 1)]
    switch = Switch({"br0": SwitchBridge("br0", tuple(ports))})
    key = possible(key._replace(in_port=key.in_port % 4 + 1, recirc_id=0), switch)
    mask = xlate(key, switch, State({"br0": MacTable("br0")})).mask
    assert {name for name, bits in mask._asdict().items() if bits} <= {
        *("recirc_id", "in_port", "eth_src", "eth_dst", "eth_type", "ip_frag"),
        *("vlan_tpid", "vlan_tci", "cvlan_tpid", "cvlan_tci"),
    }
