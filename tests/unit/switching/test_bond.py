"""A bond's members: delays, the active one, buckets, commands."""

import pytest

from switching.bond import ActiveMember, Bond, BondConfig, BondMode, Bucket, LacpStatus
from switching.bond_balance import plan_moves, rebalance
from switching.hashing import hash_mac

UP = {"a": True, "b": True}
DEFAULT = BondConfig()
SLB = BondConfig(BondMode.BALANCE_SLB)


def made(config: BondConfig = DEFAULT, links: dict[str, bool] = UP, hint: str = "") -> Bond:
    bond = Bond("bond0")
    bond.update(config, links, 100.0, hint)
    return bond


def with_links(bond: Bond, now: float, **links: bool) -> list[object]:
    for name, up in links.items():
        bond.members[name].link_up = up
    return list(bond.run(now))


def test_members_with_a_link_are_enabled_at_the_start_and_the_first_is_active() -> None:
    bond = made(BondConfig(updelay=9.0))
    assert bond.enabled() == ["a", "b"]
    assert bond.active == "a"
    assert bond.must_announce


def test_the_member_that_an_earlier_run_had_active_stays_so() -> None:
    assert made(hint="b").active == "b"
    assert made(links={"a": True, "b": False}, hint="b").active == "a"


def test_the_next_member_takes_over_when_the_active_ones_link_fails() -> None:
    bond = made()
    assert ActiveMember("bond0") in with_links(bond, 101.0, a=False)
    assert (bond.enabled(), bond.active) == (["b"], "b")
    with_links(bond, 102.0, a=True)
    assert (bond.enabled(), bond.active) == (["a", "b"], "b")


def test_nothing_changes_where_nothing_happened() -> None:
    bond = made(SLB)
    assert bond.run(101.0) == []
    assert bond.update(SLB, UP, 102.0) == []


def test_a_link_must_be_down_and_up_for_as_long_as_the_delays_say() -> None:
    bond = made(BondConfig(updelay=3.0, downdelay=2.0))
    with_links(bond, 200.0, a=False)
    assert bond.enabled() == ["a", "b"]
    assert bond.deadline() == 202.0
    bond.run(202.0)
    assert bond.enabled() == ["b"]
    with_links(bond, 210.0, a=True)
    assert bond.deadline() == 213.0
    with_links(bond, 212.0, a=False)
    assert bond.deadline() is None
    with_links(bond, 220.0, a=True)
    bond.run(223.0)
    assert bond.enabled() == ["a", "b"]


def test_the_first_link_to_come_back_does_not_wait_where_no_member_is_left() -> None:
    bond = made(BondConfig(updelay=60.0))
    with_links(bond, 101.0, a=False, b=False)
    assert (bond.enabled(), bond.active) == ([], "")
    with_links(bond, 102.0, b=True)
    assert (bond.enabled(), bond.active) == (["b"], "b")


def test_the_primary_becomes_active_again_when_it_is_back() -> None:
    bond = made(BondConfig(primary="b"))
    assert bond.active == "b"
    with_links(bond, 101.0, b=False)
    assert bond.active == "a"
    with_links(bond, 102.0, b=True)
    assert bond.active == "b"


def test_every_bucket_has_an_enabled_member_and_moves_only_if_it_must() -> None:
    bond = made(SLB, {"a": True, "b": True, "c": True})
    assert {name: bond.buckets.count(name) for name in "abc"} == {"a": 86, "b": 85, "c": 85}
    before = list(bond.buckets)
    changed = with_links(bond, 101.0, b=False)
    assert {place for place in changed if isinstance(place, Bucket)} == {
        Bucket("bond0", n) for n, name in enumerate(before) if name == "b"
    }
    assert all(bond.buckets[n] == name for n, name in enumerate(before) if name != "b")


def test_a_member_that_is_gone_carries_nothing() -> None:
    bond = made(SLB)
    bond.update(SLB, {"b": True, "c": True}, 101.0)
    assert bond.active == "b"
    assert set(bond.buckets) == {"b", "c"}


