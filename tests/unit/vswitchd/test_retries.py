"""When steps that failed are tried again, and what they leave alone meanwhile."""

import errno
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapath.link import Link
from datapath.provider import VportSpec
from tests.kit.faulty import FaultyProvider
from tests.kit.switch import Rows, Switch, frame
from vswitchd.plan import Actual, ActualDatapath, AddPort, CreateDatapath, DeletePort, SetMac, SetMtu, Step
from vswitchd.retries import Failure, Retries

ADD = AddPort("system", VportSpec("eth0", "system"))
OTHER = AddPort("system", VportSpec("eth1", "system"))
TUNNEL = AddPort("system", VportSpec("vxlan_sys_4789", "vxlan", 4789))
MAC, MTU = SetMac("system", "eth0", "02:00:00:00:00:01"), SetMtu("system", "eth0", 9000)
CREATE = CreateDatapath("system")
NOTHING = Actual()


def link(name: str, ifindex: int, kind: str = "veth") -> Link:
    return Link(ifindex, name, "02:00:00:00:00:02", 1500, True, True, kind)


def seeing(*links: Link) -> Actual:
    return Actual({}, {each.name: each for each in links})


def failed(*steps: Step, number: int = errno.ENODEV) -> dict[Step, Failure]:
    return {step: Failure(step, number) for step in steps}


def test_waits_double_up_to_half_a_minute() -> None:
    retries = Retries()
    now, waits = 100.0, []
    for _ in range(7):
        retries.note([ADD], failed(ADD), NOTHING, now)
        due = retries.deadline()
        assert due is not None
        assert retries.due(due - 0.01) == [] == retries.ready([ADD], NOTHING, due - 0.01)
        assert retries.due(due) == [ADD] == retries.ready([ADD], NOTHING, due)
        waits.append(due - now)
        now = due
    assert waits == [1, 2, 4, 8, 16, 30, 30]


def test_what_works_again_is_forgotten() -> None:
    retries = Retries()
    retries.note([ADD], failed(ADD), NOTHING, 0)
    assert retries.failures() == {("system", "eth0"): Failure(ADD, errno.ENODEV)}
    retries.note([ADD], {}, NOTHING, 1)
    assert (retries.failures(), retries.deadline()) == ({}, None)


def test_what_is_not_wanted_any_more_is_forgotten() -> None:
    retries = Retries()
    retries.note([ADD, OTHER], failed(ADD, OTHER), NOTHING, 0)
    retries.keep([OTHER])
    assert set(retries.failures()) == {("system", "eth1")}


def test_changed_configuration_is_tried_at_once() -> None:
    retries = Retries()
    retries.note([ADD], failed(ADD), NOTHING, 0)
    changed = AddPort("system", VportSpec("eth0", "internal"))
    assert retries.ready([changed, OTHER], NOTHING, 0) == [changed, OTHER]


@pytest.mark.parametrize(
    ("step", "before", "after"),
    [
        (ADD, seeing(), seeing(link("eth0", 5))),
        (ADD, seeing(link("eth0", 5)), seeing(link("eth0", 6))),
        (ADD, seeing(link("eth0", 5)), seeing(replace(link("eth0", 5), master=0, slave_kind="bond"))),
        (TUNNEL, seeing(link("vxlan0", 5, "vxlan")), seeing()),
        (MTU, seeing(link("eth0", 5)), seeing(replace(link("eth0", 5), max_mtu=9000))),
    ],
    ids=["device appears", "another device", "another master", "rival of a tunnel goes", "device takes more"],
)
def test_what_may_cure_a_step_lets_it_be_tried_at_once(step: Step, before: Actual, after: Actual) -> None:
    retries = Retries()
    retries.note([step], failed(step), before, 0)
    assert retries.ready([step], before, 0.5) == []
    assert retries.ready([step], after, 0.5) == [step]
    assert not retries.cured(before)
    assert retries.cured(after)


def test_a_cure_that_was_none_begins_the_waits_anew() -> None:
    retries = Retries()
    for now in (0, 1, 3, 7):
        retries.note([ADD], failed(ADD), NOTHING, now)
    retries.note([ADD], failed(ADD, number=errno.EBUSY), seeing(link("eth0", 5)), 8)
    assert retries.deadline() == 9


def test_what_happens_to_other_devices_is_no_cure() -> None:
    retries = Retries()
    retries.note([ADD], failed(ADD), seeing(), 0)
    after = seeing(link("eth1", 5), link("vxlan0", 6, "vxlan"))
    assert retries.ready([ADD], after, 0.5) == []
    assert not retries.cured(after)


def test_a_refused_address_hinders_no_mtu() -> None:
    retries = Retries()
    retries.note([MAC], failed(MAC), NOTHING, 0)
    assert retries.ready([MAC, MTU], NOTHING, 0) == [MTU]


def test_a_port_that_is_not_there_has_nothing_to_be_set() -> None:
    retries = Retries()
    retries.note([MAC], failed(MAC), NOTHING, 0)
    retries.note([ADD], failed(ADD), NOTHING, 0.5)
    assert retries.ready([ADD, MAC, OTHER], NOTHING, 0.5) == [OTHER]
    assert retries.due(60) == [ADD]


