import pytest

from rpc.reconnect import Action, Event, Reconnect, ReconnectError, State, Timing


def connected(now: float = 0.0, *, passive: bool = False) -> Reconnect:
    fsm = Reconnect(now, passive=passive)
    fsm.handle(Event.ENABLE, now)
    fsm.handle(Event.LISTEN if passive else Event.CONNECT, now)
    fsm.handle(Event.CONNECTED, now)
    return fsm


def test_the_first_attempt_comes_at_once() -> None:
    fsm = Reconnect(5.0)
    assert fsm.run(5.0) is None
    fsm.handle(Event.ENABLE, 5.0)
    assert fsm.run(5.0) is Action.CONNECT


def test_waits_double_up_to_the_largest() -> None:
    fsm, now, waits = Reconnect(0.0), 0.0, []
    fsm.handle(Event.ENABLE, now)
    for _ in range(6):
        fsm.handle(Event.CONNECT, now)
        fsm.handle(Event.DISCONNECTED, now)
        deadline = fsm.deadline()
        assert deadline is not None
        waits.append(deadline - now)
        assert fsm.run(deadline - 0.01) is None
        now = deadline
        assert fsm.run(now) is Action.CONNECT
    assert waits == [1, 2, 4, 8, 8, 8]


def test_an_attempt_that_takes_too_long_is_given_up() -> None:
    fsm = Reconnect(0.0)
    fsm.handle(Event.ENABLE, 0.0)
    fsm.handle(Event.CONNECT, 0.0)
    assert fsm.run(0.9) is None
    assert fsm.run(1.0) is Action.DISCONNECT


def test_an_idle_connection_is_probed_and_then_given_up() -> None:
    fsm = connected()
    assert fsm.run(4.9) is None
    assert fsm.run(5.0) is Action.PROBE
    fsm.handle(Event.PROBE, 5.0)
    assert fsm.run(9.9) is None
    assert fsm.run(10.0) is Action.DISCONNECT


def test_an_answer_to_the_probe_keeps_the_connection() -> None:
    fsm = connected()
    fsm.handle(Event.PROBE, 5.0)
    fsm.handle(Event.ACTIVITY, 6.0)
    assert fsm.state is State.ACTIVE
    assert fsm.deadline() == 11.0


def test_no_probe_interval_means_no_probes() -> None:
    fsm = connected()
    fsm.timing = Timing(probe_interval=0)
    assert fsm.deadline() is None


def test_a_connection_that_lived_starts_with_the_smallest_wait_again() -> None:
    fsm = connected()
    fsm.backoff = 8.0
    fsm.handle(Event.ACTIVITY, 9.0)
    fsm.handle(Event.DISCONNECTED, 9.0)
    assert fsm.backoff == 1.0


def test_a_connection_that_broke_at_once_waits_longer() -> None:
    fsm = connected()
    fsm.backoff = 4.0
    fsm.handle(Event.DISCONNECTED, 0.1)
    assert fsm.backoff == 8.0


def test_a_passive_connection_listens_again_at_once() -> None:
    fsm = connected(passive=True)
    fsm.handle(Event.DISCONNECTED, 3.0)
    assert fsm.run(3.0) is Action.CONNECT


def test_what_cannot_happen_is_refused() -> None:
    with pytest.raises(ReconnectError, match="probe sent in state VOID"):
        Reconnect(0.0).handle(Event.PROBE, 0.0)
