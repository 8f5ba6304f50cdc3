"""ovs-vsctl: generated command lines to ours and to the C one, on servers with the same contents.

The lines: tests/kit/vsctl_lines.py. What is compared, and how: tests/kit/vsctl_pair.py.
VSCTL=full runs 10,000 lines in place of 150.
"""

import os
from collections.abc import Iterator
from random import Random

import pytest

from tests.kit.vsctl_lines import command_line, operations, quoted
from tests.kit.vsctl_pair import Pair, vsctl_pair

pytestmark = pytest.mark.peer

LINES_OF_A_DATABASE = 10  # then both start again from the same rows
COUNT = 10_000 if os.environ.get("VSCTL") == "full" else 150


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with vsctl_pair() as both:
        yield both


@pytest.mark.parametrize("seed", range(0, COUNT, 50))
def test_both_tools_do_and_say_the_same(pair: Pair, seed: int) -> None:
    random = Random(seed)
    for n in range(50):
        if n % LINES_OF_A_DATABASE == 0:
            pair.reset(operations())
        pair.check(quoted(command_line(random)))
