"""Actions ↔ OVS_ACTION_ATTR_* attributes.

Rule: pure. What this program does not know comes back as Opaque with its bytes, so reading a flow and
writing it again changes nothing. In SetFields, eth_type and ip_proto of the value name the header where the
fields alone do not: IPv6 addresses that are all zero, or ports of TCP, UDP or SCTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct
from typing import Final

from datapath.actions import (
    Action,
    Actions,
    Opaque,
    Output,
    PopVlan,
    PushVlan,
    Recirc,
    SetFields,
    SetTunnel,
    Userspace,
)
from datapath.netlink import key_encode, uapi
from datapath.netlink.attrs import attr, attr_u32, attributes, nested
from datapath.netlink.key_decode import decode_mask
from datapath.netlink.tunnel_codec import KNOWN_TUNNEL_ATTRIBUTES, decode_tunnel, encode_tunnel
from datapath.packet.flowkey import NO_FIELDS, FlowKey, masked

_USERSPACE_PID, _USERSPACE_USERDATA = 1, 2
_U16X2 = Struct(">HH")
_OUTPUT = Struct("=HHI")
_HOST_U32 = Struct("=I")

_Encoder = Callable[[FlowKey], bytes]


def _word(field: str) -> _Encoder:
    return lambda key: _HOST_U32.pack(getattr(key, field))


# Headers whose attribute follows from the fields alone: attribute, fields, layout.
_SETTABLE: Final[tuple[tuple[int, tuple[str, ...], _Encoder], ...]] = (
    (uapi.OVS_KEY_PRIORITY, ("priority",), _word("priority")),
    (uapi.OVS_KEY_SKB_MARK, ("skb_mark",), _word("skb_mark")),
    (uapi.OVS_KEY_ETHERNET, ("eth_src", "eth_dst"), key_encode.ethernet_payload),
    (uapi.OVS_KEY_ARP, ("arp_op", "arp_sip", "arp_tip", "arp_sha", "arp_tha"), key_encode.arp_payload),
    (uapi.OVS_KEY_ND, ("nd_target", "nd_sll", "nd_tll"), key_encode.nd_payload),
)
_NETWORK_FIELDS: Final = ("ip_src", "ip_dst", "ip_tos", "ip_ttl", "ipv6_label")
_TRANSPORT: Final = {
    uapi.IPPROTO_TCP: uapi.OVS_KEY_TCP,
    uapi.IPPROTO_UDP: uapi.OVS_KEY_UDP,
    uapi.IPPROTO_SCTP: uapi.OVS_KEY_SCTP,
}
# What a SET_MASKED that was read says of the packets it is for, by its attribute: fields of `value`, not of
# `mask`.
_CONTEXT: Final[dict[int, dict[str, int]]] = {
    **{kind: {} for kind, _fields, _encode in _SETTABLE},
    uapi.OVS_KEY_IPV4: {"eth_type": uapi.ETH_P_IP},
    uapi.OVS_KEY_IPV6: {"eth_type": uapi.ETH_P_IPV6},
    **{kind: {"ip_proto": proto} for proto, kind in _TRANSPORT.items()},
}


def encode_actions(actions: Actions) -> bytes:
    """Encode actions, in order."""
    parts = []
    for action in actions:
        if type(action) is Output:  # nearly all are
            parts.append(_OUTPUT.pack(8, uapi.OVS_ACTION_OUTPUT, action.port))
        else:
            parts.append(_encode(action))
    return b"".join(parts)


def _encode(action: Action) -> bytes:
    match action:
        case Output(port):
            return attr_u32(uapi.OVS_ACTION_OUTPUT, port)
        case Userspace(pid, userdata):
            cookie = attr(_USERSPACE_USERDATA, userdata) if userdata else b""
            return nested(uapi.OVS_ACTION_USERSPACE, attr_u32(_USERSPACE_PID, pid), cookie)
        case SetTunnel():
            tunnel = encode_tunnel(
                action.proto,
                action.tun_id,
                action.src,
                action.dst,
                action.tos,
                action.ttl,
                action.flags,
                action.tp_src,
                action.tp_dst,
            )
            return nested(uapi.OVS_ACTION_SET, nested(uapi.OVS_KEY_TUNNEL, tunnel))
        case PushVlan(tpid, tci):
            return attr(uapi.OVS_ACTION_PUSH_VLAN, _U16X2.pack(tpid, tci))
        case PopVlan():
            return attr(uapi.OVS_ACTION_POP_VLAN)
        case SetFields(value, mask):
            return b"".join(_encode_fields(value, mask))
        case Recirc(recirc_id):
            return attr_u32(uapi.OVS_ACTION_RECIRC, recirc_id)
        case Opaque(kind, payload):
            return attr(kind, payload)


def _encode_fields(value: FlowKey, mask: FlowKey) -> Iterable[bytes]:
    """Encode one SET_MASKED for each header that `mask` has bits in: value and mask side by side."""
    given = masked(value, mask)
    for kind, fields, encode in _SETTABLE:
        if any(getattr(mask, field) for field in fields):
            yield _set_masked(kind, encode(given) + encode(mask))
    if any(getattr(mask, field) for field in _NETWORK_FIELDS):
        if value.eth_type == uapi.ETH_P_IPV6 or mask.ipv6_label:
            yield _set_masked(
                uapi.OVS_KEY_IPV6, key_encode.ipv6_payload(given) + key_encode.ipv6_payload(mask)
            )
        else:
            yield _set_masked(
                uapi.OVS_KEY_IPV4, key_encode.ipv4_payload(given) + key_encode.ipv4_payload(mask)
            )
    if (mask.tp_src or mask.tp_dst) and value.ip_proto in _TRANSPORT:
        kind = _TRANSPORT[value.ip_proto]
        yield _set_masked(kind, key_encode.ports_payload(given) + key_encode.ports_payload(mask))


def _set_masked(kind: int, payload: bytes) -> bytes:
    return nested(uapi.OVS_ACTION_SET_MASKED, attr(kind, payload))


def decode_actions(data: bytes, at: int = 0, end: int | None = None) -> Actions:
    """Read actions; NetlinkFormatError where the bytes hold no attributes."""
    return tuple(_decode(kind, data[start:stop]) for kind, start, stop in attributes(data, at, end))


def _decode(kind: int, payload: bytes) -> Action:
    action: Action | None = None
    if kind == uapi.OVS_ACTION_OUTPUT and len(payload) == 4:
        action = Output(_HOST_U32.unpack(payload)[0])
    elif kind == uapi.OVS_ACTION_RECIRC and len(payload) == 4:
        action = Recirc(_HOST_U32.unpack(payload)[0])
    elif kind == uapi.OVS_ACTION_PUSH_VLAN and len(payload) == 4:
        action = PushVlan(*_U16X2.unpack(payload))
    elif kind == uapi.OVS_ACTION_POP_VLAN and not payload:
        action = PopVlan()
    elif kind == uapi.OVS_ACTION_USERSPACE:
        action = _decode_userspace(payload)
    elif kind == uapi.OVS_ACTION_SET:
        action = _decode_tunnel(payload)
    elif kind == uapi.OVS_ACTION_SET_MASKED:
        action = _decode_fields(payload)
    return Opaque(kind, payload) if action is None else action


def _decode_userspace(payload: bytes) -> Userspace | None:
    found = {kind: payload[start:stop] for kind, start, stop in attributes(payload)}
    if len(found.pop(_USERSPACE_PID, b"")) != 4 or found.keys() - {_USERSPACE_USERDATA}:
        return None
    pid = next(payload[start:stop] for kind, start, stop in attributes(payload) if kind == _USERSPACE_PID)
    return Userspace(_HOST_U32.unpack(pid)[0], found.get(_USERSPACE_USERDATA, b""))


def _decode_tunnel(payload: bytes) -> SetTunnel | None:
    listed = list(attributes(payload))
    if len(listed) != 1 or listed[0][0] != uapi.OVS_KEY_TUNNEL:
        return None
    _kind, start, stop = listed[0]
    if any(kind not in KNOWN_TUNNEL_ATTRIBUTES for kind, _start, _stop in attributes(payload, start, stop)):
        return None
    values = list(NO_FIELDS)
    decode_tunnel(values, payload, start, stop)
    key = FlowKey._make(values)
    return SetTunnel(
        dst=key.tun_dst,
        src=key.tun_src,
        proto=key.tun_proto,
        tun_id=key.tun_id,
        tos=key.tun_tos,
        ttl=key.tun_ttl,
        flags=key.tun_flags,
        tp_src=key.tun_tp_src,
        tp_dst=key.tun_tp_dst,
    )


def _decode_fields(payload: bytes) -> SetFields | None:
    listed = list(attributes(payload))
    if len(listed) != 1 or listed[0][0] not in _CONTEXT:
        return None
    kind, start, stop = listed[0]
    half = (stop - start) // 2
    value, mask = (
        decode_mask(attr(kind, payload[at : at + half]))._replace(eth_type=0) for at in (start, start + half)
    )
    return SetFields(value._replace(**_CONTEXT[kind]), mask)
