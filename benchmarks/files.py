"""The database server and its file: start, compaction, memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from appctl.client import call
from benchmarks.contents import file_of
from benchmarks.database import DATABASE
from benchmarks.measure import Measure, Workload
from benchmarks.servers import running

FILES = (("40,000 rows", 20_000, 0), ("400,000 rows", 200_000, 0), ("a log of 40,000 commits", 100, 40_000))


@contextmanager
def start(side: str, ports: int, commits: int) -> Iterator[Measure]:
    path = file_of(ports, commits)

    def once() -> float:
        with running(side, path) as server:
            return server.started * 1e3

    yield once


@contextmanager
def compact(side: str, ports: int, commits: int) -> Iterator[Measure]:
    with running(side, file_of(ports, commits)) as server:

        def once() -> float:
            began = time.perf_counter()
            call(server.control, "ovsdb-server/compact", [])
            return (time.perf_counter() - began) * 1e3

        yield once


@contextmanager
def memory(side: str, ports: int, commits: int) -> Iterator[Measure]:
    with running(side, file_of(ports, commits)) as server:
        yield server.resident


WORKLOADS = (
    *(Workload(DATABASE, "start", "ms", partial(start, ports=p, commits=c), size=s) for s, p, c in FILES),
    *(
        Workload(DATABASE, "compaction", "ms", partial(compact, ports=p, commits=c), size=s)
        for s, p, c in FILES
    ),
    *(
        Workload(DATABASE, "memory", "MB", partial(memory, ports=p, commits=c), size=s)
        for s, p, c in FILES[:2]
    ),
)
