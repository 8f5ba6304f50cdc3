"""What a run of each command-line tool costs, beside the C tool's: `python -m benchmarks tool`.

Rule: best of several runs, since a start is short and the machine does other things too. Ours may write and
read byte code, as an installed program does, whatever PYTHONDONTWRITEBYTECODE says here: compiling takes
longer than the rest of the run.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.database import Workload
from benchmarks.servers import Peer, peers, running

RUNS = 5  # in each round
TOOLS = ("ovs-vsctl", "ovsdb-client", "ovsdb-tool", "ovs-appctl", "ovs-dpctl")


def run_once(command: list[str]) -> tuple[float, float]:
    """Run a program, its output thrown away: milliseconds of CPU and of time; RuntimeError where it fails."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    silence = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)
    began = time.perf_counter()
    pid = os.posix_spawn(command[0], command, environment, file_actions=[silence])
    _, status, usage = os.wait4(pid, 0)
    elapsed = time.perf_counter() - began
    if status:
        raise RuntimeError(f"{' '.join(command)}: status {os.waitstatus_to_exitcode(status)}")
    return 1000 * (usage.ru_utime + usage.ru_stime), 1000 * elapsed


def best(command: list[str], figure: int) -> float:
    """Return the least CPU (figure 0) or time (1) of the runs; one before them warms the caches."""
    run_once(command)
    return min(run_once(command)[figure] for _ in range(RUNS))


def program(peer: Peer, name: str) -> str:
    """Return where the peer's tool is; FileNotFoundError."""
    path = "/usr/bin:/usr/sbin" if peer.name == "C" else str(Path(sys.executable).parent)
    found = shutil.which(name, path=path)
    if not found:
        raise FileNotFoundError(f"{name} is not in {path}")
    return found


def version(tool: str, figure: int, peer: Peer) -> float:
    return best([program(peer, tool), "--version"], figure)


def list_bridges(figure: int, peer: Peer) -> float:
    """Both tools ask the C server, with an empty database, in which the first run makes the switch's row."""
    with running(peers()[0]) as server:
        options = ["--no-wait", f"--db=unix:{server.socket_path}"]
        return best([program(peer, "ovs-vsctl"), *options, "list-br"], figure)


def _both_figures(name: str, measure: Callable[[int, Peer], float]) -> list[Workload]:
    return [
        Workload(f"tool: {name}, {what}", "ms", partial(measure, figure))
        for figure, what in enumerate(("CPU", "time"))
    ]


WORKLOADS = (
    *(w for tool in TOOLS for w in _both_figures(f"{tool} --version", partial(version, tool))),
    *_both_figures("ovs-vsctl list-br", list_bridges),
)
