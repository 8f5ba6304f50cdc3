"""OVS_ACTION_ATTR_CT: what the connection tracker shall do with a packet.

Rule: pure; None where the attributes hold something this program does not know.
"""

from __future__ import annotations

import socket
from struct import Struct
from typing import Final

from datapath.actions import Ct, Nat
from datapath.netlink.attrs import attr, attr_text, attr_u16, attr_u32, attributes, nested

_COMMIT, _ZONE, _MARK, _LABELS, _HELPER, _NAT, _FORCE_COMMIT, _EVENTMASK, _TIMEOUT = range(1, 10)
_NAT_KINDS: Final = {"src": 1, "dst": 2}
_IP_MIN, _IP_MAX, _PROTO_MIN, _PROTO_MAX, _PERSISTENT, _PROTO_HASH, _PROTO_RANDOM = range(3, 10)
_U16, _U32, _U32X2 = Struct("=H"), Struct("=I"), Struct("=II")
_LABEL_LEN: Final = 16
_ADDRESS_LEN: Final = {socket.AF_INET: 4, socket.AF_INET6: 16}


def encode_ct(action: Ct) -> bytes:
    """Encode the payload of OVS_ACTION_ATTR_CT."""
    parts = []
    if action.commit:
        parts.append(attr(_FORCE_COMMIT if action.force else _COMMIT))
    if action.zone:
        parts.append(attr_u16(_ZONE, action.zone))
    if action.mark is not None:
        parts.append(attr(_MARK, _U32X2.pack(*action.mark)))
    if action.labels is not None:
        parts.append(attr(_LABELS, b"".join(part.to_bytes(_LABEL_LEN, "little") for part in action.labels)))
    if action.helper:
        parts.append(attr_text(_HELPER, action.helper))
    if action.timeout:
        parts.append(attr_text(_TIMEOUT, action.timeout))
    if action.nat is not None:
        parts.append(nested(_NAT, _encode_nat(action.nat)))
    if action.eventmask is not None:
        parts.append(attr_u32(_EVENTMASK, action.eventmask))
    return b"".join(parts)


def _encode_nat(nat: Nat) -> bytes:
    if not nat.kind:
        return b""
    parts = [attr(_NAT_KINDS[nat.kind])]
    for kind, address in ((_IP_MIN, nat.addr_min), (_IP_MAX, nat.addr_max)):
        if address is not None:
            parts.append(attr(kind, address.to_bytes(_ADDRESS_LEN[socket.AddressFamily(nat.proto)], "big")))
    for kind, port in ((_PROTO_MIN, nat.port_min), (_PROTO_MAX, nat.port_max)):
        if port is not None:
            parts.append(attr_u16(kind, port))
    flags = (
        (_PERSISTENT, nat.persistent),
        (_PROTO_HASH, nat.proto_hash),
        (_PROTO_RANDOM, nat.proto_random),
    )
    return b"".join((*parts, *(attr(kind) for kind, wanted in flags if wanted)))


def decode_ct(payload: bytes) -> Ct | None:
    """Read the payload of OVS_ACTION_ATTR_CT."""
    found = {kind: payload[start:stop] for kind, start, stop in attributes(payload)}
    if any(len(found.get(kind, bytes(size))) != size for kind, size in _SIZES) or found.keys() - _KNOWN:
        return None
    nat = _decode_nat(found[_NAT]) if _NAT in found else None
    if nat is None and _NAT in found:
        return None
    labels = found.get(_LABELS)
    return Ct(
        commit=_COMMIT in found or _FORCE_COMMIT in found,
        force=_FORCE_COMMIT in found,
        zone=_U16.unpack(found[_ZONE])[0] if _ZONE in found else 0,
        mark=_U32X2.unpack(found[_MARK]) if _MARK in found else None,
        labels=(int.from_bytes(labels[:16], "little"), int.from_bytes(labels[16:], "little"))
        if labels
        else None,
        helper=_text(found.get(_HELPER, b"")),
        nat=nat,
        eventmask=_U32.unpack(found[_EVENTMASK])[0] if _EVENTMASK in found else None,
        timeout=_text(found.get(_TIMEOUT, b"")),
    )


_SIZES: Final = (
    (_COMMIT, 0),
    (_ZONE, 2),
    (_MARK, 8),
    (_LABELS, 2 * _LABEL_LEN),
    (_FORCE_COMMIT, 0),
    (_EVENTMASK, 4),
)
_KNOWN: Final = frozenset(range(_COMMIT, _TIMEOUT + 1))


def _text(payload: bytes) -> str:
    return payload.split(b"\0", 1)[0].decode("utf-8", "replace")


def _decode_nat(payload: bytes) -> Nat | None:
    found = {kind: payload[start:stop] for kind, start, stop in attributes(payload)}
    if not found:
        return Nat()
    kinds = [name for name, kind in _NAT_KINDS.items() if kind in found]
    known = {*_NAT_KINDS.values(), *range(_IP_MIN, _PROTO_RANDOM + 1)}
    lengths = {len(found[kind]) for kind in (_IP_MIN, _IP_MAX) if kind in found} or {4}
    ports = [found[kind] for kind in (_PROTO_MIN, _PROTO_MAX) if kind in found]
    if len(kinds) != 1 or found.keys() - known or lengths not in ({4}, {16}):
        return None
    if any(len(port) != _U16.size for port in ports):
        return None
    return Nat(
        kind=kinds[0],
        proto=socket.AF_INET6 if lengths == {16} else socket.AF_INET,
        addr_min=_address(found.get(_IP_MIN)),
        addr_max=_address(found.get(_IP_MAX)),
        port_min=_port(found.get(_PROTO_MIN)),
        port_max=_port(found.get(_PROTO_MAX)),
        persistent=_PERSISTENT in found,
        proto_hash=_PROTO_HASH in found,
        proto_random=_PROTO_RANDOM in found,
    )


def _address(payload: bytes | None) -> int | None:
    return None if payload is None else int.from_bytes(payload, "big")


def _port(payload: bytes | None) -> int | None:
    return None if payload is None else int(_U16.unpack(payload)[0])
