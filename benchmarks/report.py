"""Results as a table in the terminal, as JSON, as Markdown for docs/performance.md, and as a chart.

Rule: values in, text out; only `draw` and `rewrite` write, to the file that they are given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import OURS, C, Result

HEADING = f"{'':58}{'reference':>11}{'ours':>11}          ratio   goal"
BEGIN, END = "<!-- figures: written by make bench -->", "<!-- end of figures -->"
Figures = Mapping[str, Any]  # Result.to_json()


def line(result: Result) -> str:
    """One line of the table."""
    met = "" if result.is_met else "  missed"
    return (
        f"{result.title:58}{result.median(C):11.1f}{result.median(OURS):11.1f} {result.unit:7}"
        f"{result.ratio:8.2f} {result.goal:6.2f}{met}"
    )


def markdown(figures: Iterable[Figures]) -> str:
    """A table for each group, in the order of their first rows."""
    groups: dict[str, list[Figures]] = {}
    for each in figures:
        groups.setdefault(each["group"], []).append(each)
    return "\n".join(_table(group, rows) for group, rows in groups.items())


def _table(group: str, rows: Sequence[Figures]) -> str:
    reference = rows[0]["reference"]
    lines = [f"### {group}", "", f"| | {reference} | ours | ratio | goal |", "|---|---|---|---|---|"]
    for row in rows:
        theirs, ours = (f"{row['median'][side]:,.1f} {row['unit']}" for side in (C, OURS))
        ratio = f"{row['ratio']:.2f}" if row["met"] else f"**{row['ratio']:.2f}**"
        lines.append(f"| {row['title']} | {theirs} | {ours} | {ratio} | {row['goal']:g} |")
    return "\n".join([*lines, ""])


def rewrite(page: Path, text: str) -> None:
    """Put new figures between the two marks of a page; ValueError where they are not there."""
    old = page.read_text()
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page}: the marks between which the figures stand are missing")
    page.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")


def draw(figures: Sequence[Figures], path: Path) -> None:
    """Draw the ratios as bars, on a scale by powers; ImportError without matplotlib."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "vswitch"  # the same figures make the same file
    from matplotlib import pyplot

    rows = list(reversed(figures))
    height = 0.24 * len(rows) + 1
    figure, axes = pyplot.subplots(figsize=(9, height), layout="constrained")
    colours = ["tab:green" if row["met"] else "tab:orange" for row in rows]
    axes.barh(range(len(rows)), [row["ratio"] for row in rows], color=colours)
    axes.plot([row["goal"] for row in rows], range(len(rows)), "k|", label="goal")
    axes.set_yticks(range(len(rows)), [row["title"] for row in rows], fontsize=8)
    axes.set_xscale("log")
    axes.axvline(1.0, color="grey", linewidth=0.8)
    axes.set_xlabel("times as good as the reference")
    axes.margins(y=0.01)
    axes.legend()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
