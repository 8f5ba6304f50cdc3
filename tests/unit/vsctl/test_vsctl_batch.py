"""Lines of a batch, and words to be completed, whatever they are."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovsdb.client.blocking import Client
from rpc.errors import ConnectError
from vsctl.batch_lines import parse_line
from vsctl.completing import candidates
from vsctl.options import GLOBAL, LOCAL

OPTIONS = [*GLOBAL, *LOCAL]
WORD = (
    st.sampled_from(
        ["--", "-t", "5", "--db=x", "add-port", "list", "get", "Port", "br0", "-", "a=b", "--may"]
    )
    | st.text()
)


def no_server(_: str | None) -> Client:
    raise ConnectError("unix:/x", "No such file or directory")


@pytest.mark.parametrize(
    ("text", "args"),
    [
        ("get Port p0 name", ("Port", "p0", "name")),
        ("set Port p0 'external_ids:a=\"b c\"'", ("Port", "p0", 'external_ids:a="b c"')),
        ('["get","Port","p 0"]', ("Port", "p 0")),
    ],
)
def test_a_line_is_quoted_as_in_a_shell_or_a_json_array(text: str, args: tuple[str, ...]) -> None:
    assert parse_line(1, text).calls[0].args == args


@given(st.text(min_size=1) | st.lists(WORD).map(" ".join) | st.lists(WORD).map(json.dumps))
def test_any_line_is_read_or_refused(text: str) -> None:
    line = parse_line(1, text)
    assert bool(line.calls) != bool(line.error)


@given(st.lists(WORD))
def test_without_a_server_any_words_are_completed_or_not(words: list[str]) -> None:
    for candidate in candidates(words, OPTIONS, no_server):
        assert candidate.startswith(words[-1] if words else "")
