"""Switching within a bridge as OpenFlow's NORMAL action does: learning, flooding within a VLAN, patch ports.

Rule: a packet never goes back to the port that it came from. This module decides to which ports of which
bridges it goes; what the actions for that are is emit's affair.
Source: IEEE 802.1D, 7.7; ovs-vswitchd.conf.db(5), Bridge and Port tables.
"""

from __future__ import annotations

from typing import Final

from datapath.packet.flowkey import FlowKey
from datapath.packet.headers import ETH_GROUP
from switching.bonding import leave, lock_arp, refusal
from switching.groups import RESERVED
from switching.mac_table import Place
from switching.mirroring import mirrored
from switching.snooping import receivers
from switching.state import Learned
from switching.switch import SwitchBridge, SwitchPort
from switching.vlan import Classified, Tags, carries, classify, describe_tags, tags_out
from switching.walk import Delivery, Walk

MAX_PATCHES: Final = 8  # bridges in a row that a packet may cross


def enter(walk: Walk, port: SwitchPort, tags: Tags, depth: int = 0) -> None:
    """Switch a packet that came in by `port` with these tags; `depth` patch ports lie behind it."""
    key = walk.key
    bridge = walk.switch.bridges[port.bridge]
    walk.inputs.append(port.name)
    if bridge.mirrors:
        if port.name in bridge.mirror_ports:
            walk.say("the port is kept for mirrored packets: dropped")
            return
        for copy in mirrored(walk, bridge, port, port, tags):
            deliver(walk, depth, *copy)
    frame = _admitted(walk, bridge, port, tags)
    if frame is None:
        return
    is_learning = frame.vlan not in bridge.flood_vlans
    if is_learning:
        _learn(walk, bridge, port, frame, key)
    if key.eth_dst & ETH_GROUP:
        _spread(walk, bridge, port, frame, depth)
    elif is_learning:
        _forward(walk, bridge, port, frame, depth)
    else:
        _flood(walk, bridge, port, frame, depth)


def _spread(walk: Walk, bridge: SwitchBridge, port: SwitchPort, frame: Classified, depth: int) -> None:
    """Send a packet to a group address to those that want it, where that is known."""
    wanted = receivers(walk, bridge.snooping, port, frame) if bridge.snooping is not None else None
    if wanted is None:
        _flood(walk, bridge, port, frame, depth)
        return
    for to in wanted:
        send(walk, port, to, frame, depth)


def _forward(walk: Walk, bridge: SwitchBridge, port: SwitchPort, frame: Classified, depth: int) -> None:
    """Send a packet to a station towards where it was last heard of."""
    to = port if walk.key.eth_dst == walk.key.eth_src else _look_up(walk, bridge, frame)
    if to is None:
        _flood(walk, bridge, port, frame, depth)
    elif to is not port:
        if walk.report is not None:
            walk.say(f"the destination is behind port {to.name} in VLAN {frame.vlan}")
        send(walk, port, to, frame, depth)
    else:
        walk.say("the destination is where the packet came from: dropped")


def _admitted(walk: Walk, bridge: SwitchBridge, port: SwitchPort, tags: Tags) -> Classified | None:
    """Return the frame within the bridge, or None where the port does not take it."""
    if walk.key.eth_dst in RESERVED and not bridge.forward_bpdu:
        walk.say("reserved group address: dropped")
        return None
    frame = classify(port.vlan, tags)
    if frame is None:
        if walk.report is not None:
            walk.say(f"{describe_tags(tags)}, which port {port.name} does not take: dropped")
        return None
    if port.members and (why := refusal(walk, port, frame)):
        walk.say(f"{why}: dropped")
        return None
    if bridge.has_slb and not port.members:
        lock_arp(walk, port, frame)
    return frame


def _learn(walk: Walk, bridge: SwitchBridge, port: SwitchPort, frame: Classified, key: FlowKey) -> None:
    if not key.eth_src & ETH_GROUP:
        walk.effects.append(Learned(bridge.name, frame.vlan, port.name))
        if walk.report is not None:
            station = f"{key.eth_src.to_bytes(6, 'big').hex(':')} in VLAN {frame.vlan}"
            if walk.state.tables[bridge.name].lookup(frame.vlan, key.eth_src) != port.name:
                walk.say(f"new station: {station}, behind port {port.name}")


def _look_up(walk: Walk, bridge: SwitchBridge, frame: Classified) -> SwitchPort | None:
    """Return the port behind which the destination is, if it is known."""
    dst = walk.key.eth_dst
    walk.places.append(Place(bridge.name, frame.vlan, dst))
    known = walk.state.tables[bridge.name].lookup(frame.vlan, dst)
    to = walk.switch.by_name.get(known) if known is not None else None
    return to if to is not None and to.bridge == bridge.name else None


def _flood(walk: Walk, bridge: SwitchBridge, port: SwitchPort, frame: Classified, depth: int) -> None:
    if walk.report is not None:
        walk.say(f"flooded in VLAN {frame.vlan}")
    for to in bridge.ports:
        if to is not port and to.name not in bridge.mirror_ports:
            send(walk, port, to, frame, depth)


def send(walk: Walk, port: SwitchPort, to: SwitchPort, frame: Classified, depth: int) -> None:
    """Give a copy to one port, if that is a member of the VLAN."""
    if (port.protected and to.protected) or not carries(to.vlan, frame.vlan, frame.inner):
        return
    tags = tags_out(to.vlan, frame)
    deliver(walk, depth, to, tags)
    bridge = walk.switch.bridges[to.bridge]
    if bridge.mirrors:
        for copy in mirrored(walk, bridge, port, to, tags):
            deliver(walk, depth, *copy)


def deliver(
    walk: Walk, depth: int, to: SwitchPort, tags: Tags, snaplen: int = 0, may_return: bool = False
) -> None:
    """Let a copy (see walk.Copy) leave by its port; over a patch port it enters another bridge."""
    if to.members:
        leave(walk, to, tags, snaplen, may_return)
        return
    walk.outputs.append(to.name)
    if walk.report is not None:
        walk.say(f"sent to port {to.name}, {describe_tags(tags)}")
    if not to.peer:
        walk.deliveries.append(Delivery(to, to.dp_port, tags, snaplen, may_return))
        return
    peer = walk.switch.by_name.get(to.peer)
    if peer is not None and peer.peer == to.name and depth < MAX_PATCHES:
        served = walk.served
        if peer.bridge != to.bridge:
            walk.served = set()  # mirrors of different bridges know nothing of one another
        if walk.report is not None:
            walk.report.enter(peer.bridge)
        enter(walk, peer, tags, depth + 1)
        if walk.report is not None:
            walk.report.leave()
        walk.served = served
