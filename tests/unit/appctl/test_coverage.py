"""Counters and their rates."""

import pytest

from appctl import coverage
from appctl.coverage import SLOT, Counter, format_counters
from appctl.unixctl import CommandError, Commands


def test_rates_are_of_whole_slots() -> None:
    counter = Counter("c")
    for now in (0.0, 1.0, 6.0):
        counter.count(now)
    assert counter.total == 3
    assert counter.rate(1, 6.0) == 2 / SLOT
    assert counter.rate(1, 11.0) == 1 / SLOT
    assert counter.rate(12, 12.0) == 3 / (12 * SLOT)
    assert counter.rate(1, 100.0) == 0


def test_counters_are_shown_as_the_c_programs_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "_counters", {})
    coverage.counter("never")
    counter = coverage.counter("ovsdb_commit")
    for _ in range(36):
        counter.count(4.0)
    header, line, last = format_counters(6.0).splitlines()
    assert header.startswith("Event coverage, avg rate over last: 5 seconds, last minute, last hour,  hash=")
    assert line == "ovsdb_commit               7.2/sec     0.600/sec        0.0100/sec   total: 36"
    assert last == "1 events never hit"
    assert coverage.counter("ovsdb_commit") is counter


def test_one_counter_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "_counters", {})
    coverage.counter("a").count()
    commands = Commands("prog")
    coverage.register(commands)
    read = commands._commands["coverage/read-counter"].handler
    assert read(["a"]) == "1\n"
    with pytest.raises(CommandError, match="No such counter"):
        read(["b"])
