"""Deliveries → the actions of a datapath.

Rule: pure. The packet is changed as little as the order of the deliveries allows; bits of the packet that an
action depends on are in the Walk's mask.
"""

from __future__ import annotations

from datapath.actions import Action, Actions, Hash, Output, PopVlan, PushVlan, Recirc, SetTunnel, Trunc
from datapath.packet.flowkey import FlowKey
from switching.tunnel import can_send, outer_header
from switching.vlan import Tags, tags_of
from switching.walk import Walk


def emit(walk: Walk) -> Actions:
    """Return the actions for what a walk has collected."""
    key = walk.key
    actions: list[Action] = []
    current = tags_of(key, walk.switch.vlan_limit)
    outer: SetTunnel | None = None
    for port, dp_port, tags, snaplen, may_return, recirc_id, basis in walk.deliveries:
        if port.tunnel is not None:
            if not can_send(port.tunnel):
                walk.say(f"port {port.name} has no remote address to send to")
                continue
            header = outer_header(port.tunnel, key)
            if header.tos_mask or header.ttl_mask:
                walk.look(FlowKey(ip_tos=header.tos_mask, ip_ttl=header.ttl_mask))
            if header.action != outer:
                outer = header.action
                actions.append(outer)
        elif dp_port == key.in_port and not may_return:
            continue  # over patch ports back to the device it came from: the kernel would drop it too
        if tags != current:
            _change_tags(current, tags, actions)
            current = tags
        if snaplen:
            actions.append(Trunc(snaplen))
        if recirc_id:
            actions += [Hash(basis=basis), Recirc(recirc_id)]
        else:
            actions.append(Output(dp_port))
    return tuple(actions)


def _change_tags(current: Tags, wanted: Tags, actions: list[Action]) -> None:
    """Take tags away until what is left is what the wanted ones end with, and put the others in front."""
    kept = 0
    while kept < min(len(current), len(wanted)) and current[-1 - kept] == wanted[-1 - kept]:
        kept += 1
    actions += [PopVlan()] * (len(current) - kept)
    for tag in reversed(wanted[: len(wanted) - kept]):
        actions.append(PushVlan(tag >> 16, tag & 0xFFFF))
