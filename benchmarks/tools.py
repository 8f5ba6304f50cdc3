"""The command-line tools, whole processes: beside a bare interpreter, and beside the C tool.

Rule: ours may write and read byte code, as an installed program does, whatever PYTHONDONTWRITEBYTECODE says
here: compiling takes longer than the rest of the run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks.contents import file_of
from benchmarks.measure import OURS, C, Measure, Workload
from benchmarks.servers import SCHEMA, program, running

TOOLS, LARGE, DAEMONS = "Tools, beside a bare interpreter", "Tools on large databases", "Daemons"
BARE = [sys.executable, "-I", "-c", "pass"]
TRIO = [sys.executable, "-c", "import trio"]
THIRD = 0.33
LINES = 10_000
CALLS = {
    "--version": ["--version"],
    "list-br": ["list-br"],
    "get": ["get", "interface", "p7", "type"],
    "set": ["--no-wait", "set", "interface", "p7", "external_ids:a={n}"],
    "add-port": ["--no-wait", "add-port", "br0", "new{n}"],
}


def run_once(command: list[str]) -> float:
    """Run a program, its output thrown away; milliseconds. RuntimeError where it fails."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    silence = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
    began = time.perf_counter()
    pid = os.posix_spawn(command[0], command, environment, file_actions=[silence])
    _, status = os.waitpid(pid, 0)
    elapsed = time.perf_counter() - began
    if status:
        raise RuntimeError(f"{' '.join(command)}: status {os.waitstatus_to_exitcode(status)}")
    return 1000 * elapsed


@contextmanager
def call(side: str, words: list[str], ports: int, *, bare: bool) -> Iterator[Measure]:
    """One ovs-vsctl of ours; on the other side a bare interpreter, or the C tool with the C server."""
    with running(OURS if bare else side, file_of(ports)) as server:
        numbers = count()

        def once() -> float:
            if bare and side == C:
                return run_once(BARE)
            filled = [word.format(n=next(numbers)) for word in words]
            return run_once([program(side, "ovs-vsctl"), f"--db=unix:{server.socket_path}", *filled])

        once()  # so that everything is in the caches
        yield once


@contextmanager
def version(side: str, tool: str) -> Iterator[Measure]:
    command = BARE if side == C else [program(OURS, tool), "--version"]
    run_once(command)
    yield partial(run_once, command)


@contextmanager
def batch(side: str) -> Iterator[Measure]:
    """Commands a second; on the other side stands what is asked for."""
    if side == C:
        yield lambda: 2000.0
        return
    with running(OURS, file_of(1000)) as server:
        lines = "".join(f"set interface p{n % 1000} external_ids:n={n}\n" for n in range(LINES))
        command = [program(OURS, "ovs-vsctl"), f"--db=unix:{server.socket_path}", "--no-wait", "batch"]

        def once() -> float:
            began = time.perf_counter()
            done = subprocess.run(command, input=lines, text=True, stdout=subprocess.DEVNULL)
            if done.returncode:
                raise RuntimeError(f"batch: status {done.returncode}")
            return LINES / (time.perf_counter() - began)

        yield once


@contextmanager
def daemon(side: str, name: str) -> Iterator[Measure]:
    """From the start to the return of --detach, which waits until the daemon serves."""
    if side == C:
        yield partial(run_once, TRIO)
        return
    with tempfile.TemporaryDirectory(prefix="vswitch-bench-") as place, running(OURS) as server:
        os.environ.update(dict.fromkeys(("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"), place))
        pidfile, control = f"{place}/pid", f"{place}/ctl"
        common = ["--detach", f"--pidfile={pidfile}", f"--unixctl={control}", "-vconsole:off"]
        if name == "ovsdb-server":
            database = f"{place}/conf.db"
            run_once([program(OURS, "ovsdb-tool"), "create", database, str(SCHEMA)])
            arguments = [database, f"--remote=punix:{place}/db.sock", *common]
        else:
            arguments = [f"unix:{server.socket_path}", "--enable-dummy", *common]

        def once() -> float:
            taken = run_once([program(OURS, name), *arguments])
            pid = int(Path(pidfile).read_text())
            run_once([program(OURS, "ovs-appctl"), "-t", control, "exit"])
            while Path(f"/proc/{pid}").exists():
                time.sleep(0.01)
            return taken

        once()
        yield once


WORKLOADS = (
    *(
        Workload(
            TOOLS,
            f"ovs-vsctl {name}",
            "ms",
            partial(call, words=words, ports=10, bare=True),
            THIRD,
            reference="python -I -c pass",
        )
        for name, words in CALLS.items()
    ),
    *(
        Workload(
            TOOLS,
            f"{tool} --version",
            "ms",
            partial(version, tool=tool),
            THIRD,
            reference="python -I -c pass",
        )
        for tool in ("ovsdb-client", "ovsdb-tool", "ovs-appctl", "ovs-dpctl")
    ),
    *(
        Workload(
            LARGE,
            f"ovs-vsctl {name}",
            "ms",
            partial(call, words=CALLS[name], ports=ports, bare=False),
            goal,
            f"{ports:,} ports",
        )
        for name in ("list-br", "get", "set", "add-port")
        for ports, goal in ((10, 0.0), (10_000, 1.0), (100_000, 10.0))
    ),
    Workload(DAEMONS, "ovs-vsctl batch", "/s", batch, 1.0, more_is_better=True, reference="asked for"),
    *(
        Workload(
            DAEMONS,
            f"{name} --detach",
            "ms",
            partial(daemon, name=name),
            THIRD,
            reference="python -c 'import trio'",
        )
        for name in ("ovsdb-server", "ovs-vswitchd")
    ),
)
