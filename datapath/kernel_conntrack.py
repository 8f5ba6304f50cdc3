"""The kernel's connection tracker: one for each network namespace, shared by datapaths and packet filter.

Rule: a thin shell over netlink/conntrack.py; a socket lives as long as a call.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Final, TypeVar

from datapath.conntrack import DEFAULT_ZONE, Connection, Tuple, ZoneLimit
from datapath.netlink import conntrack as codec
from datapath.netlink import genl, message
from datapath.netlink.asking import asking
from datapath.netlink.sockets import NETLINK_GENERIC, NetlinkSocket
from datapath.provider import DatapathError

_NETLINK_NETFILTER: Final = 12
T = TypeVar("T")


class KernelConnectionTracker:
    """The tracker of this network namespace. The methods are those of conntrack.ConnectionTracker."""

    def connections(self, zone: int | None = None) -> list[Connection]:
        """List the connections, or those of a zone."""
        request, what = codec.dump_request(), "list connections"
        answers = _ask(
            _NETLINK_NETFILTER, what, lambda sock: sock.transact(codec.MSG_GET, message.NLM_F_DUMP, request)
        )
        found = (_read(codec.parse_connection, answer, what) for answer in answers)
        return [connection for connection in found if zone is None or connection.zone == zone]

    def forget(self, connection: Connection) -> None:
        """End a connection; one that is gone is no error."""
        try:
            self._delete(codec.delete_request(connection))
        except DatapathError as error:
            if error.errno != errno.ENOENT:
                raise

    def forget_tuple(self, zone: int, pattern: Tuple) -> None:
        """End the connection that a whole original tuple names; DatapathError(ENOENT) where there is none."""
        self._delete(codec.delete_tuple_request(zone, pattern))

    def forget_all(self) -> None:
        """End every connection."""
        self._delete(codec.flush_request())

    def _delete(self, request: bytes) -> None:
        _ask(_NETLINK_NETFILTER, "end connections", lambda sock: sock.transact(codec.MSG_DELETE, 0, request))

    def limits(self, zones: Iterable[int] = ()) -> list[ZoneLimit]:
        """Read the default limit and those of `zones`, or of all zones that have one."""
        named = list(zones)
        request = codec.limits_get_request([DEFAULT_ZONE, *named] if named else [])
        what = "read limits of zones"
        answers = _ask_limits(request, message.NLM_F_ECHO, what)
        return [limit for answer in answers for limit in _read(codec.parse_limits, answer, what)]

    def set_limits(self, limits: Iterable[ZoneLimit]) -> None:
        """Limit zones, or all by DEFAULT_ZONE."""
        _ask_limits(codec.limits_set_request(limits), 0, "limit zones")

    def delete_limits(self, zones: Iterable[int]) -> None:
        """Let the default hold for zones again."""
        _ask_limits(codec.limits_delete_request(zones), 0, "delete limits of zones")


def _ask_limits(request: bytes, flags: int, what: str) -> list[bytes]:
    def converse(sock: NetlinkSocket) -> list[bytes]:
        return sock.transact(genl.resolve(sock, "ovs_ct_limit").id, flags, request)

    return _ask(NETLINK_GENERIC, what, converse)


def _ask(protocol: int, what: str, converse: Callable[[NetlinkSocket], list[bytes]]) -> list[bytes]:
    with asking(what), closing(NetlinkSocket(protocol)) as sock:
        return converse(sock)


def _read(parse: Callable[[bytes], T], answer: bytes, what: str) -> T:
    with asking(what):
        return parse(answer)