@pytest.mark.parametrize(
    ("config", "negotiated", "mode"),
    [
        (BondConfig(), False, BondMode.ACTIVE_BACKUP),
        (SLB, False, BondMode.BALANCE_SLB),
        (BondConfig(BondMode.BALANCE_TCP), False, None),
        (BondConfig(BondMode.BALANCE_TCP, lacp_fallback_ab=True), False, BondMode.ACTIVE_BACKUP),
        (BondConfig(BondMode.BALANCE_TCP, lacp=True), False, None),
        (BondConfig(BondMode.BALANCE_TCP, lacp=True), True, BondMode.BALANCE_TCP),
        (BondConfig(BondMode.BALANCE_SLB, lacp=True), False, None),
    ],
)
def test_the_mode_depends_on_what_was_negotiated(
    config: BondConfig, negotiated: bool, mode: BondMode | None
) -> None:
    bond = made(config)
    if negotiated:
        bond.lacp_status = LacpStatus.NEGOTIATED
    assert bond.mode is mode


def test_without_a_partner_no_member_is_enabled_unless_the_bond_falls_back() -> None:
    assert made(BondConfig(lacp=True)).enabled() == []
    assert made(BondConfig(lacp=True, lacp_fallback_ab=True)).enabled() == ["a", "b"]


def test_commands_hold_until_a_link_changes() -> None:
    bond = made(BondConfig(updelay=5.0))
    bond.set_active("b")
    assert bond.active == "b"
    bond.set_enabled("b", False, 101.0)
    assert (bond.enabled(), bond.active) == (["a"], "a")
    with pytest.raises(ValueError, match="cannot make disabled member active"):
        bond.set_active("b")
    bond.run(101.0)
    assert bond.deadline() == 106.0
    with pytest.raises(LookupError, match="no such member"):
        bond.set_enabled("z", True, 101.0)


def test_a_bucket_migrates_to_an_enabled_member_of_an_slb_bond() -> None:
    bond = made(SLB)
    bond.buckets[5] = "a"
    assert bond.migrate(5, "b") == [Bucket("bond0", 5)]
    assert bond.buckets[5] == "b"
    with_links(bond, 101.0, a=False)
    with pytest.raises(ValueError, match="cannot migrate to disabled member"):
        bond.migrate(5, "a")
    with pytest.raises(ValueError, match="not an SLB bond"):
        made().migrate(5, "a")


def test_loads_are_balanced_at_the_interval_and_halved() -> None:
    bond = made(SLB)
    bond.buckets = ["a"] * 256
    bond.loads[1], bond.loads[2], bond.loads[3] = 4_000_000, 3_000_000, 1_000_000
    assert rebalance(bond, 105.0) == []
    assert rebalance(bond, 110.0) == [Bucket("bond0", 1)]
    assert (bond.buckets[1], bond.buckets[2]) == ("b", "a")
    assert bond.loads[1:4] == [2_000_000, 1_500_000, 500_000]
    assert bond.rebalances_at == 120.0


@pytest.mark.parametrize(
    ("loads", "moves"),
    [
        ([900_000], 0),  # a single bucket would only carry its load elsewhere
        ([60_000, 30_000], 0),  # too little
        ([5_000_000, 1_000], 0),  # moving the large one gains nothing, the small one too little
        ([1_000_000, 1_000_000], 1),
    ],
)
def test_only_moves_that_are_worth_it_are_made(loads: list[int], moves: int) -> None:
    padded = loads + [0] * (256 - len(loads))
    assert len(plan_moves(["a"] * 256, padded, ["a", "b"])) == moves


@pytest.mark.parametrize(
    ("mac", "vlan", "basis", "expected"),
    [  # as bond/hash of Open vSwitch 3.1 prints them
        (0x505400000001, 0, 0, 144),
        (0x505400000001, 10, 0, 60),
        (0x505400000001, 10, 7, 70),
        (0xAABBCCDDEEFF, 10, 0, 247),
        (0xAABBCCDDEEFF, 10, 7, 5),
    ],
)
def test_the_hash_of_a_station_is_open_vswitchs(mac: int, vlan: int, basis: int, expected: int) -> None:
    assert hash_mac(mac, vlan, basis) & 0xFF == expected
