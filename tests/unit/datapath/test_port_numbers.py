"""The numbers of the ports of a datapath in this process, against the plain way of finding them."""

import errno

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datapath.inprocess import MAX_PORTS, PortNumbers
from datapath.provider import LOCAL_PORT, DatapathError, VportSpec

STEPS = st.lists(st.tuples(st.integers(0, 7), st.none() | st.integers(0, 7)), max_size=20)


@given(STEPS)
@settings(max_examples=50)
def test_a_port_gets_the_lowest_number_that_is_free(steps: list[tuple[int, int | None]]) -> None:
    numbers, there = PortNumbers(), {LOCAL_PORT: "local"}
    numbers.take(LOCAL_PORT, "local")
    for step, (name, asked) in enumerate(steps):
        if name in there and name != LOCAL_PORT:
            numbers.release(name)
            del there[name]
        elif asked is None or asked not in there:
            lowest = next(number for number in range(1, MAX_PORTS) if number not in there)
            number = numbers.choose(VportSpec(f"p{step}", "internal", port_no=asked))
            assert number == (lowest if asked is None else asked)
            numbers.take(number, f"p{step}")
            there[number] = f"p{step}"
    assert {name: numbers.number_of(name) for name in there.values()} == {n: no for no, n in there.items()}


@pytest.mark.parametrize(
    ("spec", "refusal"),
    [
        (VportSpec("p1", "nonsense"), errno.EAFNOSUPPORT),
        (VportSpec("p1", "internal"), errno.EEXIST),
        (VportSpec("p2", "internal", port_no=MAX_PORTS), errno.EFBIG),
        (VportSpec("p2", "internal", port_no=1), errno.EBUSY),
    ],
)
def test_what_cannot_be_is_refused(spec: VportSpec, refusal: int) -> None:
    numbers = PortNumbers()
    numbers.take(1, "p1")
    with pytest.raises(DatapathError) as refused:
        numbers.choose(spec)
    assert refused.value.errno == refusal


@pytest.mark.parametrize(("number", "refusal"), [(LOCAL_PORT, errno.EINVAL), (2, errno.ENODEV)])
def test_the_local_port_and_none_cannot_be_deleted(number: int, refusal: int) -> None:
    numbers = PortNumbers()
    numbers.take(LOCAL_PORT, "local")
    with pytest.raises(DatapathError) as refused:
        numbers.check_deletable(number)
    assert refused.value.errno == refusal
