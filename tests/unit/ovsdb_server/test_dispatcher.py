import socket
from collections.abc import Callable, Iterator

import pytest
import trio
import trio.testing

from ovsdb.dispatcher import Dispatcher

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pairs() -> Iterator[list[Pair]]:
    made = [socket.socketpair() for _ in range(3)]
    for ours, _ in made:
        ours.setblocking(False)
    yield made
    for pair in made:
        for sock in pair:
            sock.close()


def serve(dispatcher: Dispatcher, until: Callable[[], bool]) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(dispatcher.run)
            with trio.fail_after(20):
                while not until():
                    await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()

    trio.run(main)
    dispatcher.close()


def test_whoever_has_something_to_read_is_called(pairs: list[Pair]) -> None:
    heard: list[tuple[int, bytes]] = []
    dispatcher = Dispatcher()
    for n, (ours, _) in enumerate(pairs):
        dispatcher.watch(ours, lambda n=n, ours=ours: heard.append((n, ours.recv(9))))  # type: ignore[misc]
    pairs[2][1].send(b"c")
    pairs[0][1].send(b"a")
    serve(dispatcher, lambda: len(heard) == 2)
    assert sorted(heard) == [(0, b"a"), (2, b"c")]


def test_who_was_closed_by_a_call_before_is_not_called(pairs: list[Pair]) -> None:
    called: list[int] = []
    dispatcher = Dispatcher()

    def close_the_others(n: int) -> None:
        called.append(n)
        for ours, _ in pairs:
            dispatcher.ignore(ours)
            ours.close()

    for n, (ours, theirs) in enumerate(pairs):
        dispatcher.watch(ours, lambda n=n: close_the_others(n))  # type: ignore[misc]
        theirs.send(b"x")
    serve(dispatcher, lambda: bool(called))
    assert len(called) == 1


def test_who_wants_to_be_called_again_takes_turns_with_the_others(pairs: list[Pair]) -> None:
    called: list[str] = []
    dispatcher = Dispatcher()
    busy, calm = pairs[0][0], pairs[1][0]

    def go_on() -> None:
        called.append("busy")
        if len(called) < 100:
            dispatcher.call_again(busy)

    def answer() -> None:
        calm.recv(1)
        called.append("calm")

    dispatcher.watch(busy, go_on)
    dispatcher.watch(calm, answer)
    for _, theirs in pairs[:2]:
        theirs.send(b"x")
    dispatcher.call_again(busy)
    serve(dispatcher, lambda: len(called) >= 100)
    assert "calm" in called[:4]


def test_who_is_to_be_called_again_is_called_though_nobody_sends_anything(pairs: list[Pair]) -> None:
    called: list[None] = []
    dispatcher = Dispatcher()
    dispatcher.watch(pairs[0][0], lambda: called.append(None))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(dispatcher.run)
            await trio.testing.wait_all_tasks_blocked()
            dispatcher.call_again(pairs[0][0])
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()

    trio.run(main)
    dispatcher.close()
    assert called == [None]


def test_the_rest_of_the_program_runs_while_a_client_never_stops(pairs: list[Pair]) -> None:
    ours, theirs = pairs[0]
    dispatcher = Dispatcher()
    dispatcher.watch(ours, lambda: None)  # what came stays, so there is always something to read
    theirs.send(b"x")
    ticks: list[None] = []

    def tick() -> bool:
        ticks.append(None)
        return len(ticks) == 20

    serve(dispatcher, tick)


def test_only_after_somebody_was_quick_the_next_is_waited_for_awake(
    pairs: list[Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ovsdb.dispatcher.QUICK", 20.0)
    monkeypatch.setattr("ovsdb.dispatcher.AWAKE", 0.05)
    ours, theirs = pairs[0]
    heard: list[int] = []
    asked: list[None] = []
    awake: list[int] = []  # how many were heard when it looked and there was nothing
    monkeypatch.setattr("os.sched_yield", lambda: awake.append(len(heard)))
    dispatcher = Dispatcher()

    def answer() -> None:
        heard.append(ours.recv(1)[0])
        if len(heard) < 3:
            theirs.send(b"x")

    def all_heard() -> bool:
        if len(heard) == 3 and not asked:
            asked.append(None)
            theirs.send(b"x")
        return len(heard) == 4

    dispatcher.watch(ours, answer)
    theirs.send(b"x")
    serve(dispatcher, all_heard)
    assert set(awake) == {3}  # in vain, so that it slept behind the fourth
