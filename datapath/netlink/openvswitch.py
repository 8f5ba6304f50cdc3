"""The messages of the families ovs_datapath, ovs_vport, ovs_flow and ovs_packet (linux/openvswitch.h).

Rule: pure. A request is a body behind the netlink header; an answer becomes a value of the provider's
vocabulary or NetlinkFormatError. The two that go out for every unknown packet are built whole, header
included.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from datapath.actions import Actions
from datapath.netlink import attrs, uapi
from datapath.netlink.action_codec import decode_actions, encode_actions
from datapath.netlink.key_decode import decode_key, decode_mask
from datapath.netlink.key_encode import encode_key, encode_mask, encode_metadata, shape_of
from datapath.packet.flowkey import NO_FIELDS, FlowKey
from datapath.provider import (
    DatapathStats,
    Execute,
    Flow,
    FlowPut,
    FlowStats,
    Upcall,
    UpcallKind,
    Vport,
    VportSpec,
    VportStats,
    tunnel_port_of,
)

CMD_NEW, CMD_DEL, CMD_GET, CMD_SET = 1, 2, 3, 4  # of datapaths, vports and flows
DATAPATH_VERSION: Final = 2  # 1 would reset the features of a datapath that is there
OTHER_VERSION: Final = 1

FEATURE_UNALIGNED: Final = 1
FEATURE_PER_CPU: Final = 8
FEATURES: Final = FEATURE_UNALIGNED | FEATURE_PER_CPU  # a SET without them switches them off

_HEADER = Struct("=BBHi")  # command, version, reserved, dp_ifindex
_HEADER_LEN = 8

_DP_NAME, _DP_UPCALL_PID, _DP_USER_FEATURES, _DP_MASKS_CACHE_SIZE, _DP_PER_CPU_PIDS = 1, 2, 5, 7, 8
_DATAPATH: attrs.Policy = {
    _DP_NAME: attrs.text("name"),
    3: attrs.u64s("stats", 4),
    4: attrs.raw("megaflow_stats"),
    _DP_MASKS_CACHE_SIZE: attrs.u32("masks_cache_size"),
}
_MEGAFLOW_STATS = Struct("=QIxxxxQ")  # an older kernel sends no cache_hit, but the room for it

_VPORT_PORT_NO, _VPORT_TYPE, _VPORT_NAME, _VPORT_OPTIONS, _VPORT_UPCALL_PID = 1, 2, 3, 4, 5
_VPORT: attrs.Policy = {
    _VPORT_PORT_NO: attrs.u32("port_no"),
    _VPORT_TYPE: attrs.u32("type"),
    _VPORT_NAME: attrs.text("name"),
    _VPORT_OPTIONS: attrs.raw("options"),
    6: attrs.u64s("stats", 8),
    8: attrs.u32("ifindex"),
}
_TUNNEL_OPTIONS: attrs.Policy = {1: attrs.u16("dst_port")}
TYPE_NETDEV, TYPE_INTERNAL = 1, 2
_KIND_OF_TYPE: Final = {TYPE_NETDEV: "system", TYPE_INTERNAL: "internal", 3: "gre", 4: "vxlan", 5: "geneve"}

_FLOW_KEY, _FLOW_ACTIONS, _FLOW_STATS, _FLOW_TCP_FLAGS, _FLOW_USED = 1, 2, 3, 4, 5
_FLOW_MASK, _FLOW_UFID, _FLOW_UFID_FLAGS = 7, 9, 10
_OMIT_ALL: Final = 7  # of key, mask and actions in a dump
_FLOW_COUNTERS = Struct("=QQ")
_U64 = Struct("=Q")

_PACKET_PACKET, _PACKET_KEY, _PACKET_ACTIONS, _PACKET_USERDATA, _PACKET_HASH = 1, 2, 3, 4, 11
_MESSAGE = Struct("=IHHIIBBHi")  # the netlink header and ours in one
_MESSAGE_WITH_UFID = Struct("=IHHIIBBHiHH16s")
_HASH = Struct("=HHQ")
_NLM_REQUEST, _NLM_CREATE = 1, 0x400
_UPCALL_KINDS: Final = {
    uapi.OVS_PACKET_CMD_MISS: UpcallKind.MISS,
    uapi.OVS_PACKET_CMD_ACTION: UpcallKind.ACTION,
}


class DatapathInfo(NamedTuple):
    """What the kernel says of a datapath."""

    ifindex: int  # of its local port; numbers the datapath in every request
    name: str
    stats: DatapathStats


def datapath_request(
    command: int,
    ifindex: int = 0,
    name: str = "",
    pids: tuple[int, ...] | None = None,
    masks_cache_size: int | None = None,
) -> bytes:
    """Ask for, make, change or remove a datapath; `pids` are the upcall sockets by CPU."""
    body = _HEADER.pack(command, DATAPATH_VERSION, 0, ifindex)
    if name:
        body += attrs.attr_text(_DP_NAME, name)
    if command == CMD_NEW:
        body += attrs.attr_u32(_DP_UPCALL_PID, 0)
    if command in (CMD_NEW, CMD_SET):
        body += attrs.attr_u32(_DP_USER_FEATURES, FEATURES)
    if pids is not None:
        body += attrs.attr(_DP_PER_CPU_PIDS, Struct(f"={len(pids)}I").pack(*pids))
    if masks_cache_size is not None:
        body += attrs.attr_u32(_DP_MASKS_CACHE_SIZE, masks_cache_size)
    return body


def parse_datapath(body: bytes) -> DatapathInfo:
    """Read a datapath."""
    values = attrs.parse(body, _DATAPATH, "datapath", _HEADER_LEN)
    megaflow = values.octets("megaflow_stats")
    mask_hit, masks, cache_hit = (
        _MEGAFLOW_STATS.unpack_from(megaflow) if len(megaflow) >= _MEGAFLOW_STATS.size else (0, 0, 0)
    )
    hit, missed, lost, flows = values.numbers("stats", (0, 0, 0, 0))
    cache_size = values.integer("masks_cache_size") if "masks_cache_size" in values else None
    stats = DatapathStats(hit, missed, lost, flows, mask_hit, masks, cache_hit, cache_size)
    return DatapathInfo(_ifindex(body), values.string("name"), stats)


def _ifindex(body: bytes) -> int:
    if len(body) < _HEADER_LEN:
        raise attrs.NetlinkFormatError(f"message of {len(body)} bytes")
    ifindex: int = _HEADER.unpack_from(body)[3]
    return ifindex


def vport_request(command: int, ifindex: int, *, port_no: int | None = None, name: str = "") -> bytes:
    """Ask for or remove ports: one by number or name, or, in a dump, all."""
    body = _HEADER.pack(command, OTHER_VERSION, 0, ifindex)
    if port_no is not None:
        body += attrs.attr_u32(_VPORT_PORT_NO, port_no)
    if name:
        body += attrs.attr_text(_VPORT_NAME, name)
    return body


def vport_new(ifindex: int, spec: VportSpec) -> bytes:
    """Attach a network device that is there, or make an internal one."""
    body = _HEADER.pack(CMD_NEW, OTHER_VERSION, 0, ifindex)
    body += attrs.attr_u32(_VPORT_TYPE, TYPE_INTERNAL if spec.kind == "internal" else TYPE_NETDEV)
    body += attrs.attr_text(_VPORT_NAME, spec.name)
    body += attrs.attr_u32(_VPORT_UPCALL_PID, 0)  # nobody: upcalls go by CPU
    if spec.port_no is not None:
        body += attrs.attr_u32(_VPORT_PORT_NO, spec.port_no)
    return body


class VportInfo(NamedTuple):
    """What the kernel says of a port."""

    datapath: int  # ifindex of its datapath
    own_device: bool  # the device is the kernel module's own: it goes when the port goes
    vport: Vport


def parse_vport(body: bytes) -> VportInfo:
    """Read a port. The device of a tunnel is told by its name, as tunnel_vport_name() makes it."""
    values = attrs.parse(body, _VPORT, "vport", _HEADER_LEN)
    name, kind_number = values.string("name"), values.integer("type")
    kind = _KIND_OF_TYPE.get(kind_number, f"type{kind_number}")
    dst_port = attrs.parse(values.octets("options"), _TUNNEL_OPTIONS, "tunnel options").integer("dst_port", 0)
    if kind_number == TYPE_NETDEV:
        kind, dst_port = tunnel_port_of(name) or (kind, 0)
    vport = Vport(
        port_no=values.integer("port_no"),
        name=name,
        kind=kind,
        ifindex=values.integer("ifindex", 0),
        dst_port=dst_port,
        stats=VportStats(*values.numbers("stats", (0,) * 8)),
    )
    return VportInfo(_ifindex(body), kind_number != TYPE_NETDEV, vport)


def flow_request(
    command: int, ifindex: int, *, ufid: bytes = b"", key: FlowKey | None = None, terse: bool = False
) -> bytes:
    """Ask for or remove flows: one by `ufid`, or without one by `key`, or all."""
    body = _HEADER.pack(command, OTHER_VERSION, 0, ifindex)
    if ufid:
        body += attrs.attr(_FLOW_UFID, ufid)
    elif key is not None:
        body += attrs.attr(_FLOW_KEY, encode_key(key))
    if terse:
        body += attrs.attr_u32(_FLOW_UFID_FLAGS, _OMIT_ALL)
    return body


def flow_put_body(ifindex: int, put: FlowPut) -> bytes:
    """Ask to install or modify one flow."""
    command = CMD_SET if put.modify else CMD_NEW
    ufid = attrs.attr(_FLOW_UFID, put.ufid) if put.ufid else b""
    return _HEADER.pack(command, OTHER_VERSION, 0, ifindex) + ufid + _flow_content(put)


def _flow_content(put: FlowPut) -> bytes:
    return b"".join(
        (
            attrs.attr(_FLOW_KEY, put.wire_key or encode_key(put.key)),
            attrs.attr(_FLOW_MASK, encode_mask(put.mask, shape_of(put.key))),
            attrs.attr(_FLOW_ACTIONS, encode_actions(put.actions)),
        )
    )


def flow_put_message(family: int, ifindex: int, put: FlowPut) -> bytes:
    """Build the whole message that installs or modifies a flow, unacknowledged."""
    if len(put.ufid) != 16:
        body = flow_put_body(ifindex, put)
        flags = _NLM_REQUEST if put.modify else _NLM_REQUEST | _NLM_CREATE
        return Struct("=IHHII").pack(16 + len(body), family, flags, 0, 0) + body
    content = _flow_content(put)
    command, flags = (CMD_SET, _NLM_REQUEST) if put.modify else (CMD_NEW, _NLM_REQUEST | _NLM_CREATE)
    length = _MESSAGE_WITH_UFID.size + len(content)
    head = _MESSAGE_WITH_UFID.pack(
        length, family, flags, 0, 0, command, OTHER_VERSION, 0, ifindex, 20, _FLOW_UFID, put.ufid
    )
    return head + content


def flow_del_message(family: int, ifindex: int, ufid: bytes) -> bytes:
    """Build the whole message that removes a flow, unacknowledged."""
    body = flow_request(CMD_DEL, ifindex, ufid=ufid)
    return Struct("=IHHII").pack(16 + len(body), family, _NLM_REQUEST, 0, 0) + body


def parse_flow(body: bytes) -> Flow:
    """Read a flow, or what a terse dump leaves of it."""
    ufid, key, mask = b"", NO_FIELDS, NO_FIELDS
    actions: Actions = ()
    packets = octets = tcp_flags = 0
    used: float | None = None
    for kind, start, stop in attrs.attributes(body, _HEADER_LEN):
        if kind == _FLOW_UFID:
            ufid = body[start:stop]
        elif kind == _FLOW_STATS and stop - start >= _FLOW_COUNTERS.size:
            packets, octets = _FLOW_COUNTERS.unpack_from(body, start)
        elif kind == _FLOW_USED and stop - start >= _U64.size:
            used = _U64.unpack_from(body, start)[0] / 1000
        elif kind == _FLOW_TCP_FLAGS and stop > start:
            tcp_flags = body[start]
        elif kind == _FLOW_KEY:
            key = decode_key(body, start, stop)
        elif kind == _FLOW_MASK:
            mask = decode_mask(body, start, stop)
        elif kind == _FLOW_ACTIONS:
            actions = decode_actions(body, start, stop)
    return Flow(ufid, key, mask, actions, FlowStats(packets, octets, used, tcp_flags))


def execute_message(family: int, ifindex: int, execute: Execute) -> bytes:
    """Build the whole message that runs actions on a packet, unacknowledged."""
    parts = [
        b"",
        attrs.attr(_PACKET_PACKET, execute.packet),
        attrs.attr(_PACKET_KEY, execute.wire_key or encode_metadata(execute.key)),
        attrs.attr(_PACKET_ACTIONS, encode_actions(execute.actions)),
    ]
    if execute.hash is not None:
        parts.append(_HASH.pack(12, _PACKET_HASH, execute.hash))
    length = _MESSAGE.size + sum(map(len, parts))
    parts[0] = _MESSAGE.pack(
        length, family, _NLM_REQUEST, 0, 0, uapi.OVS_PACKET_CMD_EXECUTE, OTHER_VERSION, 0, ifindex
    )
    return b"".join(parts)


def parse_upcall(data: bytes, family: int) -> Upcall | None:
    """Read a datagram from an upcall socket; None where it holds something else, e.g. an error."""
    if len(data) < _MESSAGE.size:
        raise attrs.NetlinkFormatError(f"upcall of {len(data)} bytes")
    length, kind, _flags, _seq, _pid, command, _version, _zero, _ifindex = _MESSAGE.unpack_from(data)
    reason = _UPCALL_KINDS.get(command)
    if kind != family or reason is None:
        return None
    if length > len(data):
        raise attrs.NetlinkFormatError(f"upcall of {length} bytes in a datagram of {len(data)}")
    packet = userdata = wire_key = b""
    skb_hash: int | None = None
    at, unpack_header = _MESSAGE.size, attrs.HEADER.unpack_from
    while at + 4 <= length:  # attrs.attributes() as a loop: 2 us less
        size, attribute = unpack_header(data, at)
        stop = at + size
        if size < 4 or stop > length:
            raise attrs.NetlinkFormatError(f"upcall attribute of {size} bytes at {at} of {length}")
        if attribute == _PACKET_PACKET:
            packet = data[at + 4 : stop]
        elif attribute == _PACKET_KEY:
            wire_key = data[at + 4 : stop]
        elif attribute == _PACKET_HASH and size == 12:
            (skb_hash,) = _U64.unpack_from(data, at + 4)
        elif attribute == _PACKET_USERDATA:
            userdata = data[at + 4 : stop]
        at += size + 3 & ~3
    return Upcall(reason, decode_key(wire_key), packet, userdata, wire_key, skb_hash)
