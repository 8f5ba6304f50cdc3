"""Documents of random switches."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from declare.change import inverted, operations
from declare.errors import DocumentError
from declare.text import parse_document
from declare.wanted import read
from tests.kit.declared import SCHEMA, Switchboard
from tests.kit.random_switch import SwitchMaker
from tests.kit.strategies import any_json

SEEDS = st.integers(0, 2**32)


def random_board(seed: int) -> Switchboard:
    board = Switchboard()
    board.transact(SwitchMaker(SCHEMA, random.Random(seed)).switch())
    return board


@given(SEEDS, st.sampled_from(["yaml", "json"]))
@settings(max_examples=60)
def test_a_switch_made_what_its_document_says_stays_as_it_is(seed: int, form: str) -> None:
    board = random_board(seed)
    assert board.plan(board.export(form)) == []


@given(SEEDS)
@settings(max_examples=40)
def test_an_empty_switch_becomes_what_a_document_says(seed: int) -> None:
    text = random_board(seed).export()
    board = Switchboard()
    board.apply(text)
    assert board.export() == text


@given(SEEDS)
@settings(max_examples=40)
def test_any_switch_can_be_made_what_a_document_says_and_back(seed: int) -> None:
    board, text = random_board(seed), "name: x\n" + random_board(seed + 1).export().removeprefix("{}\n")
    before = board.export()
    try:
        changes = board.apply(text)
    except DocumentError as error:
        if "its only interface" in error.why:
            return
        raise
    board.transact(operations(SCHEMA, inverted(SCHEMA, changes)))
    assert board.export() == before


@given(st.text(max_size=60) | any_json().map(str))
@settings(max_examples=50)
def test_any_text_is_a_document_or_a_clear_error(text: str) -> None:
    try:
        read(SCHEMA, parse_document(text, "FILE"))
    except DocumentError as error:
        said = str(error)
    else:
        said = "a document"
    assert said
