"""Key + state → Decision: what the datapath shall do with every packet like this one.

Rule: pure. All that was looked at is in the decision: bits of the packet in `mask`, of the state in `places`.
What it does to the state is in `effects`, as values that state.carry_out() performs.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import Final, NamedTuple

from datapath.actions import Actions, SetFields
from datapath.packet.flowkey import TUN_CSUM, TUN_DONT_FRAGMENT, TUN_KEY, FlowKey, union
from datapath.packet.headers import ETH_TYPE_IP, ETH_TYPE_IPV6
from switching.bond import Bucket
from switching.bonding import leave_again
from switching.emit import emit
from switching.normal import enter
from switching.report import Report
from switching.state import Effect, State
from switching.switch import Switch, SwitchPort
from switching.tunnel import AF_INET6, ECN_CE, ECN_MASK, decapsulated
from switching.vlan import tags_of
from switching.walk import Walk

_ONES16, _ONES32, _ONES48, _ONES64, _ONES128 = ((1 << bits) - 1 for bits in (16, 32, 48, 64, 128))
_IP: Final = (ETH_TYPE_IP, ETH_TYPE_IPV6)


class Decision(NamedTuple):
    """The outcome of a translation."""

    actions: Actions
    mask: FlowKey
    effects: tuple[Effect, ...]
    places: tuple[Hashable, ...]  # of the state: what the actions depend on
    inputs: tuple[str, ...]  # the ports of bridges by which the packet came in, patch ports included
    outputs: tuple[str, ...]  # the ports to which a copy went, patch ports included
    mirrors: tuple[str, ...] = ()  # UUIDs of the mirrors that took the packet
    buckets: tuple[Bucket, ...] = ()  # of bonds, by which a copy went
    is_slow: bool = False  # the next packet like this one has to be decided by itself: no flow for it
    by_source: bool = False  # another source might lead elsewhere (switching.twins)


def xlate(
    key: FlowKey,
    switch: Switch,
    state: State,
    report: Report | None = None,
    port: SwitchPort | None = None,
    packet: bytes = b"",
) -> Decision:
    """Translate. `state` has a MacTable for each bridge; `report` is told of what is decided.

    A packet that did not come from the datapath comes in by `port`, a patch port for instance. What the key
    does not tell of a packet is taken from `packet`, where it is given.
    """
    walk = Walk(key, switch, state, report, packet)
    if key.recirc_id:
        port = switch.by_recirc.get(key.recirc_id)
    elif port is None:
        port = switch.input_port(key)
    if report is not None:
        report.enter(port.bridge if port else "")
    if port is None:
        walk.say("the port that the packet came in by is on no bridge: dropped")
    elif key.recirc_id:
        leave_again(walk, port)
    elif _arrives(walk):
        enter(walk, port, tags_of(key, switch.vlan_limit))
    actions = emit(walk)
    mask = _mask(key.tun_proto, key.eth_type in _IP, bool(key.recirc_id), walk.extra)
    return Decision(
        actions,
        mask,
        tuple(walk.effects),
        tuple(walk.places),
        tuple(walk.inputs),
        tuple(walk.outputs),
        tuple(walk.mirrors),
        tuple(walk.buckets),
        walk.is_slow,
        walk.by_source,
    )


def _arrives(walk: Walk) -> bool:
    """Take what came through a tunnel out of it; False: it is to be dropped."""
    key = walk.key
    if key.tun_tos & ECN_MASK != ECN_CE:
        return True
    found = decapsulated(key)
    if found.looked_at:
        walk.look(FlowKey(ip_tos=ECN_MASK))
    if found.ip_tos is None:
        walk.say("congestion on the way, of which a packet without ECN cannot tell: dropped")
        return False
    if found.ip_tos != key.ip_tos:
        walk.key = key._replace(ip_tos=found.ip_tos)
        value = FlowKey(eth_type=key.eth_type, ip_tos=ECN_CE)
        walk.before.append(SetFields(value, FlowKey(ip_tos=ECN_MASK)))
    return True


@lru_cache(maxsize=64)  # 30 ns instead of 4 us for a tuple of 45; there are few different ones
def _mask(tun_proto: int, is_ip: bool, is_again: bool, extra: FlowKey | None) -> FlowKey:
    """Build the mask of a decision. Everything but its arguments is looked at by every translation.

    Whether a packet came from a tunnel needs no bit of its own: in_port says it. Of one that comes again, the
    addresses have been looked at already.
    """
    mask = FlowKey(
        recirc_id=_ONES32,
        in_port=_ONES32,
        eth_src=0 if is_again else _ONES48,
        eth_dst=0 if is_again else _ONES48,
        eth_type=_ONES16,
        vlan_tpid=_ONES16,
        vlan_tci=_ONES16,
        cvlan_tpid=_ONES16,
        cvlan_tci=_ONES16,
        ip_frag=0xFF if is_ip else 0,
    )
    if tun_proto and not is_again:
        address = _ONES128 if tun_proto == AF_INET6 else _ONES32
        mask = mask._replace(
            tun_proto=0xFF,
            tun_id=_ONES64,
            tun_src=address,
            tun_dst=address,
            tun_tos=ECN_MASK if is_ip else 0,
            tun_flags=TUN_KEY | TUN_DONT_FRAGMENT | TUN_CSUM,
        )
    return mask if extra is None else union(mask, extra)
