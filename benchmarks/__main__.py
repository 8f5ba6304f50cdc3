"""Measure ours and the C programs in turn: a table, JSON, a chart, and the figures of docs/performance.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from benchmarks import database, files, flow_setup, monitors, report, switch, tools, userspace
from benchmarks.measure import Result, Workload, measure

WORKLOADS: tuple[Workload, ...] = (
    *database.WORKLOADS,
    *monitors.WORKLOADS,
    *files.WORKLOADS,
    *tools.WORKLOADS,
    *switch.WORKLOADS,
    *userspace.WORKLOADS,
    *flow_setup.WORKLOADS,
)
PAGE = Path("docs/performance.md")


def chosen(words: list[str]) -> list[Workload]:
    """Return the workloads whose group or title has one of the words; all without words."""
    return [w for w in WORKLOADS if not words or any(word in f"{w.group}: {w.title}" for word in words)]


def machine() -> dict[str, object]:
    """Return what the figures depend on beside the programs."""
    c = subprocess.run(["/usr/sbin/ovsdb-server", "--version"], stdout=subprocess.PIPE, text=True).stdout
    return {
        "processors": os.cpu_count(),
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
        "reference": c.splitlines()[0] if c else "",
        "compiled": _is_compiled(),
    }


def _is_compiled() -> bool:
    """Whether the engine of the programs that are measured is machine code."""
    asked = [sys.executable, "-P", "-c", "import ovsdb.engine.table as table; print(table.__file__)"]
    return subprocess.run(asked, stdout=subprocess.PIPE, text=True).stdout.strip().endswith(".so")


def main() -> int:
    """Run the program; 1 if a workload could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("words", nargs="*", help="only workloads whose group or title has one of these words")
    parser.add_argument("--rounds", type=int, default=5, help="each side is measured so often (default: 5)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures")
    parser.add_argument("--chart", metavar="FILE", type=Path, help="draw the ratios (SVG)")
    parser.add_argument("--page", action="store_true", help=f"put the figures into {PAGE}")
    parser.add_argument("--list", action="store_true", help="list the workloads")
    options = parser.parse_args()
    if options.list:
        print("".join(f"{w.group}: {w.title}\n" for w in chosen(options.words)), end="")
        return 0
    results: list[Result] = []
    failures = 0
    print(report.HEADING)
    for workload in chosen(options.words):
        try:
            result = measure(workload, options.rounds)
        except Exception as error:
            failures += 1
            print(f"{workload.title:58} {type(error).__name__}: {error}", flush=True)
            continue
        results.append(result)
        print(report.line(result), flush=True)
    figures = [result.to_json() for result in results]
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "figures": figures}, indent=1) + "\n")
    if options.page:
        report.rewrite(PAGE, report.markdown(figures))
    if options.chart:
        report.draw(figures, options.chart)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
