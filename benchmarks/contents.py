"""What is in the databases under measurement, and the files that hold it.

Rule: a file is made once in a run, by the C server, and both sides serve copies of it.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.measure import C
from benchmarks.servers import Client, request, running

Operation = dict[str, Any]
IN_ONE = 10_000  # ports that are inserted by one transaction


def port(name: str, row: str) -> list[Operation]:
    """Return the operations that insert a port and its interface, named `row`_port and `row`_interface."""
    interface = {"name": name, "type": "internal"}
    holder = {"name": name, "interfaces": ["named-uuid", f"{row}_interface"]}
    return [
        {"op": "insert", "table": "Interface", "row": interface, "uuid-name": f"{row}_interface"},
        {"op": "insert", "table": "Port", "row": holder, "uuid-name": f"{row}_port"},
    ]


def ports_of(bridge: str, first: int, count: int) -> list[Operation]:
    """Return the operations that add ports p`first` ... to a bridge that is there."""
    operations: list[Operation] = []
    for n in range(first, first + count):
        operations += port(f"p{n}", f"row_{n}")
    members = ["set", [["named-uuid", f"row_{n}_port"] for n in range(first, first + count)]]
    return [*operations, into(bridge, members)]


def into(bridge: str, members: list[Any]) -> Operation:
    """Return the operation that makes ports those of a bridge."""
    return {
        "op": "mutate",
        "table": "Bridge",
        "where": [["name", "==", bridge]],
        "mutations": [["ports", "insert", members]],
    }


def new_bridge(name: str, root: str = "mutate") -> list[Operation]:
    """Return the operations that make a bridge; `root`: "insert" where the database is empty."""
    bridge = {"op": "insert", "table": "Bridge", "row": {"name": name}, "uuid-name": "bridge"}
    member = ["named-uuid", "bridge"]
    if root == "insert":
        return [bridge, {"op": "insert", "table": "Open_vSwitch", "row": {"bridges": member}}]
    mutation = {
        "op": "mutate",
        "table": "Open_vSwitch",
        "where": [],
        "mutations": [["bridges", "insert", member]],
    }
    return [bridge, mutation]


def set_mark(name: str, mark: str) -> Operation:
    """Return the operation that writes a mark to the interface of this name."""
    return {
        "op": "update",
        "table": "Interface",
        "where": [["name", "==", name]],
        "row": {"external_ids": ["map", [["mark", mark]]]},
    }


def transact(*operations: Operation) -> bytes:
    """Encode a transaction."""
    return request("transact", ["Open_vSwitch", *operations])


def fill(client: Client, ports: int) -> None:
    """Make a bridge br0 with this many ports in an empty database."""
    client.transact(*new_bridge("br0", "insert"))
    for first in range(0, ports, IN_ONE):
        client.transact(*ports_of("br0", first, min(IN_ONE, ports - first)))


@functools.cache
def _place() -> Path:
    path = Path(tempfile.mkdtemp(prefix="vswitch-bench-files-"))
    atexit.register(shutil.rmtree, path)
    return path


@functools.cache
def file_of(ports: int, commits: int = 0) -> Path:
    """Make a file with a bridge of so many ports, a port and an interface row each, and a log of commits."""
    path = _place() / f"{ports}-{commits}.db"
    with running(C) as server, Client(server.socket_path) as client:
        fill(client, ports)
        client.pipeline(
            [transact(set_mark(f"p{n % ports}", f"commit-{n}-")) for n in range(commits)]
            + [request("echo", ["done-with-it"])],
            b"done-with-it",
        )
        shutil.copy(Path(server.socket_path).parent / "conf.db", path)
    return path


@contextmanager
def serving(side: str, ports: int) -> Iterator[Client]:
    """Serve a bridge of so many ports to a client."""
    with running(side, file_of(ports)) as server, Client(server.socket_path) as client:
        yield client
