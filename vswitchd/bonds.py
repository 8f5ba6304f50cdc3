"""The bonds of one datapath: kept to the configuration and to the links, and what they announce.

Rule: pure. What changes bonds returns the places that answer differently now, for flows to follow.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

from datapath.actions import Output
from datapath.link import Link
from datapath.packet.build import build
from datapath.packet.flowkey import FlowKey
from datapath.packet.headers import ETH_BROADCAST, ETH_TYPE_RARP, ETH_TYPE_VLAN
from datapath.provider import Execute, Operation
from switching.bond import Bond, BondMode
from switching.bond_balance import rebalance
from switching.bonding import bucket_of
from switching.state import State
from switching.switch import SwitchPort
from switching.vlan import Classified, carries, tags_out
from vswitchd.config.desired import DesiredBridge
from vswitchd.forwarding import Forwarding

_REVERSE_REQUEST = 3  # RFC 903: a station asks for its own address, which all may hear
_PADDING = bytes(18)  # up to the least length of a frame


def update_bonds(
    forwarding: Forwarding, bridges: Iterable[DesiredBridge], links: Mapping[str, Link], now: float
) -> list[Hashable]:
    """Take over the configuration; the Switch, which has the members that work, is the new one already."""
    state, switch = forwarding.state, forwarding.switch
    changed: list[Hashable] = []
    present: set[str] = set()
    for bridge in bridges:
        for port in bridge.ports:
            drawn = switch.by_name.get(port.name)
            if port.bond is None or drawn is None or not drawn.members:
                continue
            present.add(port.name)
            bond = state.bonds.setdefault(port.name, Bond(port.name))
            hint = next((m.name for m in drawn.members if _mac(m, links) == port.active_hint), "")
            changed += bond.update(port.bond, _up(drawn, links), now, hint)
    for gone in state.bonds.keys() - present:
        del state.bonds[gone]
    return changed


def follow_links(forwarding: Forwarding, links: Mapping[str, Link], now: float) -> list[Hashable]:
    """Take over the state of the members' links."""
    changed: list[Hashable] = []
    for name, bond in forwarding.state.bonds.items():
        port = forwarding.switch.by_name.get(name)
        if port is not None:
            for member, up in _up(port, links).items():
                if member in bond.members:
                    bond.members[member].link_up = up
            changed += bond.run(now)
    return changed


def run_bonds(state: State, now: float) -> list[Hashable]:
    """Let delays end and loads be balanced."""
    changed: list[Hashable] = []
    for bond in state.bonds.values():
        changed += bond.run(now)
        changed += rebalance(bond, now)
    return changed


def next_deadline(states: Iterable[State]) -> float | None:
    """Return when run_bonds() has something to do."""
    times = [t for state in states for b in state.bonds.values() for t in (b.deadline(), b.rebalances_at)]
    return min((t for t in times if t is not None), default=None)


def take_log(state: State) -> list[str]:
    """Take what the bonds have to tell a reader of the log."""
    lines = [line for bond in state.bonds.values() for line in bond.log]
    for bond in state.bonds.values():
        bond.log.clear()
    return lines


def announcements(forwarding: Forwarding) -> list[Operation]:
    """Tell what is beyond bonds with a new active member by which one the stations behind us are now.

    A reverse ARP request in the name of each station teaches every switch that forwards it.
    """
    operations: list[Operation] = []
    for bond in forwarding.state.bonds.values():
        port = forwarding.switch.by_name.get(bond.name)
        if bond.must_announce and port is not None and bond.mode is not None:
            operations += _announce(forwarding.state, bond, port)
        bond.must_announce = False
    return operations


def _announce(state: State, bond: Bond, port: SwitchPort) -> Iterable[Operation]:
    for vlan, mac, entry in state.tables[port.bridge].entries():
        if entry.port == port.name or not carries(port.vlan, vlan):
            continue
        tags = tags_out(port.vlan, Classified(vlan, 0, ETH_TYPE_VLAN, ()))
        name = bond.active
        if bond.mode is BondMode.BALANCE_SLB:
            name = bond.buckets[bucket_of(bond, mac, tags)]
        member = port.member_named(name)
        if member is not None:
            tag = tags[0] if tags else 0
            key = FlowKey(
                eth_src=mac,
                eth_dst=ETH_BROADCAST,
                eth_type=ETH_TYPE_RARP,
                vlan_tpid=tag >> 16,
                vlan_tci=tag & 0xFFFF,
                arp_op=_REVERSE_REQUEST,
                arp_sha=mac,
                arp_tha=mac,
            )
            yield Execute(build(key, _PADDING), key, (Output(member.dp_port),))


def _up(port: SwitchPort, links: Mapping[str, Link]) -> dict[str, bool]:
    """Tell of each member whether its link is up; what is no device of this namespace always is."""
    return {m.name: (link := links.get(m.name)) is None or link.link_up for m in port.members}


def _mac(member: SwitchPort, links: Mapping[str, Link]) -> str:
    link = links.get(member.name)
    return link.mac if link else ""
