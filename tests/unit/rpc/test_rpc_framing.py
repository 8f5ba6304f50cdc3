import time

import pytest

from rpc.framing import MAX_DEPTH, Framer, FramingError
from rpc.jsonvalue import Json

ECHO = b'{"id":1,"method":"echo","params":[]}'


def feed_all(framer: Framer, *chunks: bytes) -> list[Json]:
    return [document for chunk in chunks for document in framer.feed(chunk)]


@pytest.mark.parametrize(
    ("stream", "documents"),
    [
        (b"", []),
        (b" \t\r\n", []),
        (b"{}", [{}]),
        (b"[]", [[]]),
        (b"{}{}", [{}, {}]),
        (b' {} \n [1]\t{"a":[{}]} ', [{}, [1], {"a": [{}]}]),
        (b'{"a":"}{"}{"b":"]["}', [{"a": "}{"}, {"b": "]["}]),
        (rb'{"a":"\\"}{"b":"\""}', [{"a": "\\"}, {"b": '"'}]),
        (rb'["\\\"}{",[{}],{}]{}', [['\\"}{', [{}], {}], {}]),
        (rb'{"\\u0000":1}', [{"\\u0000": 1}]),
        ("{}[\"é€𝄞\"]".encode(), [{}, ["é€𝄞"]]),
    ],
)  # fmt: skip
def test_documents_are_the_same_however_the_stream_is_cut(stream: bytes, documents: list[Json]) -> None:
    assert Framer().feed(stream) == documents
    for cut in range(len(stream)):
        framer = Framer()
        assert feed_all(framer, stream[:cut], stream[cut:]) == documents
        assert framer.pending == 0
    assert feed_all(Framer(), *(stream[i : i + 1] for i in range(len(stream)))) == documents


def test_a_document_comes_as_soon_as_it_is_complete() -> None:
    framer = Framer()
    assert framer.feed(ECHO + ECHO[:5]) == [{"id": 1, "method": "echo", "params": []}]
    assert framer.pending == 5


@pytest.mark.parametrize(
    ("stream", "what", "position"),
    [
        (b"}", "syntax error at beginning of input", 0),
        (b"  3 ", "syntax error at beginning of input", 2),
        (b'"s"', "syntax error at beginning of input", 0),
        (b"{} x", "", 3),
        (b"\xef\xbb\xbf{}", "syntax error at beginning of input", 0),
        (b"{}\0{}", "syntax error at beginning of input", 2),
        (b'{"a" 1}', "unexpected character", 5),
        (b'{}{"\xc3\xa9" 1}', "unexpected character", 8),
        (b"{]", "unexpected character", 1),
        (b'{"params":[1}', "unexpected character", 12),
        (b'[{"a":{"b":[]]', "unexpected", 13),
        (b'{}[{"a":[]]', "", 10),
        (b'{"a":01}', "leading zero", 5),
        (b'{"a":NaN}', "", 5),
        (b'{"a":"\xff"}', "str is not valid UTF-8", 0),
        (b'{"a":"\x01"}', "", 6),
        (rb'{"a":"x\u0000"}', "null bytes not supported in quoted strings", 13),
        (rb'{"a":"\\\u0000"}', "null bytes not supported in quoted strings", 14),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(stream: bytes, what: str, position: int) -> None:
    for chunks in ([stream], [stream[i : i + 1] for i in range(len(stream))]):
        with pytest.raises(FramingError) as caught:
            feed_all(Framer(), *chunks)
        assert what in caught.value.what
        assert caught.value.position == position
        assert str(position) in str(caught.value)


@pytest.mark.parametrize("levels", [1, 7, 8, 9, 500])
def test_a_bracket_that_closes_another_is_refused_without_waiting_for_more(levels: int) -> None:
    inner = b'[{"a":' * levels + b"[" + b"}]" * levels
    for chunks in ([inner], [inner[:-1], inner[-1:]], [b"{}" + inner]):
        with pytest.raises(FramingError, match="unexpected"):
            feed_all(Framer(), b'{"x":[', *chunks)


def test_documents_before_an_error_in_the_same_chunk_come_with_it() -> None:
    with pytest.raises(FramingError) as caught:
        Framer().feed(ECHO + b"[1]" + b'{"params":[1}')
    assert caught.value.documents == [{"id": 1, "method": "echo", "params": []}, [1]]


def test_positions_count_from_the_beginning_of_the_stream() -> None:
    framer = Framer()
    framer.feed(ECHO)
    framer.feed(b"  " + ECHO + ECHO)
    with pytest.raises(FramingError) as caught:
        framer.feed(b" x")
    assert caught.value.position == 3 * len(ECHO) + 3


def test_nesting_is_limited_before_the_document_is_complete() -> None:
    assert Framer().feed(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    with pytest.raises(FramingError, match="nesting depth"):
        Framer().feed(b"[" * (MAX_DEPTH + 1))
    with pytest.raises(FramingError, match="nesting depth 3"):
        Framer(max_depth=3).feed(b'{}{"a":[[[1]]]}')


def test_brackets_in_strings_are_no_nesting() -> None:
    assert Framer(max_depth=1).feed(b'["' + b"[" * 5000 + b'"]')


@pytest.mark.parametrize("stream", [b'["aaaaaaa"]', b'["aaaaaaaa', b'{}["aaaaaaa"]', b'{"aaa":1111}'])
def test_a_long_document_is_refused_before_it_is_parsed(stream: bytes) -> None:
    with pytest.raises(FramingError, match="longer than 9 bytes"):
        Framer(max_bytes=9).feed(stream)


def test_many_short_documents_do_not_add_up_to_a_long_one() -> None:
    assert len(Framer(max_bytes=2).feed(b"{}" * 50)) == 50


def test_the_work_grows_with_the_bytes_and_not_with_their_square() -> None:
    """A string of 4 MB in pieces: were it scanned anew with each piece, this would take minutes, not a second."""
    piece = b'x{\\"' * 256
    framer = Framer()
    framer.feed(b'{"a":"')
    begun = time.process_time()
    for _ in range(4096):
        framer.feed(piece)
    assert len(framer.feed(b'"}')) == 1
    assert time.process_time() - begun < 30
