"""Whether the host has anything to say about the packets that its stack would carry for us.

Rule: what cannot be told counts as yes. Looked at are the rules of netfilter (nf_tables and the older
tables), IPsec's policies, traffic control on the device, and GRE devices of the host's own.
"""

from __future__ import annotations

import errno
from struct import Struct
from typing import Final

from datapath.link import Links
from datapath.netlink import attrs, message
from datapath.netlink.conversation import KernelRefusal
from datapath.netlink.sockets import NETLINK_ROUTE, NetlinkSocket
from datapath.provider import DatapathError

NETLINK_XFRM, NETLINK_NETFILTER = 6, 12
_RTM_GETQDISC, _XFRM_MSG_GETSPDINFO, _NFT_MSG_GETTABLE = 38, 0x25, 10 << 8 | 1
_TCMSG, _SPD_COUNTS = Struct("=BxxxiIII"), Struct("=6I")
_QDISC: attrs.Policy = {1: attrs.text("kind")}
_SPD: attrs.Policy = {1: attrs.raw("counts")}
_IDLE_QDISCS: Final = frozenset(("noqueue", "pfifo_fast", "pfifo", "fq_codel", "fq", "mq"))
ABSENT: Final = (errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.EINVAL, errno.EOPNOTSUPP)
_OLD_TABLES: Final = "/proc/thread-self/net/ip_tables_names"
_GRE_DEVICES: Final = frozenset(("gre", "gretap", "erspan"))
_GRE_FALLBACKS: Final = frozenset(("gre0", "gretap0", "erspan0"))  # there with the module, without a far end


def is_silent(ifindex: int) -> bool:
    """Tell whether nothing of the host looks at, changes or holds back packets of a device."""
    try:
        return not (_has_tables() or _has_policies() or _has_traffic_control(ifindex) or _has_gre())
    except (OSError, KernelRefusal, DatapathError, attrs.NetlinkFormatError):
        return False


def _ask(protocol: int, kind: int, flags: int, body: bytes) -> list[bytes]:
    """Ask one question; no answers where the kernel lacks what would answer."""
    try:
        asked = NetlinkSocket(protocol)
    except OSError as error:
        if error.errno in ABSENT:
            return []
        raise
    try:
        return asked.transact(kind, flags, body)
    except KernelRefusal as refusal:
        if refusal.errno in ABSENT:
            return []
        raise
    finally:
        asked.close()


def _has_tables() -> bool:
    if _ask(NETLINK_NETFILTER, _NFT_MSG_GETTABLE, message.NLM_F_DUMP, bytes(4)):
        return True
    try:
        with open(_OLD_TABLES, encoding="ascii") as file:
            return bool(file.read())
    except FileNotFoundError:
        return False


def _has_policies() -> bool:
    for answer in _ask(NETLINK_XFRM, _XFRM_MSG_GETSPDINFO, 0, bytes(4)):
        counts = attrs.parse(answer, _SPD, "policies", 4).octets("counts")
        if len(counts) < _SPD_COUNTS.size or any(_SPD_COUNTS.unpack_from(counts)):
            return True
    return False


def _has_traffic_control(ifindex: int) -> bool:
    for answer in _ask(NETLINK_ROUTE, _RTM_GETQDISC, message.NLM_F_DUMP, _TCMSG.pack(0, ifindex, 0, 0, 0)):
        of = _TCMSG.unpack_from(answer)[1]
        kind = attrs.parse(answer, _QDISC, "qdisc", _TCMSG.size).string("kind", "")
        if of == ifindex and kind not in _IDLE_QDISCS:
            return True
    return False


def _has_gre() -> bool:
    with Links() as links:
        return any(link.kind in _GRE_DEVICES and link.name not in _GRE_FALLBACKS for link in links.all())
