"""JSON-RPC 1.0 messages as RFC 7047, section 4, uses them.

Rule: what is a request, a notification, a reply or an error is decided here and nowhere else, as strictly
as the C programs do: a member that is null counts as absent, unknown members are refused. Encoding takes
`orjson.Fragment` anywhere inside params and results, so that bytes can be shared between receivers.
"""

from __future__ import annotations

from collections.abc import Sequence

from rpc.jsonvalue import DecodeError, Json, encode
from rpc.jsonvalue import decode as decode_json
from rpc.structs import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rpc.jsonvalue import Encodable

MEMBERS = ("method", "params", "result", "error", "id")


class Request(Struct):
    """Asks for a reply that bears the same id."""

    method: str
    params: list[Json]
    id: Json  # any JSON value but null


class Notification(Struct):
    """Asks for nothing."""

    method: str
    params: list[Json]


class Reply(Struct):
    """Answers a request: `error` is None on success."""

    result: Json
    error: Json
    id: Json  # of the request


Message = Request | Notification | Reply


class MessageError(Exception):
    """A JSON document that is no JSON-RPC message; `what` says why."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def parse(document: Json) -> Message:
    """The message that `document` is, or MessageError."""
    if not isinstance(document, dict):
        raise MessageError("message is not a JSON object")
    method, params, result, error, id_ = map(document.get, MEMBERS)
    if method is not None and not isinstance(method, str):
        raise MessageError("method is not a JSON string")
    for member in document:
        if member not in MEMBERS:
            raise MessageError(f'message has unexpected member "{member}"')
    kind = _kind(result, error, id_)
    _check_members(kind, {"method": method, "params": params, "result": result, "error": error, "id": id_})
    if kind in ("reply", "error"):
        return Reply(result, error, id_)
    if not isinstance(params, list):
        raise MessageError('"params" must be JSON array')
    name = method or ""  # checked above to be there
    return Notification(name, params) if kind == "notification" else Request(name, params, id_)


def decode(raw: bytes) -> Message:
    """The message in `raw`, which holds one JSON document; MessageError also where it holds none."""
    try:
        document = decode_json(raw)
    except DecodeError as error:
        raise MessageError(str(error)) from None
    return parse(document)


REQUIRED = {
    "request": ("method", "params", "id"),
    "notification": ("method", "params"),
    "reply": ("result", "id"),
    "error": ("error", "id"),
}


def _kind(result: Json, error: Json, id_: Json) -> str:
    if result is not None:
        return "reply"
    if error is not None:
        return "error"
    return "notification" if id_ is None else "request"


def _check_members(kind: str, members: dict[str, Json]) -> None:
    for name, value in members.items():
        required = name in REQUIRED[kind]
        if (value is not None) != required:
            raise MessageError(f'{kind} must{"" if required else " not"} have "{name}"')


def encode_request(method: str, params: Sequence[Encodable], id_: Encodable) -> bytes:
    """A request; `id_` is any JSON value but null."""
    return encode({"id": id_, "method": method, "params": params})


def encode_notification(method: str, params: Sequence[Encodable]) -> bytes:
    """A message without an answer."""
    return encode({"id": None, "method": method, "params": params})


def encode_result(result: Encodable, id_: Encodable) -> bytes:
    """The answer to the request `id_` that succeeded; `result` should not be null."""
    return encode({"id": id_, "result": result, "error": None})


def encode_error(error: Encodable, id_: Encodable) -> bytes:
    """The answer to the request `id_` that failed; `error` must not be null."""
    return encode({"id": id_, "result": None, "error": error})
