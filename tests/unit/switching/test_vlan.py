import pytest

from datapath.packet.flowkey import VLAN_PRESENT
from switching.vlan import Classified, PortVlan, VlanMode, carries, classify, tags_out

ACCESS5 = PortVlan(VlanMode.ACCESS, 5)
TRUNK = PortVlan()
TRUNK67 = PortVlan(trunks=frozenset((6, 7)))
TAGGED5 = PortVlan(VlanMode.NATIVE_TAGGED, 5, frozenset((6,)))
UNTAGGED5 = PortVlan(VlanMode.NATIVE_UNTAGGED, 5, frozenset((6,)))


def tag(vid: int, pcp: int = 0) -> int:
    return VLAN_PRESENT | pcp << 13 | vid


@pytest.mark.parametrize(
    ("port", "tci", "vlan"),
    [
        (ACCESS5, 0, 5),
        (ACCESS5, tag(0, 3), 5),
        (ACCESS5, tag(5), None),
        (TRUNK, 0, 0),
        (TRUNK, tag(9), 9),
        (TRUNK67, tag(7), 7),
        (TRUNK67, tag(8), None),
        (TRUNK67, 0, None),
        (TAGGED5, 0, 5),
        (UNTAGGED5, 0, 5),
        (UNTAGGED5, tag(6), 6),
        (UNTAGGED5, tag(7), None),
    ],
)
def test_input_vlan(port: PortVlan, tci: int, vlan: int | None) -> None:
    found = classify(port, (0x8100 << 16 | tci,) if tci else ())
    assert (found.vlan if found else None) == vlan


@pytest.mark.parametrize(
    ("port", "vlan", "pcp", "tci"),
    [
        (ACCESS5, 5, 0xE000, 0),
        (TRUNK, 9, 0x6000, tag(9, 3)),
        (TRUNK, 0, 0x6000, tag(0, 3)),
        (TRUNK, 0, 0, 0),
        (ACCESS5, 5, 0x6000, 0),
        (PortVlan(VlanMode.ACCESS, 5, priority_tags="if-nonzero"), 5, 0x6000, tag(0, 3)),
        (TAGGED5, 5, 0, tag(5)),
        (UNTAGGED5, 5, 0, 0),
        (UNTAGGED5, 6, 0, tag(6)),
        (PortVlan(priority_tags="if-nonzero"), 0, 0x6000, tag(0, 3)),
        (PortVlan(priority_tags="if-nonzero"), 0, 0, 0),
        (PortVlan(priority_tags="always"), 0, 0, tag(0)),
    ],
)
def test_output_tag(port: PortVlan, vlan: int, pcp: int, tci: int) -> None:
    expected = (0x8100 << 16 | tci,) if tci else ()
    assert tags_out(port, Classified(vlan, pcp, 0x8100, (), pcp)) == expected


def test_port_carries_its_native_vlan_beside_its_trunks() -> None:
    assert carries(TAGGED5, 5)
    assert carries(TAGGED5, 6)
    assert not carries(TAGGED5, 7)
    assert not carries(ACCESS5, 0)
