"""Run the workloads on both servers in turn and print ours beside theirs."""

import argparse
import json
import sys

from benchmarks import database, startup
from benchmarks.servers import peers

WORKLOADS = (*database.WORKLOADS, *startup.WORKLOADS)


def main() -> int:
    """Print a row for each workload: the best of the rounds of each server, and the ratio C : ours."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("words", nargs="*", help="only workloads whose name has one of these words")
    parser.add_argument("--rounds", type=int, default=3, help="each server is measured so often (default: 3)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = parser.parse_args()
    chosen = [w for w in WORKLOADS if not options.words or any(word in w.name for word in options.words)]
    if not options.json:
        print(f"{'':40}{'C':>10}{'ours':>10}      C / ours (more is better)")
    for workload in chosen:
        best = {peer.name: float("inf") for peer in peers()}
        for _ in range(options.rounds):
            for peer in peers():
                best[peer.name] = min(best[peer.name], workload.measure(peer))
        ratio = best["C"] / best["ours"]
        if options.json:
            print(
                json.dumps({"name": workload.name, "unit": workload.unit, **best, "ratio": ratio}), flush=True
            )
        else:
            print(
                f"{workload.name:40}{best['C']:10.1f}{best['ours']:10.1f} {workload.unit}  {ratio:8.2f}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
