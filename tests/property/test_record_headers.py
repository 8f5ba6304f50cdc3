"""The quick look at a record's header and the exact one mean the same."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from ovsdb.storage.record import claims, format_header, parse_header

DIGESTS = st.text("0123456789abcdef", min_size=38, max_size=42)
LINES = st.builds(
    format_header, st.integers(0, 10**19), DIGESTS, st.sampled_from((b"JSON", b"CLUSTER", b"X"))
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    line = draw(LINES)
    start = draw(st.integers(0, len(line)))
    end = draw(st.integers(start, min(len(line), start + 3)))
    return (
        line[:start] + draw(st.binary(max_size=3) | st.sampled_from((b" ", b"\n", b"+", b"_"))) + line[end:]
    )


@given(LINES | damaged())
def test_what_is_claimed_is_what_the_header_says(line: bytes) -> None:
    length, digest = claims(line)
    header = parse_header(line)
    if header is None:
        assert length == 0 or not re.fullmatch("[0-9a-f]{40}", digest)  # which no digest equals
    elif header.magic == "JSON":
        assert (length, digest) == (header.length, header.digest)
    else:
        assert (length, digest) == (0, "")
