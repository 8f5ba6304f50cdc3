"""Netlink messages: the header, the messages of one datagram, errors in the kernel's words (netlink(7)).

Rule: pure; every reader ends in values or in NetlinkFormatError.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

from datapath.netlink import attrs

HEADER: Final = Struct("=IHHII")  # length, type, flags, sequence number, port id
HEADER_LEN: Final = 16

NLMSG_NOOP, NLMSG_ERROR, NLMSG_DONE, NLMSG_OVERRUN = 1, 2, 3, 4

NLM_F_REQUEST, NLM_F_MULTI, NLM_F_ACK, NLM_F_ECHO, NLM_F_DUMP_INTR = 1, 2, 4, 8, 0x10
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200  # of an NLMSG_ERROR
NLM_F_DUMP = 0x300  # of a GET
NLM_F_EXCL, NLM_F_CREATE = 0x200, 0x400  # of a NEW

_ERROR = Struct("=i")
_NLMSGERR_ATTRS: attrs.Policy = {1: attrs.text("msg"), 2: attrs.u32("offset")}


class Message(NamedTuple):
    """One message without its header."""

    type: int
    flags: int
    seq: int
    pid: int
    payload: bytes


class Refusal(NamedTuple):
    """Why the kernel refused a request."""

    errno: int
    text: str  # the kernel's explanation; mostly empty


def encode(kind: int, flags: int, seq: int, payload: bytes) -> bytes:
    """Put the header in front of a request's payload."""
    return HEADER.pack(HEADER_LEN + len(payload), kind, flags | NLM_F_REQUEST, seq, 0) + payload


def messages(data: bytes) -> Iterator[Message]:
    """Take a datagram apart."""
    at, end = 0, len(data)
    while at + HEADER_LEN <= end:
        length, kind, flags, seq, pid = HEADER.unpack_from(data, at)
        if length < HEADER_LEN or at + length > end:
            raise attrs.NetlinkFormatError(f"message of {length} bytes at {at} in a datagram of {end}")
        yield Message(kind, flags, seq, pid, data[at + HEADER_LEN : at + length])
        at += length + 3 & ~3
    if at < end:
        raise attrs.NetlinkFormatError(f"{end - at} bytes are left over behind the last message")


def parse_error(message: Message) -> Refusal | None:
    """Read an NLMSG_ERROR or the status of an NLMSG_DONE; None: it acknowledges."""
    payload = message.payload
    if len(payload) < _ERROR.size:
        if message.type == NLMSG_DONE:
            return None
        raise attrs.NetlinkFormatError(f"error message of {len(payload)} bytes")
    (error,) = _ERROR.unpack_from(payload)
    if error == 0:
        return None
    if error > 0:
        return None if message.type == NLMSG_DONE else Refusal(error, "")
    return Refusal(-error, _explanation(message))


def _explanation(message: Message) -> str:
    """Find the extended acknowledgement behind the error and the request that it echoes."""
    if not message.flags & NLM_F_ACK_TLVS:
        return ""
    payload = message.payload
    at = _ERROR.size
    if message.type == NLMSG_ERROR:
        if len(payload) < at + HEADER_LEN:
            raise attrs.NetlinkFormatError(f"error message of {len(payload)} bytes")
        (echoed,) = Struct("=I").unpack_from(payload, at)
        at += HEADER_LEN if message.flags & NLM_F_CAPPED else echoed + 3 & ~3
    return attrs.parse(payload, _NLMSGERR_ATTRS, "extended acknowledgement", at).string("msg", "")
