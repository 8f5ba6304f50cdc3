"""The Network Service Header (RFC 8300) as the OVS_NSH_KEY_ATTR_* of an action.

Rule: pure; None where the attributes hold something else.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from datapath.actions import PushNsh
from datapath.netlink import uapi
from datapath.netlink.attrs import attr, attributes, nested

_BASE, _MD1, _MD2 = 1, 2, 3
_FIXED: Final = Struct(">BBBBI")  # struct ovs_nsh_key_base
_MD1_LEN: Final = 16
MDTYPE1: Final = 1


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
