"""The fixture `lab`: one switch for each side that runs here, cleaned after each test.

Rule: the mark `feature(group, title, not_on={side: reason}, differs={side: reason})` says what a test shows. A side in
`not_on` has no such thing; one in `differs` must fail the test. docs/features.md tells the reasons.
"""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.kit.feature_lab import SIDES, FeatureLab, sides_here, switch_of

NOWHERE = "nowhere"  # the side of a test that is for none of those here


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test once for each side that it is for."""
    if "lab" not in metafunc.fixturenames:
        return
    mark = metafunc.definition.get_closest_marker("feature")
    assert mark is not None, f"{metafunc.function.__name__} has no mark `feature`"
    own_marks = [pytest.mark.kernel] if sides_here()[0] == "kernel" else [pytest.mark.netns, pytest.mark.peer]
    parameters = [
        pytest.param(side, marks=[*own_marks, *_expected(mark.kwargs.get("differs", {}).get(side))])
        for side in sides_here()
        if side not in mark.kwargs.get("not_on", {})
    ]
    metafunc.parametrize("lab", parameters or [pytest.param(NOWHERE)], indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that are for no side that runs here."""
    absent = [i for i in items if getattr(i, "callspec", None) and i.callspec.params.get("lab") == NOWHERE]  # type: ignore[attr-defined]
    if absent:
        config.hook.pytest_deselected(items=absent)
        items[:] = [item for item in items if item not in absent]


def _expected(reason: str | None) -> list[pytest.MarkDecorator]:
    return [pytest.mark.xfail(reason=reason)] if reason else []


class _Switches(dict[str, FeatureLab]):
    """Starts the daemons of a side when the first test wants them."""

    def __init__(self, stack: ExitStack) -> None:
        super().__init__()
        self._stack = stack

    def __missing__(self, name: str) -> FeatureLab:
        self[name] = lab = self._stack.enter_context(switch_of(SIDES[name]))
        return lab


@pytest.fixture(scope="session")
def _switches() -> Iterator[_Switches]:
    with ExitStack() as stack:
        yield _Switches(stack)


@pytest.fixture
def lab(request: pytest.FixtureRequest, _switches: _Switches) -> Iterator[FeatureLab]:
    """The switch of the side, without bridges."""
    shared = _switches[request.param]
    try:
        yield shared
    finally:
        shared.clean()
