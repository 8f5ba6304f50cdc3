"""What a change costs: how often things are planned and looked at."""

from collections import Counter

import pytest

from datapath.fake import FakeDatapath
from tests.kit.switch import Rows, Switch
from vswitchd.plan import plan


def test_ports_of_one_transaction_cost_one_plan_and_each_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Counter[str] = Counter()
    rows = Rows()
    rows.add_bridge("br0")
    switch = Switch(rows)
    switch.reconcile()
    real_plan, real_ports, real_add = plan, FakeDatapath.ports, FakeDatapath.add_port
    monkeypatch.setattr("vswitchd.reconciler.plan", lambda *a: calls.update(["plan"]) or real_plan(*a))
    monkeypatch.setattr(FakeDatapath, "ports", lambda self: calls.update(["ports"]) or real_ports(self))
    monkeypatch.setattr(FakeDatapath, "add_port", lambda self, s: calls.update(["add"]) or real_add(self, s))
    for number in range(100):
        rows.add_port("br0", f"p{number}")
    switch.reconciler.reconcile(rows.tables, switch.now)
    # the plan, and the one that finds nothing left to do; one look
    assert calls == {"plan": 2, "ports": 1, "add": 100}
    calls.clear()
    switch.reconciler.reconcile(rows.tables, switch.now)
    assert calls == {"plan": 1, "ports": 1}
