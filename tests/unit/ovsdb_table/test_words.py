"""Words, beside the patterns that say the same."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovsdb.uuids import is_uuid, new_uuid
from ovsdb.words import is_identifier, quoted

UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\Z")
IDENTIFIER = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
PLAIN = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.-]*\Z")

WORDS = st.text() | st.text("aZ_09.-", max_size=6) | st.from_regex(UUID) | st.just("d\u00e9j\u00e0")
SPOILT = st.builds(
    lambda uuid, place, letter: uuid[:place] + letter + uuid[place + 1 :],
    st.builds(new_uuid),
    st.integers(0, 36),
    st.sampled_from("-g 0\u0660\n_"),
)


@given(WORDS | SPOILT)
def test_what_is_a_uuid(text: str) -> None:
    assert is_uuid(text) == bool(UUID.match(text))


@given(WORDS)
def test_what_is_an_identifier(text: str) -> None:
    assert is_identifier(text) == bool(IDENTIFIER.match(text))


@given(WORDS | st.sampled_from(["true", "false", "-", ".", ".a", "-a"]))
def test_a_string_stands_without_quotes_where_it_could_be_nothing_else(text: str) -> None:
    plain = PLAIN.match(text) and text not in ("true", "false") and not UUID.match(text)
    if all(letter.isprintable() for letter in text):
        assert (quoted(text) == text) == bool(plain)


@pytest.mark.parametrize(
    "text", ["ABCDEF01-2345-6789-ABCD-EF0123456789", "abcdef01-2345-6789-abcd-ef0123456789"]
)
def test_a_uuid_in_large_letters_is_one_too(text: str) -> None:
    assert quoted(text) == f'"{text}"'
