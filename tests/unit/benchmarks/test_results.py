from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.measure import OURS, C, Measure, Result, Workload, measure


def result(theirs: list[float], ours: list[float], goal: float = 1.0, *, rate: bool = False) -> Result:
    return Result("Group", "work", "ms", goal, rate, "C", {C: theirs, OURS: ours})


def test_the_median_of_the_rounds_counts() -> None:
    found = result([10.0, 90.0, 20.0], [5.0, 10.0, 200.0])
    assert (found.median(C), found.median(OURS), found.ratio, found.is_met) == (20.0, 10.0, 2.0, True)


def test_of_a_rate_more_is_better() -> None:
    assert result([10.0], [20.0], rate=True).ratio == 2.0
    assert result([10.0], [20.0]).ratio == 0.5


def test_the_sides_are_measured_in_turn() -> None:
    said: list[str] = []

    @contextmanager
    def prepare(side: str) -> Iterator[Measure]:
        def once() -> float:
            said.append(side)
            return 1.0

        yield once
        said.append(f"{side} ended")

    measure(Workload("Group", "work", "ms", prepare), 2)
    assert said == [C, OURS, C, OURS, f"{OURS} ended", f"{C} ended"]
    said.clear()
    measure(Workload("Group", "work", "ms", prepare, apart=True), 1)
    assert said == [C, f"{C} ended", OURS, f"{OURS} ended"]


def test_what_was_missed_is_bold_in_the_table() -> None:
    text = report.markdown([result([10.0], [20.0]).to_json(), result([2000.0], [10.0], 10.0).to_json()])
    assert text.splitlines()[:2] == ["### Group", ""]
    assert text.splitlines()[4:] == [
        "| work | 10.0 ms | 20.0 ms | **0.50** | 1 |",
        "| work | 2,000.0 ms | 10.0 ms | 200.00 | 10 |",
    ]


def test_figures_replace_those_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.rewrite(page, "new")
    assert page.read_text() == f"before\n{report.BEGIN}\n\nnew\n{report.END}\nafter\n"
    page.write_text("no marks")
    with pytest.raises(ValueError, match="marks"):
        report.rewrite(page, "new")
