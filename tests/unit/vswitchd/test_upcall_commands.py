"""upcall/*: how flows are made."""

from tests.kit.switch import Rows, Switch, frame
from vswitchd.control.upcall import format_upcalls
from vswitchd.figures import Figures

A, B = 0x0200_0000_000A, 0x0200_0000_000B


def switch_of_two() -> Switch:
    rows = Rows()
    rows.add_bridge("br0")
    for name in ("p1", "p2"):
        rows.add_port("br0", name)
    switch = Switch(rows)
    switch.reconcile()
    return switch


def test_without_megaflows_each_payload_type_has_a_flow_of_its_own() -> None:
    switch = switch_of_two()
    forwarding = switch.reconciler.forwardings["dummy"]
    forwarding.megaflows = False
    switch.send("p1", frame(A, B))
    (record,) = forwarding.book
    assert record.decision.mask.eth_src == (1 << 48) - 1
    switch.sweep()
    assert len(forwarding.book) == 1
    switch.send("p1", frame(A, B))
    assert forwarding.upcalls == 1


def test_figures_follow_the_flows() -> None:
    figures = Figures()
    for flows in (0, 8, 8, 2):
        figures.note(flows, 0.004)
    switch = switch_of_two()
    text = format_upcalls(switch.reconciler.forwardings, {"dummy": figures}, terse=True)
    assert "(current 0) (avg 4) (max 8) (limit 200000)" in text
    assert "dump duration : 4ms" in text
