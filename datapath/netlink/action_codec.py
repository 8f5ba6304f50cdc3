"""Actions ↔ OVS_ACTION_ATTR_* attributes.

Rule: pure. What this program does not know comes back as Opaque with its bytes, so reading a flow and
writing it again changes nothing. In SetFields, eth_type and ip_proto of the value name the header where the
fields alone do not: IPv6 addresses that are all zero, or ports of TCP, UDP or SCTP.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from struct import Struct
from typing import Any, Final

from datapath.actions import (
    Action,
    Actions,
    AddMpls,
    CheckPktLen,
    Clone,
    Ct,
    CtClear,
    DecTtl,
    Hash,
    Meter,
    Opaque,
    Output,
    PopEth,
    PopMpls,
    PopNsh,
    PopVlan,
    PushEth,
    PushMpls,
    PushNsh,
    PushVlan,
    Recirc,
    Sample,
    SetFields,
    SetTunnel,
    Trunc,
    Userspace,
)
from datapath.netlink import key_encode, uapi
from datapath.netlink.attrs import NetlinkFormatError, attr, attr_u16, attr_u32, attributes, nested
from datapath.netlink.ct_action_codec import decode_ct, encode_ct
from datapath.netlink.key_decode import decode_mask
from datapath.netlink.nsh_codec import decode_nsh, encode_nsh
from datapath.netlink.tunnel_codec import (
    KNOWN_TUNNEL_ATTRIBUTES,
    TUNNEL_OPTIONS,
    decode_tunnel,
    encode_tunnel,
)
from datapath.packet.flowkey import NO_FIELDS, FlowKey, masked

_USERSPACE_PID, _USERSPACE_USERDATA, _USERSPACE_TUNNEL_PORT, _USERSPACE_ACTIONS = 1, 2, 3, 4
_SAMPLE_PROBABILITY, _SAMPLE_ACTIONS = 1, 2
_LENGTH, _IF_GREATER, _IF_LESS_EQUAL = 1, 2, 3  # OVS_CHECK_PKT_LEN_ATTR_*
_EXPIRED = 1  # OVS_DEC_TTL_ATTR_ACTION
_U16, _U16X2 = Struct(">H"), Struct(">HH")
_MPLS = Struct(
    ">IH"
)  # struct ovs_action_push_mpls without its padding; flags in host order follow in ADD_MPLS
_OUTPUT = Struct("=HHI")
_HOST_U16, _HOST_U32, _HOST_U32X2 = Struct("=H"), Struct("=I"), Struct("=II")
_MAX_DEPTH = 16  # of actions within actions, as the kernel has it

_Encoder = Callable[[FlowKey], bytes]
_Decoder = Callable[[bytes], "Action | None"]


def _field(field: str) -> _Encoder:
    return lambda key: _HOST_U32.pack(getattr(key, field))


# Headers whose attribute follows from the fields alone: attribute, fields, layout.
_SETTABLE: Final[tuple[tuple[int, tuple[str, ...], _Encoder], ...]] = (
    (uapi.OVS_KEY_PRIORITY, ("priority",), _field("priority")),
    (uapi.OVS_KEY_SKB_MARK, ("skb_mark",), _field("skb_mark")),
    (uapi.OVS_KEY_CT_MARK, ("ct_mark",), _field("ct_mark")),
    (uapi.OVS_KEY_CT_LABELS, ("ct_labels",), lambda key: key.ct_labels.to_bytes(16, "little")),
    (uapi.OVS_KEY_ETHERNET, ("eth_src", "eth_dst"), key_encode.ethernet_payload),
    (uapi.OVS_KEY_ARP, ("arp_op", "arp_sip", "arp_tip", "arp_sha", "arp_tha"), key_encode.arp_payload),
    (uapi.OVS_KEY_ND, ("nd_target", "nd_sll", "nd_tll"), key_encode.nd_payload),
    (uapi.OVS_KEY_MPLS, ("mpls_lse0",), lambda key: key_encode.mpls_payload(key, 1)),
)
_NETWORK_FIELDS: Final = ("ip_src", "ip_dst", "ip_tos", "ip_ttl", "ipv6_label")
_TRANSPORT: Final[dict[int, tuple[int, _Encoder]]] = {
    uapi.IPPROTO_TCP: (uapi.OVS_KEY_TCP, key_encode.ports_payload),
    uapi.IPPROTO_UDP: (uapi.OVS_KEY_UDP, key_encode.ports_payload),
    uapi.IPPROTO_SCTP: (uapi.OVS_KEY_SCTP, key_encode.ports_payload),
    uapi.IPPROTO_ICMP: (uapi.OVS_KEY_ICMP, key_encode.icmp_payload),
    uapi.IPPROTO_ICMPV6: (uapi.OVS_KEY_ICMPV6, key_encode.icmp_payload),
}
# What a SET or SET_MASKED that was read says of the packets it is for, by its attribute: fields of `value`,
# not of `mask`.
_CONTEXT: Final[dict[int, dict[str, int]]] = {
    **{kind: {} for kind, _fields, _encode in _SETTABLE},
    uapi.OVS_KEY_IPV4: {"eth_type": uapi.ETH_P_IP},
    uapi.OVS_KEY_IPV6: {"eth_type": uapi.ETH_P_IPV6},
    **{kind: {"ip_proto": proto} for proto, (kind, _encode) in _TRANSPORT.items()},
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
    if isinstance(action, SetFields):
        return b"".join(_encode_fields(action.value, action.mask))
    if isinstance(action, Opaque):
        return attr(action.type, action.payload)
    kind, payload = _PAYLOADS[type(action)]
    return attr(kind, payload(action))


def _userspace(action: Userspace) -> bytes:
    parts = [attr_u32(_USERSPACE_PID, action.pid)]
    if action.userdata:
        parts.append(attr(_USERSPACE_USERDATA, action.userdata))
    if action.tunnel_port is not None:
        parts.append(attr_u32(_USERSPACE_TUNNEL_PORT, action.tunnel_port))
    if action.actions:
        parts.append(attr(_USERSPACE_ACTIONS))
    return b"".join(parts)


def _set_tunnel(action: SetTunnel) -> bytes:
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
        action.options,
    )
    return nested(uapi.OVS_KEY_TUNNEL, tunnel)


def _push_eth(action: PushEth) -> bytes:
    return action.src.to_bytes(6, "big") + action.dst.to_bytes(6, "big")


def _sample(action: Sample) -> bytes:
    actions = nested(_SAMPLE_ACTIONS, encode_actions(action.actions))
    return attr_u32(_SAMPLE_PROBABILITY, action.probability) + actions


def _check_pkt_len(action: CheckPktLen) -> bytes:
    return (
        attr_u16(_LENGTH, action.length)
        + nested(_IF_GREATER, encode_actions(action.greater))
        + nested(_IF_LESS_EQUAL, encode_actions(action.less_equal))
    )


def _empty(_action: object) -> bytes:
    return b""


# The attribute of each kind of action, and what makes its payload.
_PAYLOADS: Final[dict[type, tuple[int, Callable[[Any], bytes]]]] = {
    Output: (uapi.OVS_ACTION_OUTPUT, lambda action: _HOST_U32.pack(action.port)),
    Userspace: (uapi.OVS_ACTION_USERSPACE, _userspace),
    SetTunnel: (uapi.OVS_ACTION_SET, _set_tunnel),
    PushVlan: (uapi.OVS_ACTION_PUSH_VLAN, lambda action: _U16X2.pack(action.tpid, action.tci)),
    PopVlan: (uapi.OVS_ACTION_POP_VLAN, _empty),
    Sample: (uapi.OVS_ACTION_SAMPLE, _sample),
    Recirc: (uapi.OVS_ACTION_RECIRC, lambda action: _HOST_U32.pack(action.recirc_id)),
    Hash: (uapi.OVS_ACTION_HASH, lambda action: _HOST_U32X2.pack(action.algorithm, action.basis)),
    PushMpls: (
        uapi.OVS_ACTION_PUSH_MPLS,
        lambda action: _MPLS.pack(action.lse, action.eth_type) + bytes(2),
    ),
    PopMpls: (uapi.OVS_ACTION_POP_MPLS, lambda action: _U16.pack(action.eth_type)),
    Ct: (uapi.OVS_ACTION_CT, encode_ct),
    Trunc: (uapi.OVS_ACTION_TRUNC, lambda action: _HOST_U32.pack(action.max_len)),
    PushEth: (uapi.OVS_ACTION_PUSH_ETH, _push_eth),
    PopEth: (uapi.OVS_ACTION_POP_ETH, _empty),
    CtClear: (uapi.OVS_ACTION_CT_CLEAR, _empty),
    PushNsh: (uapi.OVS_ACTION_PUSH_NSH, encode_nsh),
    PopNsh: (uapi.OVS_ACTION_POP_NSH, _empty),
    Meter: (uapi.OVS_ACTION_METER, lambda action: _HOST_U32.pack(action.id)),
    Clone: (uapi.OVS_ACTION_CLONE, lambda action: encode_actions(action.actions)),
    CheckPktLen: (uapi.OVS_ACTION_CHECK_PKT_LEN, _check_pkt_len),
    AddMpls: (
        uapi.OVS_ACTION_ADD_MPLS,
        lambda action: _MPLS.pack(action.lse, action.eth_type) + _HOST_U16.pack(action.flags),
    ),
    DecTtl: (
        uapi.OVS_ACTION_DEC_TTL,
        lambda action: nested(_EXPIRED, encode_actions(action.expired)),
    ),
}


def _encode_fields(value: FlowKey, mask: FlowKey) -> Iterable[bytes]:
    """Encode one SET_MASKED for each header that `mask` has bits in: value and mask side by side."""
    given = masked(value, mask)
    for kind, fields, encode in _SETTABLE:
        if any(getattr(mask, field) for field in fields):
            yield _set_masked(kind, encode(given) + encode(mask))
    if any(getattr(mask, field) for field in _NETWORK_FIELDS):
        yield _set_network(value, given, mask)
    if (mask.tp_src or mask.tp_dst) and value.ip_proto in _TRANSPORT:
        kind, encode = _TRANSPORT[value.ip_proto]
        yield _set_masked(kind, encode(given) + encode(mask))


def _set_network(value: FlowKey, given: FlowKey, mask: FlowKey) -> bytes:
    """Encode the change of an IP header. Protocol and fragment may stand in a SET alone, to be compared."""
    kind, encode = uapi.OVS_KEY_IPV4, key_encode.ipv4_payload
    if value.eth_type == uapi.ETH_P_IPV6 or mask.ipv6_label:
        kind, encode = uapi.OVS_KEY_IPV6, key_encode.ipv6_payload
    if mask.ip_proto and mask.ip_frag:
        return nested(uapi.OVS_ACTION_SET, attr(kind, encode(value)))
    return _set_masked(kind, encode(given) + encode(mask))


def _set_masked(kind: int, payload: bytes) -> bytes:
    return nested(uapi.OVS_ACTION_SET_MASKED, attr(kind, payload))


def decode_actions(data: bytes, at: int = 0, end: int | None = None, depth: int = 0) -> Actions:
    """Read actions, `depth` others around them; NetlinkFormatError where the bytes hold no attributes."""
    return tuple(_decode(kind, data[start:stop], depth) for kind, start, stop in attributes(data, at, end))


def _decode(kind: int, payload: bytes, depth: int) -> Action:
    action: Action | None = None
    with contextlib.suppress(NetlinkFormatError):
        if decoder := _DECODERS.get(kind):
            action = decoder(payload)
        elif depth < _MAX_DEPTH and (nested_decoder := _NESTED_DECODERS.get(kind)):
            action = nested_decoder(payload, depth + 1)
    return Opaque(kind, payload) if action is None else action


def _word(make: Callable[[int], Action]) -> _Decoder:
    return lambda payload: make(_HOST_U32.unpack(payload)[0]) if len(payload) == 4 else None


def _nothing(action: Action) -> _Decoder:
    return lambda payload: None if payload else action


def _decode_userspace(payload: bytes) -> Userspace | None:
    found = {kind: payload[start:stop] for kind, start, stop in attributes(payload)}
    pid, tunnel_port = found.pop(_USERSPACE_PID, b""), found.pop(_USERSPACE_TUNNEL_PORT, None)
    userdata = found.pop(_USERSPACE_USERDATA, b"")
    actions = found.pop(_USERSPACE_ACTIONS, None)
    if len(pid) != 4 or found or actions or (tunnel_port is not None and len(tunnel_port) != 4):
        return None
    port = None if tunnel_port is None else _HOST_U32.unpack(tunnel_port)[0]
    return Userspace(_HOST_U32.unpack(pid)[0], userdata, port, actions is not None)


def _decode_hash(payload: bytes) -> Hash | None:
    return Hash(*_HOST_U32X2.unpack(payload)) if len(payload) == 8 else None


def _decode_push_vlan(payload: bytes) -> PushVlan | None:
    return PushVlan(*_U16X2.unpack(payload)) if len(payload) == 4 else None


def _decode_push_mpls(payload: bytes) -> PushMpls | None:
    return PushMpls(*_MPLS.unpack_from(payload)) if len(payload) == 8 else None


def _decode_add_mpls(payload: bytes) -> AddMpls | None:
    if len(payload) != 8:
        return None
    return AddMpls(*_MPLS.unpack_from(payload), *_HOST_U16.unpack_from(payload, 6))


def _decode_pop_mpls(payload: bytes) -> PopMpls | None:
    return PopMpls(*_U16.unpack(payload)) if len(payload) == 2 else None


def _decode_push_eth(payload: bytes) -> PushEth | None:
    if len(payload) != 12:
        return None
    return PushEth(int.from_bytes(payload[:6], "big"), int.from_bytes(payload[6:], "big"))


def _decode_sample(payload: bytes, depth: int) -> Sample | None:
    found = {kind: payload[start:stop] for kind, start, stop in attributes(payload)}
    probability = found.pop(_SAMPLE_PROBABILITY, b"")
    actions = found.pop(_SAMPLE_ACTIONS, None)
    if len(probability) != 4 or actions is None or found:
        return None
    return Sample(_HOST_U32.unpack(probability)[0], decode_actions(actions, depth=depth))


def _decode_check_pkt_len(payload: bytes, depth: int) -> CheckPktLen | None:
    found = {kind: payload[start:stop] for kind, start, stop in attributes(payload)}
    length = found.get(_LENGTH, b"")
    if len(length) != 2 or found.keys() != {_LENGTH, _IF_GREATER, _IF_LESS_EQUAL}:
        return None
    return CheckPktLen(
        _HOST_U16.unpack(length)[0],
        decode_actions(found[_IF_GREATER], depth=depth),
        decode_actions(found[_IF_LESS_EQUAL], depth=depth),
    )


def _decode_dec_ttl(payload: bytes, depth: int) -> DecTtl | None:
    listed = list(attributes(payload))
    if len(listed) != 1 or listed[0][0] != _EXPIRED:
        return None
    return DecTtl(decode_actions(payload, *listed[0][1:], depth))


def _decode_set(payload: bytes) -> SetTunnel | SetFields | None:
    """Read a SET, whose payload is a value without a mask."""
    listed = list(attributes(payload))
    if len(listed) != 1:
        return None
    kind, start, stop = listed[0]
    if kind != uapi.OVS_KEY_TUNNEL:
        return _fields_of(kind, payload[start:stop], bytes([0xFF]) * (stop - start))
    inner = list(attributes(payload, start, stop))
    if any(kind not in KNOWN_TUNNEL_ATTRIBUTES and kind not in TUNNEL_OPTIONS for kind, _at, _end in inner):
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
        options=tuple((kind, payload[at:end]) for kind, at, end in inner if kind in TUNNEL_OPTIONS),
    )


def _decode_fields(payload: bytes) -> SetFields | None:
    """Read a SET_MASKED: value and mask side by side."""
    listed = list(attributes(payload))
    if len(listed) != 1:
        return None
    kind, start, stop = listed[0]
    half = (start + stop) // 2
    return _fields_of(kind, payload[start:half], payload[half:stop])


def _fields_of(kind: int, value_bytes: bytes, mask_bytes: bytes) -> SetFields | None:
    if kind not in _CONTEXT:
        return None
    value, mask = (
        decode_mask(attr(kind, octets))._replace(eth_type=0) for octets in (value_bytes, mask_bytes)
    )
    return SetFields(value._replace(**_CONTEXT[kind]), mask)


_DECODERS: Final[dict[int, _Decoder]] = {
    uapi.OVS_ACTION_OUTPUT: _word(Output),
    uapi.OVS_ACTION_USERSPACE: _decode_userspace,
    uapi.OVS_ACTION_SET: _decode_set,
    uapi.OVS_ACTION_PUSH_VLAN: _decode_push_vlan,
    uapi.OVS_ACTION_POP_VLAN: _nothing(PopVlan()),
    uapi.OVS_ACTION_RECIRC: _word(Recirc),
    uapi.OVS_ACTION_HASH: _decode_hash,
    uapi.OVS_ACTION_PUSH_MPLS: _decode_push_mpls,
    uapi.OVS_ACTION_POP_MPLS: _decode_pop_mpls,
    uapi.OVS_ACTION_SET_MASKED: _decode_fields,
    uapi.OVS_ACTION_CT: decode_ct,
    uapi.OVS_ACTION_TRUNC: _word(Trunc),
    uapi.OVS_ACTION_PUSH_ETH: _decode_push_eth,
    uapi.OVS_ACTION_POP_ETH: _nothing(PopEth()),
    uapi.OVS_ACTION_CT_CLEAR: _nothing(CtClear()),
    uapi.OVS_ACTION_PUSH_NSH: decode_nsh,
    uapi.OVS_ACTION_POP_NSH: _nothing(PopNsh()),
    uapi.OVS_ACTION_METER: _word(Meter),
    uapi.OVS_ACTION_ADD_MPLS: _decode_add_mpls,
}
_NESTED_DECODERS: Final[dict[int, Callable[[bytes, int], Action | None]]] = {
    uapi.OVS_ACTION_SAMPLE: _decode_sample,
    uapi.OVS_ACTION_CLONE: lambda payload, depth: Clone(decode_actions(payload, depth=depth)),
    uapi.OVS_ACTION_CHECK_PKT_LEN: _decode_check_pkt_len,
    uapi.OVS_ACTION_DEC_TTL: _decode_dec_ttl,
}
