"""docs/features.md says what the tests are."""

from pathlib import Path
from types import ModuleType

import pytest

from tests.kit.feature_lab import FeatureLab
from tests.kit.feature_table import Row, page, rows, rows_of


def module(**tests: object) -> ModuleType:
    made = ModuleType("tests.features.test_made")
    vars(made).update(tests)
    return made


def test_the_page_is_that_of_the_tests() -> None:
    assert Path("docs/features.md").read_text() == page(rows()), "run tools/features"


def test_a_row_has_a_cell_for_each_side_and_a_reason_where_it_is_not_yes() -> None:
    row = Row("QoS", "a title", "test_it", {"c-userspace": "none there"}, {"kernel": "it is old"})
    lines = page([row]).splitlines()
    assert "| a title | yes | - | no | yes | `test_it` |" in lines
    assert "- `test_it`, C, userspace: none there" in lines
    assert "- `test_it`, kernel: it is old" in lines


@pytest.mark.parametrize(
    ("mark", "complaint"),
    [
        (pytest.mark.netns, "one mark"),
        (pytest.mark.feature("Nonsense", "it"), "no such group"),
        (pytest.mark.feature("QoS", "it", differs={"moon": "far"}), "no such side"),
    ],
)
def test_marks_that_cannot_be_are_refused(mark: pytest.MarkDecorator, complaint: str) -> None:
    @mark
    def test_it(lab: FeatureLab) -> None: ...

    with pytest.raises(ValueError, match=complaint):
        rows_of(module(test_it=test_it))
