"""What leaves by which port and with which tags is what a reading of the manual says."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from datapath.actions import Actions, Output, PopVlan, PushVlan
from datapath.packet.flowkey import VLAN_PRESENT, FlowKey
from switching.mac_table import MacTable
from switching.state import State
from switching.switch import Switch, SwitchBridge, SwitchPort
from switching.xlate import xlate
from tests.kit import naive_vlans
from tests.kit.naive_vlans import Tag
from vswitchd.config.vlan import read_vlan

VIDS = st.sampled_from([0, 5, 6, 7])
SETS = st.frozensets(VIDS, max_size=3)
PORTS = st.fixed_dictionaries(
    {},
    optional={
        "vlan_mode": st.sampled_from(["access", "trunk", "native-tagged", "native-untagged", "dot1q-tunnel"]),
        "tag": VIDS,
        "trunks": SETS,
        "cvlans": SETS,
        "other_config": st.fixed_dictionaries(
            {},
            optional={
                "priority-tags": st.sampled_from(["never", "if-nonzero", "always"]),
                "qinq-ethtype": st.sampled_from(["802.1q", "802.1ad"]),
            },
        ),
    },
)
TAGS = st.lists(st.builds(Tag, st.sampled_from([0x8100, 0x88A8]), VIDS, st.sampled_from([0, 3])), max_size=2)


def tags_sent(key_tags: list[Tag], actions: Actions) -> dict[int, tuple[Tag, ...]]:
    """Carry actions out on a stack of tags; what each port gets."""
    stack = list(key_tags)
    sent: dict[int, tuple[Tag, ...]] = {}
    for action in actions:
        if isinstance(action, Output):
            assert action.port not in sent
            sent[action.port] = tuple(stack)
        elif isinstance(action, PopVlan):
            stack.pop(0)
        elif isinstance(action, PushVlan):
            assert action.tci & VLAN_PRESENT
            stack.insert(0, Tag(action.tpid, action.tci & 0xFFF, action.tci >> 13))
    return sent


def key_of(tags: list[Tag]) -> FlowKey:
    tcis = [VLAN_PRESENT | tag.pcp << 13 | tag.vid for tag in tags] + [0, 0]
    tpids = [tag.tpid for tag in tags] + [0, 0]
    return FlowKey(
        in_port=1,
        eth_src=2,
        eth_dst=4,
        eth_type=0x88B5,
        vlan_tpid=tpids[0],
        vlan_tci=tcis[0],
        cvlan_tpid=tpids[1],
        cvlan_tci=tcis[1],
    )


@given(st.lists(PORTS, min_size=4, max_size=4), TAGS, st.sampled_from([1, 2]))
@settings(max_examples=600, deadline=None)
def test_an_unknown_destination_is_flooded_as_the_manual_says(
    rows: list[dict[str, Any]], tags: list[Tag], limit: int
) -> None:
    ports = tuple(SwitchPort("br0", f"p{n}", n, n, read_vlan(row)) for n, row in enumerate(rows, 1))
    switch = Switch({"br0": SwitchBridge("br0", ports)}, limit)
    decision = xlate(key_of(tags), switch, State({"br0": MacTable("br0")}))
    seen, hidden = tags[:limit], tuple(tags[limit:])
    frame = naive_vlans.enter(rows[0], seen)
    expected = {
        number: (*naive_vlans.leave(row, frame), *hidden)
        for number, row in enumerate(rows, 1)
        if number > 1 and frame is not None and naive_vlans.carries(row, frame)
    }
    assert tags_sent(tags, decision.actions) == expected
