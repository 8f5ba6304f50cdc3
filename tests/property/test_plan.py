"""plan(d, apply(plan(d, a), a)) is empty, whatever was there and whatever is asked for."""

from hypothesis import given, settings
from hypothesis import strategies as st

from datapath.fake import FakeProvider
from datapath.provider import LOCAL_PORT
from switching.tunnel import TunnelConfig
from switching.vlan import PortVlan
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
        actual = datapaths.observe(None)
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
