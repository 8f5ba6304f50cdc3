"""Many ports and many bridges: ours and the C switch on the same database operations, in turn in one run.

Each figure is the time from the start of ovs-vsctl (the C one, in both cases) to the database's saying that
the switch has done what was asked for. All ports are internal ones.

    python -m benchmarks.ports                 # userspace, here, as root
    python -m benchmarks.ports --kernel        # the module, in the VM of tests/kernel
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable

from tests.kernel.vm import Machine, run, write_stdout
from tests.kit.feature_lab import IN_VM, SIDES, FeatureLab, frame, switch_of
from tests.kit.peers import C_BIN

PORTS, BRIDGES = 1000, 200
UPTIME = 11.0  # the C switch handles no upcall before


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ask(lab: FeatureLab, *words: str) -> float:
    """Return the seconds that a command of ovs-vsctl takes."""
    return timed(lambda: lab.server.run(C_BIN / "ovs-vsctl", "--timeout=280", *words, timeout=300))


def add_port(bridge: str, name: str) -> list[str]:
    return f"-- add-port {bridge} {name} -- set interface {name} type=internal".split()


def measure(lab: FeatureLab, ports: int, bridges: int) -> dict[str, float]:
    """Return seconds by what was done."""
    type_ = f"datapath_type={lab.side.datapath_type}"
    found: dict[str, float] = {}
    try:
        a = lab.host("a")
        ask(lab, "add-br", "br0", "--", "set", "bridge", "br0", type_, "--", "add-port", "br0", "a")
        many = [word for n in range(ports) for word in add_port("br0", f"i{n}")]
        found[f"add {ports} ports to a bridge"] = ask(lab, *many[1:])
        found["add one more"] = ask(lab, *add_port("br0", "more")[1:])
        found["change the tag of one"] = ask(lab, "set", "port", "i0", "tag=5")
        found["nothing"] = ask(lab, "set", "port", "i0", "external_ids:a=b")
        start = time.perf_counter()
        a.send(frame(a, 0x02AA_0000_0001))
        lab.wait_until(lambda: "packets:" in lab.dpctl("dump-flows"), "the frame has a flow", 60)
        found[f"flood to {ports} ports"] = time.perf_counter() - start
        gone = [word for n in range(ports) for word in ("--", "del-port", "br0", f"i{n}")]
        found[f"delete {ports} ports"] = ask(lab, *gone[1:])
        ask(lab, "del-br", "br0")
        all_of_them = [
            w for n in range(bridges) for w in f"-- add-br r{n} -- set bridge r{n} {type_}".split()
        ]
        found[f"add {bridges} bridges"] = ask(lab, *all_of_them[1:])
        found["add one more bridge"] = ask(lab, "add-br", "more", "--", "set", "bridge", "more", type_)
        gone = [word for n in range(bridges) for word in ("--", "del-br", f"r{n}")]
        found[f"delete {bridges} bridges"] = ask(lab, *gone[1:])
    finally:
        lab.clean()
    return found


def compare(ports: int, bridges: int) -> None:
    """Print a row for each figure: C, ours, and their ratio."""
    if IN_VM:
        time.sleep(max(0.0, UPTIME - time.clock_gettime(time.CLOCK_BOOTTIME)))
    figures: dict[bool, dict[str, float]] = {}
    for side in SIDES.values():
        if side.is_kernel == IN_VM:
            with switch_of(side) as lab:
                figures[lab.is_ours] = measure(lab, ports, bridges)
    print(f"{'seconds':32}{'C':>10}{'ours':>10}   C / ours (more is better)")
    for what, ours in figures[True].items():
        theirs = figures[False][what]
        print(f"{what:32}{theirs:10.2f}{ours:10.2f}{theirs / ours:10.2f}", flush=True)


def main() -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ports", description=__doc__)
    parser.add_argument("--ports", type=int, default=PORTS)
    parser.add_argument("--bridges", type=int, default=BRIDGES)
    parser.add_argument("--kernel", action="store_true", help="in the VM")
    options = parser.parse_args()
    if options.kernel and "IN_KERNEL_VM" not in os.environ:
        command = ["env", "IN_KERNEL_VM=1", sys.executable, "-B", "-m", "benchmarks.ports", *sys.argv[1:]]
        return run(command, Machine(timeout=1500.0), write_stdout)
    compare(options.ports, options.bridges)
    return 0


if __name__ == "__main__":
    sys.exit(main())
