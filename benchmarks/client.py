"""The client library beside PyPI's `ovs` (its Idl), on the same server: `python -m benchmarks.client`.

Rule: each client does the same work in its own usual way, in this process, one after the other; what is
asked of the server is the same. A round is a new connection; the best of the rounds counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ovs.db.idl
import ovs.poller
import trio

from benchmarks.contents import file_of
from benchmarks.measure import SIDES
from benchmarks.servers import SCHEMA, running
from ovsdb.client import connect as connect_trio
from ovsdb.client.sync import connect

TABLES = {"Port": ["name", "tag", "interfaces", "external_ids"], "Interface": ["name", "type", "ofport"]}
LOOKUPS, COMMITS = 20_000, 300


@dataclass
class Figures:
    """Of one client in one round; seconds."""

    copy: float  # from connecting until every row is there
    look_up: float  # a port by its name, the index being there
    commit: float  # a column set, the answer awaited


def figures_of_idl(socket: str, names: list[str]) -> Figures:
    """PyPI's `ovs`."""
    began = time.perf_counter()
    helper = ovs.db.idl.SchemaHelper(str(SCHEMA))
    for table, columns in TABLES.items():
        helper.register_columns(table, columns)
    idl = ovs.db.idl.Idl(f"unix:{socket}", helper)
    by_name = idl.index_create("Port", "by_name")
    by_name.add_column("name")
    while not idl.has_ever_connected():
        idl.run()
        poller = ovs.poller.Poller()
        idl.wait(poller)
        poller.timer_wait(1)  # it may have more to do than it waits for
        poller.block()
    copied = time.perf_counter()
    searched: Any = ovs.db.idl.Row
    for name in names:
        searched = by_name.irange(_Named(name), _Named(name)).__next__()
        assert searched.name == name
    found = time.perf_counter()
    for number in range(COMMITS):
        txn = ovs.db.idl.Transaction(idl)
        searched.external_ids = {"n": str(number)}
        assert txn.commit_block() == ovs.db.idl.Transaction.SUCCESS
    done = time.perf_counter()
    idl.close()
    return Figures(copied - began, (found - copied) / len(names), (done - found) / COMMITS)


class _Named:
    """What an index of Idl compares rows with."""

    def __init__(self, name: str) -> None:
        self.name = name


def figures_of_sync(socket: str, names: list[str]) -> Figures:
    """ovsdb.client.sync."""
    began = time.perf_counter()
    with connect(f"unix:{socket}", tables=TABLES) as db:
        by_name = db.tables.Port.by("name")
        row = by_name[names[0]]
        copied = time.perf_counter()
        for name in names:
            row = by_name[name]
            assert row.name == name
        found = time.perf_counter()
        for number in range(COMMITS):
            with db.transaction() as txn:
                txn.update(row, external_ids={"n": str(number)})
        done = time.perf_counter()
    return Figures(copied - began, (found - copied) / len(names), (done - found) / COMMITS)


def figures_of_trio(socket: str, names: list[str]) -> Figures:
    """ovsdb.client."""

    async def main() -> Figures:
        began = time.perf_counter()
        async with connect_trio(f"unix:{socket}", tables=TABLES) as db:
            by_name = db.tables.Port.by("name")
            row = by_name[names[0]]
            copied = time.perf_counter()
            for name in names:
                row = by_name[name]
                assert row.name == name
            found = time.perf_counter()
            for number in range(COMMITS):
                async with db.transaction() as txn:
                    txn.update(row, external_ids={"n": str(number)})
            done = time.perf_counter()
        return Figures(copied - began, (found - copied) / len(names), (done - found) / COMMITS)

    return trio.run(main)


CLIENTS: dict[str, Callable[[str, list[str]], Figures]] = {
    "PyPI ovs": figures_of_idl,
    "ours, sync": figures_of_sync,
    "ours, trio": figures_of_trio,
}


def main() -> None:
    """Print a row for each client."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.client", description=__doc__)
    parser.add_argument("--ports", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    names = [f"p{(7919 * n) % options.ports}" for n in range(LOOKUPS)]
    for side in SIDES:
        print(f"{side} server, {options.ports} ports{'copy':>12}{'look-up':>12}{'commit':>12}")
        with running(side, file_of(options.ports)) as server:
            for name, measure in CLIENTS.items():
                rounds = [measure(server.socket_path, names) for _ in range(options.rounds)]
                copy = min(r.copy for r in rounds) * 1e3
                look_up, commit = (
                    min(v) * 1e6 for v in zip(*((r.look_up, r.commit) for r in rounds), strict=True)
                )
                print(f"{name:24}{copy:9.0f} ms{look_up:9.1f} µs{commit:9.0f} µs", flush=True)


if __name__ == "__main__":
    main()
