"""The database server's workloads: each returns a figure for one server, in the unit that WORKLOADS names."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.servers import Client, Peer, drain_until, peers, request, running

Operation = dict[str, Any]


@dataclass(frozen=True)
class Workload:
    """A named measurement; the smaller figure is the better one."""

    name: str
    unit: str
    measure: Callable[[Peer], float]


def bridge_with(ports: int, name: str = "br0") -> list[Operation]:
    """Return the operations that make a bridge with `ports` ports p0, p1 … of one interface each."""
    operations: list[Operation] = []
    for n in range(ports):
        operations += port(f"p{n}", f"row_{n}")
    members = ["set", [["named-uuid", f"row_{n}_port"] for n in range(ports)]]
    bridge = {"name": name, "ports": members}
    operations.append({"op": "insert", "table": "Bridge", "row": bridge, "uuid-name": "bridge"})
    root = {"bridges": ["named-uuid", "bridge"]}
    operations.append({"op": "insert", "table": "Open_vSwitch", "row": root})
    return operations


def port(name: str, row: str) -> list[Operation]:
    """Return the operations that insert a port and its interface, named `row`_port and `row`_interface."""
    interface = {"name": name, "type": "internal"}
    holder = {"name": name, "interfaces": ["named-uuid", f"{row}_interface"]}
    return [
        {"op": "insert", "table": "Interface", "row": interface, "uuid-name": f"{row}_interface"},
        {"op": "insert", "table": "Port", "row": holder, "uuid-name": f"{row}_port"},
    ]


@contextmanager
def loaded(peer: Peer, ports: int) -> Iterator[tuple[Client, str]]:
    """Serve a bridge of `ports` ports; yield a client and the server's socket."""
    with running(peer) as server, Client(server.socket_path) as client:
        client.transact(*bridge_with(ports))
        yield client, server.socket_path


def microseconds_each(client: Client, requests: list[bytes]) -> float:
    """Send requests in lock-step; return the mean time of one in µs, checking that the last one succeeded."""
    began = time.perf_counter()
    for encoded in requests:
        reply = client.exchange(encoded)
    taken = time.perf_counter() - began
    if b'"error":null' not in reply.replace(b" ", b"") or b'"details"' in reply:
        raise RuntimeError(reply)
    return taken / len(requests) * 1e6


def transact(*operations: Operation) -> bytes:
    """Encode a transaction."""
    return request("transact", ["Open_vSwitch", *operations])


def echo(peer: Peer) -> float:
    """One echo at a time."""
    with running(peer) as server, Client(server.socket_path) as client:
        return microseconds_each(client, [request("echo", ["hello"])] * 5000)


def insert(peer: Peer) -> float:
    """One row a transaction."""
    with running(peer) as server, Client(server.socket_path) as client:
        rows = ({"external_ids": ["map", [["n", str(n)]]]} for n in range(2000))
        return microseconds_each(
            client, [transact({"op": "insert", "table": "Queue", "row": row}) for row in rows]
        )


def update_by_name(peer: Peer) -> float:
    """One interface's external_ids, found by name among 20,000."""
    with loaded(peer, 20_000) as (client, _):
        operations = (
            {
                "op": "update",
                "table": "Interface",
                "where": [["name", "==", f"p{n * 37 % 20_000}"]],
                "row": {"external_ids": ["map", [["n", str(n)]]]},
            }
            for n in range(300)
        )
        return microseconds_each(client, [transact(operation) for operation in operations])


def add_port(peer: Peer) -> float:
    """One port more on a bridge of 5,000, as a tool adds it."""
    with loaded(peer, 5_000) as (client, _):
        requests = []
        for n in range(200):
            mutation = ["ports", "insert", ["set", [["named-uuid", "new_port"]]]]
            mutate = {
                "op": "mutate",
                "table": "Bridge",
                "where": [["name", "==", "br0"]],
                "mutations": [mutation],
            }
            requests.append(transact(*port(f"new{n}", "new"), mutate))
        return microseconds_each(client, requests)


def many_ports(peer: Peer) -> float:
    """10,000 ports in one transaction, in ms."""
    with running(peer) as server, Client(server.socket_path) as client:
        return microseconds_each(client, [transact(*bridge_with(10_000))]) / 1e3


FOLLOWED: dict[str, Any] = {table: [{}] for table in ("Open_vSwitch", "Bridge", "Port", "Interface")}


def initial_monitor(peer: Peer) -> float:
    """A client that follows 20,000 rows connects: until it has them all, in ms; the median of five."""
    with loaded(peer, 10_000) as (_, path):
        times = []
        for _ in range(5):
            with Client(path) as client:
                encoded = request("monitor_cond", ["Open_vSwitch", "m", FOLLOWED])
                times.append(microseconds_each(client, [encoded]) / 1e3)
        return sorted(times)[2]


def fan_out(peer: Peer) -> float:
    """300 commits, 50 clients that follow them: until the last one has the last, in ms."""
    with loaded(peer, 100) as (client, path):
        followers = [Client(path) for _ in range(50)]
        try:
            for follower in followers:
                follower.call("monitor_cond", ["Open_vSwitch", "m", FOLLOWED])
            requests = [
                transact(
                    {
                        "op": "update",
                        "table": "Interface",
                        "where": [["name", "==", "p7"]],
                        "row": {"external_ids": ["map", [["mark", f"commit-{n}-"]]]},
                    }
                )
                for n in range(300)
            ]
            began = time.perf_counter()
            for encoded in requests:
                client.exchange(encoded)
            drain_until(followers, b"commit-299-")
            return (time.perf_counter() - began) * 1e3
        finally:
            for follower in followers:
                follower.socket.close()


@contextmanager
def large_file() -> Iterator[Path]:
    """Make a file of 40,000 port and interface rows with the C server, for as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="vswitch-bench-file-") as place:
        path = Path(place) / "conf.db"
        with loaded(peers()[0], 20_000) as (_, socket_path):
            shutil.copy(Path(socket_path).parent / "conf.db", path)
        yield path


def start(peer: Peer) -> float:
    """From exec to the first answer on a file of 40,000 rows, in ms."""
    with large_file() as path, running(peer, path) as server:
        return server.started * 1e3


def memory(peer: Peer) -> float:
    """Resident memory on that file, in MB."""
    with large_file() as path, running(peer, path) as server:
        return server.resident()


WORKLOADS = (
    Workload("echo, in lock-step", "µs", echo),
    Workload("insert one row", "µs", insert),
    Workload("update by name among 20,000 rows", "µs", update_by_name),
    Workload("add a port to a bridge of 5,000", "µs", add_port),
    Workload("10,000 ports in one transaction", "ms", many_ports),
    Workload("initial monitor of 20,000 rows", "ms", initial_monitor),
    Workload("300 commits to 50 monitoring clients", "ms", fan_out),
    Workload("start on a file of 40,000 rows", "ms", start),
    Workload("resident memory on that file", "MB", memory),
)
