"""Tunnels: to which port a packet from a tunnel device belongs, and with which outer header one leaves.

Rule: pure. All tunnels of one kind and UDP port share one port of the datapath, that which
provider.tunnel_vport_name() names; addresses and keys tell them apart.
Source: ovs-vswitchd.conf.db(5), "Tunnel Options".
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from datapath.actions import SetTunnel, TunnelOptions
from datapath.netlink.uapi import OVS_TUNNEL_ERSPAN_OPTS
from datapath.packet.erspan import Erspan, to_attribute
from datapath.packet.flowkey import TUN_CSUM, TUN_DONT_FRAGMENT, TUN_KEY, FlowKey
from datapath.packet.headers import ETH_TYPE_IP, ETH_TYPE_IPV6

DEFAULT_TTL = 64
INHERIT = -1  # of tos and ttl: as in the packet within
AF_INET, AF_INET6 = 2, 10
ECN_MASK = 0x03
ECN_CE = 0x03
ECN_ECT_0 = 0x02
ERSPAN_KINDS = ("erspan", "ip6erspan")


class ErspanConfig(NamedTuple):
    """What an ERSPAN header is to say; None for "flow"."""

    version: int | None = 0  # 0: not said, and nothing can be sent
    idx: int | None = 0
    direction: int | None = 0
    hwid: int | None = 0


@dataclass(frozen=True, slots=True)
class TunnelConfig:
    """The options of a tunnel port; addresses as ints, None for "flow": whatever the packet says."""

    kind: str  # one of provider.TUNNEL_KINDS
    remote: int | None
    proto: int = AF_INET  # of the addresses
    local: int | None = 0  # 0: any, chosen by routing
    in_key: int | None = 0
    out_key: int | None = 0
    has_out_key: bool = False  # a key is sent, even if it is 0
    tos: int = 0  # or INHERIT
    ttl: int = DEFAULT_TTL  # or INHERIT
    dont_fragment: bool = True
    csum: bool = False
    dst_port: int = 0
    mark: int | None = None  # of the outer packet, for the host's routing and filters
    gbp: bool = False  # the group policy extension of VXLAN
    erspan: ErspanConfig | None = None  # of ERSPAN_KINDS


class TunnelMatch(NamedTuple):
    """What of a received packet tells tunnels apart; None: not looked at."""

    dp_port: int
    in_key: int | None
    remote: int | None
    local: int | None


def ip_of(proto: int, number: int) -> IPv4Address | IPv6Address:
    """Return an address of a TunnelConfig's family `proto`."""
    return IPv4Address(number) if proto == AF_INET else IPv6Address(number)


def match_of(config: TunnelConfig, dp_port: int) -> TunnelMatch:
    """Return what a tunnel receives. Two tunnels with the same match cannot be told apart."""
    return TunnelMatch(dp_port, config.in_key, config.remote, config.local)


def candidates(key: FlowKey) -> list[TunnelMatch]:
    """Return the matches that a packet fits, the most specific first, as Open vSwitch tries them."""
    return [
        TunnelMatch(key.in_port, in_key, remote, local)
        for in_key in (key.tun_id, None)
        for remote in (key.tun_src, None)
        for local in (key.tun_dst, 0, None)
    ]


class OuterHeader(NamedTuple):
    """An outer header, and which bits of the packet within decided it."""

    action: SetTunnel
    tos_mask: int
    ttl_mask: int


def outer_header(config: TunnelConfig, key: FlowKey) -> OuterHeader:
    """Return the outer header for a packet. ECN is copied, congestion experienced as ECT(0).

    That is the "full functionality" of RFC 3168, 9.1.1, which receivers of RFC 6040 understand too.
    """
    is_ip = key.eth_type in (ETH_TYPE_IP, ETH_TYPE_IPV6)
    tos_mask = ttl_mask = 0
    ttl = DEFAULT_TTL if config.ttl == INHERIT else config.ttl
    tos = 0 if config.tos == INHERIT else config.tos
    if is_ip and config.ttl == INHERIT:
        ttl, ttl_mask = key.ip_ttl, 0xFF
    if is_ip:
        tos_mask = ECN_MASK
        if config.tos == INHERIT:
            tos, tos_mask = key.ip_tos, 0xFF
        ecn = key.ip_tos & ECN_MASK
        tos = tos & ~ECN_MASK | (ECN_ECT_0 if ecn == ECN_CE else ecn)
    flags = (
        (TUN_DONT_FRAGMENT if config.dont_fragment else 0)
        | (TUN_CSUM if config.csum else 0)
        | (TUN_KEY if config.has_out_key else 0)
    )
    action = SetTunnel(
        dst=config.remote if config.remote is not None else key.tun_dst,
        src=config.local if config.local is not None else key.tun_src,
        proto=config.proto,
        tun_id=config.out_key if config.out_key is not None else key.tun_id,
        tos=tos,
        ttl=ttl,
        flags=flags,
        tp_dst=config.dst_port,
        options=_options(config.erspan) if config.erspan else (),
    )
    return OuterHeader(action, tos_mask, ttl_mask)


def _options(erspan: ErspanConfig) -> TunnelOptions:
    """Return what ERSPAN adds; what is left to OpenFlow, which says nothing here, is 0."""
    if not erspan.version:
        return ()
    header = Erspan(erspan.version, erspan.idx or 0, erspan.direction or 0, erspan.hwid or 0)
    return ((OVS_TUNNEL_ERSPAN_OPTS, to_attribute(header)),)


def cannot_send(config: TunnelConfig) -> str:
    """Say why nothing can be sent; "" where it can. What is left to the flow, only OpenFlow would say."""
    if config.remote is None:
        return "no remote address to send to"
    if config.erspan is not None and not config.erspan.version:
        return "no version of ERSPAN to send with"
    return ""


class Decapsulated(NamedTuple):
    """The ECN field of the packet within, once that of the outer header is taken into account."""

    ip_tos: int | None  # None: the packet is to be dropped
    looked_at: bool  # at the ECN field of the packet within


def decapsulated(key: FlowKey) -> Decapsulated:
    """Carry congestion on the way through the tunnel over to the packet within, or drop it (RFC 6040, 4.2).

    The devices of the kernel's datapath have done it already; the outer field that they show is as it came.
    """
    if key.tun_tos & ECN_MASK != ECN_CE or key.eth_type not in (ETH_TYPE_IP, ETH_TYPE_IPV6):
        return Decapsulated(key.ip_tos, looked_at=False)
    if not key.ip_tos & ECN_MASK:
        return Decapsulated(None, looked_at=True)
    return Decapsulated(key.ip_tos | ECN_CE, looked_at=True)
