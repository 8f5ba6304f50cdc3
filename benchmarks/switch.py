"""The switch: from the commit of ports to their numbers, and flows that are looked at again.

Rule: each side has its own server and daemon, in userspace, in a namespace of its own; as root.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count

from benchmarks.contents import into, port, ports_of, transact
from benchmarks.measure import OURS, Measure, Workload
from benchmarks.servers import Client
from tests.kit.feature_lab import SIDES, FeatureLab, frame, switch_of

SWITCH = "Switch"
PATIENCE = 120.0
BURST = 200  # frames before a rest, so that no socket overflows


@contextmanager
def switch(side: str) -> Iterator[FeatureLab]:
    """The switch of one side, with a bridge br0."""
    with switch_of(SIDES["userspace" if side == OURS else "c-userspace"]) as lab:
        try:
            lab.vsctl("add-br br0")
            yield lab
        finally:
            lab.clean()


def until_numbered(lab: FeatureLab, encoded: bytes, ports: int) -> float:
    """Send a transaction; milliseconds until so many interfaces have got their ofport."""
    path = lab.server.remote.removeprefix("unix:")
    with Client(path) as watcher, Client(path) as client:
        watcher.call(
            "monitor_cond",
            ["Open_vSwitch", "m", {"Interface": [{"columns": ["ofport"], "select": {"initial": False}}]}],
        )
        began = time.perf_counter()
        client.exchange(encoded)
        watcher.read_until(b'"ofport":', ports)
        return (time.perf_counter() - began) * 1e3


@contextmanager
def add_ports(side: str, ports: int) -> Iterator[Measure]:
    with switch(side) as lab:

        def once() -> float:
            taken = until_numbered(lab, transact(*ports_of("br0", 0, ports)), ports)
            lab.vsctl("set bridge br0 ports=[]")
            return taken

        yield once


@contextmanager
def add_one_more(side: str, ports: int) -> Iterator[Measure]:
    with switch(side) as lab:
        until_numbered(lab, transact(*ports_of("br0", 0, ports)), ports)
        numbers = count()

        def once() -> float:
            members = ["set", [["named-uuid", "new_port"]]]
            operations = [*port(f"new{next(numbers)}", "new"), into("br0", members)]
            return until_numbered(lab, transact(*operations), 1)

        yield once


@contextmanager
def revalidate(side: str, flows: int) -> Iterator[Measure]:
    """A port's VLAN changes: milliseconds until every flow has been looked at again.

    A C switch whose dump takes longer than half of max-revalidator deletes quiet flows without a look.
    """
    with switch(side) as lab:
        a, b = lab.host("a"), lab.host("b")
        lab.vsctl(
            f"set bridge br0 other_config:mac-table-size={2 * flows}",
            "-- set Open_vSwitch . other_config:max-idle=3600000 other_config:flow-limit=200000",
            "other_config:max-revalidator=4000",
            "-- add-port br0 a -- add-port br0 b",
        )
        lab.appctl("upcall/set-flow-limit", "200000")  # the C switch begins with 10,000, and adds slowly
        b.send(frame(b, a))
        frames = [frame(0x0200_0100_0000 + n, b) for n in range(flows)]
        for start in range(0, flows, BURST):
            a.wire.send(*frames[start : start + BURST])
            b.wire.received(BURST)
        found = lab.dpctl("dump-flows").count("\n")
        if found < 0.95 * flows:
            raise RuntimeError(f"{found} flows of {flows}")
        tags = count(1)

        def once() -> float:
            began = time.perf_counter()
            lab.vsctl(f"set port a tag={next(tags)}")
            lab.appctl("revalidator/wait")
            return (time.perf_counter() - began) * 1e3

        yield once


WORKLOADS = (
    *(
        Workload(
            SWITCH,
            "from a commit to its ofports",
            "ms",
            partial(add_ports, ports=ports),
            size=f"{ports:,} ports",
        )
        for ports in (1, 100, 1000)
    ),
    Workload(
        SWITCH,
        "from a commit to its ofport",
        "ms",
        partial(add_one_more, ports=1000),
        size="the 1,001st port",
    ),
    *(
        Workload(
            SWITCH,
            "revalidation after a change",
            "ms",
            partial(revalidate, flows=flows),
            goal=0.1,
            size=f"{flows:,} flows",
        )
        for flows in (10_000, 50_000)
    ),
)
