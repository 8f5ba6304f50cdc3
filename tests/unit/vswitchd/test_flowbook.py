from datapath.packet.flowkey import FlowKey
from switching.mac_table import MacTable, Place
from switching.state import State
from switching.switch import Switch, SwitchBridge, SwitchPort
from switching.xlate import xlate
from vswitchd.flowbook import FlowBook, Record, flow_id

PICTURE = Switch({"br0": SwitchBridge("br0", tuple(SwitchPort("br0", f"p{n}", n, n) for n in (1, 2)))})


def record(src: int, dst: int) -> Record:
    key = FlowKey(in_port=1, eth_src=src, eth_dst=dst, eth_type=0x0800)
    decision = xlate(key, PICTURE, State({"br0": MacTable("br0")}))
    return Record(flow_id(key, decision.mask), key, b"", decision, 0.0)


def test_identifier_is_the_same_in_every_run() -> None:
    key = FlowKey(in_port=1, eth_src=2, eth_dst=3, eth_type=0x0800)
    mask = xlate(key, PICTURE, State({"br0": MacTable("br0")})).mask
    assert flow_id(key, mask).hex() == "85fc5fdcb6923b3f4f64a6ba6158880c"


def test_identifier_does_not_depend_on_what_the_mask_leaves_out() -> None:
    key = FlowKey(in_port=1, eth_src=2, eth_dst=3, eth_type=0x0800, tp_src=7)
    mask = xlate(key, PICTURE, State({"br0": MacTable("br0")})).mask
    assert flow_id(key, mask) == flow_id(key._replace(tp_src=8), mask)
    assert flow_id(key, mask) != flow_id(key._replace(eth_dst=4), mask)
    assert flow_id(key, mask) != flow_id(key, mask._replace(tp_src=0xFFFF))


def test_flows_are_found_by_the_address_that_decided_them() -> None:
    book = FlowBook()
    one, two = record(1, 5), record(2, 6)
    book.add(one)
    book.add(two)
    assert book.looking_at([Place("br0", 0, 5)]) == [one]
    assert book.looking_at([Place("br0", 1, 5)]) == []
    book.remove(one.ufid)
    assert book.looking_at([Place("br0", 0, 5), Place("br0", 0, 6)]) == [two]


def test_new_decision_is_found_by_its_new_addresses() -> None:
    book = FlowBook()
    one = record(1, 5)
    book.add(one)
    book.decide(one, one.decision._replace(places=(Place("br0", 0, 9),)))
    assert book.looking_at([Place("br0", 0, 5)]) == []
    assert book.looking_at([Place("br0", 0, 9)]) == [one]
