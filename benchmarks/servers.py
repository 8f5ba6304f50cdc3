"""The two database servers under measurement, and the leanest client that can load them.

Rule: the client adds as little as it can: requests are encoded beforehand, answers are searched, not decoded,
wherever a workload allows it.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from benchmarks.measure import C

SCHEMA = Path(__file__).parent.parent / "schemas" / "vswitch.ovsschema"
CHUNK = 1 << 18
DEADLINE = 300.0  # seconds for any one answer


def program(side: str, name: str) -> str:
    """Where a program of one side is; FileNotFoundError."""
    path = "/usr/bin:/usr/sbin" if side == C else str(Path(sys.executable).parent)
    found = shutil.which(name, path=path)
    if not found:
        raise FileNotFoundError(f"{name} is not in {path}: there is nothing to compare with")
    return found


@dataclass
class Server:
    """A running server."""

    socket_path: str
    control: str  # the control socket
    process: subprocess.Popen[bytes]
    started: float  # seconds from exec to the first answer

    def resident(self) -> float:
        """Return the resident memory in MB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise ProcessLookupError(self.process.pid)


@contextlib.contextmanager
def running(side: str, database: Path | None = None) -> Iterator[Server]:
    """Serve, by the server of one side, a copy of `database` (default: an empty Open_vSwitch database)."""
    with tempfile.TemporaryDirectory(prefix="vswitch-bench-") as place:
        copy = Path(place) / "conf.db"
        if database:
            shutil.copy(database, copy)
        else:
            subprocess.run(["ovsdb-tool", "create", str(copy), str(SCHEMA)], check=True)
        path = f"{place}/db.sock"
        directories = dict.fromkeys(("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"), place)
        command = [
            program(side, "ovsdb-server"),
            str(copy),
            f"--remote=punix:{path}",
            "-vconsole:off",
            f"--unixctl={place}/ctl",
        ]
        began = time.perf_counter()
        process = subprocess.Popen(command, env={**os.environ, **directories})
        try:
            with Client(path, wait=True) as client:
                client.call("list_dbs", [])
                started = time.perf_counter() - began
            yield Server(path, f"{place}/ctl", process, started)
        finally:
            process.terminate()
            process.wait()


class Client:
    """A client in lock-step over a unix socket."""

    def __init__(self, path: str, *, wait: bool = False) -> None:
        """Connect; with `wait`, as soon as somebody listens."""
        deadline = time.monotonic() + DEADLINE
        while True:
            self.socket = socket.socket(socket.AF_UNIX)
            try:
                self.socket.connect(path)
                break
            except OSError:
                self.socket.close()
                if not wait or time.monotonic() > deadline:
                    raise
                time.sleep(0.001)
        self.socket.settimeout(DEADLINE)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def exchange(self, request: bytes) -> bytes:
        """Send an encoded request and return the answer's bytes.

        The answer ends where its braces balance: no string in the workloads has any.
        """
        self.socket.sendall(request)
        chunks, depth = [], 0
        while True:
            data = self.socket.recv(1 << 20)
            if not data:
                raise ConnectionError("the server hung up")
            chunks.append(data)
            depth += data.count(b"{") - data.count(b"}")
            if depth == 0:
                return b"".join(chunks)

    def read_until(self, mark: bytes, times: int = 1) -> None:
        """Read until a mark has been seen so often."""
        tail = b""
        while times > 0:
            data = self.socket.recv(CHUNK)
            if not data:
                raise ConnectionError("the server hung up")
            seen = tail + data
            times -= seen.count(mark)
            tail = seen[len(seen) - len(mark) + 1 :] if len(seen) >= len(mark) else seen

    def pipeline(self, requests: list[bytes], last: bytes) -> None:
        """Send all requests, reading the answers meanwhile, until `last` is seen in them."""
        todo = memoryview(b"".join(requests))
        tail = b""
        self.socket.setblocking(False)
        try:
            while last not in tail:
                readable, writable, _ = select.select(
                    [self.socket], [self.socket] if todo else [], [], DEADLINE
                )
                if writable:
                    todo = todo[self.socket.send(todo[:CHUNK]) :]
                if readable:
                    data = self.socket.recv(CHUNK)
                    if not data:
                        raise ConnectionError("the server hung up")
                    tail = tail[-len(last) :] + data
        finally:
            self.socket.settimeout(DEADLINE)

    def call(self, method: str, params: list[Any]) -> Any:
        """Send a request, return its decoded result; raises RuntimeError where the answer is an error."""
        reply = orjson.loads(self.exchange(request(method, params)))
        if reply["error"] is not None:
            raise RuntimeError(reply["error"])
        return reply["result"]

    def transact(self, *operations: dict[str, Any]) -> list[Any]:
        """Run a transaction; raises RuntimeError where an operation failed."""
        results = self.call("transact", ["Open_vSwitch", *operations])
        for result in results:
            if result and "error" in result:
                raise RuntimeError(result)
        return list(results)


def request(method: str, params: list[Any], identifier: int = 0) -> bytes:
    """Encode a request."""
    return orjson.dumps({"method": method, "params": params, "id": identifier})
