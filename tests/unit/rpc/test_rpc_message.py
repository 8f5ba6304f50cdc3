import orjson
import pytest

from rpc.jsonvalue import Json, encode
from rpc.message import (
    MessageError,
    Notification,
    Reply,
    Request,
    decode,
    encode_error,
    encode_notification,
    encode_request,
    encode_result,
    parse,
)


def test_what_is_encoded_is_decoded() -> None:
    assert decode(encode_request("echo", [1, {"a": None}], [3])) == Request("echo", [1, {"a": None}], [3])
    assert decode(encode_notification("update", [])) == Notification("update", [])
    assert decode(encode_result({}, 4)) == Reply({}, None, 4)
    assert decode(encode_error("no", "x")) == Reply(None, "no", "x")


def test_encoded_bytes_are_taken_as_they_are() -> None:
    raw = encode_notification("update2", [None, {"t": {"u": orjson.Fragment(b'{"modify":{}}')}}])
    assert raw == b'{"id":null,"method":"update2","params":[null,{"t":{"u":{"modify":{}}}}]}'


@pytest.mark.parametrize(
    ("document", "what"),
    [
        ([], "message is not a JSON object"),
        ({}, 'notification must have "method"'),
        ({"method": "m"}, 'notification must have "params"'),
        ({"method": "m", "id": 1}, 'request must have "params"'),
        ({"method": "m", "id": 1, "params": {}}, '"params" must be JSON array'),
        ({"method": 1, "id": 1, "params": []}, "method is not a JSON string"),
        ({"method": "m", "id": 1, "params": [], "x": 2}, 'message has unexpected member "x"'),
        ({"id": 1, "result": 1, "error": 2}, 'reply must not have "error"'),
        ({"id": 1, "result": 1, "params": []}, 'reply must not have "params"'),
        ({"result": 1}, 'reply must have "id"'),
        ({"error": 1}, 'error must have "id"'),
        ({"id": 1, "result": None, "error": None}, 'request must have "method"'),
    ],
)
def test_malformed_messages_are_refused(document: Json, what: str) -> None:
    with pytest.raises(MessageError) as caught:
        parse(document)
    assert caught.value.what == what


def test_a_null_member_counts_as_absent() -> None:
    assert parse({"method": "m", "params": [], "id": None, "result": None}) == Notification("m", [])


def test_bytes_that_are_no_json_are_no_message() -> None:
    with pytest.raises(MessageError):
        decode(b"{")


@pytest.mark.parametrize("levels", [200, 254, 255, 1000])
def test_deep_values_are_encoded(levels: int) -> None:
    value: Json = "end"
    text = b'"end"'
    for i in range(levels):
        value = [value, 1] if i % 2 else {"a": value, "b": {}}
        text = b"[" + text + b",1]" if i % 2 else b'{"a":' + text + b',"b":{}}'
    assert encode(value) == text


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError):
        encode([1 << 64])
