"""The database server's workloads: requests in lock-step, pipelined requests, large transactions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count, islice

from benchmarks.contents import (
    into,
    new_bridge,
    port,
    ports_of,
    serving,
    set_mark,
    transact,
)
from benchmarks.measure import Measure, Workload
from benchmarks.servers import Client, request, running

DATABASE = "Database"


def in_lock_step(client: Client, requests: list[bytes]) -> float:
    """Send requests one after another; return the mean time of one in µs, and see that the last succeeded."""
    began = time.perf_counter()
    for encoded in requests:
        reply = client.exchange(encoded)
    taken = time.perf_counter() - began
    if b'"error":null' not in reply.replace(b" ", b"") or b'"details"' in reply:
        raise RuntimeError(reply)
    return taken / len(requests) * 1e6


@contextmanager
def echo(side: str) -> Iterator[Measure]:
    with running(side) as server, Client(server.socket_path) as client:
        yield partial(in_lock_step, client, [request("echo", ["hello"])] * 5000)


@contextmanager
def insert_bridge(side: str) -> Iterator[Measure]:
    with serving(side, 10) as client:
        requests = (transact(*new_bridge(f"new{n}")) for n in count())
        yield lambda: in_lock_step(client, list(islice(requests, 1000)))


@contextmanager
def update_by_name(side: str, rows: int) -> Iterator[Measure]:
    with serving(side, rows) as client:
        requests = (transact(set_mark(f"p{n * 37 % rows}", str(n))) for n in count())
        yield lambda: in_lock_step(client, list(islice(requests, 2_000_000 // rows if rows > 5000 else 1000)))


@contextmanager
def add_port(side: str, ports: int) -> Iterator[Measure]:
    with serving(side, ports) as client:
        requests = (
            transact(*port(f"new{n}", "new"), into("br0", ["set", [["named-uuid", "new_port"]]]))
            for n in count()
        )
        yield lambda: in_lock_step(client, list(islice(requests, 200)))


@contextmanager
def pipelined(side: str) -> Iterator[Measure]:
    with serving(side, 100) as client:
        rounds = count()

        def once() -> float:
            mark = f"end-of-round-{next(rounds)}-"
            requests = [transact(set_mark(f"p{n % 100}", str(n))) for n in range(10_000)]
            requests.append(request("echo", [mark]))
            began = time.perf_counter()
            client.pipeline(requests, mark.encode())
            return (time.perf_counter() - began) * 1e3

        yield once


@contextmanager
def many_ports(side: str) -> Iterator[Measure]:
    def once() -> float:
        with running(side) as server, Client(server.socket_path) as client:
            client.transact(*new_bridge("br0", "insert"))
            return in_lock_step(client, [transact(*ports_of("br0", 0, 10_000))]) / 1e3

    yield once


WORKLOADS = (
    Workload(DATABASE, "echo in lock-step", "µs", echo),
    Workload(DATABASE, "insert a bridge", "µs", insert_bridge),
    *(
        Workload(DATABASE, "update by name", "µs", partial(update_by_name, rows=rows), goal, f"{rows:,} rows")
        for rows, goal in ((1_000, 1.0), (10_000, 1.0), (100_000, 10.0))
    ),
    *(
        Workload(DATABASE, "add a port", "µs", partial(add_port, ports=ports), goal, f"bridge of {ports:,}")
        for ports, goal in ((100, 1.0), (5_000, 1.0), (20_000, 10.0))
    ),
    Workload(DATABASE, "10,000 pipelined updates", "ms", pipelined),
    Workload(DATABASE, "10,000 ports in one transaction", "ms", many_ports),
)
