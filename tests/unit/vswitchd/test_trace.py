"""ofproto/trace on the fake datapath."""

import pytest

from appctl.unixctl import CommandError
from tests.kit.switch import Rows, Switch
from vswitchd.control.trace import COMMANDS

trace = COMMANDS[0][-1]
STATION = "dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02"


def bonded() -> Switch:
    rows = Rows()
    rows.add_bridge("br0")
    rows.add_port("br0", "p", ofport_request=frozenset((7,)))
    rows.add_bond("br0", "bond0", "m1", "m2")
    switch = Switch(rows)
    switch.reconcile()
    return switch


def test_members_of_bonds_are_named() -> None:
    switch = bonded()
    sent = trace(switch.reconciler, ["br0", f"in_port=7,{STATION}", "--names"])
    assert "sent to bond bond0 by its member m1, untagged" in sent
    assert "Flow: in_port=p," in sent
    taken = trace(switch.reconciler, ["br0", f"in_port=m1,{STATION}", "--names"])
    assert "Flow: in_port=m1," in taken
    assert "behind port bond0" in taken
    assert "Datapath actions: br0,p" in taken


def test_a_flow_alone_teaches_nothing_and_a_packet_does() -> None:
    switch = bonded()
    table = switch.reconciler.forwardings["dummy"].state.tables["br0"]
    trace(switch.reconciler, ["br0", f"in_port=7,{STATION}"])
    assert len(table) == 0
    trace(switch.reconciler, ["br0", f"in_port=7,{STATION}", "-generate"])
    assert table.lookup(0, 0x020000000001) == "p"


def test_flows_of_the_datapath_are_traced() -> None:
    switch = bonded()
    port = switch.datapath.port("p")
    assert port
    flow = f"in_port({port.port_no}),eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),eth_type(0x1234)"
    for name in (["ovs-dummy"], ["dummy@ovs-dummy"], []):
        assert 'bridge("br0")' in trace(switch.reconciler, [*name, flow])


@pytest.mark.parametrize(
    "arguments",
    [
        ["br0", "in_port=nosuch"],
        ["br1", "in_port=1"],
        ["br0"],
        ["br0", "in_port=7", "--what"],
        ["a", "b", "c"],
    ],
)
def test_what_cannot_be_traced_is_refused(arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        trace(bonded().reconciler, arguments)
