"""The database server's workloads with clients that follow: initial contents, fan-out, conditions.

Rule: those who follow are read by a process of its own, so that it is the server that is measured.
"""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count

from benchmarks.contents import file_of, serving, set_mark, transact
from benchmarks.database import DATABASE, in_lock_step
from benchmarks.measure import Measure, Workload
from benchmarks.servers import CHUNK, DEADLINE, Client, request, running

FOLLOWED: dict[str, list[dict[str, object]]] = {
    table: [{}] for table in ("Open_vSwitch", "Bridge", "Port", "Interface")
}
NO_ID = "00000000-0000-0000-0000-000000000000"
CONDITIONS = 200


@contextmanager
def initial_contents(side: str, rows: int) -> Iterator[Measure]:
    with running(side, file_of(rows // 2)) as server:

        def once() -> float:
            with Client(server.socket_path) as client:
                encoded = request("monitor_cond_since", ["Open_vSwitch", "m", FOLLOWED, NO_ID])
                return in_lock_step(client, [encoded]) / 1e3

        yield once


@contextmanager
def fan_out(side: str, clients: int) -> Iterator[Measure]:
    with running(side, file_of(100)) as server, Client(server.socket_path) as client:
        followers = [Client(server.socket_path) for _ in range(clients)]
        try:
            for follower in followers:
                follower.call("monitor_cond", ["Open_vSwitch", "m", FOLLOWED])
            yield partial(_commit_and_wait, client, followers, count())
        finally:
            for follower in followers:
                follower.socket.close()


def _commit_and_wait(client: Client, followers: list[Client], rounds: Iterator[int]) -> float:
    """Make 1,000 commits; milliseconds until every follower has heard of the last."""
    last = f"last-of-round-{next(rounds)}-"
    requests = [transact(set_mark("p7", f"commit-{n}-")) for n in range(999)]
    requests.append(transact(set_mark("p7", last)))
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _read_until(followers, last.encode())
        os.write(writer, b"!")
        os._exit(0)
    os.close(writer)
    try:
        began = time.perf_counter()
        in_lock_step(client, requests)
        if not os.read(reader, 1):
            raise ConnectionError("a follower was disconnected")
        return (time.perf_counter() - began) * 1e3
    finally:
        os.close(reader)
        os.waitpid(child, 0)


def _read_until(clients: list[Client], mark: bytes) -> None:
    """Read from every client until each has received `mark`."""
    try:
        with selectors.DefaultSelector() as selector:
            tails = {client.socket.fileno(): b"" for client in clients}
            for client in clients:
                selector.register(client.socket, selectors.EVENT_READ)
            while tails:
                for key, _ in selector.select(DEADLINE):
                    data = os.read(key.fd, CHUNK)
                    seen = tails[key.fd] + data
                    if mark in seen:
                        selector.unregister(key.fd)
                        del tails[key.fd]
                    elif not data:
                        os._exit(1)
                    else:
                        tails[key.fd] = seen[-len(mark) :]
    except BaseException:
        os._exit(1)  # the parent sees the pipe close; nothing of it may run here twice


@contextmanager
def conditional(side: str, rows: int) -> Iterator[Measure]:
    """Each client follows the interface of one name; one commit changes that of one client."""
    with serving(side, rows) as client:
        path = client.socket.getpeername()
        followers = [Client(path) for _ in range(CONDITIONS)]
        try:
            for n, follower in enumerate(followers):
                wanted = {"Interface": [{"where": [["name", "==", f"p{n}"]]}]}
                follower.call("monitor_cond", ["Open_vSwitch", "m", wanted])
            rounds = count()

            def once() -> float:
                number = next(rounds)
                return in_lock_step(
                    client, [transact(set_mark(f"p{n}", f"{number}")) for n in range(CONDITIONS)]
                )

            yield once
        finally:
            for follower in followers:
                follower.socket.close()


WORKLOADS = (
    *(
        Workload(
            DATABASE,
            "monitor_cond_since, everything",
            "ms",
            partial(initial_contents, rows=rows),
            size=f"{rows:,} rows",
        )
        for rows in (20_000, 200_000)
    ),
    *(
        Workload(
            DATABASE, "1,000 commits, followed", "ms", partial(fan_out, clients=n), size=f"by {n} clients"
        )
        for n in (50, 500)
    ),
    *(
        Workload(
            DATABASE,
            "a commit, 200 clients with conditions",
            "µs",
            partial(conditional, rows=rows),
            goal,
            f"{rows:,} rows",
        )
        for rows, goal in ((1_000, 1.0), (20_000, 10.0))
    ),
)
