"""Deliveries → the actions of a datapath.

Rule: pure. The packet is changed as little as the order of the deliveries allows; bits of the packet that an
action depends on are in the Walk's mask.
"""

from __future__ import annotations

from datapath.actions import (
    Action,
    Actions,
    Clone,
    Hash,
    Output,
    PopVlan,
    PushVlan,
    Recirc,
    SetFields,
    SetTunnel,
    Trunc,
)
from datapath.packet.flowkey import FlowKey
from switching.switch import SwitchPort
from switching.tunnel import cannot_send, outer_header
from switching.vlan import Tags, tags_of
from switching.walk import Walk

_MARK = FlowKey(skb_mark=0xFFFFFFFF)


def emit(walk: Walk) -> Actions:
    """Return the actions for what a walk has collected."""
    if not walk.deliveries:
        return ()
    key = walk.key
    actions: list[Action] = list(walk.before)
    mark = key.skb_mark
    current = tags_of(key, walk.switch.vlan_limit)
    outer: SetTunnel | None = None
    for port, dp_port, tags, snaplen, may_return, recirc_id, basis in walk.deliveries:
        if port.tunnel is not None:
            if reason := cannot_send(port.tunnel):
                walk.say(f"port {port.name} has {reason}")
                continue
            header = outer_header(port.tunnel, key)
            if header.tos_mask or header.ttl_mask:
                walk.look(FlowKey(ip_tos=header.tos_mask, ip_ttl=header.ttl_mask))
            if header.action != outer:
                outer = header.action
                actions.append(outer)
        elif dp_port == key.in_port and not may_return:
            continue  # over patch ports back to the device it came from: the kernel would drop it too
        wanted = _mark_of(walk, port)
        if wanted != mark:
            mark = wanted
            actions.append(SetFields(FlowKey(skb_mark=mark), _MARK))
        if tags != current:
            _change_tags(current, tags, actions)
            current = tags
        if recirc_id:
            again = (Hash(basis=basis), Recirc(recirc_id))
            # A Trunc holds until the next Output: here that would be one of another delivery.
            actions += (Clone((Trunc(snaplen), *again)),) if snaplen else again
            continue
        if snaplen:
            actions.append(Trunc(snaplen))
        actions.append(Output(dp_port))
    return tuple(actions)


def _mark_of(walk: Walk, port: SwitchPort) -> int:
    """Return the mark that a copy leaves with: the packet's own, or that of a tunnel's outer packets."""
    if port.tunnel is None or port.tunnel.mark is None:
        return walk.key.skb_mark
    walk.look(_MARK)
    return port.tunnel.mark


def _change_tags(current: Tags, wanted: Tags, actions: list[Action]) -> None:
    """Take tags away until what is left is what the wanted ones end with, and put the others in front."""
    kept = 0
    while kept < min(len(current), len(wanted)) and current[-1 - kept] == wanted[-1 - kept]:
        kept += 1
    actions += [PopVlan()] * (len(current) - kept)
    for tag in reversed(wanted[: len(wanted) - kept]):
        actions.append(PushVlan(tag >> 16, tag & 0xFFFF))
