"""The copies of a packet that mirrors send, on their way through a bridge.

Rule: a copy of an arriving packet is the packet as it came, that of a departing one as it leaves; it bears
the tags that its destination's port gives to frames of their VLAN.
Source: ovs-vswitchd.conf.db(5), Mirror table.
"""

from __future__ import annotations

from collections.abc import Iterator

from datapath.packet.headers import ETH_TYPE_VLAN
from switching.groups import RESERVED
from switching.mirror import Mirror, choose
from switching.switch import SwitchBridge, SwitchPort
from switching.vlan import Classified, Tags, carries, classify, tags_out
from switching.walk import Copy, Walk


def mirrored(
    walk: Walk, bridge: SwitchBridge, origin: SwitchPort, port: SwitchPort, tags: Tags
) -> Iterator[Copy]:
    """Yield the copies of a packet that passes a port with these tags, having come in by `origin`.

    Protected ports send nothing to each other, copies neither.
    """
    frame = classify(port.vlan, tags)
    if frame is None:
        return
    choice = choose(bridge.mirrors, port.name, frame.vlan, walk.served, arriving=port is origin)
    walk.mirrors += choice.taking
    for mirror in choice.sending:
        for copy in _copies(walk, bridge, mirror, frame):
            if not (origin.protected and copy.port.protected):
                yield copy


def _copies(walk: Walk, bridge: SwitchBridge, mirror: Mirror, frame: Classified) -> Iterator[Copy]:
    if mirror.to.port:
        yield from _to_port(walk, bridge, mirror, frame)
    elif walk.key.eth_dst not in RESERVED:
        yield from _to_vlan(bridge, mirror, frame)


def _to_port(walk: Walk, bridge: SwitchBridge, mirror: Mirror, frame: Classified) -> Iterator[Copy]:
    to = walk.switch.by_name.get(mirror.to.port)
    if to is None or to.bridge != bridge.name:
        return
    if to.peer and mirror.snaplen:
        walk.say("a mirror cannot shorten frames for a patch port: not mirrored")
        return
    if walk.report is not None:
        walk.say(f"mirrored to port {to.name}")
    yield Copy(to, tags_out(to.vlan, frame), mirror.snaplen)


def _to_vlan(bridge: SwitchBridge, mirror: Mirror, frame: Classified) -> Iterator[Copy]:
    """Flood within the mirror's VLAN, back to where the packet came from too."""
    there = frame._replace(vlan=mirror.to.vlan, tpid=frame.tpid or ETH_TYPE_VLAN)
    for to in bridge.ports:
        cannot_shorten = to.peer and mirror.snaplen
        if (
            to.name not in bridge.mirror_ports
            and carries(to.vlan, there.vlan, there.inner)
            and not cannot_shorten
        ):
            yield Copy(to, tags_out(to.vlan, there), mirror.snaplen, may_return=True)
