"""A configuration that changes at random: only what differs is touched, and no flow outlives what it was decided by."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapath.packet.flowkey import TUN_KEY, FlowKey
from datapath.provider import Vport
from ovsdb.datum import Value
from tests.kit.faulty import FaultyProvider
from tests.kit.switch import Rows, Switch, frame
from vswitchd.config.read import read_config
from vswitchd.forwarding import translate_again
from vswitchd.picture import draw

BRIDGES = ("br0", "br1", "br2")
STATIONS = range(1, 9)
TUNNEL = "vxlan_sys_4789"


class Churn:
    """A switch whose rows change at random, and through which packets go."""

    def __init__(self, seed: int) -> None:
        self.r = random.Random(seed)
        self.provider = FaultyProvider()
        self.rows = Rows()
        self.ports: dict[str, str] = {}  # with the bridge of each
        self.made = 0
        for bridge in BRIDGES:
            self.rows.add_bridge(bridge)
        self.rows.add_bond("br0", "bond0", "m1", "m2")
        for _ in range(4):
            self.add()
        self.switch = Switch(self.rows, self.provider)
        self.switch.reconcile()

    def add(self) -> None:
        self.made += 1
        name, bridge = f"p{self.made}", self.r.choice(BRIDGES)
        self.rows.add_port(bridge, name)
        self.ports[name] = bridge

    def join(self) -> None:
        """Add an end of a pair of patch ports that is not there."""
        pair = self.r.choice(("01", "12", "20"))
        ends = (f"x{pair}", f"y{pair}")
        missing = [end for end in (0, 1) if ends[end] not in self.ports]
        if missing:
            end = self.r.choice(missing)
            bridge = BRIDGES[int(pair[end])]
            self.rows.add_port(bridge, ends[end], "patch", {"peer": ends[1 - end]})
            self.ports[ends[end]] = bridge

    def tunnel(self) -> None:
        self.made += 1
        bridge = self.r.choice(BRIDGES)
        key = self.r.choice(("flow", "1", "2", "3"))
        self.rows.add_port(bridge, f"t{self.made}", "vxlan", {"remote_ip": "10.0.0.2", "key": key})
        self.ports[f"t{self.made}"] = bridge

    def remove(self) -> None:
        if self.ports:
            name = self.r.choice(sorted(self.ports))
            self.rows.delete_port(self.ports.pop(name), name)

    def retag(self) -> None:
        if self.ports:
            tag = self.r.choice((frozenset[int](), frozenset((1,))))
            self.rows.set("Port", self.rows.find("Port", self.r.choice(sorted(self.ports))), tag=tag)

    def flood(self) -> None:
        vlans = self.r.choice((frozenset[int](), frozenset((0,))))
        self.rows.set("Bridge", self.rows.find("Bridge", self.r.choice(BRIDGES)), flood_vlans=vlans)

    def balance(self) -> None:
        mode = frozenset((self.r.choice(("active-backup", "balance-slb", "balance-tcp")),))
        fallback: Value = {"lacp-fallback-ab": self.r.choice(("true", "false"))}
        bond = self.rows.find("Port", "bond0")
        self.rows.set("Port", bond, bond_mode=mode, lacp=frozenset(("active",)), other_config=fallback)

    def shrink(self) -> None:
        size: Value = {"mac-table-size": self.r.choice(("10", "2048"))}
        self.rows.set("Bridge", self.rows.find("Bridge", self.r.choice(BRIDGES)), other_config=size)

    def limit(self) -> None:
        limit: Value = {"vlan-limit": self.r.choice("12")}
        self.rows.set("Open_vSwitch", self.rows.switch, other_config=limit)

    def rewrite(self) -> None:
        """Let somebody change an interface, or what the switch wrote of it."""
        values: tuple[dict[str, Value], ...] = (
            {"ofport_request": frozenset((self.r.randint(1, 9),))},
            {"type": self.r.choice(("", "internal"))},
            {"ofport": frozenset((self.r.randint(1, 9),))},
            {"error": frozenset(("nonsense",))},
        )
        if plain := sorted(name for name in self.ports if name[0] == "p"):
            uuid = self.rows.find("Interface", self.r.choice(plain))
            self.rows.set("Interface", uuid, **self.r.choice(values))

    def change(self) -> None:
        steps = (
            self.add,
            self.join,
            self.tunnel,
            self.remove,
            self.retag,
            self.flood,
            self.shrink,
            self.limit,
        )
        self.r.choice(steps)()

    def traffic(self) -> None:
        there = [port.name for port in self.switch.datapath.ports() if port.kind == "system"]
        for _ in range(12 if there else 0):
            src, dst = self.r.sample(STATIONS, 2)
            tag = self.r.choice((None, None, 1))
            self.switch.send(self.r.choice(there), frame(src, dst, tag=tag))
        if TUNNEL in self.vports():
            for key in (1, 2):
                outer = FlowKey(tun_proto=2, tun_id=key, tun_flags=TUN_KEY, tun_src=0x0A000002, tun_dst=1)
                src, dst = self.r.sample(STATIONS, 2)
                self.switch.send(TUNNEL, frame(src, dst), outer)

    def vports(self) -> dict[str, Vport]:
        return {port.name: port for port in self.switch.datapath.ports()}


@given(st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_no_flow_outlives_what_it_was_decided_by(seed: int) -> None:
    churn = Churn(seed)
    for _ in range(6):
        churn.traffic()
        churn.change()
        churn.switch.reconcile()
        forwarding = churn.switch.reconciler.forwardings["dummy"]
        assert translate_again(forwarding, forwarding.book) == []


@given(st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_what_is_kept_between_passes_changes_nothing(seed: int) -> None:
    churn = Churn(seed)
    reconciler = churn.switch.reconciler
    for _ in range(8):
        churn.r.choice((churn.change, churn.rewrite))()
        read = {table: dict(rows) for table, rows in churn.rows.tables.items()}
        churn.switch.reconcile(statistics=churn.r.random() < 0.5)
        assert reconciler.desired == read_config(read)
        assert reconciler.actual == reconciler.datapaths.observe(None)
        fresh = draw(reconciler.desired, reconciler.actual, reconciler.numbers, {})
        assert {type_: f.switch for type_, f in reconciler.forwardings.items()} == fresh
        said = reconciler.observation(refresh=False)
        reconciler.described = {}
        assert said == reconciler.observation(refresh=False)


@given(st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_only_what_differs_is_touched(seed: int) -> None:
    churn = Churn(seed)
    for _ in range(6):
        before = churn.vports()
        churn.provider.calls.clear()
        churn.change()
        churn.switch.reconcile()
        after = churn.vports()
        added = {name for call in churn.provider.calls if (name := call.removeprefix("add ")) != call}
        assert added == after.keys() - before.keys()
        assert churn.provider.calls["delete"] == len(before.keys() - after.keys())
        churn.provider.calls.clear()
        churn.switch.reconcile()
        assert set(churn.provider.calls) == {"ports"}


def test_flows_from_a_tunnel_follow_when_another_bridge_claims_their_key() -> None:
    rows = Rows()
    for bridge in ("br0", "br1"):
        rows.add_bridge(bridge)
    rows.add_port("br0", "any", "vxlan", {"remote_ip": "10.0.0.2", "key": "flow"})
    switch = Switch(rows)
    switch.reconcile()
    outer = FlowKey(tun_proto=2, tun_id=1, tun_flags=TUN_KEY, tun_src=0x0A000002, tun_dst=1)
    assert set(switch.send(TUNNEL, frame(1, 2), outer)) == {"br0"}
    rows.add_port("br1", "one", "vxlan", {"remote_ip": "10.0.0.2", "key": "1"})
    switch.reconcile()
    assert set(switch.send(TUNNEL, frame(1, 2), outer)) == {"br1"}


@pytest.mark.parametrize("columns", [{"tag": frozenset((7,))}, {"protected": True}])
def test_flows_through_other_bridges_are_not_even_translated(
    columns: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Rows()
    for bridge, ports in (("br0", ("p1", "p2")), ("br1", ("q1", "q2"))):
        rows.add_bridge(bridge)
        for port in ports:
            rows.add_port(bridge, port)
    switch = Switch(rows)
    switch.reconcile()
    for _ in range(3):
        switch.send("p1", frame(1, 2))
        switch.send("q1", frame(1, 2))
    counts = {flow.key.in_port: flow.stats.packets for flow in switch.datapath.flows()}
    translated: list[tuple[str, ...]] = []
    real = translate_again

    def watching(forwarding, records):  # type: ignore[no-untyped-def]
        found = list(records)
        translated.extend(record.decision.inputs for record in found)
        return real(forwarding, found)

    monkeypatch.setattr("vswitchd.forwarding.translate_again", watching)
    rows.set("Port", rows.find("Port", "q2"), **columns)  # type: ignore[arg-type]
    switch.reconcile()
    assert translated == [("q1",)]
    assert {flow.key.in_port: flow.stats.packets for flow in switch.datapath.flows()} == counts


def test_a_thousand_ports_at_once_are_one_plan_and_one_look() -> None:
    provider = FaultyProvider()
    rows = Rows()
    rows.add_bridge("br0")
    switch = Switch(rows, provider)
    switch.reconcile()
    provider.calls.clear()
    for number in range(1000):
        rows.add_port("br0", f"p{number}")
    switch.reconciler.reconcile(rows.tables, switch.now)
    assert provider.calls["ports"] == 1
    assert sum(provider.calls.values()) == 1001
