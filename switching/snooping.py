"""Multicast snooping: to which ports a multicast packet goes on a bridge that listens to IGMP and MLD.

Rule: pure. Messages of these protocols are decided one by one, since what is in them changes the group table;
everything else looks at the table, and its flow is translated again when that answers differently.
Source: RFC 4541; ovs-vswitchd.conf.db(5), "Multicast Snooping".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from datapath.packet.flowkey import FlowKey
from datapath.packet.headers import ETH_BROADCAST, ETH_TYPE_IP, ETH_TYPE_IPV6, IPPROTO_ICMPV6
from switching.group_table import GroupPlace, GroupTable, RouterPlace, Snooping
from switching.membership import IPPROTO_IGMP, MLD_TYPES, V4_MAPPED, Kind, Message, mld_kind, parse_message
from switching.state import GroupJoined, GroupLeft, RouterHeard
from switching.switch import SwitchPort
from switching.vlan import Classified
from switching.walk import Walk

_LOCAL4, _LOCAL4_BITS = 0xE0000000, 8  # 224.0.0.0/24, which is for the link alone
_ALL_NODES: Final = 0xFF02 << 112 | 1
_PROTOCOL: Final = FlowKey(ip_proto=0xFF)
_ICMP_TYPE: Final = FlowKey(ip_proto=0xFF, tp_src=0xFFFF)
_DESTINATION4: Final = FlowKey(ip_dst=(1 << 32) - 1)
_DESTINATION6: Final = FlowKey(ip_dst=(1 << 128) - 1)


def receivers(walk: Walk, snooping: Snooping, port: SwitchPort, frame: Classified) -> list[SwitchPort] | None:
    """Return the ports that get a packet to a group address; None: all that carry the VLAN."""
    key = walk.key
    if key.eth_type not in (ETH_TYPE_IP, ETH_TYPE_IPV6) or key.eth_dst == ETH_BROADCAST:
        return None
    table = walk.state.groups.get(port.bridge)
    if table is None:
        return None
    message = _message(walk)
    if message is not None:
        return _obey(walk, snooping, table, message, port, frame.vlan)
    is_ipv4 = key.eth_type == ETH_TYPE_IP
    walk.look(_DESTINATION4 if is_ipv4 else _DESTINATION6)
    if key.ip_dst >> _LOCAL4_BITS == _LOCAL4 >> _LOCAL4_BITS if is_ipv4 else key.ip_dst == _ALL_NODES:
        walk.say("a group of the link alone")
        return None
    return _subscribers(
        walk, snooping, table, V4_MAPPED | key.ip_dst if is_ipv4 else key.ip_dst, port, frame.vlan
    )


def _message(walk: Walk) -> Message | None:
    """Return the IGMP or MLD message that the packet is, if it is one."""
    key = walk.key
    if key.eth_type == ETH_TYPE_IP:
        walk.look(_PROTOCOL)
        if key.ip_proto != IPPROTO_IGMP:
            return None
        walk.is_slow = True
        return parse_message(walk.packet)
    if key.ip_proto != IPPROTO_ICMPV6:
        walk.look(_PROTOCOL)
        return None
    walk.look(_ICMP_TYPE)
    if key.tp_src not in MLD_TYPES:
        return None
    walk.is_slow = True
    return parse_message(walk.packet)._replace(kind=mld_kind(key.tp_src))


def _obey(
    walk: Walk, snooping: Snooping, table: GroupTable, message: Message, port: SwitchPort, vlan: int
) -> list[SwitchPort] | None:
    """Note what a message says. Reports go to routers: hosts that hear one another's suppress their own."""
    if port.name not in snooping.flood_ports:
        for group, joins in message.changes:
            if joins:
                walk.effects.append(GroupJoined(port.bridge, vlan, group, port.name))
            elif port.name not in snooping.report_ports:  # there may be more hosts behind it: it ages
                walk.effects.append(GroupLeft(port.bridge, vlan, group, port.name))
        if message.has_source:
            walk.effects.append(RouterHeard(port.bridge, vlan, port.name))
    if message.kind is not Kind.REPORT:
        return None
    walk.say("a report about groups: to routers")
    return _ports(walk, port, (*table.routers(vlan), *snooping.report_ports))


def _subscribers(
    walk: Walk, snooping: Snooping, table: GroupTable, group: int, port: SwitchPort, vlan: int
) -> list[SwitchPort] | None:
    walk.places.append(GroupPlace(port.bridge, vlan, group))
    members = table.members(vlan, group)
    if members is None and snooping.flood_unregistered:
        walk.say("nobody has joined the group")
        return None
    walk.places.append(RouterPlace(port.bridge, vlan))
    walk.say("to those that have joined the group, and to routers")
    return _ports(walk, port, (*(members or ()), *table.routers(vlan), *snooping.flood_ports))


def _ports(walk: Walk, port: SwitchPort, names: Iterable[str]) -> list[SwitchPort]:
    """Look ports of the bridge up, each once, in the order in which a flood takes them."""
    wanted = frozenset(names)
    return [to for to in walk.switch.bridges[port.bridge].ports if to.name in wanted and to is not port]
