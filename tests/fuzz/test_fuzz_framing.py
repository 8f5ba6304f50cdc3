"""Any documents, cut anywhere, are read as the standard library reads them; any bytes are read or refused."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpc.framing import Framer, FramingError
from rpc.jsonvalue import Json, encode

pytestmark = pytest.mark.fuzz

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | st.text('{}[]"\\, é')
atoms = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text
)
documents = st.recursive(atoms, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=20).filter(
    lambda value: isinstance(value, (list, dict))
)  # fmt: skip
spaces = st.text(" \t\r\n", max_size=3)


def cut(stream: bytes, lengths: list[int]) -> Iterator[bytes]:
    for length in lengths:
        yield stream[:length]
        stream = stream[length:]
    yield stream


@given(
    st.lists(st.tuples(spaces, documents, st.booleans())), spaces, st.lists(st.integers(0, 30), max_size=50)
)
def test_any_cut_of_any_documents(parts: list[tuple[str, Json, bool]], tail: str, lengths: list[int]) -> None:
    texts = [space + json.dumps(value, ensure_ascii=ascii_) for space, value, ascii_ in parts]
    stream = ("".join(texts) + tail).encode()
    framer = Framer()
    found = [document for chunk in cut(stream, lengths) for document in framer.feed(chunk)]
    assert found == [json.loads(each) for each in texts]
    assert framer.pending == 0


noise = st.binary() | st.text('{}[]"\\,:1 u0', max_size=60).map(str.encode)


@given(noise, st.lists(st.integers(0, 9), max_size=30))
def test_any_bytes_are_read_or_refused_however_they_are_cut(stream: bytes, lengths: list[int]) -> None:
    outcomes = []
    for chunks in ([stream], list(cut(stream, lengths))):
        framer = Framer(max_bytes=1000, max_depth=20)
        found: list[Json] = []
        try:
            for chunk in chunks:
                found += framer.feed(chunk)
            outcomes.append((found, framer.pending))
        except FramingError:
            outcomes.append(([], -1))
    if outcomes[0][1] == 0 and outcomes[1][1] == 0:
        assert outcomes[0] == outcomes[1]
    assert (outcomes[0][1] == -1) == (outcomes[1][1] == -1)


@given(documents)
def test_encoding_is_read_back(document: Json) -> None:
    assert Framer().feed(encode(document)) == [document]
