"""plan(d, apply(plan(d, a), a)) is empty, and names only what differs, whatever was there and is asked for."""

from collections.abc import Collection

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapath.fake import FakeDatapath, FakeProvider
from datapath.provider import LOCAL_PORT, FlowDel, FlowPut, Operation
from switching.tunnel import TunnelConfig
from switching.vlan import PortVlan
from tests.kit.switch import NOTHING, Rows, Switch, frame
from vswitchd.config.desired import Desired, DesiredBridge, DesiredInterface, DesiredPort
from vswitchd.datapaths import Datapaths
from vswitchd.plan import AddPort, CreateDatapath, DeleteDatapath, DeletePort, plan, wanted_ports

TYPES = ("system", "netdev", "dummy")
NAMES = st.sampled_from([f"p{n}" for n in range(6)])


@st.composite
def interfaces(draw: st.DrawFn, name: str) -> DesiredInterface:
    kind = draw(st.sampled_from(["system", "internal", "tap", "gre", "vxlan", "geneve", "patch", ""]))
    if kind in ("gre", "vxlan", "geneve"):
        port = 0 if kind == "gre" else draw(st.sampled_from([4789, 8472]))
        return DesiredInterface(name, name, kind, kind, tunnel=TunnelConfig(kind, 1, dst_port=port))
    return DesiredInterface(name, name, kind, kind, error="" if kind else "unknown type")


@st.composite
def desired(draw: st.DrawFn) -> Desired:
    names = draw(st.lists(NAMES, unique=True))
    bridges = []
    for number in range(draw(st.integers(0, 3))):
        own = [name for name in names if draw(st.integers(0, 2)) == number]
        names = [name for name in names if name not in own]
        ports = [DesiredPort(n, n, PortVlan(), (draw(interfaces(n)),)) for n in own]
        local = DesiredInterface("", f"br{number}", "internal", "internal")
        ports.append(DesiredPort("", f"br{number}", PortVlan(), (local,)))
        type_ = draw(st.sampled_from([*TYPES, "nonsense"]))
        bridges.append(DesiredBridge(f"br{number}", f"br{number}", type_, tuple(ports)))
    return Desired("uuid", tuple(bridges))


