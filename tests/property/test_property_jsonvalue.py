"""Short JSON is read and written by parts of the standard library exactly as orjson would."""

import math
import subprocess
import sys

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpc import jsonvalue
from rpc.jsonvalue import Json

numbers = st.integers() | st.integers(-(2**63), 2**64) | st.floats()
atoms = st.none() | st.booleans() | numbers | st.text(st.characters(codec=None))
values = st.recursive(atoms, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)
PIECES = (
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    " ",
    '"a"',
    '"\\u00e9"',
    '"\\ud800"',
    '"\x00"',
    "0",
    "-0",
    "01",
    "1e5",
)
ODD = (
    "1E999",
    "9" * 19,
    "9" * 18,
    "-" + "9" * 18,
    "1.",
    ".5",
    "NaN",
    "-Infinity",
    "nul",
    "true",
    "\ufeff",
    "\\",
)
texts = st.lists(st.sampled_from([*PIECES, *ODD])).map("".join).map(str.encode) | st.binary()


def fast(raw: bytes) -> Json:
    value: Json = orjson.loads(raw)
    return value


@given(
    texts | values.filter(lambda value: value is not None).map(repr).map(lambda t: t.encode(errors="replace"))
)
def test_what_is_read_at_once_is_what_orjson_reads(raw: bytes) -> None:
    found = jsonvalue._decode_short(raw)
    if found is not None:
        assert repr(found) == repr(fast(raw))


@given(values)
def test_what_is_written_at_once_means_what_orjson_writes(value: Json) -> None:
    written = jsonvalue._encode_short(value)
    if written:
        assert repr(fast(written)) == repr(fast(orjson.dumps(value)))


@pytest.mark.parametrize("value", [math.nan, 2**64, "\ud800", {"a": [math.inf]}, object()])
def test_what_json_cannot_express_is_left_to_orjson(value: object) -> None:
    assert jsonvalue._encode_short(value) == b""  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "raw", [b'{"a": "\\ud800"}', b"[NaN]", b"[1e999]", b"[9999999999999999999]", b"\xff", b"{"]
)
def test_what_may_be_no_json_is_left_to_orjson(raw: bytes) -> None:
    assert jsonvalue._decode_short(raw) is None


def test_most_messages_are_read_and_written_at_once() -> None:
    message: Json = {
        "id": 0,
        "method": "transact",
        "params": ["Open_vSwitch", {"op": "select", "where": [["a", "==", 1.5]]}],
    }
    assert jsonvalue._decode_short(jsonvalue._encode_short(message)) == message


def test_where_the_interpreter_has_no_reader_in_c_orjson_reads_and_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("_scan", "_write", "_orjson"):
        monkeypatch.setattr(jsonvalue, name, None)
    assert jsonvalue._decode_short(b"[1]") is None
    assert jsonvalue._encode_short([1]) == b""
    assert jsonvalue.decode(jsonvalue.encode([1])) == [1]


def test_bad_json_is_an_error_also_where_nobody_has_loaded_json() -> None:
    code = """
import sys
from rpc.framing import Framer, FramingError
assert "json" not in sys.modules and "orjson" not in sys.modules
for raw in sys.argv[1:]:
    try:
        Framer().feed(raw.encode())
    except FramingError as error:
        print(error)
"""
    bad = ['{"a":tru}', '{"a" 1}', '{"a":"\\x"}', '{"a":1,}', '{"a":[1,]}', "{1}"]
    for raw in bad:  # each in an interpreter of its own, as the first loads json
        done = subprocess.run([sys.executable, "-c", code, raw], capture_output=True, text=True, check=True)
        assert "at byte" in done.stdout
