"""What a look at the flows makes of their counters and of the time when they were used."""

from datapath.actions import Output
from datapath.packet.flowkey import FlowKey
from datapath.provider import Flow, FlowDel, FlowStats
from switching.state import Learned
from switching.xlate import Decision
from vswitchd.flowbook import Record
from vswitchd.forwarding import Forwarding
from vswitchd.revalidate import sweep

KEY = FlowKey(in_port=1, eth_src=0x0200_0000_000A)
ACTIONS = (Output(2),)
DECISION = Decision(ACTIONS, KEY, (Learned("br0", 0, "p1"),), (), ("p1",), ("p2",))
UFID = b"u" * 16


def known(installed: float = 100.0) -> Forwarding:
    forwarding = Forwarding()
    forwarding.book.add(Record(UFID, KEY, b"", DECISION, installed))
    return forwarding


def look(forwarding: Forwarding, stats: FlowStats, now: float = 105.0) -> list[object]:
    return [*sweep(forwarding, [Flow(UFID, KEY, KEY, ACTIONS, stats)], now, now)]


def test_octets_that_were_counted_after_their_packet_are_not_lost() -> None:
    forwarding = known()
    look(forwarding, FlowStats(1, 0, 104.0))  # a dump between the two counters of one packet
    look(forwarding, FlowStats(1, 60, 104.0))
    look(forwarding, FlowStats(2, 120, 104.5))
    counters = forwarding.counters["p2"]
    assert (counters.tx_packets, counters.tx_bytes) == (2, 120)


def test_a_flow_goes_when_neither_used_nor_new_for_the_idle_time() -> None:
    for installed, used, now, goes in (
        (100.0, None, 109.9, False),
        (100.0, None, 110.0, True),
        (100.0, 105.0, 114.9, False),
        (100.0, 105.0, 115.0, True),
        (100.0, 50.0, 109.9, False),  # of the flow that was there before
    ):
        operations = look(known(installed), FlowStats(int(used is not None), 60, used), now)
        assert operations == ([FlowDel(UFID)] if goes else [])