@given(st.lists(desired(), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_applied_plan_leaves_nothing_to_plan(history: list[Desired]) -> None:
    datapaths = Datapaths({type_: FakeProvider() for type_ in TYPES})
    for wanted in history:
        steps = plan(wanted, datapaths.observe(None))
        assert datapaths.apply(steps, None) == {}
        outcome = datapaths.outcome(None)
        actual = datapaths.observe(None)
        assert outcome == actual
        assert plan(wanted, actual) == ()
        there = {
            type_: {p.name for p in datapath.ports.values() if p.port_no != LOCAL_PORT}
            for type_, datapath in actual.datapaths.items()
        }
        assert there == {t: set(specs) for t, specs in wanted_ports(wanted, frozenset(TYPES)).items()}


@given(desired(), desired())
@settings(max_examples=100, deadline=None)
def test_plan_deletes_before_it_adds(first: Desired, second: Desired) -> None:
    datapaths = Datapaths({type_: FakeProvider() for type_ in TYPES})
    datapaths.apply(plan(first, datapaths.observe(None)), None)
    order = {DeletePort: 0, DeleteDatapath: 1, CreateDatapath: 2, AddPort: 3}
    kinds = [order[type(step)] for step in plan(second, datapaths.observe(None)) if type(step) in order]
    assert kinds == sorted(kinds)


@given(desired())
@settings(max_examples=50, deadline=None)
def test_nothing_is_touched_for_a_configuration_that_is_there(wanted: Desired) -> None:
    providers = {type_: FakeProvider() for type_ in TYPES}
    first = Datapaths(providers)
    first.apply(plan(wanted, first.observe(None)), None)
    assert plan(wanted, Datapaths(providers).observe(None)) == ()


@given(desired(), desired())
@settings(max_examples=100, deadline=None)
def test_plan_names_each_port_that_differs_once_and_no_other(first: Desired, second: Desired) -> None:
    datapaths = Datapaths({type_: FakeProvider() for type_ in TYPES})
    datapaths.apply(plan(first, datapaths.observe(None)), None)
    before, after = (wanted_ports(wanted, frozenset(TYPES)) for wanted in (first, second))
    numbers = _numbers(datapaths)
    steps = plan(second, datapaths.observe(None))
    assert sorted((s.type, s.name) for s in steps if isinstance(s, DeletePort)) == sorted(
        (type_, name)
        for type_ in before.keys() & after.keys()
        for name, spec in before[type_].items()
        if after[type_].get(name) != spec
    )
    assert sorted((s.type, s.name) for s in steps if isinstance(s, AddPort)) == sorted(
        (type_, name)
        for type_, specs in after.items()
        for name, spec in specs.items()
        if before.get(type_, {}).get(name) != spec
    )
    assert {s.type for s in steps if isinstance(s, CreateDatapath)} == after.keys() - before.keys()
    assert {s.type for s in steps if isinstance(s, DeleteDatapath)} == before.keys() - after.keys()
    datapaths.apply(steps, None)
    stayed = {
        (type_, name)
        for type_ in before.keys() & after.keys()
        for name, spec in before[type_].items()
        if after[type_].get(name) == spec
    }
    now = _numbers(datapaths)
    assert {port: now[port] for port in stayed} == {port: numbers[port] for port in stayed}


def _numbers(datapaths: Datapaths) -> dict[tuple[str, str], int]:
    found = datapaths.observe(None).datapaths
    return {(type_, p.name): p.port_no for type_, datapath in found.items() for p in datapath.ports.values()}


CHANGES = st.tuples(st.sampled_from(["port", "tag", "bridge", "flood"]), st.integers(0, 3), st.integers(0, 3))


@given(st.lists(CHANGES, min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_flows_of_a_bridge_are_not_touched_by_changes_of_others(history: list[tuple[str, int, int]]) -> None:
    rows = Rows()
    for bridge, ports in (("stays", ("a", "b")), ("changes", ("c", "d"))):
        rows.add_bridge(bridge)
        for port in ports:
            rows.add_port(bridge, port)
    switch = Switch(rows)
    switch.reconcile()
    for source, destination, into in ((1, 2, "a"), (2, 1, "b"), (1, 2, "a"), (3, 4, "c"), (4, 3, "d")):
        switch.send(into, frame(source << 1, destination << 1))
    own = {port.port_no for port in switch.datapath.ports() if port.name in ("stays", "a", "b")}
    switch.datapath.inject("a", frame(2, 4))

    def kept() -> list[tuple[object, ...]]:
        flows = [flow for flow in switch.datapath.flows() if flow.key.in_port in own]
        return sorted((flow.ufid, flow.actions, flow.stats) for flow in flows)

    before = kept()
    assert len(before) > 1
    operations: list[Operation] = []
    run = FakeDatapath.run

    def noted(datapath: FakeDatapath, some: Collection[Operation]) -> None:
        operations.extend(some)
        run(datapath, some)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeDatapath, "run", noted)
        for what, which, value in history:
            _change(rows, what, which, value)
            switch.reconcile()
            assert kept() == before
    touched = {operation.ufid for operation in operations if isinstance(operation, FlowPut | FlowDel)}
    assert touched.isdisjoint(flow[0] for flow in before)


def _change(rows: Rows, what: str, which: int, value: int) -> None:
    """Change something in the bridge `changes`, or a bridge beside it."""
    ports = {str(row["name"]) for row in rows.tables["Port"].values()}
    bridges = {str(row["name"]) for row in rows.tables["Bridge"].values()}
    match what:
        case "port" if f"q{which}" in ports:
            rows.delete_port("changes", f"q{which}")
        case "port":
            rows.add_port("changes", f"q{which}")
        case "tag":
            tag = frozenset((value,)) if value else NOTHING
            rows.set("Port", rows.find("Port", "cd"[which % 2]), tag=tag)
        case "bridge" if f"br{which}" in bridges:
            rows.delete_bridge(f"br{which}")
            rows.tables["Port"].pop(rows.find("Port", f"br{which}"))
            rows.tables["Interface"].pop(rows.find("Interface", f"br{which}"))
        case "bridge":
            rows.add_bridge(f"br{which}")
        case _:
            rows.set("Bridge", rows.find("Bridge", "changes"), flood_vlans=frozenset(range(value)))
