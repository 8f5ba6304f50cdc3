"""The hash of a packet's connection, by which a datapath spreads connections over several ways.

Rule: pure; all packets of a connection in one direction have the same hash, fragments included, and with
HASH_SYM_L4 those of the other direction too.
"""

from __future__ import annotations

from datapath.actions import HASH_SYM_L4, Hash
from datapath.packet import headers as h
from datapath.packet.extract import extract
from datapath.packet.flowkey import FlowKey

_WITH_PORTS = frozenset((h.IPPROTO_TCP, h.IPPROTO_UDP, h.IPPROTO_SCTP))


def flow_hash(frame: bytes, metadata: FlowKey, action: Hash) -> int:
    """Compute dp_hash, 32 bits, never 0."""
    key = extract(frame, metadata)
    if key.eth_type not in (h.ETH_TYPE_IP, h.ETH_TYPE_IPV6):
        ends = [(key.eth_src, 0), (key.eth_dst, 0)]
    elif key.ip_proto in _WITH_PORTS and not key.ip_frag:
        ends = [(key.ip_src, key.tp_src), (key.ip_dst, key.tp_dst)]
    else:
        ends = [(key.ip_src, 0), (key.ip_dst, 0)]
    if action.algorithm == HASH_SYM_L4:
        ends.sort()
    # Python's hash of a tuple of numbers mixes well and is the same in every process.
    return hash((*ends[0], *ends[1], key.ip_proto, key.eth_type, action.basis)) & 0xFFFFFFFF or 1
