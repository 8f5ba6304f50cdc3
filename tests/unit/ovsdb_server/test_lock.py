"""Locks: one owner, a queue behind, and who has to hear of a change."""

from ovsdb.lock import LockTable


def test_the_first_owns_and_the_next_waits() -> None:
    locks: LockTable[str] = LockTable()
    assert locks.lock("a", "x")
    assert not locks.lock("b", "x")
    assert (locks.holds("a", "x"), locks.holds("b", "x"), locks.holds("a", "y")) == (True, False, False)


def test_the_next_in_the_queue_inherits() -> None:
    locks: LockTable[str] = LockTable()
    for session in "abc":
        locks.lock(session, "x")
    assert locks.unlock("b", "x") is None
    assert locks.unlock("a", "x") == "c"
    assert locks.unlock("c", "x") is None
    assert locks.lock("d", "x")


def test_a_thief_stands_before_the_victim_who_gets_it_back() -> None:
    locks: LockTable[str] = LockTable()
    locks.lock("a", "x")
    locks.lock("b", "x")
    assert locks.steal("c", "x") == "a"
    assert locks.holds("c", "x")
    assert locks.unlock("c", "x") == "a"


def test_stealing_a_free_lock_has_no_victim() -> None:
    locks: LockTable[str] = LockTable()
    assert locks.steal("a", "x") is None
    assert locks.holds("a", "x")


def test_a_thief_that_is_robbed_is_out_of_the_queue() -> None:
    locks: LockTable[str] = LockTable()
    locks.steal("a", "x")
    assert locks.steal("b", "x") == "a"
    assert locks.unlock("b", "x") is None
    assert locks.unlock("a", "x") is None
    assert locks.lock("c", "x")