def test_a_datapath_that_cannot_be_made_holds_up_its_ports_and_no_others() -> None:
    retries = Retries()
    elsewhere = AddPort("netdev", VportSpec("eth1", "system"))
    retries.note([CREATE, ADD], failed(CREATE), NOTHING, 0)
    assert retries.ready([CREATE, ADD, OTHER, elsewhere], NOTHING, 0.5) == [elsewhere]


def test_a_name_that_is_not_free_is_not_used_again() -> None:
    retries = Retries()
    gone = DeletePort("system", "eth0", 3)
    retries.note([gone], failed(gone, number=errno.EBUSY), NOTHING, 0)
    assert retries.ready([gone, ADD, OTHER], NOTHING, 0.5) == [OTHER]


STEPS = st.sampled_from([ADD, OTHER, TUNNEL, MAC, MTU, CREATE, DeletePort("system", "eth0", 3)])


@given(st.lists(st.tuples(st.sets(STEPS, min_size=1), st.sets(STEPS), st.integers(0, 40)), max_size=8))
def test_nothing_is_overdue_that_was_just_tried(rounds: list[tuple[set[Step], set[Step], int]]) -> None:
    retries, now = Retries(), 0.0
    for planned, broken, passed in rounds:
        now += passed
        tried = retries.due(now) or list(planned)
        retries.note(tried, failed(*(broken & set(tried))), NOTHING, now)
        deadline = retries.deadline()
        assert deadline is None or now < deadline <= now + 30


def broken_switch() -> tuple[Switch, FaultyProvider]:
    provider = FaultyProvider()
    provider.refused["bad"] = errno.ENODEV
    rows = Rows()
    rows.add_bridge("br0")
    for name in ("bad", "p1", "p2"):
        rows.add_port("br0", name)
    switch = Switch(rows, provider)
    switch.reconcile()
    return switch, provider


def test_a_broken_port_says_so_and_the_others_forward() -> None:
    switch, _ = broken_switch()
    assert "No such device" in str(switch.rows.get("Interface", "bad", "error"))
    assert set(switch.send("p1", frame(1, 2))) == {"br0", "p2"}


def test_while_one_port_is_tried_again_nothing_else_is_looked_at() -> None:
    switch, provider = broken_switch()
    switch.send("p1", frame(1, 2))
    provider.calls.clear()
    assert not switch.reconciler.retry(switch.now + 1)
    assert not switch.reconciler.retry(switch.now + 2)  # it waits for two seconds now
    assert provider.calls == {"add bad": 1}


def test_a_configuration_that_changes_elsewhere_does_not_try_a_broken_port() -> None:
    switch, provider = broken_switch()
    provider.calls.clear()
    switch.rows.add_port("br0", "p3")
    switch.reconcile()
    assert (provider.calls["add bad"], provider.calls["add p3"]) == (0, 1)
    assert "No such device" in str(switch.rows.get("Interface", "bad", "error"))


def test_a_port_that_can_be_made_at_last_joins_the_bridge() -> None:
    switch, provider = broken_switch()
    provider.refused.clear()
    switch.now += 1
    assert switch.reconciler.retry(switch.now)
    switch.reconcile()
    assert switch.rows.get("Interface", "bad", "error") == frozenset()
    assert set(switch.send("p1", frame(1, 2))) == {"br0", "p2", "bad"}


def test_another_reason_is_told() -> None:
    switch, provider = broken_switch()
    provider.refused["bad"] = errno.EBUSY
    switch.now += 1
    assert switch.reconciler.retry(switch.now)
    switch.reconcile()
    assert "busy" in str(switch.rows.get("Interface", "bad", "error"))


def test_a_datapath_that_can_be_made_at_last_is() -> None:
    provider = FaultyProvider()
    provider.refused["datapath"] = errno.EPERM
    rows = Rows()
    rows.add_bridge("br0")
    switch = Switch(rows, provider)
    switch.reconcile()
    assert "not permitted" in str(rows.get("Interface", "br0", "error"))
    provider.refused.clear()
    switch.now += 1
    assert switch.reconciler.retry(switch.now)
    switch.reconcile()
    assert rows.get("Interface", "br0", "error") == frozenset()


def test_a_port_that_cannot_be_removed_is_tried_again_with_all_that_was_seen() -> None:
    provider = FaultyProvider()
    provider.refused["delete p1"] = errno.EBUSY
    rows = Rows()
    rows.add_bridge("br0")
    rows.add_port("br0", "p1")
    switch = Switch(rows, provider)
    switch.reconcile()
    rows.delete_port("br0", "p1")
    switch.reconcile()
    switch.reconcile()
    assert provider.calls["delete"] == 1
    provider.refused.clear()
    switch.now += 1
    assert switch.reconciler.retry(switch.now)
    switch.reconcile()
    assert "p1" not in {port.name for port in switch.datapath.ports()}


def test_ports_of_other_datapaths_are_part_of_what_may_cure() -> None:
    retries = Retries()
    held = Actual({"netdev": ActualDatapath("ovs-netdev", {"eth0": None})})  # type: ignore[dict-item]
    retries.note([ADD], failed(ADD, number=errno.EBUSY), held, 0)
    assert retries.ready([ADD], held, 0.5) == []
    assert retries.ready([ADD], NOTHING, 0.5) == [ADD]
