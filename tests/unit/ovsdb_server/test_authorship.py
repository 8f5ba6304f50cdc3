"""The line that tells who made a commit: what is written is read, and nothing else is taken for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovsdb.authorship import Author, append_author, format_author, parse_author, split_author

NUMBERS = st.none() | st.integers(0, 2**32 - 1)
TEXTS = st.text() | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape"))
AUTHORS = st.builds(Author, NUMBERS, NUMBERS, TEXTS, TEXTS, TEXTS)


@pytest.mark.parametrize(
    ("author", "line"),
    [
        (Author(0, 123, "ovs-vsctl"), "[by uid=0 pid=123 (ovs-vsctl)]"),
        (Author(1000, 5, "my prog)]\n"), "[by uid=1000 pid=5 (my%20prog%29]%0A)]"),
        (Author(certificate="sw 1", address="ssl:10.0.0.1:40"), "[by cert=sw%201 address=ssl:10.0.0.1:40]"),
        (Author(address="tcp:[::1]:5000"), "[by address=tcp:[::1]:5000]"),
        (Author(uid=7), "[by uid=7]"),
        (Author(), ""),
    ],
)
def test_it_looks_so(author: Author, line: str) -> None:
    assert format_author(author) == line
    assert parse_author(line) == (author if line else None)


@given(AUTHORS.filter(lambda author: author != Author()), st.text())
def test_what_is_written_is_read_and_is_one_line(author: Author, comment: str) -> None:
    try:
        author.program.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return  # no bytes look like this
    line = format_author(author)
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert split_author(append_author(comment, line)) == (comment, author)


@given(st.text())
def test_no_text_makes_it_fail(text: str) -> None:
    said, author = split_author(text)
    assert author is not None or said == text


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[by]",
        "[by ]",
        "by uid=0",
        "[by uid=x]",
        "[by uid=1 uid=2]",
        "[by uid=0] ",
        "[by uid=²]",
        "[by me]",
    ],
)
def test_other_lines_are_comments(line: str) -> None:
    assert split_author(f"said\n{line}") == (f"said\n{line}", None)


def test_a_client_cannot_speak_for_another() -> None:
    forged = "[by uid=0 pid=1 (init)]"
    said, author = split_author(append_author(forged, format_author(Author(uid=1000))))
    assert (said, author) == (forged, Author(uid=1000))
