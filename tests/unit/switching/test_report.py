"""What a translation says of itself."""

from datapath.packet.flowkey import FlowKey
from switching.mac_table import MacTable
from switching.report import Report
from switching.state import State
from switching.switch import NO_DP_PORT, Switch, SwitchBridge, SwitchPort
from switching.vlan import PortVlan, VlanMode
from switching.xlate import xlate

KEY = FlowKey(in_port=1, eth_src=0x02000000000A, eth_dst=0x02000000000B, eth_type=0x88B5)
NEAR = SwitchBridge(
    "br0",
    (
        SwitchPort("br0", "p1", 1, 1, PortVlan(VlanMode.ACCESS, 10)),
        SwitchPort("br0", "x0", 8, NO_DP_PORT, peer="x1"),
        SwitchPort("br0", "p2", 2, 2),
    ),
)
FAR = SwitchBridge("br1", (SwitchPort("br1", "x1", 9, NO_DP_PORT, peer="x0"), SwitchPort("br1", "q1", 1, 5)))


def test_each_bridge_that_a_packet_enters_has_a_section() -> None:
    switch, state = Switch({"br0": NEAR, "br1": FAR}), State({b: MacTable(b) for b in ("br0", "br1")})
    report = Report()
    told = xlate(KEY, switch, state, report)
    assert told == xlate(KEY, switch, state)
    assert [(section.bridge, section.lines) for section in report.sections] == [
        (
            "br0",
            [
                "new station: 02:00:00:00:00:0a in VLAN 10, behind port p1",
                "flooded in VLAN 10",
                "sent to port x0, tagged 10",
                "sent to port p2, tagged 10",
            ],
        ),
        (
            "br1",
            [
                "new station: 02:00:00:00:00:0a in VLAN 10, behind port x1",
                "flooded in VLAN 10",
                "sent to port q1, tagged 10",
            ],
        ),
    ]


def test_a_packet_that_is_dropped_says_why() -> None:
    switch, state = Switch({"br0": NEAR}), State({"br0": MacTable("br0")})
    report = Report()
    xlate(KEY._replace(vlan_tpid=0x8100, vlan_tci=0x1005), switch, state, report)
    (section,) = report.sections
    assert section.lines == ["tagged 5, which port p1 does not take: dropped"]
    nowhere = Report()
    xlate(KEY._replace(in_port=77), switch, state, nowhere)
    assert nowhere.sections[0].lines == ["the port that the packet came in by is on no bridge: dropped"]
