"""The Network Service Header (RFC 8300) as the OVS_NSH_KEY_ATTR_* of keys and actions.

Rule: pure; None where the attributes of an action hold something else. In a key the header is one number: the
base header, then the four words of context that type 1 has, as struct ovs_key_nsh.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from datapath.actions import PushNsh
from datapath.netlink import uapi
from datapath.netlink.attrs import NetlinkFormatError, attr, attributes, nested

_BASE, _MD1, _MD2 = 1, 2, 3
_FIXED: Final = Struct(">BBBBI")  # struct ovs_nsh_key_base
_MD1_LEN: Final = 16
_KEY_LEN: Final = 24
MDTYPE1: Final = 1


def encode_key(value: int, *, is_mask: bool = False) -> bytes:
    """Encode OVS_KEY_ATTR_NSH of a FlowKey's `nsh`, or of a mask over one."""
    payload = value.to_bytes(_KEY_LEN, "big")
    has_context = is_mask or payload[2] == MDTYPE1
    context = attr(_MD1, payload[_FIXED.size :]) if has_context else b""
    return nested(uapi.OVS_KEY_NSH, attr(_BASE, payload[: _FIXED.size]), context)


def decode_key(data: bytes, at: int, end: int) -> int:
    """Read the payload of OVS_KEY_ATTR_NSH in data[at:end]; NetlinkFormatError where parts are cut short."""
    parts = {kind: data[start:stop] for kind, start, stop in attributes(data, at, end)}
    base, context = parts.get(_BASE, b""), parts.get(_MD1, b"")
    if len(base) != _FIXED.size or len(context) not in (0, _MD1_LEN):
        raise NetlinkFormatError(f"an NSH of {len(base)} and {len(context)} bytes")
    return int.from_bytes(base + context.ljust(_MD1_LEN, b"\0"), "big")


def encode_nsh(action: PushNsh) -> bytes:
    """Encode the payload of OVS_ACTION_ATTR_PUSH_NSH."""
    base = _FIXED.pack(action.flags, action.ttl, action.mdtype, action.np, action.path_hdr)
    kind = _MD1 if action.mdtype == MDTYPE1 else _MD2
    context = attr(kind, action.context) if action.context else b""
    return nested(uapi.OVS_KEY_NSH, attr(_BASE, base), context)


def decode_nsh(payload: bytes) -> PushNsh | None:
    """Read the payload of OVS_ACTION_ATTR_PUSH_NSH."""
    listed = list(attributes(payload))
    if len(listed) != 1 or listed[0][0] != uapi.OVS_KEY_NSH:
        return None
    found = {kind: payload[start:stop] for kind, start, stop in attributes(payload, *listed[0][1:])}
    base = found.pop(_BASE, b"")
    if len(base) != _FIXED.size:
        return None
    flags, ttl, mdtype, np, path_hdr = _FIXED.unpack(base)
    context = found.pop(_MD1 if mdtype == MDTYPE1 else _MD2, b"")
    if found or (mdtype == MDTYPE1 and len(context) != _MD1_LEN):
        return None
    return PushNsh(flags, ttl, mdtype, np, path_hdr, context)
