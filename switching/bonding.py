"""Bonds on a packet's way: whether one that came in by a member is taken, by which member one leaves.

Rule: a packet for many is taken from the active member alone, or it would be there once for each. Source load
balancing has no agreement with the other side, so that what we sent may come back by another member: a
packet whose source is known elsewhere is not taken, unless it is the gratuitous ARP of a station that moved.
Source: ovs-vswitchd.conf.db(5), "Bonding Configuration"; ovs-vswitchd(8), "Bond Commands".
"""

from __future__ import annotations

from datapath.packet.flowkey import FlowKey
from datapath.packet.headers import ETH_BROADCAST, ETH_GROUP, ETH_TYPE_ARP
from switching.bond import BUCKETS, ActiveMember, Bond, BondMode, Bucket, LacpStatus, recirc_id_of
from switching.hashing import hash_mac
from switching.mac_table import Place
from switching.state import ArpLocked
from switching.switch import SwitchPort
from switching.vlan import VID_MASK, Classified, Tags, describe_tags, tags_of
from switching.walk import Delivery, Walk

_ARP_FIELDS = FlowKey(arp_sip=(1 << 32) - 1, arp_tip=(1 << 32) - 1)


def refusal(walk: Walk, port: SwitchPort, frame: Classified) -> str:
    """Say why a packet that came in by a member of a bond is not taken; "" where it is."""
    bond = walk.state.bonds.get(port.name)
    member = port.member_at(walk.key.in_port)
    if bond is None or member is None:
        return "the bond is not known"
    walk.places.append(ActiveMember(port.name))
    if bond.lacp_status is LacpStatus.NEGOTIATED:
        return "" if bond.members[member.name].enabled else "the member is disabled"
    mode = bond.mode
    if mode is None:
        return "the bond waits for LACP"
    if member.name != bond.active and (
        mode is BondMode.ACTIVE_BACKUP
        or (walk.key.eth_dst & ETH_GROUP and not bond.config.all_members_active)
    ):
        return "not the active member of the bond"
    if mode is BondMode.BALANCE_SLB and _came_back(walk, port, frame):
        return "the source is behind another port: the packet came back by the bond"
    return ""


def _came_back(walk: Walk, port: SwitchPort, frame: Classified) -> bool:
    walk.by_source = True
    place = Place(port.bridge, frame.vlan, walk.key.eth_src)
    walk.places.append(place)
    known = walk.state.tables[port.bridge].lookup(frame.vlan, walk.key.eth_src)
    if known is None or known == port.name:
        return False
    return not is_gratuitous_arp(walk) or place in walk.state.arp_locks


def is_gratuitous_arp(walk: Walk) -> bool:
    """Tell whether a station says of its own accord where it is (RFC 5227, 3)."""
    key = walk.key
    if key.eth_type != ETH_TYPE_ARP or key.eth_dst != ETH_BROADCAST:
        return False
    walk.look(_ARP_FIELDS)
    return key.arp_sip == key.arp_tip


def lock_arp(walk: Walk, port: SwitchPort, frame: Classified) -> None:
    """Note a gratuitous ARP at a port that is no bond: for a while bonds take the like of it for no move."""
    if is_gratuitous_arp(walk):
        walk.effects.append(ArpLocked(port.bridge, frame.vlan))


def leave(walk: Walk, port: SwitchPort, tags: Tags, snaplen: int, may_return: bool) -> None:
    """Let a copy leave by the member of a bond that its hash, or else the mode, chooses."""
    bond = walk.state.bonds.get(port.name)
    if bond is None:
        return
    walk.places.append(ActiveMember(port.name))
    mode = bond.mode
    if mode is BondMode.BALANCE_TCP:
        walk.say("hashed, to choose a member of the bond by the packet's connection")
        again, basis = recirc_id_of(bond.name), bond.config.hash_basis
        walk.deliveries.append(Delivery(port, port.dp_port, tags, snaplen, may_return, again, basis))
        return
    name = bond.active if mode is not None else ""
    if mode is BondMode.BALANCE_SLB:
        walk.by_source = True
        name = _of_bucket(walk, bond, bucket_of(bond, walk.key.eth_src, tags))
    _deliver(walk, port, name, tags, snaplen, may_return)


def leave_again(walk: Walk, port: SwitchPort) -> None:
    """Let a packet leave that came once more, with the hash of its connection (balance-tcp)."""
    bond = walk.state.bonds.get(port.name)
    if bond is not None:
        walk.look(FlowKey(dp_hash=BUCKETS - 1))
        name = _of_bucket(walk, bond, walk.key.dp_hash & BUCKETS - 1)
        _deliver(walk, port, name, tags_of(walk.key, walk.switch.vlan_limit), 0, may_return=False)


def _of_bucket(walk: Walk, bond: Bond, index: int) -> str:
    bucket = Bucket(bond.name, index)
    walk.places.append(bucket)
    walk.buckets.append(bucket)
    return bond.buckets[index]


def bucket_of(bond: Bond, mac: int, tags: Tags) -> int:
    """Return the bucket of a station whose frames leave a balance-slb bond with these tags."""
    return hash_mac(mac, tags[0] & VID_MASK if tags else 0, bond.config.hash_basis) & BUCKETS - 1


def _deliver(walk: Walk, port: SwitchPort, name: str, tags: Tags, snaplen: int, may_return: bool) -> None:
    member = port.member_named(name)
    if member is None:
        walk.say("no member of the bond is enabled: dropped")
        return
    walk.outputs.append(name)
    if walk.report is not None:
        walk.say(f"sent to bond {port.name} by its member {name}, {describe_tags(tags)}")
    walk.deliveries.append(Delivery(member, member.dp_port, tags, snaplen, may_return))
