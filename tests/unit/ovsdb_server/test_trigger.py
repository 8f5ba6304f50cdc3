"""Parked transactions: who is concerned, who has waited long enough, in which order."""

from ovsdb.trigger import TriggerQueue


def queue(*places: tuple[str, set[str], float | None]) -> TriggerQueue[str]:
    triggers: TriggerQueue[str] = TriggerQueue()
    for parked, tables, deadline in places:
        triggers.park(parked, frozenset(tables), deadline)
    return triggers


def test_a_change_concerns_those_who_wait_for_its_tables_in_order() -> None:
    triggers = queue(("a", {"T"}, None), ("b", {"U"}, None), ("c", {"T", "U"}, None))
    assert triggers.concerned(["U", "V"]) == ["b", "c"]
    assert triggers.concerned([]) == []


def test_the_earliest_deadline_counts() -> None:
    triggers = queue(("a", {"T"}, 5.0), ("b", {"T"}, None), ("c", {"T"}, 3.0))
    assert triggers.deadline() == 3.0
    assert triggers.expired(2.9) == []
    assert triggers.expired(3.0) == ["c"]
    assert triggers.expired(9.0) == ["a", "c"]


def test_parking_again_keeps_the_place_in_the_order() -> None:
    triggers = queue(("a", {"T"}, None), ("b", {"T"}, None))
    triggers.park(triggers.all()[0], frozenset({"T"}), 7.0)
    assert triggers.all() == ["a", "b"]
    assert triggers.deadline() == 7.0


def test_what_is_removed_is_gone() -> None:
    triggers = queue(("a", {"T"}, 1.0))
    assert triggers.remove(triggers.all()[0])
    assert not triggers.remove("a")
    assert (len(triggers), triggers.deadline()) == (0, None)
